package queries

// The questions as somebody who knows ClickHouse would ask the naive table: conditions on columns first, which also decide which rows' JSON is read at all; ts in them, which is its key; each
// member taken out of the JSON once.
const (
	naiveEventsPerDay = `SELECT toDate(ts) AS day, count() FROM {db}.naive WHERE ` + inRange + ` GROUP BY day ORDER BY day`

	naivePeoplePerDay = `SELECT toDate(ts) AS day, uniqExact(distinct_id) FROM {db}.naive WHERE ` + inRange + ` GROUP BY day ORDER BY day`

	naiveTopPages = `SELECT JSONExtractString(data, 'context', 'page', 'path') AS path, count() AS views, uniqExact(distinct_id) AS people
FROM {db}.naive WHERE ` + inRange + ` AND event = '$pageview'
GROUP BY path ORDER BY views DESC, path LIMIT 10`

	naiveCountries = `SELECT JSONExtractString(data, 'country') AS country, count() AS events, uniqExact(distinct_id) AS people
FROM {db}.naive WHERE ` + inRange + `
GROUP BY country ORDER BY events DESC, country`

	naiveRevenue = `SELECT JSONExtractString(data, 'context', 'campaign', 'name') AS campaign, sum(JSONExtract(data, 'properties', 'revenue', 'Decimal(18, 4)')) AS income, count() AS orders
FROM {db}.naive WHERE ` + inRange + ` AND event = 'Order Completed'
GROUP BY campaign ORDER BY income DESC, campaign`

	// windowFunnel is right here because the steps differ and nobody has two events in the same millisecond.
	naiveFunnel = `SELECT toUInt8(step), persons FROM
(
    SELECT [countIf(level >= 1), countIf(level >= 2), countIf(level >= 3)] AS reached FROM
    (
        SELECT windowFunnel(86400000)(toUInt64(toUnixTimestamp64Milli(ts)), event = 'Product Viewed', event = 'Product Added', event = 'Order Completed') AS level
        FROM {db}.naive WHERE ` + inRange + ` AND event IN ('Product Viewed', 'Product Added', 'Order Completed')
        GROUP BY distinct_id
    )
)
ARRAY JOIN reached AS persons, arrayEnumerate(reached) AS step ORDER BY step`

	// A person's country does not change here, so any of their events may tell it.
	naiveFunnelBy = `SELECT country, toUInt8(step), persons FROM
(
    SELECT country, [countIf(level >= 1), countIf(level >= 2), countIf(level >= 3)] AS reached FROM
    (
        SELECT
            windowFunnel(86400000)(toUInt64(toUnixTimestamp64Milli(ts)), event = 'Product Viewed', event = 'Product Added', event = 'Order Completed') AS level,
            any(JSONExtractString(data, 'country')) AS country
        FROM {db}.naive WHERE ` + inRange + ` AND event IN ('Product Viewed', 'Product Added', 'Order Completed')
        GROUP BY distinct_id
    )
    WHERE level > 0 GROUP BY country
)
ARRAY JOIN reached AS persons, arrayEnumerate(reached) AS step ORDER BY country, step`

	naiveRetention = `SELECT cohort, toUInt16(intDiv(week - cohort, 7)) AS k, count() FROM
(
    SELECT arrayMin(weeks) AS cohort, arrayJoin(weeks) AS week FROM
    (SELECT groupUniqArray(toMonday(ts)) AS weeks FROM {db}.naive WHERE ` + inRange + ` GROUP BY distinct_id)
)
GROUP BY cohort, k ORDER BY cohort, k`

	naiveTimeline = `SELECT ts, event, JSONExtractString(data, 'event_id'), JSONExtractString(data, 'context', 'page', 'path'), JSONExtractRaw(data, 'properties')
FROM {db}.naive WHERE ` + inRange + ` AND distinct_id = {user:String}
ORDER BY ts DESC LIMIT 100`

	// The id is a UUIDv7 and so tells the day; a search for the text spares parsing what cannot be it.
	naiveEventByID = `SELECT ts, event, distinct_id, JSONExtractRaw(data, 'properties')
FROM {db}.naive
WHERE project_id = {project:UInt32} AND ts >= UUIDv7ToDateTime({id:UUID}) - toIntervalDay(1) AND ts < UUIDv7ToDateTime({id:UUID}) + toIntervalDay(1)
    AND position(data, {id:String}) > 0 AND JSONExtractString(data, 'event_id') = {id:String}`

	naiveProperty = `SELECT toDate(ts) AS day, count(), uniqExact(distinct_id)
FROM {db}.naive WHERE ` + inRange + ` AND event = 'Product Viewed' AND JSONExtractString(data, 'properties', 'plan') = {plan:String}
GROUP BY day ORDER BY day`

	// A session that began before the range must not count as one that began in it, and one that began in it goes on behind it.
	naiveSessions = `SELECT toDate(began) AS day, count(), countIf(views <= 1), avg(length) FROM
(
    SELECT min(ts) AS began, countIf(event = '$pageview') AS views, dateDiff('second', min(ts), max(ts)) AS length
    FROM {db}.naive
    WHERE project_id = {project:UInt32} AND ts >= {from:DateTime64(3, 'UTC')} - toIntervalDay(1) AND ts < {to:DateTime64(3, 'UTC')} + toIntervalDay(1)
    GROUP BY JSONExtractString(data, 'session_id')
)
WHERE began >= {from:DateTime64(3, 'UTC')} AND began < {to:DateTime64(3, 'UTC')}
GROUP BY day ORDER BY day`
)
