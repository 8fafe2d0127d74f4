package question

import (
	"slices"
	"strconv"
	"strings"
)

// Funnel asks how many persons take steps one after the other, or all of them in any order, within a window of time. The rules are in the package comment.
type Funnel struct {
	From Instant `json:"from"`
	To   Instant `json:"to"` // not part of the range
	// Steps are 1 to 10. The same step may stand there more than once; it then needs as many events.
	Steps []Step `json:"steps"`
	// WindowMS is the longest time from the first event to the last, in milliseconds, inclusive. Default 14 days, ten years at most.
	WindowMS int64 `json:"window_ms,omitempty"`
	// Order is ordered (the default) or any.
	Order string      `json:"order,omitempty"`
	Where []Condition `json:"where,omitempty"` // of all events
	// Breakdown is a field by whose value at the entry persons are split; empty: none.
	Breakdown string `json:"breakdown,omitempty"`
	// Limit is how many values are told apart: those with the most persons at step 1, equal ones in the order of their texts. Default 25, 200 at most. The rest is
	// "$other" with rest = 1.
	Limit int `json:"limit,omitempty"`
}

const (
	orderOrdered = "ordered"
	orderAny     = "any"

	defaultWindow = 14 * dayMilli
	maxWindow     = 3653 * dayMilli
)

func (q *Funnel) defaults() Funnel {
	c := *q
	c.WindowMS = or(c.WindowMS, defaultWindow)
	c.Order = or(c.Order, orderOrdered)
	c.Limit = or(c.Limit, defaultLimit)
	return c
}

// Validate reports every problem at once, each as a *Problem.
func (q *Funnel) Validate() error {
	c := q.defaults()
	var r report
	checkRange(&r, c.From, c.To)
	checkSteps(&r, c.Steps, "/steps")
	r.within(c.WindowMS, 1, maxWindow, "/window_ms")
	checkWord(&r, c.Order, []string{orderOrdered, orderAny}, "/order")
	checkConditions(&r, c.Where, "/where")
	if c.Breakdown != "" {
		checkField(&r, c.Breakdown, "/breakdown")
	}
	r.within(int64(c.Limit), 1, maxLimit, "/limit")
	return r.err()
}

// Build returns the statement. It has a row for each step (of each value): breakdown and rest, when asked for; step, from 1; event, of an ordered funnel; persons that
// came so far; conversion, their share of those at step 1; median_ms and mean_ms, at the last step, from the entry to it.
func (q *Funnel) Build(database string, project uint32) (Statement, error) {
	if err := q.Validate(); err != nil {
		return Statement{}, err
	}
	c := q.defaults()
	s, err := newScope(database, project)
	if err != nil {
		return Statement{}, err
	}
	ordered := c.Order == orderOrdered
	if !ordered {
		c.Steps = together(c.Steps)
	}
	matches := s.matchesEach(c.Steps)
	where := append([]string{"project_id = {project:UInt32}", s.between(c.From, c.To)}, s.filters(c.Where, matches)...)
	n := strconv.Itoa(len(c.Steps))
	var bits []string
	for i, step := range matches {
		bits = append(bits, "bitShiftLeft(toUInt16("+step+"), "+strconv.Itoa(i)+")")
	}
	people := chain{
		from: s.database + ".events_q", where: strings.Join(where, " AND "), bits: strings.Join(bits, "\n+ "), count: n, most: len(c.Steps), window: s.int("window_ms", "UInt64", c.WindowMS),
		repeats: func(i int) string {
			if c.Steps[i-1].same(c.Steps[i-2]) {
				return "1"
			}
			return "0"
		},
	}
	rows := len(c.Steps)
	events := ""
	columns := slices.Clone(funnelColumns)
	if ordered {
		var names []string
		for _, step := range c.Steps {
			names = append(names, s.value("String", step.Event))
		}
		events = "[" + strings.Join(names, ", ") + "]"
	} else {
		columns = slices.Delete(columns, 1, 2)
	}
	template, limit := funnelText, ""
	if c.Breakdown != "" {
		people.value = s.text(c.Breakdown)
		template, limit = funnelTopText, s.int("limit", "UInt32", int64(c.Limit))
		rows *= c.Limit + 1
		columns = append([]Column{{"breakdown", "String", "value of the breakdown at the entry"}, {"rest", "UInt8", "1: all values that are not told apart, as $other"}}, columns...)
	}
	text := fill(template+"\nLIMIT #rows", "columns", stepColumns(events)+timeColumns(n), "counts", counts(len(c.Steps)), "times", times(n), "n", n, "limit", limit,
		"people", people.people(ordered), "rows", s.int("rows", "UInt64", int64(rows)))
	return s.statement(text, columns), nil
}

