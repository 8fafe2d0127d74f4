package question

import (
	"strconv"
	"strings"
)

// Step is a kind of event: those of a name that meet conditions.
type Step struct {
	// Event is the name; empty: any event.
	Event string      `json:"event"`
	Where []Condition `json:"where,omitempty"` // all must hold
}

// Limits of questions.
const (
	maxSteps      = 10
	maxConditions = 20
	maxValues     = 100
	maxTextBytes  = 4096
	// maxParts bounds conditions and values of a whole question: a statement must not be longer or larger than servers take.
	maxParts = 500
	// maxParamBytes bounds what all texts of a question add up to: a request with them must pass the limits of the server and of what lies before it.
	maxParamBytes = 256 << 10
)

func (s Step) check(r *report, pointer string) {
	r.short(s.Event, pointer+"/event")
	checkConditions(r, s.Where, pointer+"/where")
}

func checkSteps(r *report, steps []Step, pointer string) {
	r.need(len(steps) > 0, pointer, CodeRequired, "is empty: give 1 to "+strconv.Itoa(maxSteps))
	r.need(len(steps) <= maxSteps, pointer, CodeTooMany, strconv.Itoa(len(steps))+" are above the limit of "+strconv.Itoa(maxSteps))
	for i, s := range steps {
		s.check(r, at(pointer, i))
	}
}

func checkConditions(r *report, all []Condition, pointer string) {
	r.parts += len(all)
	r.need(len(all) <= maxConditions, pointer, CodeTooMany, strconv.Itoa(len(all))+" conditions are above the limit of "+strconv.Itoa(maxConditions))
	for i, c := range all {
		c.check(r, at(pointer, i))
	}
}

// matches is an expression that tells whether a row is such an event; "1" when each is.
func (s *scope) matches(step Step) string {
	var all []string
	if step.Event != "" {
		all = append(all, "event = "+s.value("String", step.Event))
	}
	for _, c := range step.Where {
		all = append(all, s.condition(c))
	}
	return every(all)
}

// matchesEach is matches for each step.
func (s *scope) matchesEach(steps []Step) []string {
	var all []string
	for _, step := range steps {
		all = append(all, s.matches(step))
	}
	return all
}

// every joins expressions that must all hold.
func every(all []string) string {
	if len(all) == 0 {
		return "1"
	}
	return strings.Join(all, " AND ")
}

// either joins expressions of which one must hold; "1" when one always does, or there are none.
func either(all []string) string {
	if len(all) == 0 {
		return "1"
	}
	var some []string
	for _, e := range all {
		if e == "1" {
			return "1"
		}
		some = append(some, "("+e+")")
	}
	return strings.Join(some, " OR ")
}

// same tells whether two steps are the same kind of event as far as can be seen.
func (s Step) same(other Step) bool {
	if s.Event != other.Event || len(s.Where) != len(other.Where) {
		return false
	}
	for i, c := range s.Where {
		if !c.same(other.Where[i]) {
			return false
		}
	}
	return true
}
