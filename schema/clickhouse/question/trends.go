package question

import (
	"slices"
	"strconv"
	"strings"
)

// Trends asks how many events, persons or how much revenue there was in each period of time.
type Trends struct {
	From Instant `json:"from"`
	To   Instant `json:"to"` // not part of the range
	// Interval is minute, hour, day (the default), week or month.
	Interval string `json:"interval,omitempty"`
	// Series are counted one by one; 1 to 10.
	Series []Step      `json:"series"`
	Where  []Condition `json:"where,omitempty"` // of all series
	// Breakdown is a field by whose values each series is split; empty: none.
	Breakdown string `json:"breakdown,omitempty"`
	// Limit is how many values of the breakdown are told apart: those with the most events of all series together, equal ones in the order of their texts. Default 25,
	// 200 at most. The rest is one more row with "$other" and rest = 1.
	Limit int `json:"limit,omitempty"`
	// Measure is events (the default), persons, revenue or all. Persons are counted exactly, and do not add up over periods, series or values.
	Measure string `json:"measure,omitempty"`
	// Source is auto (the default) or events. With auto, rollup_1h answers when its answer is the same and it has all that is asked for: no persons; from, to and
	// interval in whole hours; and no field but event, country and device. Where events are deleted earlier than rollups, the rollup knows more.
	Source string `json:"source,omitempty"`
}

const (
	measureEvents  = "events"
	measurePersons = "persons"
	measureRevenue = "revenue"
	measureAll     = "all"

	sourceAuto   = "auto"
	sourceEvents = "events"

	defaultLimit = 25
	maxLimit     = 200
	// maxBuckets is a week of minutes.
	maxBuckets = 10_080
)

// defaults returns the question with the defaults in place.
func (q *Trends) defaults() Trends {
	c := *q
	c.Interval = or(c.Interval, day)
	c.Limit = or(c.Limit, defaultLimit)
	c.Measure = or(c.Measure, measureEvents)
	c.Source = or(c.Source, sourceAuto)
	return c
}

func or[T comparable](given, otherwise T) T {
	var none T
	if given == none {
		return otherwise
	}
	return given
}

// Validate reports every problem at once, each as a *Problem.
func (q *Trends) Validate() error {
	c := q.defaults()
	var r report
	known := checkWord(&r, c.Interval, intervals, "/interval")
	if checkRange(&r, c.From, c.To) && known {
		n := buckets(c.Interval, c.From, c.To)
		r.need(n <= maxBuckets, "/to", CodeInvalidRange, "the range has "+decimal(n)+" periods of a "+c.Interval+", above the limit of "+decimal(maxBuckets)+": take a longer interval or a shorter range")
	}
	checkSteps(&r, c.Series, "/series")
	checkConditions(&r, c.Where, "/where")
	if c.Breakdown != "" {
		checkField(&r, c.Breakdown, "/breakdown")
	}
	r.within(int64(c.Limit), 1, maxLimit, "/limit")
	checkWord(&r, c.Measure, []string{measureEvents, measurePersons, measureRevenue, measureAll}, "/measure")
	checkWord(&r, c.Source, []string{sourceAuto, sourceEvents}, "/source")
	return r.err()
}

// buckets is how many periods a range touches, or for months one more at most.
func buckets(interval string, from, to Instant) int64 {
	length := lengths[interval]
	if interval == month {
		length = 28 * dayMilli
	}
	return (to.milli()-from.milli())/length + 2
}

// Build returns the statement. Its columns are series (from 0, in the order of Series), bucket, with a breakdown breakdown and rest, and the measures. A period, series
// or value without events has no row.
func (q *Trends) Build(database string, project uint32) (Statement, error) {
	if err := q.Validate(); err != nil {
		return Statement{}, err
	}
	c := q.defaults()
	s, err := newScope(database, project)
	if err != nil {
		return Statement{}, err
	}
	columns := []Column{
		{"series", "UInt8", "place of the series in the question, from 0"},
		{"bucket", "DateTime64(0, 'UTC')", "beginning of the period"},
	}
	keys := []string{"series", "bucket"}
	from := c.source(s)
	if c.Breakdown != "" {
		from.split(s.text(c.Breakdown), s.int("limit", "UInt32", int64(c.Limit)))
		columns = append(columns,
			Column{"breakdown", "String", "value of the breakdown"},
			Column{"rest", "UInt8", "1: all values that are not told apart, as $other"})
		keys = append(keys, "breakdown", "rest")
	}
	selected, order := slices.Clone(keys), slices.Clone(keys)
	if c.Breakdown != "" {
		order[2], order[3] = order[3], order[2] // what is not told apart comes last
	}
	for _, m := range c.measures(from) {
		selected = append(selected, m.expression+" AS "+m.Name)
		columns = append(columns, m.Column)
	}
	text := fill(trendsText,
		"columns", strings.Join(selected, ",\n"),
		"carried", strings.Join(from.carried, ",\n"), "bucket", beginning(c.Interval, from.at), "series", from.series, "from", from.name, "where", from.where,
		"keys", strings.Join(keys, ", "), "having", from.having, "order", strings.Join(order, ", "),
		// There cannot be more.
		"limit", s.int("rows", "UInt64", int64(len(c.Series))*buckets(c.Interval, c.From, c.To)*int64(c.Limit+1)))
	return s.statement(text, columns), nil
}

