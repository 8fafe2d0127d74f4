package generate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
)

// row is what table events must hold of an event, derived from its JSON by the rules of the table and by nothing that the generator knows.
type row struct {
	typ, event, name, distinctID, userID, anonymousID, groupID, previousID string
	props, context, traits                                                 string
	id, time                                                               string
	code                                                                   string // why the event must be refused; else empty
}

func (w *row) hash() uint64 {
	b := func(s string) []byte { return []byte(s) }
	return ledger.PayloadHash(b(w.typ), b(w.event), b(w.name), b(w.userID), b(w.anonymousID), b(w.groupID), b(w.previousID), b(w.props), b(w.context), b(w.traits))
}

// members are what a dialect calls the members of an event.
type memberNames struct {
	around, id, time, userID, anonymousID, groupID, previousID string
}

var memberNamesOf = map[string]memberNames{
	"segment": {"batch", "messageId", "timestamp", "userId", "anonymousId", "groupId", "previousId"},
	"native":  {"events", "id", "ts", "user_id", "anonymous_id", "group_id", "previous_id"},
}

// decodeBody splits a body into its events. It fails the test when there is anything else in it.
func decodeBody(t testing.TB, dialect string, body []byte) []json.RawMessage {
	t.Helper()
	var around map[string]json.RawMessage
	if err := json.Unmarshal(body, &around); err != nil {
		t.Fatalf("%v in %.300s", err, body)
	}
	name := memberNamesOf[dialect].around
	if len(around) != 1 || around[name] == nil {
		t.Fatalf("the body is not one member %q: %.200s", name, body)
	}
	var events []json.RawMessage
	if err := json.Unmarshal(around[name], &events); err != nil {
		t.Fatal(err)
	}
	return events
}

// splitBody is decodeBody for tests that look at many events: it does not look into them. They are parts of body.
func splitBody(t testing.TB, body []byte) (events [][]byte) {
	t.Helper()
	var s scan.Scanner
	s.Reset(body, 64)
	s.Enter()
	if _, ok := s.NextMember(true); !ok {
		t.Fatalf("no member in %.200s", body)
	}
	s.Enter()
	for s.NextElement(len(events) == 0) {
		v, ok := s.Read()
		if !ok {
			break
		}
		events = append(events, body[v.Start:v.End])
	}
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	return events
}

// derive decodes one event.
func derive(t testing.TB, dialect string, raw json.RawMessage) row {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	names := memberNamesOf[dialect]
	var w row
	text := func(key string) (s string) {
		v := m[key]
		if v == nil || string(v) == "null" {
			return ""
		}
		if err := json.Unmarshal(v, &s); err != nil {
			w.code = "invalid_type"
		}
		return s
	}
	object := func(key string) string {
		v := m[key]
		if v == nil || string(v) == "null" {
			return ""
		}
		if v[0] != '{' {
			w.code = "invalid_type"
			return ""
		}
		return string(v)
	}
	w.typ, w.event, w.name = text("type"), text("event"), text("name")
	w.userID, w.anonymousID, w.groupID, w.previousID = text(names.userID), text(names.anonymousID), text(names.groupID), text(names.previousID)
	w.props, w.context, w.traits = object("properties"), object("context"), object("traits")
	w.id, w.time = text(names.id), text(names.time)
	w.distinctID = w.userID
	if w.distinctID == "" {
		w.distinctID = w.anonymousID
	}
	if dialect == "native" {
		if id := text("distinct_id"); id != "" {
			w.distinctID = id
		}
		if w.typ == "" {
			w.typ = "track"
		}
		set, once := object("set"), object("set_once")
		if (set != "" || once != "") && w.traits != "" {
			t.Fatalf("traits beside operations: %s", raw)
		}
		var parts []string
		if set != "" {
			parts = append(parts, `"$set":`+set)
		}
		if once != "" {
			parts = append(parts, `"$set_once":`+once)
		}
		if len(parts) > 0 {
			w.traits = "{" + strings.Join(parts, ",") + "}"
		}
	}
	w.judge(raw)
	return w
}

// judge finds why an event must be refused.
func (w *row) judge(raw []byte) {
	if w.event == "" {
		w.event = map[string]string{"identify": "$identify", "page": "$pageview", "screen": "$screen", "group": "$group", "alias": "$alias"}[w.typ]
	}
	_, isTime := schema.ParseTime([]byte(w.time))
	switch {
	case w.code != "":
	case !utf8.Valid(raw):
		w.code = "invalid_utf8"
	case nesting(raw) > 32:
		w.code = "too_deep"
	case !strings.Contains(" track identify page screen group alias ", " "+w.typ+" "):
		w.code = "invalid_type"
	case !isTime:
		w.code = "invalid_timestamp"
	case len(w.userID) > 512 || len(w.distinctID) > 512:
		w.code = "id_too_long"
	case w.event == "":
		w.code = "missing_event"
	case w.distinctID == "":
		w.code = "missing_user"
	case schema.IsIllegalID([]byte(w.distinctID)):
		w.code = "illegal_id"
	case len(w.event) > 200 || len(w.name) > 200:
		w.code = "name_too_long"
	case w.typ == "group" && w.groupID == "", w.typ == "alias" && w.previousID == "":
		w.code = "missing_user"
	}
}

