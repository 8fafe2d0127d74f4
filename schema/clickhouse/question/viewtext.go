package question

import (
	"strconv"
	"strings"
)

// What differs between views and the statements of questions: a view knows its parameters only when it is asked, so it decides by conditions that are constant then,
// and costs nothing.

const (
	stepsParameter     = "{steps:Array(String)}"
	breakdownParameter = "{breakdown:String}"
	// brokenDown is the value of the column that the parameter names. As an identifier it makes the server read that column and no other, which conditions over all
	// columns would not.
	brokenDown = "toString({breakdown:Identifier})"
)

// withValues are the events with what a breakdown may name beside their columns.
func withValues(database string) string {
	return fill("(SELECT *, '' AS none, JSONExtractString(props, #key) AS property, #trait AS trait FROM #database.events_q)", "key", keyParameter, "trait", traitText(keyParameter), "database", database)
}

const keyParameter = "{property:String}"

var intervalParameter = "{interval:" + enum(intervals...) + "}"

// rangeOf is the condition for the events of the range that have the name.
const rangeOf = "project_id = {project:UInt32}\n    AND " + anyRange + "\n    AND (" + eventParameter + " = '' OR event = " + eventParameter + ")"

// trendsView reads rollup_1h when that has the same answer.
func trendsView(database string) string {
	const hours = "toUnixTimestamp64Milli(" + fromParameter + ") % 3600000 = 0 AND toUnixTimestamp64Milli(" + toParameter + ") % 3600000 = 0"
	rollup := intervalParameter + " != 'minute' AND " + breakdownParameter + " IN ('none', 'country', 'device') AND " + hours
	return fill(`SELECT bucket, breakdown, toUInt64(sum(n)) AS events, sum(amount) AS revenue
FROM
(
    SELECT
        #bucket AS bucket,
        #value AS breakdown,
        toInt64(1) AS n,
        toDecimal128(revenue, 4) AS amount
    FROM #events
    WHERE #range
        AND NOT (#rollup)
    UNION ALL
    SELECT
        #hours AS bucket,
        if(#breakdown = 'country', toString(country), if(#breakdown = 'device', toString(device), '')) AS breakdown,
        n,
        revenue AS amount
    FROM #database.rollup_1h
    WHERE project_id = {project:UInt32} AND hour >= #from AND hour < #to
        AND (#event = '' OR event = #event)
        AND (#rollup)
)
GROUP BY bucket, breakdown
HAVING sum(n) != 0
ORDER BY bucket, breakdown`,
		"bucket", chosen(intervalParameter, intervals, func(p string) string { return beginning(p, "ts") }),
		"hours", chosen(intervalParameter, intervals[1:], func(p string) string { return beginning(p, "hour") }),
		"value", brokenDown, "breakdown", breakdownParameter, "events", withValues(database), "database", database, "range", rangeOf, "rollup", rollup, "from", fromParameter, "to", toParameter, "event", eventParameter)
}

func uniquesView(database string) string {
	return fill(`SELECT bucket, breakdown, uniqExact(person) AS persons
FROM
(
    SELECT
        #bucket AS bucket,
        #value AS breakdown,
        person_h AS person
    FROM #events
    WHERE #range
)
GROUP BY bucket, breakdown
ORDER BY bucket, breakdown`,
		"bucket", chosen(intervalParameter, intervals, func(p string) string { return beginning(p, "ts") }),
		"value", brokenDown, "events", withValues(database), "range", rangeOf)
}

// funnelView has room for as many steps as there may be; those that are not given are left out by constant conditions.
func funnelView(database, template string, ordered, by bool) string {
	steps := stepsParameter
	if !ordered {
		steps = "arraySort(" + stepsParameter + ")" // so that same ones stand together
	}
	n := "length(" + stepsParameter + ")"
	c := chain{
		from:   database + ".events_q",
		where:  "project_id = {project:UInt32}\n    AND " + anyRange + "\n    AND (has(" + stepsParameter + ", '') OR event IN " + stepsParameter + ")\n    AND NOT throwIf(" + n + " NOT BETWEEN 1 AND 10, 'steps: must be 1 to 10')",
		bits:   "arraySum(arrayMap((s, i) -> bitShiftLeft(toUInt16(s = '' OR s = event), i), " + steps + ", range(" + n + ")))",
		count:  n,
		most:   maxSteps,
		window: "{window_ms:UInt64}",
		given:  func(i int) string { return n + " >= " + strconv.Itoa(i) },
		repeats: func(i int) string {
			return steps + "[" + strconv.Itoa(i) + "] = " + steps + "[" + strconv.Itoa(i-1) + "]"
		},
	}
	if by {
		c.from, c.value = withValues(database), brokenDown
	}
	events := ""
	if ordered {
		events = stepsParameter
	}
	columns, spans := stepColumns(events), ""
	if by {
		columns, spans = columns+timeColumns(n), times(n)
	}
	return fill(template, "columns", columns, "counts", "arraySlice("+counts(maxSteps)+", 1, "+n+")", "times", spans, "people", c.people(ordered))
}

// retentionView reads once, for the mode that is asked for.
func retentionView(database string) string {
	const mode = "{mode:Enum8('n_day' = 1, 'rolling' = 2, 'unbounded' = 3)}"
	const periods = "{periods:UInt16}"
	period := "{period:" + enum(spans...) + "}"
	where := "project_id = {project:UInt32}\n    AND " + anyRange + "\n    AND ({birth:String} = '' OR {return:String} = '' OR event IN ({birth:String}, {return:String}))\n    AND NOT throwIf(" + periods + " NOT BETWEEN 1 AND 400, 'periods: must be 1 to 400')"
	r := retained{
		period: chosen(period, spans, func(p string) string { return index(p, "ts") }),
		length: "if(" + period + " = 'day', " + decimal(lengths[day]) + ", " + decimal(lengths[week]) + ")",
		births: "({birth:String} = '' OR event = {birth:String})", returns: "({return:String} = '' OR event = {return:String})",
		from: database + ".events_q",
	}
	var all []string
	for _, m := range modes {
		r.where = where + "\n    AND " + mode + " = '" + m + "'"
		all = append(all, r.people(m))
	}
	return fill(retentionText,
		"people", strings.Join(all, "\nUNION ALL\n"),
		"kept", "if("+mode+" = 'unbounded', "+kept(modeUnbounded, periods)+", "+kept(modeNDay, periods)+")",
		"dense", "if("+mode+" = 'unbounded', "+dense(modeUnbounded)+", "+dense(modeNDay)+")",
		"cohort", chosen(period, spans, func(p string) string { return dayOf(p, "d0") }),
		"last", "("+chosen(period, spans, lastIndex)+")",
		"periods", periods)
}
