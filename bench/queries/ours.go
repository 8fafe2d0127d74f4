package queries

// The questions as an analyst asks our tables: rollups where they hold the answer, the parameterised views, and view events_q for the rest.
const (
	// viewRange is the beginning of a view's parameters.
	viewRange = `project = {project:UInt32}, from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}`

	oursEventsPerDay = `SELECT bucket AS day, events FROM {db}.trends(` + viewRange + `, interval = 'day', event = '', breakdown = 'none', property = '') ORDER BY day`

	oursPeoplePerDay = `SELECT day, count() FROM {db}.user_day_q
WHERE project_id = {project:UInt32} AND day >= toDate({from:DateTime64(3, 'UTC')}) AND day < toDate({to:DateTime64(3, 'UTC')})
GROUP BY day ORDER BY day`

	oursTopPages = `SELECT url_path AS path, count() AS views, uniqExact(person_h) AS people
FROM {db}.events_q WHERE ` + inRange + ` AND event = '$pageview'
GROUP BY path ORDER BY views DESC, path LIMIT 10`

	oursCountries = `SELECT country, sum(n) AS events, uniqCombined64Merge(12)(users) AS people FROM {db}.rollup_1h
WHERE project_id = {project:UInt32} AND hour >= {from:DateTime64(3, 'UTC')} AND hour < {to:DateTime64(3, 'UTC')}
GROUP BY country ORDER BY events DESC, country`

	oursRevenue = `SELECT utm_campaign AS campaign, sum(revenue) AS income, count() AS orders
FROM {db}.events_q WHERE ` + inRange + ` AND event = 'Order Completed'
GROUP BY campaign ORDER BY income DESC, campaign`

	oursFunnel = `SELECT step, persons
FROM {db}.funnel(` + viewRange + `, steps = ['Product Viewed', 'Product Added', 'Order Completed'], window_ms = 86400000)`

	oursFunnelBy = `SELECT breakdown AS country, step, persons
FROM {db}.funnel_by(` + viewRange + `, steps = ['Product Viewed', 'Product Added', 'Order Completed'], window_ms = 86400000, breakdown = 'country', property = '')
ORDER BY country, step`

	oursRetention = `SELECT cohort, k, persons
FROM {db}.retention(` + viewRange + `, birth = '', return = '', period = 'week', mode = 'n_day', periods = 13)
WHERE persons > 0 ORDER BY cohort, k`

	oursTimeline = `SELECT ts, event, event_id, url_path, props
FROM {db}.timeline(` + viewRange + `, user = {user:String}, limit = 100)`

	oursEventByID = `SELECT ts, event, distinct_id, props FROM {db}.event_by_id(project = {project:UInt32}, id = {id:UUID})`

	oursProperty = `SELECT toDate(ts) AS day, count(), uniqExact(person_h)
FROM {db}.events_q WHERE ` + inRange + ` AND event = 'Product Viewed' AND JSONExtractString(props, 'plan') = {plan:String}
GROUP BY day ORDER BY day`

	oursSessions = `SELECT bucket AS day, sessions, bounces, mean_s FROM {db}.session_metrics(` + viewRange + `, period = 'day') ORDER BY day`
)
