package pipeline

import (
	"context"
	"strings"
	"testing"

	"github.com/millrace/millrace/schema"
)

// TestJudge submits one event each between two good ones: the siblings must be stored whatever becomes of it.
func TestJudge(t *testing.T) {
	l := newLab(t, options{cfg: func(c *Config) { c.QuarantineBurstBytes = 1 << 30 }})
	set := func(f schema.Field, text string) func(*schema.Batch, *schema.Event) {
		return func(b *schema.Batch, e *schema.Event) { e.Set(f, b.Append([]byte(text), strings.Contains(text, `\`))) }
	}
	long := strings.Repeat("x", 513)
	escapedLong := strings.Repeat(`\u0061`, 512) // 3072 bytes of text that stand for 512
	for name, c := range map[string]struct {
		change  func(*schema.Batch, *schema.Event)
		segment bool
		want    schema.Reason
		pointer string
		detail  string
	}{
		"good":                  {change: func(*schema.Batch, *schema.Event) {}},
		"no name":               {change: set(schema.FieldEvent, ""), want: schema.MissingEvent, pointer: "/event", detail: "event is missing"},
		"blank name":            {change: set(schema.FieldEvent, "  "), want: schema.MissingEvent, pointer: "/event"},
		"escaped blank name":    {change: set(schema.FieldEvent, ` \u0020`), want: schema.MissingEvent, pointer: "/event"},
		"long name":             {change: set(schema.FieldEvent, strings.Repeat("é", 101)), want: schema.NameTooLong, pointer: "/event", detail: "202 bytes, limits.max_name_bytes is 200"},
		"longest name":          {change: set(schema.FieldEvent, strings.Repeat("é", 100))},
		"long page name":        {change: set(schema.FieldName, long), want: schema.NameTooLong, pointer: "/name"},
		"nobody":                {change: func(_ *schema.Batch, e *schema.Event) { e.Unset(schema.FieldUserID) }, want: schema.MissingUser, pointer: "/distinct_id", detail: "anonymous_id"},
		"nobody in segment":     {change: func(_ *schema.Batch, e *schema.Event) { e.Unset(schema.FieldUserID) }, segment: true, want: schema.MissingUser, pointer: "/userId", detail: "anonymousId"},
		"illegal user":          {change: set(schema.FieldUserID, "undefined"), want: schema.IllegalID, pointer: "/user_id", detail: `"undefined"`},
		"escaped illegal user":  {change: set(schema.FieldUserID, `nul\u006c`), segment: true, want: schema.IllegalID, pointer: "/userId", detail: `"null"`},
		"illegal anonymous":     {change: set(schema.FieldAnonymousID, "0"), want: schema.IllegalID, pointer: "/anonymous_id"},
		"illegal previous":      {change: set(schema.FieldPreviousID, "NaN"), want: schema.IllegalID, pointer: "/previous_id"},
		"group may be anything": {change: set(schema.FieldGroupID, "0")},
		"long user":             {change: set(schema.FieldUserID, long), want: schema.IDTooLong, pointer: "/user_id", detail: "513 bytes, limits.max_id_bytes is 512"},
		"long escaped user":     {change: set(schema.FieldUserID, escapedLong)},
		"too long escaped user": {change: set(schema.FieldUserID, escapedLong+"a"), want: schema.IDTooLong, pointer: "/user_id"},
		"long group":            {change: set(schema.FieldGroupID, long), want: schema.IDTooLong, pointer: "/group_id"},
		"long correlation":      {change: set(schema.FieldCorrelationID, long), want: schema.IDTooLong, pointer: "/correlation_id"},
		"long id":               {change: func(b *schema.Batch, e *schema.Event) { e.ClientID = b.Append([]byte(long), false) }, segment: true, want: schema.IDTooLong, pointer: "/messageId"},
		"long session":          {change: func(b *schema.Batch, e *schema.Event) { e.ClientSession = b.Append([]byte(long), false) }, want: schema.IDTooLong, pointer: "/session_id"},
		"no type":               {change: func(_ *schema.Batch, e *schema.Event) { e.Type = schema.TypeNone }, want: schema.InvalidType, pointer: "/type"},
		"page needs no name":    {change: func(_ *schema.Batch, e *schema.Event) { e.Type = schema.Page; e.Unset(schema.FieldEvent) }},
		"group of nothing":      {change: func(_ *schema.Batch, e *schema.Event) { e.Type = schema.Group }, segment: true, want: schema.MissingUser, pointer: "/groupId"},
		"alias of nobody":       {change: func(_ *schema.Batch, e *schema.Event) { e.Type = schema.Alias }, want: schema.MissingUser, pointer: "/previous_id"},
		"alias": {change: func(b *schema.Batch, e *schema.Event) {
			e.Type = schema.Alias
			set(schema.FieldPreviousID, "anon-7")(b, e)
		}},
		"time out of range":      {change: func(b *schema.Batch, e *schema.Event) { e.SetClientTS(b.ReceivedAt + 48*3600_000) }, want: schema.TimestampAdjusted, pointer: "/ts", detail: "limits.max_ahead"},
		"refused by the decoder": {change: func(_ *schema.Batch, e *schema.Event) { e.Refuse(schema.TooDeep, "/properties", "40 deep") }, want: schema.TooDeep, pointer: "/properties", detail: "40 deep"},
		"first reason of several": {change: func(_ *schema.Batch, e *schema.Event) {
			e.Refuse(schema.InvalidType, "/x", "x")
			e.Unset(schema.FieldEvent)
		}, want: schema.InvalidType, pointer: "/x"},
	} {
		t.Run(name, func(t *testing.T) {
			b := eventBatch(3, 3, 0)
			if c.segment {
				b.Dialect = schema.DialectSegment
			}
			c.change(b, &b.Events[1])
			if err := l.Submit(context.Background(), b); err != nil {
				t.Fatal(err)
			}
			result := schema.Drop
			switch c.want {
			case schema.ReasonNone:
				result = schema.OK
			case schema.TimestampAdjusted:
				result = schema.Warning
			}
			e := &b.Events[1]
			if e.Result != result || e.Reason != c.want || e.Pointer != c.pointer || !strings.Contains(e.Detail, c.detail) {
				t.Errorf("%v %v at %q: %s; want %v %v at %q with %q", e.Result, e.Reason, e.Pointer, e.Detail, result, c.want, c.pointer, c.detail)
			}
			if e.Quarantined != (result == schema.Drop) {
				t.Errorf("quarantined: %v", e.Quarantined)
			}
			if e.ID == (schema.UUID{}) {
				t.Error("the event has no id although its client gave one")
			}
			for _, i := range []int{0, 2} {
				if s := &b.Events[i]; s.Result != schema.OK {
					t.Errorf("sibling %d: %v %v", i, s.Result, s.Reason)
				}
			}
		})
	}
}
