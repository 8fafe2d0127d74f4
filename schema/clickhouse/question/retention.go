package question

import "strings"

// Retention asks how many of the persons that began in a period came back in the periods after it. The rules are in the package comment.
type Retention struct {
	From Instant `json:"from"`
	To   Instant `json:"to"` // not part of the range
	// Birth is what a person begins with, Return what it comes back with. Their zero values are any event.
	Birth  Step `json:"birth,omitzero"`
	Return Step `json:"return,omitzero"`
	// Period is day (the default) or week.
	Period string `json:"period,omitempty"`
	// Mode is n_day (the default), rolling or unbounded.
	Mode string `json:"mode,omitempty"`
	// Periods is how many periods are told, the one of the beginning included. Default 31 days or 13 weeks, 400 at most.
	Periods int         `json:"periods,omitempty"`
	Where   []Condition `json:"where,omitempty"` // of both
}

const (
	modeNDay      = "n_day"
	modeRolling   = "rolling"
	modeUnbounded = "unbounded"

	maxPeriods = 400
	// maxRetentionRows bounds cohorts times periods.
	maxRetentionRows = 100_000
)

var modes = []string{modeNDay, modeRolling, modeUnbounded}

func (q *Retention) defaults() Retention {
	c := *q
	c.Period = or(c.Period, day)
	c.Mode = or(c.Mode, modeNDay)
	if c.Period == week {
		c.Periods = or(c.Periods, 13)
	}
	c.Periods = or(c.Periods, 31)
	return c
}

// Validate reports every problem at once, each as a *Problem.
func (q *Retention) Validate() error {
	c := q.defaults()
	var r report
	known := checkWord(&r, c.Period, spans, "/period")
	r.within(int64(c.Periods), 1, maxPeriods, "/periods")
	if checkRange(&r, c.From, c.To) && known {
		n := buckets(c.Period, c.From, c.To) * int64(c.Periods)
		r.need(n <= maxRetentionRows, "/to", CodeInvalidRange, "the range and periods have "+decimal(n)+" cells, above the limit of "+decimal(maxRetentionRows)+": take weeks, fewer periods or a shorter range")
	}
	checkWord(&r, c.Mode, modes, "/mode")
	c.Birth.check(&r, "/birth")
	c.Return.check(&r, "/return")
	checkConditions(&r, c.Where, "/where")
	return r.err()
}

// Build returns the statement. It has a row for each cohort and each k that lies, if only in part, before To: cohort, the first day of its period; size; k; persons;
// rate, persons ÷ size.
func (q *Retention) Build(database string, project uint32) (Statement, error) {
	if err := q.Validate(); err != nil {
		return Statement{}, err
	}
	c := q.defaults()
	s, err := newScope(database, project)
	if err != nil {
		return Statement{}, err
	}
	periods := s.int("periods", "UInt16", int64(c.Periods))
	births, returns := s.matches(c.Birth), s.matches(c.Return)
	where := append([]string{"project_id = {project:UInt32}", s.between(c.From, c.To)}, s.filters(c.Where, []string{births, returns})...)
	people := retained{
		period: index(c.Period, "ts"), length: decimal(lengths[c.Period]), births: births, returns: returns,
		from: s.database + ".events_q", where: strings.Join(where, " AND "),
	}
	text := fill(retentionText+"\nLIMIT #rows",
		"people", people.people(c.Mode), "kept", kept(c.Mode, periods), "dense", dense(c.Mode), "cohort", dayOf(c.Period, "d0"), "last", lastIndex(c.Period), "periods", periods,
		"rows", s.int("rows", "UInt64", buckets(c.Period, c.From, c.To)*int64(c.Periods)))
	return s.statement(text, retentionColumns), nil
}

var retentionColumns = []Column{
	{"cohort", "Date32", "first day of the period in which the persons began"},
	{"size", "UInt64", "persons of the cohort"},
	{"k", "UInt16", "periods after the beginning"},
	{"persons", "UInt64", "persons that came back then"},
	{"rate", "Float64", "their share of the cohort"},
}