// together puts steps that are the same next to each other. In which order others stand does not matter.
func together(steps []Step) []Step {
	var all []Step
	for i, s := range steps {
		first := true
		for _, before := range steps[:i] {
			first = first && !before.same(s)
		}
		if !first {
			continue
		}
		for _, other := range steps[i:] {
			if other.same(s) {
				all = append(all, other)
			}
		}
	}
	return all
}

// counts is an array of how many persons reached each level.
func counts(n int) string {
	var all []string
	for i := 1; i <= n; i++ {
		all = append(all, "countIf(level >= "+strconv.Itoa(i)+")")
	}
	return "[" + strings.Join(all, ", ") + "]"
}

var funnelColumns = []Column{
	{"step", "UInt8", "place of the step, from 1"},
	{"event", "String", "name of its event; empty: any"},
	{"persons", "UInt64", "persons that came so far, or farther"},
	{"conversion", "Float64", "their share of the persons at step 1"},
	{"median_ms", "Nullable(Float64)", "at the last step: median of the milliseconds from the entry to it"},
	{"mean_ms", "Nullable(Float64)", "at the last step: mean of the milliseconds from the entry to it"},
}

// stepColumns are the columns of each row that are the same in all funnels; events is an array of names, empty: there is no such column.
func stepColumns(events string) string {
	columns := []string{"toUInt8(place) AS step"}
	if events != "" {
		columns = append(columns, events+"[step] AS event")
	}
	return strings.Join(append(columns, "persons", "if(reached[1] = 0, 0, persons / reached[1]) AS conversion"), ",\n")
}

// timeColumns follow them.
func timeColumns(n string) string {
	return ",\nif(step = " + n + ", if(persons = 0, NULL, median), NULL) AS median_ms,\nif(step = " + n + ", if(persons = 0, NULL, mean), NULL) AS mean_ms"
}

// times are what timeColumns come from.
func times(n string) string {
	return ",\nquantileExactInclusiveIf(0.5)(took, level = " + n + ") AS median,\navgIf(took, level = " + n + ") AS mean"
}

const stepRows = `ARRAY JOIN reached AS persons, arrayEnumerate(reached) AS place`

const funnelText = `SELECT
    #columns
FROM
(
    SELECT
        #counts AS reached#times
    FROM
    (
        #people
    )
)
` + stepRows + `
ORDER BY step`

const funnelValuesText = `SELECT
    breakdown,
    #columns
FROM
(
    SELECT
        value AS breakdown,
        #counts AS reached#times
    FROM
    (
        #people
    )
    GROUP BY value
)
` + stepRows + `
ORDER BY reached[1] DESC, breakdown, step`

// funnelTopText adds up the values that are not told apart. A person has one entry, so it counts for one value.
const funnelTopText = `SELECT
    breakdown,
    rest,
    #columns
FROM
(
    SELECT
        rest,
        if(rest, '$other', value) AS breakdown,
        sumForEach(counts) AS reached,
        quantileExactInclusiveMerge(0.5)(spans) AS median,
        sum(total) / reached[#n] AS mean
    FROM
    (
        SELECT *, row_number() OVER (ORDER BY counts[1] DESC, value) > #limit AS rest
        FROM
        (
            SELECT
                value,
                #counts AS counts,
                quantileExactInclusiveStateIf(0.5)(took, level = #n) AS spans,
                sumIf(took, level = #n) AS total
            FROM
            (
                #people
            )
            GROUP BY value
        )
    )
    GROUP BY rest, breakdown
)
` + stepRows + `
ORDER BY rest, reached[1] DESC, breakdown, step`
