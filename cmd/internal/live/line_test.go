package live

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/millrace/millrace/broker"
)

// record reads back one record as a broker would return it.
func record(t *testing.T, value string, headers ...broker.Header) *broker.Record {
	t.Helper()
	var b broker.BatchBuilder
	b.Append(broker.AppendRecordBody(nil, []byte("1:u"), []byte(value), headers...), 1793527872131)
	var r broker.RecordReader
	r.Reset(b.Seal(broker.NoProducerID, 0), 0)
	var rec broker.Record
	if !r.Next(&rec) {
		t.Fatal(r.Err())
	}
	return &rec
}

func TestLinesCannotMoveTheCursor(t *testing.T) {
	const id = `"id":"0192b6c1-7d2e-7a3b-9c1f-0123456789ab","project":1,"distinct_id":"u"`
	event := record(t, `{`+id+`,"event":"\u001b[2J Evil","properties":{"a":1}}`)
	line := string(AppendEvent(nil, 3, event))
	for _, want := range []string{`3/0`, `"\x1b[2J Evil"`, `user="u"`, `properties={"a":1}`, "track"} {
		if !strings.Contains(line, want) {
			t.Errorf("%q lacks %q", line, want)
		}
	}
	rejected := record(t, "\x1b[2Jbad\xff", broker.Header{Key: "code", Value: []byte("missing_event")}, broker.Header{Key: "detail", Value: []byte("no\x07 name")})
	line = string(AppendRejection(nil, 0, rejected))
	if !strings.Contains(line, "missing_event") || !strings.Contains(line, `\x1b[2Jbad\xff`) || strings.ContainsAny(line, "\x1b\x07") {
		t.Errorf("%q", line)
	}
	if line := string(AppendEvent(nil, 0, record(t, "nonsense"))); !strings.Contains(line, "unreadable record") {
		t.Errorf("%q", line)
	}
}

func TestJSONLines(t *testing.T) {
	if got := string(AppendJSON(nil, record(t, "{\n\"a\": 1 }"), false)); got != "{\"a\":1}\n" {
		t.Errorf("event %q", got)
	}
	var line struct {
		Value   string
		Headers map[string]string
	}
	if err := json.Unmarshal(AppendJSON(nil, record(t, "raw", broker.Header{Key: "code", Value: []byte("c")}), true), &line); err != nil || line.Value != "raw" || line.Headers["code"] != "c" {
		t.Errorf("%v, %+v", err, line)
	}
}
