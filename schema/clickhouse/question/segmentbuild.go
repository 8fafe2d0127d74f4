package question

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Build returns the statement that finds the members of the segment at a moment: one row for each, in no order, with the column person_h.
//
// Each leaf is a SELECT of persons, perhaps more than once each, that gives them a bit. The bits of a person are brought together, and the rule is an expression over them. A leaf that holds for those
// of whom nothing is known selects the persons for whom it does not hold, and is negated; so everyone is looked at only when the rule holds for a person without any bit.
func (s *Segment) Build(database string, project uint32, moment time.Time) (Statement, error) {
	if err := s.Validate(); err != nil {
		return Statement{}, err
	}
	if ms := moment.UnixMilli(); ms <= firstMilli || ms >= lastMilli {
		return Statement{}, fmt.Errorf("moment %v: events have times from 1900-01-01 to 2299-12-31", moment)
	}
	sc, err := newScope(database, project)
	if err != nil {
		return Statement{}, err
	}
	c := compiler{scope: sc, moment: moment}
	rule, unknown := c.rule(s.Where)
	if unknown {
		c.everyone(s.Where)
	}
	text := fill(segmentText, "parts", strings.Join(c.parts, "\nUNION ALL\n"), "rule", rule)
	return sc.statement(text, []Column{{"person_h", "UInt64", "person, as in events_q"}}), nil
}

const segmentText = `SELECT person AS person_h
FROM
(
    SELECT person, groupBitOr(bit) AS bits
    FROM
    (
        #parts
    )
    GROUP BY person
)
WHERE #rule`

// compiler makes the parts of a segment's statement.
type compiler struct {
	*scope
	moment time.Time
	leaves int
	parts  []string
}

// rule is the expression for a rule, and whether it holds for a person without any bit.
func (c *compiler) rule(r Rule) (expression string, unknown bool) {
	join := func(rules []Rule, word string, all bool) (string, bool) {
		unknown := all
		var parts []string
		for _, part := range rules {
			e, u := c.rule(part)
			parts = append(parts, e)
			if u != all {
				unknown = !all
			}
		}
		return "(" + strings.Join(parts, word) + ")", unknown
	}
	switch {
	case r.All != nil:
		return join(r.All, " AND ", true)
	case r.Any != nil:
		return join(r.Any, " OR ", false)
	case r.Not != nil:
		e, u := c.rule(*r.Not)
		return "(NOT " + e + ")", !u
	case r.Did != nil:
		return c.did(*r.Did)
	case r.DidNot != nil:
		var none int64
		return c.did(Did{Step: r.DidNot.Step, Exactly: &none, Window: r.DidNot.Window})
	case r.Sequence != nil:
		return c.leaf(c.sequence(*r.Sequence), false)
	case r.Profile != nil:
		return c.profile(*r.Profile)
	default:
		return c.leaf(c.members(r.Segment), false)
	}
}

// leaf gives a SELECT of persons the next bit.
func (c *compiler) leaf(persons string, negated bool) (expression string, unknown bool) {
	n := strconv.Itoa(c.leaves)
	c.parts = append(c.parts, fill("SELECT person, bitShiftLeft(toUInt64(1), "+n+") AS bit\nFROM\n(\n    #persons\n)", "persons", persons))
	c.leaves++
	if negated {
		return "(NOT bitTest(bits, " + n + "))", true
	}
	return "bitTest(bits, " + n + ")", false
}

func (c *compiler) did(d Did) (string, bool) {
	counted, negated := "", false // without a count persons may stand there more than once: they are brought together later anyway
	times := func(comparison string, n int64) {
		counted = "\nGROUP BY person\nHAVING count() " + comparison + " " + c.value("UInt64", decimal(n))
	}
	switch {
	case d.AtMost != nil && *d.AtMost == 0, d.Exactly != nil && *d.Exactly == 0:
		negated = true
	case d.AtMost != nil:
		negated = true
		times(">", *d.AtMost)
	case d.Exactly != nil:
		times("=", *d.Exactly)
	case d.AtLeast != nil && *d.AtLeast > 1:
		times(">=", *d.AtLeast)
	}
	where := c.during(d.until(c.moment)) + " AND " + c.counts(d.Step)
	return c.leaf(c.persons("events_q", where)+counted, negated)
}

// persons is a SELECT of persons from a view.
func (c *compiler) persons(view, where string) string {
	return "SELECT person_h AS person\nFROM " + c.database + "." + view + "\nWHERE project_id = {project:UInt32}" + and(where)
}

func and(condition string) string {
	if condition == "" {
		return ""
	}
	return " AND " + condition
}

// counts tells whether a row is an event of a step.
func (c *compiler) counts(step Step) string {
	if step.Event != "" {
		return c.matches(step)
	}
	return every([]string{"event NOT IN " + literals([]string{EventSegmentEntered, EventSegmentLeft}), c.matches(step)})
}

func literals(names []string) string {
	var all []string
	for _, name := range names {
		all = append(all, literal(name))
	}
	return "(" + strings.Join(all, ", ") + ")"
}

func (c *compiler) sequence(q Sequence) string {
	where := []string{"project_id = {project:UInt32}", c.during(q.until(c.moment))}
	var kinds, bits []string
	for i, step := range q.Steps {
		kinds = append(kinds, c.counts(step))
		bits = append(bits, "bitShiftLeft(toUInt16("+kinds[i]+"), "+strconv.Itoa(i)+")")
	}
	n := strconv.Itoa(len(q.Steps))
	steps := chain{
		from: c.database + ".events_q", where: strings.Join(append(where, c.filters(nil, kinds)...), " AND "), bits: strings.Join(bits, "\n+ "),
		count: n, most: len(q.Steps), window: c.value("UInt64", decimal(or(q.WindowMS, defaultWindow))), keep: true,
	}
	return fill("SELECT person\nFROM\n(\n    #levels\n)\nWHERE level = "+n, "levels", steps.ordered(steps.events(true)))
}

func (c *compiler) profile(p Profile) (string, bool) {
	condition := p.condition()
	holds := c.condition(condition)
	if condition.holdsForNothing() {
		return c.leaf(c.persons("profiles_q", "NOT ("+holds+")"), true)
	}
	return c.leaf(c.persons("profiles_q", holds), false)
}

// members is a SELECT of the persons in a segment.
func (c *compiler) members(segment string) string {
	return c.persons("segment_members_q", "segment = "+c.value("String", segment))
}

// everyone adds those of whom the rule may know nothing, without a bit. Members of segments that are leaves are among the parts already.
func (c *compiler) everyone(r Rule) {
	silent := []string{EventSegmentEntered, EventSegmentLeft}
	r.walk(func(leaf Rule) {
		for _, step := range leaf.steps() {
			silent = slices.DeleteFunc(silent, func(name string) bool { return name == step.Event })
		}
	})
	where := c.during(Window{}.until(c.moment))
	if len(silent) > 0 {
		where += " AND event NOT IN " + literals(silent)
	}
	for _, persons := range []string{c.persons("events_q", where), c.persons("profiles_q", "")} {
		c.parts = append(c.parts, fill("SELECT person, toUInt64(0) AS bit\nFROM\n(\n    #persons\n)", "persons", persons))
	}
}
