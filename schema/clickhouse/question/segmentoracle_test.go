package question_test

import (
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/schema/clickhouse/question"
)

// population is all that segments look at in a project, by person.
type population struct {
	events   map[uint64][]event         // of each, in order
	profiles map[uint64]property        // property "p" of those who have a profile
	members  map[string]map[uint64]bool // of segments
}

// member is a person as a rule looks at it.
type member struct {
	*population
	person uint64
	at     time.Time
}

// membersOf goes through every person there is and asks of each whether the rule holds. It knows nothing of how the statement does it.
func (p *population) membersOf(rule question.Rule, at time.Time) map[uint64]bool {
	there := map[uint64]bool{}
	named := namedBy(rule)
	for person, list := range p.events {
		there[person] = slices.ContainsFunc(list, func(e event) bool {
			return time.UnixMilli(e.ts).Before(at) && (!announcement(e) || named.events[e.name])
		})
	}
	for person := range p.profiles {
		there[person] = true
	}
	for segment := range named.segments {
		for person := range p.members[segment] {
			there[person] = true
		}
	}
	all := map[uint64]bool{}
	for person, is := range there {
		if is && (member{p, person, at}).holds(rule) {
			all[person] = true
		}
	}
	return all
}

func announcement(e event) bool { return e.name == "$segment_entered" || e.name == "$segment_left" }

// names are what a rule names, with all of its parts.
type names struct{ events, segments map[string]bool }

func namedBy(rule question.Rule) names {
	n := names{map[string]bool{}, map[string]bool{}}
	var look func(question.Rule)
	look = func(r question.Rule) {
		for _, part := range append(slices.Clone(r.All), r.Any...) {
			look(part)
		}
		if r.Not != nil {
			look(*r.Not)
		}
		if r.Did != nil {
			n.events[r.Did.Event] = true
		}
		if r.DidNot != nil {
			n.events[r.DidNot.Event] = true
		}
		if r.Sequence != nil {
			for _, step := range r.Sequence.Steps {
				n.events[step.Event] = true
			}
		}
		if r.Segment != "" {
			n.segments[r.Segment] = true
		}
	}
	look(rule)
	return n
}

func (m member) holds(r question.Rule) bool {
	switch {
	case r.All != nil:
		for _, part := range r.All {
			if !m.holds(part) {
				return false
			}
		}
		return true
	case r.Any != nil:
		for _, part := range r.Any {
			if m.holds(part) {
				return true
			}
		}
		return false
	case r.Not != nil:
		return !m.holds(*r.Not)
	case r.Did != nil:
		n := m.times(r.Did.Step, r.Did.Window)
		switch {
		case r.Did.AtLeast != nil:
			return n >= *r.Did.AtLeast
		case r.Did.AtMost != nil:
			return n <= *r.Did.AtMost
		case r.Did.Exactly != nil:
			return n == *r.Did.Exactly
		}
		return n >= 1
	case r.DidNot != nil:
		return m.times(r.DidNot.Step, r.DidNot.Window) == 0
	case r.Sequence != nil:
		return m.walked(*r.Sequence)
	case r.Profile != nil:
		p := property{}
		if r.Profile.Field == "p" {
			p = m.profiles[m.person]
		}
		return p.holds(question.Condition{Op: r.Profile.Op, Values: r.Profile.Values})
	default:
		return m.members[r.Segment][m.person]
	}
}

// seen are the events in a window.
func (m member) seen(w question.Window) (list []event) {
	for _, e := range m.events[m.person] {
		ts := time.UnixMilli(e.ts)
		if ts.Before(m.at) && (w.From.IsZero() || !ts.Before(w.From.Time())) && (w.To.IsZero() || ts.Before(w.To.Time())) && (w.Within == "" || !ts.Before(m.at.Add(-lengthOf(w.Within)))) {
			list = append(list, e)
		}
	}
	return list
}

func lengthOf(text string) time.Duration {
	days := map[byte]int{'d': 1, 'w': 7}[text[len(text)-1]]
	if days == 0 {
		d, err := time.ParseDuration(text)
		if err != nil {
			panic(err)
		}
		return d
	}
	hours, err := time.ParseDuration(text[:len(text)-1] + "h")
	if err != nil {
		panic(err)
	}
	return hours * 24 * time.Duration(days)
}

func (m member) times(step question.Step, w question.Window) (n int64) {
	for _, e := range m.seen(w) {
		if m.is(e, step) {
			n++
		}
	}
	return n
}

func (m member) is(e event, step question.Step) bool {
	if step.Event == "" && announcement(e) || !named(e, step.Event) {
		return false
	}
	for _, c := range step.Where {
		if !m.meets(e, c) {
			return false
		}
	}
	return true
}

func (m member) meets(e event, c question.Condition) bool {
	switch c.Field {
	case "country":
		return property{text: e.country}.holds(c)
	case "device":
		return property{text: e.device}.holds(c)
	case "properties.p":
		return e.prop.holds(c)
	case "revenue":
		return property{number: float64(e.revenue), isNum: true}.holds(question.Condition{Op: c.Op, Values: []string{strings.ReplaceAll(c.Values[0], ".", "")}})
	case "segment":
		in := slices.ContainsFunc(c.Values, func(segment string) bool { return m.members[segment][m.person] })
		return in == (c.Op == "is")
	}
	panic(c.Field)
}

// walked looks for the steps in order.
func (m member) walked(q question.Sequence) bool {
	var steps []matcher
	for _, step := range q.Steps {
		steps = append(steps, func(e event) bool { return m.is(e, step) })
	}
	window := q.WindowMS
	if window == 0 {
		window = 14 * dayMS
	}
	list := m.seen(q.Window)
	level := walkOrdered(list, steps, window).level
	if len(list) <= 10 && tryOrdered(list, steps, window).level != level {
		panic("the oracle disagrees with itself")
	}
	return level == len(steps)
}