const trendsText = `SELECT
    #columns
FROM
(
    SELECT
        #series AS series,
        #bucket AS bucket,
        #carried
    FROM #from
    WHERE #where
)
GROUP BY #keys#having
ORDER BY #order
LIMIT #limit`

// splitText finds out whether a value is one of those that are told apart.
const splitText = `(#value) NOT IN
(
    SELECT value
    FROM (SELECT #value AS value, #counted AS counted FROM #from WHERE #where)
    GROUP BY value
    ORDER BY sum(counted) DESC, value
    LIMIT #limit
) AS rest`

// counted is where trends read from, and what counts there.
type counted struct {
	name, where string
	at          string   // column with the time
	series      string   // expression; may make several rows of one
	counted     string   // expression for the events of a row
	carried     []string // columns that groups are made from
	events      string   // events of a group
	having      string
}

// split adds the value of a breakdown to each row.
func (c *counted) split(value, limit string) {
	c.carried = append(c.carried,
		fill(splitText, "value", value, "counted", c.counted, "from", c.name, "where", c.where, "limit", limit),
		"if(rest, '$other', "+value+") AS breakdown")
}

type measure struct {
	Column
	expression string
}

// measures are the columns that are asked for.
func (q *Trends) measures(from counted) []measure {
	var all []measure
	add := func(name, typ, comment, expression string) {
		if q.Measure == name || q.Measure == measureAll {
			all = append(all, measure{Column{name, typ, comment}, expression})
		}
	}
	add(measureEvents, "UInt64", "events", from.events)
	add(measurePersons, "UInt64", "different persons, exactly", "uniqExact(person)")
	add(measureRevenue, "Decimal(38, 4)", "sum of their revenue", "sum(amount)")
	return all
}

// source chooses between the events and the rollup.
func (q *Trends) source(s *scope) counted {
	c := counted{name: s.database + ".events_q", at: "ts", series: "toUInt8(0)", counted: "1", carried: []string{"person_h AS person", "revenue AS amount"}, events: "count()"}
	where := []string{"project_id = {project:UInt32}", s.between(q.From, q.To)}
	if q.fromRollup() {
		c = counted{
			name: s.database + ".rollup_1h", at: "hour", series: c.series, counted: "n", carried: []string{"n", "revenue AS amount"},
			events: "toUInt64(sum(n))", having: "\nHAVING sum(n) != 0", // what was taken back is gone
		}
		where[1] = "hour >= " + fromParameter + " AND hour < " + toParameter
	}
	matches := s.matchesEach(q.Series)
	if len(matches) > 1 {
		var places []string
		for i, m := range matches {
			places = append(places, "if("+m+", "+strconv.Itoa(i+1)+", 0)")
		}
		c.series = "toUInt8(arrayJoin(arrayFilter(i -> i > 0, [" + strings.Join(places, ", ") + "])) - 1)"
	}
	c.where = strings.Join(append(where, s.filters(q.Where, matches)...), " AND ")
	return c
}

// filters are conditions for the rows that meet all of where and are one of the kinds of events.
func (s *scope) filters(where []Condition, kinds []string) []string {
	var all []string
	for _, c := range where {
		all = append(all, s.condition(c))
	}
	if e := either(kinds); e != "1" {
		all = append(all, "("+e+")")
	}
	return all
}

// fromRollup tells whether rollup_1h has the same answer.
func (q *Trends) fromRollup() bool {
	if q.Source != sourceAuto || q.Interval == minute || q.Measure == measurePersons || q.Measure == measureAll || q.Breakdown != "" && !slices.Contains(inRollup, q.Breakdown) ||
		q.From.milli()%lengths[hour] != 0 || q.To.milli()%lengths[hour] != 0 {
		return false
	}
	conditions := slices.Clone(q.Where)
	for _, s := range q.Series {
		conditions = append(conditions, s.Where...)
	}
	return !slices.ContainsFunc(conditions, func(c Condition) bool { return !slices.Contains(inRollup, c.Field) })
}
