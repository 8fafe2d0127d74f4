package question

// Stickiness and lifecycle look at nothing but the periods in which persons were active, so both begin with these.

// activity is a SELECT with a row for each event, or each day of a person with any event: person and period, its number. Where any event counts, view user_day_q has
// the days of each person, which are far fewer than the events; the condition that does not hold costs nothing, as the server drops it before it reads.
//
// daily says when days are enough, beside the event; since is the condition for both.
func activity(database, period, event, daily, events, days string) string {
	return fill(activityText, "database", database, "period", period, "event", event, "daily", daily, "events", events, "days", days,
		"of_ts", chosen(period, calendar, func(p string) string { return index(p, "ts") }),
		"of_day", chosen(period, calendar, func(p string) string { return index(p, "day") }))
}

const activityText = `SELECT person_h AS person, #of_ts AS period
FROM #database.events_q
WHERE project_id = {project:UInt32} AND NOT (#daily)
    AND #events
    AND (#event = '' OR event = #event)
UNION ALL
SELECT person_h AS person, #of_day AS period
FROM #database.user_day_q
WHERE project_id = {project:UInt32} AND (#daily)
    AND #days`

const (
	eventParameter = "{event:String}"
	noEvent        = eventParameter + " = ''"
	// wholeDays holds for a range from midnight to midnight.
	wholeDays = "toUnixTimestamp64Milli(" + fromParameter + ") % 86400000 = 0 AND toUnixTimestamp64Milli(" + toParameter + ") % 86400000 = 0"
	daysRange = "day >= toDate32(" + fromParameter + ") AND day < toDate32(" + toParameter + ")"
)

var calendarParameter = "{period:" + enum(calendar...) + "}"

func stickinessText(database string) string {
	return fill(`SELECT periods, count() AS persons
FROM
(
    SELECT person, uniqExact(period) AS periods
    FROM
    (
        #activity
    )
    GROUP BY person
)
GROUP BY periods
ORDER BY periods`, "activity", activity(database, calendarParameter, eventParameter, noEvent+" AND "+wholeDays, anyRange, daysRange))
}

// lifecycleText looks at all of history before the end of the range, so days are enough when the end is midnight. Of each person it keeps the periods of the range, the
// one before, and the first of all. A period in which the person was active is new, returning or resurrecting by the one before it in that list; one that follows an
// active one and is not in the list is dormant.
func lifecycleText(database string) string {
	return fill(`SELECT
    #beginning AS bucket,
    countIf(change.2 = 1) AS new,
    countIf(change.2 = 2) AS returning,
    countIf(change.2 = 3) AS resurrecting,
    countIf(change.2 = 4) AS dormant
FROM
(
    SELECT
        min(period) AS born,
        arraySort(groupUniqArrayIf(period, period >= #first - 1)) AS active,
        arrayConcat(
            arrayMap((p, before) -> (p, multiIf(p = born, 1, p = before + 1, 2, 3)), active, arrayShiftRight(active, 1, toInt32(-100000))),
            arrayMap(p -> (p + 1, 4), arrayFilter((p, after) -> p + 1 != after, active, arrayShiftLeft(active, 1, toInt32(-100000))))) AS states
    FROM
    (
        #activity
    )
    GROUP BY person
)
ARRAY JOIN states AS change
WHERE change.1 BETWEEN #first AND #last
GROUP BY change.1
ORDER BY bucket`,
		"activity", activity(database, calendarParameter, eventParameter,
			noEvent+" AND toUnixTimestamp64Milli("+toParameter+") % 86400000 = 0", wideUntil, "day < toDate32("+toParameter+")"),
		"beginning", chosen(calendarParameter, calendar, func(p string) string { return dayOf(p, "change.1") }),
		"first", "("+chosen(calendarParameter, calendar, func(p string) string { return index(p, fromParameter) })+")",
		"last", "("+chosen(calendarParameter, calendar, lastIndex)+")")
}

// sessionsText counts by the day inside the session ids, which is the key of the table.
func sessionsText(database string) string {
	return fill(`SELECT
    #beginning AS bucket,
    count() AS sessions,
    countIf(bounced) AS bounces,
    bounces / sessions AS bounce_rate,
    toUInt64(sum(s.events)) AS events,
    toUInt64(sum(s.pageviews)) AS pageviews,
    sum(s.revenue) AS revenue,
    avg(duration_s) AS mean_s,
    quantileExactInclusive(0.5)(duration_s) AS median_s
FROM #database.sessions_q AS s
WHERE project_id = {project:UInt32} AND day >= toDate32(#from) AND day <= toDate32(#to - toIntervalMillisecond(1))
GROUP BY bucket
ORDER BY bucket`,
		"beginning", chosen(calendarParameter, calendar, func(p string) string { return dayOf(p, index(p, "day")) }),
		"database", database, "from", fromParameter, "to", toParameter)
}
