package pipeline

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/go-faster/city"

	"github.com/millrace/millrace/schema"
)

// erasedIDs is a set for Deps.Erased.
type erasedIDs map[uint32]map[uint64]bool

func (s erasedIDs) add(project uint32, ids ...string) {
	if s[project] == nil {
		s[project] = map[uint64]bool{}
	}
	for _, id := range ids {
		s[project][city.CH64([]byte(id))] = true
	}
}

func (s erasedIDs) of(project uint32) func(uint64) bool {
	if ids := s[project]; ids != nil {
		return func(h uint64) bool { return ids[h] }
	}
	return nil
}

// Events that bear an erased id in any field leave nothing behind, whatever else is wrong with them; their siblings are stored.
func TestErasedPeopleAreRefused(t *testing.T) {
	gone := erasedIDs{}
	gone.add(7, "erased-me", "weg-é")
	gone.add(8, "u1")
	l := newLab(t, options{deps: func(d *Deps) { d.Erased = gone.of }})
	set := func(f schema.Field, text string) func(*schema.Batch, *schema.Event) {
		return func(b *schema.Batch, e *schema.Event) {
			e.Set(f, b.Append([]byte(text), strings.Contains(text, `\`)))
		}
	}
	const escaped = `\u0065rased-me`
	cases := []struct {
		name    string
		change  func(*schema.Batch, *schema.Event)
		pointer string
	}{
		{"user", set(schema.FieldUserID, "erased-me"), "/user_id"},
		{"escaped user", set(schema.FieldUserID, escaped), "/user_id"},
		{"escaped letter beyond ASCII", set(schema.FieldUserID, `weg-\u00e9`), "/user_id"},
		{"the same letter as it is", set(schema.FieldUserID, "weg-é"), "/user_id"},
		{"anonymous", set(schema.FieldAnonymousID, "erased-me"), "/anonymous_id"},
		{"distinct", set(schema.FieldDistinctID, "erased-me"), "/distinct_id"},
		{"previous", func(b *schema.Batch, e *schema.Event) {
			e.Type = schema.Alias
			set(schema.FieldPreviousID, escaped)(b, e)
		}, "/previous_id"},
		{"refused by the decoder as well", func(b *schema.Batch, e *schema.Event) {
			set(schema.FieldUserID, "erased-me")(b, e)
			e.Refuse(schema.TooDeep, "/properties", "40 deep")
		}, "/user_id"},
		{"refused by the pipeline as well", func(b *schema.Batch, e *schema.Event) {
			set(schema.FieldUserID, "erased-me")(b, e)
			e.Unset(schema.FieldEvent)
		}, "/user_id"},
	}
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := eventBatch(3, 3, 10*i)
			c.change(b, &b.Events[1])
			if err := l.Submit(context.Background(), b); err != nil {
				t.Fatal(err)
			}
			e := &b.Events[1]
			if e.Result != schema.Drop || e.Reason != schema.Erased || e.Quarantined || !strings.HasSuffix(e.Pointer, c.pointer) || strings.Contains(e.Detail, "erased-me") {
				t.Errorf("%v %v at %q, quarantined %v: %s", e.Result, e.Reason, e.Pointer, e.Quarantined, e.Detail)
			}
			for _, i := range []int{0, 2} {
				if s := &b.Events[i]; s.Result != schema.OK {
					t.Errorf("sibling %d: %v %v", i, s.Result, s.Reason)
				}
			}
		})
	}
	for topic, want := range map[string]int{testTopic: 2 * len(cases), testQuarantine: 0} {
		records := l.stored(topic)
		if len(records) != want {
			t.Errorf("%d records on topic %s, want %d", len(records), topic, want)
		}
		for _, r := range records {
			if all := fmt.Sprintf("%s %s %v", r.Key, r.Value, r.Headers); strings.Contains(all, "rased-me") || strings.Contains(all, "weg-") {
				t.Errorf("topic %s has %s", topic, all)
			}
		}
	}
	if n := l.metric(`millrace_ingest_events_total{result="drop",reason="erased"}`); n != float64(len(cases)) {
		t.Errorf("%v counted, want %d", n, len(cases))
	}

	// A request of nobody else, and the same id in a project in which it was not erased.
	b := eventBatch(2, 1, 0)
	for i := range b.Events {
		b.Events[i].Set(schema.FieldUserID, b.Append([]byte("erased-me"), false))
	}
	if err := l.Submit(context.Background(), b); err != nil || b.Events[0].Reason != schema.Erased || b.Events[1].Reason != schema.Erased {
		t.Errorf("a request of an erased person only: %v, %v %v", err, b.Events[0].Reason, b.Events[1].Reason)
	}
	b = eventBatch(1, 1, 0)
	b.Project = 9
	b.Events[0].Set(schema.FieldUserID, b.Append([]byte("erased-me"), false))
	if err := l.Submit(context.Background(), b); err != nil || b.Events[0].Result != schema.OK {
		t.Errorf("another project: %v, %v %v", err, b.Events[0].Result, b.Events[0].Reason)
	}
}