func nesting(raw []byte) (most int) {
	level := 0
	for d := json.NewDecoder(bytes.NewReader(raw)); ; {
		token, err := d.Token()
		if err != nil {
			return most
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			level++
			most = max(most, level)
		case json.Delim('}'), json.Delim(']'):
			level--
		}
	}
}

// twice finds a member that an object of the text has twice, at any depth.
func twice(raw []byte) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	type frame struct {
		keys  map[string]bool // nil in an array
		value bool            // a key was read, its value is next
	}
	var open []*frame
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if delim, ok := token.(json.Delim); ok && (delim == '}' || delim == ']') {
			open = open[:len(open)-1]
			continue
		}
		if n := len(open); n > 0 && open[n-1].keys != nil {
			f := open[n-1]
			if !f.value {
				key := token.(string)
				if f.keys[key] {
					return fmt.Errorf("member %q stands twice", key)
				}
				f.keys[key], f.value = true, true
				continue
			}
			f.value = false
		}
		switch token {
		case json.Delim('{'):
			open = append(open, &frame{keys: map[string]bool{}})
		case json.Delim('['):
			open = append(open, &frame{})
		}
	}
}

func TestTheOracleFindsFaults(t *testing.T) {
	for raw, code := range map[string]string{
		`{"type":"track","event":"E","userId":"u1","timestamp":"2026-01-01T00:00:00.000Z"}`:                                 "",
		`{"type":"page","userId":"u1","timestamp":"2026-01-01T00:00:00.000Z"}`:                                              "",
		`{"type":"track","userId":"u1","timestamp":"2026-01-01T00:00:00.000Z"}`:                                             "missing_event",
		`{"type":"track","event":"E","timestamp":"2026-01-01T00:00:00.000Z"}`:                                               "missing_user",
		`{"type":"track","event":"E","userId":"null","timestamp":"2026-01-01T00:00:00.000Z"}`:                               "illegal_id",
		`{"type":"track","event":"E","userId":"u1","timestamp":"soon"}`:                                                     "invalid_timestamp",
		`{"type":"group","userId":"u1","timestamp":"2026-01-01T00:00:00.000Z"}`:                                             "missing_user",
		`{"type":"track","event":"E","userId":"u1","timestamp":"2026-01-01T00:00:00.000Z","properties":[]}`:                 "invalid_type",
		`{"type":"track","event":"E","userId":"u1","timestamp":"2026-01-01T00:00:00.000Z","properties":{"a":` + deep + `}}`: "too_deep",
	} {
		if w := derive(t, "segment", json.RawMessage(raw)); w.code != code {
			t.Errorf("%s: %q, want %q", raw, w.code, code)
		}
	}
	if err := twice([]byte(`{"a":{"b":[{"c":1,"d":2}],"b":3}}`)); err == nil || !strings.Contains(err.Error(), `"b"`) {
		t.Errorf("%v", err)
	}
	if err := twice([]byte(`{"a":{"b":1},"b":[{"a":1},{"a":"a"}]}`)); err != nil {
		t.Error(err)
	}
}

// TestTheOracleSeesEveryField: whichever field of an event changes by one byte, its hash does.
func TestTheOracleSeesEveryField(t *testing.T) {
	const native = `{"type":"page","event":"E","name":"n","user_id":"u1","anonymous_id":"a1","group_id":"g1","previous_id":"p1","ts":"2026-01-01T00:00:00.000Z",` +
		`"properties":{"a":1},"context":{"b":2},"set":{"c":3},"set_once":{"d":4}}`
	hash := func(text string) uint64 {
		w := derive(t, "native", json.RawMessage(text))
		return w.hash()
	}
	want := hash(native)
	for _, change := range [][2]string{
		{`"page"`, `"screen"`},
		{`"E"`, `"F"`},
		{`"n"`, `"m"`},
		{`"u1"`, `"u2"`},
		{`"a1"`, `"a2"`},
		{`"g1"`, `"g2"`},
		{`"p1"`, `"p2"`},
		{`"a":1`, `"a": 1`},
		{`"b":2`, `"b":3`},
		{`"c":3`, `"c":4`},
		{`"d":4`, `"d":5`},
		{`"u1","anonymous_id":"a1"`, `"u1a","anonymous_id":"1"`},
	} {
		if changed := strings.Replace(native, change[0], change[1], 1); changed == native || hash(changed) == want {
			t.Errorf("%s in place of %s goes unseen", change[1], change[0])
		}
	}
	if hash(strings.Replace(native, `"E"`, `"\u0045"`, 1)) != want {
		t.Error("an escape in the name changes the hash, though not what it stands for")
	}
}
