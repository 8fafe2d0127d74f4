package ledger

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/millrace/millrace/schema"
)

func TestFindingCompressesRanges(t *testing.T) {
	var f Finding
	for seq := uint64(1200); seq < 1300; seq++ {
		f.Add(3, seq, 1)
	}
	f.Add(3, 1305, 2)
	f.Add(3, 1305, 1)
	f.Add(4, 1306, 1)
	if f.Count != 104 || f.String() != "producer 3: 1200–1299, 1305; producer 4: 1306" {
		t.Errorf("%d: %s", f.Count, &f)
	}
	for i := range uint64(MaxRanges + 10) {
		f.Add(5, 10*i, 1)
		f.Add(5, 10*i+1, 1)
	}
	if len(f.Ranges) != MaxRanges || f.More != 13 || !strings.HasSuffix(f.String(), " and 993 more ranges") {
		t.Errorf("%d ranges, %d more: %s", len(f.Ranges), f.More, &f)
	}
	if f.Ranges[MaxRanges-1].To != f.Ranges[MaxRanges-1].From+1 {
		t.Errorf("last range %+v was extended by one that is not listed", f.Ranges[MaxRanges-1])
	}
}

func TestVerdictText(t *testing.T) {
	v := Verdict{Run: "00000000002a", Complete: true, Drained: true, Sent: 1234567}
	if text := v.Text(); !v.Pass() || !strings.Contains(text, "ledger of run 00000000002a: pass\n  sent 1,234,567: accepted 0") || strings.Contains(text, "producer") {
		t.Errorf("pass %v:\n%s", v.Pass(), text)
	}
	for i := range v.Lines() {
		c := v
		line := c.Lines()[i]
		line.Finding.Add(3, 1200, 1)
		if text := c.Text(); c.Pass() || !strings.Contains(text, "FAIL") || !strings.Contains(text, line.Meaning) || !strings.Contains(text, "producer 3: 1200\n") {
			t.Errorf("%s: pass %v:\n%s", line.Name, c.Pass(), text)
		}
		if b, err := json.Marshal(&c); err != nil || !strings.Contains(string(b), `"`+line.Name+`":{"count":1,"ranges":[{"producer":3,"from":1200,"to":1200}]}`) {
			t.Errorf("JSON lacks %s: %s, %v", line.Name, b, err)
		}
	}
	torn, early := v, v
	torn.Complete, torn.Unrecorded = false, 7
	early.Drained = false
	if torn.Pass() || !strings.Contains(torn.Text(), "7 rows lie beyond its end") || early.Pass() || !strings.Contains(early.Text(), "may only be late") {
		t.Errorf("passes:\n%s\n%s", torn.Text(), early.Text())
	}
}

func TestIDRoundTrip(t *testing.T) {
	for _, c := range []struct {
		run      RunID
		producer uint16
		seq      uint64
		text     string
	}{
		{0x0123456789ab, 0, 0, "01234567-89ab-8000-8000-000000000000"},
		{1<<48 - 1, MaxProducers - 1, maxSeq, "ffffffff-ffff-8fff-8000-ffffffffffff"},
	} {
		buf := make([]byte, IDLen)
		PutID(buf, c.run, c.producer, c.seq)
		if string(buf) != c.text {
			t.Errorf("id %s, want %s", buf, c.text)
		}
		id, _ := schema.ParseUUID(buf)
		if run, producer, seq, ok := SplitID(id); run != c.run || producer != c.producer || seq != c.seq || !ok {
			t.Errorf("%s is split into %v %d %d %v", buf, run, producer, seq, ok)
		}
		if run, err := ParseRunID(c.run.String()); err != nil || run != c.run {
			t.Errorf("%s is read as %v, %v", c.run, run, err)
		}
	}
	for _, text := range []string{"01234567-89ab-4000-8000-000000000000", "01234567-89ab-8000-9000-000000000000"} {
		id, _ := schema.ParseUUID([]byte(text))
		if _, _, _, ok := SplitID(id); ok {
			t.Errorf("%s is taken for an id of a run", text)
		}
	}
	for _, text := range []string{"", "12", "0123456789abc", "0123456789ag", "+1234567890a"} {
		if _, err := ParseRunID(text); err == nil {
			t.Errorf("%q is taken for a run", text)
		}
	}
}
