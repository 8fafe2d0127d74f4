package question_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/schema/clickhouse/question"
)

// Each of these mistakes would change the answer for some seed: what is compared can tell right from wrong.
func testMistakes(t *testing.T, s server, data map[uint32][]event) {
	steps := func(names ...string) (all []question.Step) {
		for _, name := range names {
			all = append(all, question.Step{Event: name})
		}
		return all
	}
	ask := func(seed uint32) span { return spanOf(rand.New(rand.NewPCG(uint64(seed), 37))) }
	for _, c := range []struct {
		name, right, wrong string
		question           func(seed uint32) builder
	}{
		{"the end of the range counts", "ts < {to", "ts <= {to", func(seed uint32) builder {
			last := data[seed][0].ts
			c := newSpan(min(last, base-30*dayMS), last)
			return &question.Trends{From: c.From, To: c.To, Interval: "month", Series: steps(""), Source: "events"}
		}},
		{"an event serves two steps", "arrayShiftRight(f.1, 1, toUInt64(0))", "f.1", func(seed uint32) builder {
			return &question.Funnel{From: ask(seed).From, To: ask(seed).To, Steps: steps("A", "A")}
		}},
		{"the window is exclusive", "<= {window_ms", "< {window_ms", func(seed uint32) builder {
			return &question.Funnel{From: ask(seed).From, To: ask(seed).To, Steps: steps("A", "B"), WindowMS: 1000}
		}},
		{"ties have any order", "bitShiftLeft(toUInt256(_offset), 32)", "toUInt256(0)", func(seed uint32) builder {
			return &question.Funnel{From: ask(seed).From, To: ask(seed).To, Steps: steps("A", "B", "A"), Breakdown: "properties.p"}
		}},
		{"the topic's life does not count", "toUInt64(_log), 16)", "toUInt64(0), 16)", func(seed uint32) builder {
			return &question.Funnel{From: ask(seed).From, To: ask(seed).To, Steps: steps("A", "B")}
		}},
		{"a step that repeats needs one event", "arrayShiftRight(q1, 1, toUInt64(0))", "q1", func(seed uint32) builder {
			return &question.Funnel{From: ask(seed).From, To: ask(seed).To, Steps: steps("B", "B"), Order: "any"}
		}},
		{"a window begins too early", "arrayMin(arrayFilter", "arrayMax(arrayFilter", func(seed uint32) builder {
			return &question.Funnel{From: ask(seed).From, To: ask(seed).To, Steps: steps("A", "B"), Order: "any"}
		}},
		{"the beginning is a return", "x > first", "x >= first", func(seed uint32) builder {
			return &question.Retention{From: newSpan(base-9*dayMS, base).From, To: newSpan(0, base+9*dayMS).To, Mode: "rolling"}
		}},
		{"a gap of that length ends a visit", "> {gap_ms", ">= {gap_ms", func(seed uint32) builder {
			return &question.Paths{From: ask(seed).From, To: ask(seed).To, GapMS: 1000}
		}},
		{"repeats are steps of a path", "arrayCompact(visit)", "visit", func(seed uint32) builder {
			return &question.Paths{From: ask(seed).From, To: ask(seed).To}
		}},
	} {
		noticed := false
		for seed := uint32(0); seed < controlSeeds && !noticed; seed++ {
			if len(data[seed]) == 0 {
				continue
			}
			q := c.question(seed)
			right, err := q.Build(database, seed)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			wrong := strings.ReplaceAll(right.Text, c.right, c.wrong)
			if wrong == right.Text {
				if c.name == "the end of the range counts" {
					continue // a range of odd times is compared otherwise
				}
				t.Fatalf("%s: no %q in\n%s", c.name, c.right, right.Text)
			}
			a, b := s.must(t, right.Text, right.Params), s.must(t, wrong, right.Params)
			noticed = !slices.EqualFunc(a.rows, b.rows, func(x, y []string) bool { return fmt.Sprint(x) == fmt.Sprint(y) })
		}
		if !noticed {
			t.Errorf("%s: no seed has an answer that shows it", c.name)
		}
	}
}
