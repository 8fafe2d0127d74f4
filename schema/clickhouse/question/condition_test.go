package question_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/schema/clickhouse/question"
)

// holds says by itself whether a condition on property "p" holds.
func (p property) holds(c question.Condition) bool {
	value := func() string { return c.Values[0] }
	switch c.Op {
	case "is":
		return slices.Contains(c.Values, p.text)
	case "is_not":
		return !slices.Contains(c.Values, p.text)
	case "contains":
		return strings.Contains(p.text, value())
	case "not_contains":
		return !strings.Contains(p.text, value())
	case "starts_with":
		return strings.HasPrefix(p.text, value())
	case "set":
		return p.text != ""
	case "not_set":
		return p.text == ""
	}
	n, err := strconv.ParseFloat(value(), 64)
	if err != nil {
		panic(err)
	}
	return p.isNum && map[string]bool{"gt": p.number > n, "gte": p.number >= n, "lt": p.number < n, "lte": p.number <= n}[c.Op]
}

// everything is all of the times around the data.
func everything() question.Trends {
	c := newSpan(base-base%dayMS, base-base%dayMS+dayMS)
	return question.Trends{From: c.From, To: c.To, Interval: "month", Source: "events", Breakdown: "event", Limit: 200}
}

// names are the events that meet a condition.
func (s server) names(t *testing.T, c question.Condition) []string {
	t.Helper()
	q := everything()
	q.Series = []question.Step{{Where: []question.Condition{c}}}
	var all []string
	for _, row := range s.ask(t, &q, 1).rows {
		all = append(all, row[2])
	}
	return all
}

func TestConditions(t *testing.T) {
	s := start(t)
	var events []event
	for i, p := range properties {
		events = append(events, event{project: 1, user: fmt.Sprint("u", i), name: fmt.Sprintf("e%02d", i), ts: base, offset: uint64(i), prop: p, id: fmt.Sprintf("00000000-0000-4000-8000-%012d", i), revenue: int64(i) * 2500})
	}
	load(t, s, events)
	// The traits are the properties again; half of them as the dialects with operations have them.
	s.exec(t, "ALTER TABLE "+database+".events UPDATE traits = if(_offset % 2, concat('{\"$set\":', props, '}'), props), bot = _offset % 2, screen_w = _offset * 100, session_id = if(_offset = 3, event_id, session_id) WHERE props != '' OR 1 SETTINGS mutations_sync = 2")

	t.Run("of members", func(t *testing.T) {
		var conditions []question.Condition
		for _, op := range []string{"is", "is_not"} {
			for _, values := range [][]string{{"x"}, {""}, {"5"}, {"true", "x", "nothing"}, {`{"q":1}`}, {"it's \"\\ \n{x:String}"}, {"ü😀", "$other"}, {"5.5"}, {"-1000"}} {
				conditions = append(conditions, question.Condition{Op: op, Values: values})
			}
		}
		for _, op := range []string{"contains", "not_contains", "starts_with"} {
			for _, v := range []string{"x", "X", "1", `\`, "'", "ü", "%", "_", "{"} {
				conditions = append(conditions, question.Condition{Op: op, Values: []string{v}})
			}
		}
		for _, op := range []string{"gt", "gte", "lt", "lte"} {
			for _, v := range []string{"5", "0", "1", "-1000", "1e2", "5.500", "9007199254740993", "-1e300"} {
				conditions = append(conditions, question.Condition{Op: op, Values: []string{v}})
			}
		}
		conditions = append(conditions, question.Condition{Op: "set"}, question.Condition{Op: "not_set"})
		for _, c := range conditions {
			for _, field := range []string{"properties.p", "traits.p"} {
				c.Field = field
				var want []string
				for i, p := range properties {
					if p.holds(c) {
						want = append(want, fmt.Sprintf("e%02d", i))
					}
				}
				if got := s.names(t, c); !slices.Equal(got, want) {
					t.Errorf("%+v: %q, want %q", c, got, want)
				}
			}
		}
	})

	t.Run("of columns", func(t *testing.T) {
		for _, c := range []struct {
			question.Condition
			want []string
		}{
			{question.Condition{Field: "event", Op: "is", Values: []string{"e01", "e03"}}, []string{"e01", "e03"}},
			{question.Condition{Field: "event", Op: "starts_with", Values: []string{"e1"}}, []string{"e10", "e11", "e12", "e13", "e14", "e15", "e16", "e17", "e18", "e19"}},
			{question.Condition{Field: "distinct_id", Op: "is", Values: []string{"u7"}}, []string{"e07"}},
			{question.Condition{Field: "revenue", Op: "lt", Values: []string{"0.5"}}, []string{"e00", "e01"}},
			{question.Condition{Field: "revenue", Op: "is", Values: []string{"0.25", "-0", "00.500"}}, []string{"e00", "e01", "e02"}},
			{question.Condition{Field: "revenue", Op: "not_set"}, []string{"e00"}},
			{question.Condition{Field: "screen_w", Op: "gte", Values: []string{"02200"}}, []string{"e22", "e23"}},
			{question.Condition{Field: "event_id", Op: "is", Values: []string{"00000000-0000-4000-8000-000000000005"}}, []string{"e05"}},
			{question.Condition{Field: "session_id", Op: "set"}, []string{"e03"}},
			{question.Condition{Field: "city", Op: "set"}, nil},
		} {
			if got := s.names(t, c.Condition); !slices.Equal(got, c.want) {
				t.Errorf("%+v: %q, want %q", c.Condition, got, c.want)
			}
		}
		if n, m := len(s.names(t, question.Condition{Field: "bot", Op: "is", Values: []string{"true"}})), len(s.names(t, question.Condition{Field: "bot", Op: "is_not", Values: []string{"1"}})); n != 12 || m != 12 {
			t.Errorf("%d bots and %d others, want 12 and 12", n, m)
		}
	})

	// Every field takes every comparison that Validate lets through, and is a breakdown.
	t.Run("all", func(t *testing.T) {
		values := map[string][]string{"is": {"1"}, "is_not": {"1"}, "contains": {"1"}, "not_contains": {"1"}, "starts_with": {"1"}, "gt": {"1"}, "gte": {"1"}, "lt": {"1"}, "lte": {"1"}, "set": nil, "not_set": nil}
		fields := append(question.Fields(), "properties.x", "traits.x")
		ran := 0
		for op, v := range values {
			var accepted []question.Condition
			for _, f := range fields {
				c := question.Condition{Field: f, Op: op, Values: v}
				if strings.HasSuffix(f, "_id") && slices.Contains([]string{"event_id", "session_id", "request_id"}, f) && v != nil {
					c.Values = []string{"00000000-0000-4000-8000-000000000001"}
				}
				q := everything()
				q.Series = []question.Step{{Where: []question.Condition{c}}}
				if q.Validate() == nil {
					accepted = append(accepted, c)
				}
			}
			for part := range slices.Chunk(accepted, 20) {
				q := everything()
				q.Series = []question.Step{{Where: part}}
				s.ask(t, &q, 1)
				ran += len(part)
			}
		}
		if ran < 200 {
			t.Errorf("%d comparisons were let through, want 200 at least", ran)
		}
		for _, f := range fields {
			q := everything()
			q.Series, q.Breakdown = []question.Step{{}}, f
			if rows := s.ask(t, &q, 1).rows; len(rows) == 0 {
				t.Errorf("breakdown by %s: no rows", f)
			}
		}
	})
}
