package dialect

import (
	"testing"

	"github.com/millrace/millrace/schema"
)

// contextOf is the context of the first event of a body.
func contextOf(t *testing.T, d *Decoder, path, body string) string {
	t.Helper()
	b := &schema.Batch{Buf: []byte(body)}
	if err := d.Decode(route(t, path), b, Options{}); err != nil {
		t.Fatalf("%s %s: %v", path, body, err)
	}
	e := &b.Events[0]
	if e.Refused() {
		t.Fatalf("%s %s: %s", path, body, e.Detail)
	}
	return string(e.Text(schema.FieldContext).In(b.Buf))
}

// A decoder serves families in turn: what one event had beside its fields must not reach the next.
func TestOthersStayWithTheirEvent(t *testing.T) {
	for path, body := range map[string]string{
		"/i/v0/e":      `{"event":"E","distinct_id":"u2","properties":{"a":1}}`,
		"/2/httpapi":   `{"events":[{"event_type":"E","user_id":"u2"}]}`,
		"/track":       `{"event":"E","properties":{"distinct_id":"u2","a":1}}`,
		"/engage":      `{"$distinct_id":"u2","$set":{"a":1}}`,
		"/v1/events":   `{"event":"E","distinct_id":"u2"}`,
		"/v1/identify": `{"userId":"u2"}`,
	} {
		d := New(schema.DefaultLimits(), 10)
		first := contextOf(t, d, "/v1/batch", `{"batch":[{"type":"track","event":"First","userId":"u1","channel":"server","integrations":{"All":false},"unheardOf":"of the first event only"}]}`)
		if want := `{"$other":{"channel":"server","unheardOf":"of the first event only"}}`; first != want {
			t.Fatalf("context of the first is %s, want %s", first, want)
		}
		if got := contextOf(t, d, path, body); got != "" {
			t.Errorf("%s: context %s, want none", path, got)
		}
	}
}

// Members that have a place of their own, and do not get there, are kept like those that have none.
func TestMembersWithoutTheirPlace(t *testing.T) {
	for _, c := range []struct{ path, body, want string }{
		{"/v1/batch", `{"batch":[{"type":"track","event":"E","userId":"u","timestamp":"2026-11-22T10:00:00Z","originalTimestamp":"2026-11-22T10:00:01Z"}]}`, `{"$other":{"originalTimestamp":"2026-11-22T10:00:01Z"}}`},
		{"/v1/batch", `{"batch":[{"type":"track","event":"E","userId":"u","originalTimestamp":"2026-11-22T10:00:01Z"}]}`, ""},
		{"/v1/batch", `{"batch":[{"type":"track","event":"E","userId":"u","sentAt":"2026-11-22T10:00:01Z","context":{"a":1}}],"sentAt":"2026-11-22T10:00:02Z"}`, `{"a":1,"$other":{"sentAt":"2026-11-22T10:00:01Z"}}`},
		{"/v1/track", `{"event":"E","userId":"u","sentAt":"2026-11-22T10:00:01Z","type":"track"}`, ""},
		{"/v1/track", `{"event":"E","userId":"u","sentAt":"soon","type":"page"}`, `{"$other":{"sentAt":"soon","type":"page"}}`},
		{"/v1/events", `{"event":"E","user_id":"u","sent_at":1795341601000}`, ""},
		{"/v1/events", `[{"event":"E","user_id":"u","sent_at":1795341601000,"ts":1795341600000,"timestamp":"2026-11-22T10:00:01Z"}]`, `{"$other":{"timestamp":"2026-11-22T10:00:01Z","sent_at":1795341601000}}`},
		{"/i/v0/e", `{"event":"E","distinct_id":"u","sent_at":"2026-11-22T10:00:01Z"}`, ""},
		{"/i/v0/e", `{"batch":[{"event":"E","distinct_id":"u","sent_at":"2026-11-22T10:00:01Z"}]}`, `{"sent_at":"2026-11-22T10:00:01Z"}`},
	} {
		if got := contextOf(t, New(schema.DefaultLimits(), 10), c.path, c.body); got != c.want {
			t.Errorf("%s %s: context %s, want %s", c.path, c.body, got, c.want)
		}
	}
}

// An error points at the place where the client has put the id, of the several that a family has for it.
func TestPointersOfIDs(t *testing.T) {
	for _, c := range []struct{ path, body, pointer string }{
		{"/i/v0/e", `{"event":"E","distinct_id":"null"}`, "/distinct_id"},
		{"/i/v0/e", `{"event":"E","$distinct_id":"null"}`, "/$distinct_id"},
		{"/i/v0/e", `{"event":"E","properties":{"distinct_id":"null"}}`, "/properties/distinct_id"},
		{"/i/v0/e", `{"event":"E","distinct_id":"u","properties":{"$device_id":"null"}}`, "/properties/$device_id"},
		{"/i/v0/e", `{"event":"$identify","distinct_id":"u","properties":{"$anon_distinct_id":"null"}}`, "/properties/$anon_distinct_id"},
		{"/i/v0/e", `{"event":"$create_alias","distinct_id":"v","properties":{"alias":"null","$is_identified":false}}`, "/properties/alias"},
		{"/track", `{"event":"E","properties":{"distinct_id":"null"}}`, "/properties/distinct_id"},
		{"/engage", `{"$distinct_id":"null","$set":{"a":1}}`, "/$distinct_id"},
	} {
		b := &schema.Batch{Buf: []byte(c.body)}
		if err := New(schema.DefaultLimits(), 10).Decode(route(t, c.path), b, Options{}); err != nil {
			t.Fatal(err)
		}
		if e := &b.Events[0]; e.Reason != schema.IllegalID || e.Pointer != c.pointer {
			t.Errorf("%s: %v at %s, want %s", c.body, e.Reason, e.Pointer, c.pointer)
		}
	}
}
