package question

import (
	"strconv"
	"strings"
)

// Rule holds for a person or not. Exactly one of its members is given.
type Rule struct {
	All []Rule `json:"all,omitempty"` // every one of them holds
	Any []Rule `json:"any,omitempty"` // one of them holds at least
	Not *Rule  `json:"not,omitempty"` // it does not hold

	Did      *Did      `json:"did,omitempty"`
	DidNot   *DidNot   `json:"did_not,omitempty"`
	Sequence *Sequence `json:"sequence,omitempty"`
	Profile  *Profile  `json:"profile,omitempty"`
	// Segment is the name of another segment: the person is in its last build. To the statement, one that does not exist or was never built is empty.
	Segment string `json:"segment,omitempty"`
}

// Did holds for persons with so many events of a kind. One of AtLeast, AtMost and Exactly may be given; none is AtLeast 1. AtMost, and Exactly 0, hold for persons
// without such an event, too.
type Did struct {
	Step
	AtLeast *int64 `json:"at_least,omitempty"` // 1 or more
	AtMost  *int64 `json:"at_most,omitempty"`
	Exactly *int64 `json:"exactly,omitempty"`
	Window
}

// DidNot holds for persons without an event of the kind.
type DidNot struct {
	Step
	Window
}

// Sequence holds for persons who took all steps in order, by the rules of an ordered funnel.
type Sequence struct {
	Steps []Step `json:"steps"` // 2 to 10
	// WindowMS is the longest time from the first event to the last, in milliseconds, inclusive. Default 14 days, ten years at most.
	WindowMS int64 `json:"window_ms,omitempty"`
	Window
}

// Profile compares a property of persons. Field is its name, as it is: dots in it have no meaning; Op and Values are those of a condition on a property of events. A person
// without a profile is as one whose profile lacks the property.
type Profile struct {
	Field  string   `json:"field"`
	Op     string   `json:"op"`
	Values []string `json:"values,omitempty"`
}

func (p Profile) condition() Condition { return Condition{propertyPrefix + p.Field, p.Op, p.Values} }

const ruleMembers = "all, any, not, did, did_not, sequence, profile, segment"

// given are the names of the members that are there.
func (r Rule) given() []string {
	var all []string
	for i, there := range []bool{r.All != nil, r.Any != nil, r.Not != nil, r.Did != nil, r.DidNot != nil, r.Sequence != nil, r.Profile != nil, r.Segment != ""} {
		if there {
			all = append(all, strings.Split(ruleMembers, ", ")[i])
		}
	}
	return all
}

// check returns how many leaves there are. depth is that of the rule itself, from 1.
func (r Rule) check(rep *report, pointer string, depth int) (leaves int) {
	if !rep.need(depth <= maxRuleDepth, pointer, CodeTooMany, "rules are nested deeper than "+strconv.Itoa(maxRuleDepth)+" levels: make a segment of a part, and name it here") {
		return 1
	}
	given := r.given()
	if !rep.need(len(given) > 0, pointer, CodeRequired, "says nothing: give one of "+ruleMembers) ||
		!rep.need(len(given) == 1, pointer, CodeInvalidChoice, "has "+strings.Join(given, " and ")+": give one of them, or put each into a rule of its own below all or any") {
		return 1
	}
	pointer += "/" + given[0]
	switch {
	case r.All != nil:
		return checkRules(rep, r.All, pointer, depth)
	case r.Any != nil:
		return checkRules(rep, r.Any, pointer, depth)
	case r.Not != nil:
		return r.Not.check(rep, pointer, depth+1)
	case r.Did != nil:
		r.Did.check(rep, pointer)
	case r.DidNot != nil:
		r.DidNot.Step.check(rep, pointer)
		r.DidNot.Window.check(rep, pointer)
	case r.Sequence != nil:
		r.Sequence.check(rep, pointer)
	case r.Profile != nil:
		r.Profile.check(rep, pointer)
	default:
		rep.parts++
		rep.short(r.Segment, pointer)
		rep.need(IsSegmentName(r.Segment), pointer, CodeInvalidValue, clip(r.Segment)+" is no name of a segment: "+nameRule)
	}
	return 1
}

func checkRules(rep *report, rules []Rule, pointer string, depth int) (leaves int) {
	rep.need(len(rules) > 0, pointer, CodeRequired, "is empty: give a rule")
	for i, r := range rules {
		leaves += r.check(rep, at(pointer, i), depth+1)
	}
	return leaves
}

func (d *Did) check(rep *report, pointer string) {
	d.Step.check(rep, pointer)
	given := 0
	for _, c := range []struct {
		n     *int64
		name  string
		least int64
	}{{d.AtLeast, "/at_least", 1}, {d.AtMost, "/at_most", 0}, {d.Exactly, "/exactly", 0}} {
		if c.n == nil {
			continue
		}
		given++
		rep.within(*c.n, c.least, maxTimes, pointer+c.name)
	}
	rep.need(given <= 1, pointer, CodeInvalidChoice, "has more than one of at_least, at_most and exactly")
	d.Window.check(rep, pointer)
}

func (q *Sequence) check(rep *report, pointer string) {
	checkSteps(rep, q.Steps, pointer+"/steps")
	rep.need(len(q.Steps) != 1, pointer+"/steps", CodeRequired, "one step is no sequence: give 2 to "+strconv.Itoa(maxSteps)+", or use did")
	rep.within(or(q.WindowMS, defaultWindow), 1, maxWindow, pointer+"/window_ms")
	q.Window.check(rep, pointer)
}

func (p *Profile) check(rep *report, pointer string) {
	rep.parts++
	// A condition calls its field and key one thing, this one has the key only.
	c := p.condition()
	if p.Field == "" {
		rep.need(false, pointer+"/field", CodeRequired, "is missing: name a property of persons")
		c.Field += "x"
	}
	c.check(rep, pointer)
}

// walk calls visit for every leaf, from left to right.
func (r Rule) walk(visit func(leaf Rule)) {
	switch {
	case r.All != nil:
		for _, part := range r.All {
			part.walk(visit)
		}
	case r.Any != nil:
		for _, part := range r.Any {
			part.walk(visit)
		}
	case r.Not != nil:
		r.Not.walk(visit)
	default:
		visit(r)
	}
}

// steps are the kinds of events that a leaf looks at.
func (r Rule) steps() []Step {
	switch {
	case r.Did != nil:
		return []Step{r.Did.Step}
	case r.DidNot != nil:
		return []Step{r.DidNot.Step}
	case r.Sequence != nil:
		return r.Sequence.Steps
	}
	return nil
}