// lastIndex is the number of the period that holds the last millisecond of the range.
func lastIndex(period string) string {
	return index(period, "("+toParameter+" - toIntervalMillisecond(1))")
}

// retained is where a retention reads from. The parts are expressions.
type retained struct{ period, length, births, returns, from, where string }

// people is a SELECT with a row for each person that began: d0, the number of its period, and ks, in which periods after it it came back; for unbounded only the last
// of them.
func (r retained) people(mode string) string {
	template := map[string]string{modeNDay: nDayText, modeUnbounded: unboundedText, modeRolling: rollingText}[mode]
	return fill(template, "period", r.period, "length", r.length, "births", r.births, "returns", r.returns, "from", r.from, "where", r.where,
		"place", place("toUInt8(0)"), "time_x", placeTime("x"), "time_first", placeTime("first"))
}

const nDayText = `SELECT d0, arrayFilter(k -> k >= 0, arrayMap(p -> toInt64(p) - d0, later)) AS ks
FROM
(
    SELECT minIf(period, born) AS d0, groupUniqArrayIf(period, returned) AS later
    FROM
    (
        SELECT person_h AS person, #period AS period, #births AS born, #returns AS returned
        FROM #from
        WHERE #where
    )
    GROUP BY person
    HAVING max(born)
)`

const unboundedText = `SELECT d0, if(later >= d0, [toInt64(later) - d0], emptyArrayInt64()) AS ks
FROM
(
    SELECT minIf(period, born) AS d0, if(max(returned), maxIf(period, returned), d0 - 1) AS later
    FROM
    (
        SELECT person_h AS person, #period AS period, #births AS born, #returns AS returned
        FROM #from
        WHERE #where
    )
    GROUP BY person
    HAVING max(born)
)`

const rollingText = `SELECT d0, arrayDistinct(arrayMap(x -> toInt64(intDiv(#time_x - #time_first, #length)), arrayFilter(x -> x > first, later))) AS ks
FROM
(
    SELECT minIf(period, born) AS d0, minIf(place, born) AS first, groupArrayIf(place, returned) AS later
    FROM
    (
        SELECT person_h AS person, #period AS period, #births AS born, #returns AS returned, #place AS place
        FROM #from
        WHERE #where
    )
    GROUP BY person
    HAVING max(born)
)`

// kept leaves out, or for unbounded cuts off, what lies beyond the periods that are told.
func kept(mode, periods string) string {
	if mode == modeUnbounded {
		return "arrayMap(k -> least(k, toInt64(" + periods + ") - 1), ks)"
	}
	return "arrayFilter(k -> k < " + periods + ", ks)"
}

// dense makes of sums, sorted numbers k and how many persons each has, an array of all periods.
func dense(mode string) string {
	text := "arrayResize(arrayFlatten(arrayMap((k, before, n) -> arrayPushBack(arrayWithConstant(k - before - 1, toUInt64(0)), n), sums.1, arrayShiftRight(sums.1, 1, toInt64(-1)), sums.2)), length, toUInt64(0))"
	if mode == modeUnbounded {
		text = "arrayReverse(arrayCumSum(arrayReverse(" + text + ")))"
	}
	return text
}

const retentionText = `SELECT
    #cohort AS cohort,
    size,
    toUInt16(place - 1) AS k,
    persons,
    persons / size AS rate
FROM
(
    SELECT
        d0,
        count() AS size,
        sumMap(kept, arrayMap(k -> toUInt64(1), kept)) AS sums,
        toUInt32(least(#last - d0 + 1, #periods)) AS length,
        #dense AS counts
    FROM
    (
        SELECT d0, #kept AS kept
        FROM
        (
            #people
        )
    )
    GROUP BY d0
)
ARRAY JOIN counts AS persons, arrayEnumerate(counts) AS place
ORDER BY cohort, k`
