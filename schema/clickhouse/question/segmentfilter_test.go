package question_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/schema/clickhouse/question"
)

// A condition on segments says the same as one that lists all ids of their members: in every question, of all events and of steps.
func TestQuestionsOfSegments(t *testing.T) {
	enginetest.Long(t, "asks every kind of question of seven projects")
	s := startFor(t, 2)
	var all []event
	data := map[uint32][]event{}
	populations := map[uint32]*population{}
	var rows peopleRows
	for seed := range uint32(7) {
		data[seed] = generate(seed)
		populations[seed] = rows.populate(seed, data[seed], rand.New(rand.NewPCG(uint64(seed), 43)))
		all = append(all, data[seed]...)
	}
	load(t, s, all)
	rows.load(t, s)
	plain := s
	plain.projects = nil // the API answers those that are compared
	differs := map[string]bool{}
	for seed := range uint32(7) {
		for i, c := range []question.Condition{
			{Field: "segment", Op: "is", Values: []string{"s1"}},
			{Field: "segment", Op: "is_not", Values: []string{"s1"}},
			{Field: "segment", Op: "is", Values: []string{"s2", "nope", "s1"}},
			{Field: "segment", Op: "is_not", Values: []string{"s2", "dropped"}},
			{Field: "segment", Op: "is", Values: []string{"dropped", "unbuilt", "nope"}},
		} {
			r := rand.New(rand.NewPCG(uint64(seed), uint64(47+i)))
			span := spanOf(r)
			listed := question.Condition{Field: "distinct_id", Op: c.Op, Values: []string{"nobody"}}
			for _, e := range data[seed] {
				in := slices.ContainsFunc(c.Values, func(segment string) bool { return populations[seed].members[segment][hashOf(e.user)] })
				if in && !slices.Contains(listed.Values, e.distinctID()) {
					listed.Values = append(listed.Values, e.distinctID())
				}
			}
			byList, bySegment, without := questionsWith(span, listed), questionsWith(span, c), questionsWith(span)
			names := slices.Sorted(maps.Keys(bySegment))
			for k := range 2 { // they take turns
				name := names[(int(seed)*10+i*2+k)%len(names)]
				want := plain.ask(t, byList[name], seed)
				compare(t, fmt.Sprintf("project %d: %s where %+v", seed, name, c), s.ask(t, bySegment[name], seed), want.rows, true)
				if !differs[name] && !slices.EqualFunc(want.rows, plain.ask(t, without[name], seed).rows, slices.Equal) {
					differs[name] = true
				}
			}
		}
	}
	if len(differs) != len(questionsWith(newSpan(0, 1))) {
		t.Errorf("only %v have other answers than without the condition", differs)
	}
}

// questionsWith are questions with conditions wherever they take them.
func questionsWith(s span, c ...question.Condition) map[string]builder {
	a, any := question.Step{Event: "A", Where: c}, question.Step{Where: c}
	return map[string]builder{
		"trends":             &question.Trends{From: s.From, To: s.To, Interval: "month", Series: []question.Step{{}, {Event: "A"}}, Where: c, Measure: "all"},
		"trends by value":    &question.Trends{From: s.From, To: s.To, Interval: "month", Series: []question.Step{{}}, Where: c, Breakdown: "country", Limit: 2},
		"series":             &question.Trends{From: s.From, To: s.To, Interval: "month", Series: []question.Step{a, {Event: "B"}}},
		"funnel":             &question.Funnel{From: s.From, To: s.To, Steps: []question.Step{{Event: "A"}, {Event: "B"}}, Where: c},
		"funnel by value":    &question.Funnel{From: s.From, To: s.To, Steps: []question.Step{{Event: "A"}, {Event: "B"}}, Where: c, Breakdown: "properties.p"},
		"steps":              &question.Funnel{From: s.From, To: s.To, Steps: []question.Step{{}, a}},
		"steps in any order": &question.Funnel{From: s.From, To: s.To, Steps: []question.Step{any, {Event: "B"}, any}, Order: "any"},
		"retention":          &question.Retention{From: s.From, To: question.At(s.From.Time().AddDate(0, 0, 40)), Where: c, Periods: 5},
		"birth":              &question.Retention{From: s.From, To: question.At(s.From.Time().AddDate(0, 0, 40)), Birth: a, Periods: 5},
		"return":             &question.Retention{From: s.From, To: question.At(s.From.Time().AddDate(0, 0, 40)), Return: any, Periods: 5},
		"paths":              &question.Paths{From: s.From, To: s.To, Where: c},
	}
}

// The rollup does not know who did what.
func TestTrendsOfSegmentsReadEvents(t *testing.T) {
	c := question.Condition{Field: "segment", Op: "is", Values: []string{"s"}}
	span := newSpan(base-base%hourMS, base-base%hourMS+dayMS)
	for name, q := range map[string]question.Trends{
		"nothing": {Series: []question.Step{{}}},
		"where":   {Series: []question.Step{{}}, Where: []question.Condition{c}},
		"series":  {Series: []question.Step{{}, {Where: []question.Condition{c}}}},
	} {
		q.From, q.To = span.From, span.To
		s, err := q.Build("d", 1)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := strings.Contains(s.Text, "rollup_1h"), name == "nothing"; got != want {
			t.Errorf("%s: reads the rollup: %v, want %v", name, got, want)
		}
	}
	q := everything()
	q.Series, q.Breakdown = []question.Step{{}}, "segment"
	if got := problems(q.Validate()); got != "/breakdown invalid_field" {
		t.Errorf("segment as a breakdown: %s", got)
	}
}
