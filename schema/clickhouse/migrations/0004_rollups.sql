CREATE TABLE IF NOT EXISTS {database}.rollup_1m
(
    project_id UInt32                                        COMMENT 'project that owns the events',
    event      LowCardinality(String)                        COMMENT 'name of the event',
    minute     DateTime64(0, 'UTC')                          COMMENT 'minute of ts, by its beginning'                                        CODEC(Delta, ZSTD(1)),
    n          SimpleAggregateFunction(sum, Int64)           COMMENT 'events: read sum(n)',
    revenue    SimpleAggregateFunction(sum, Decimal(38, 4))  COMMENT 'revenue of the events: read sum(revenue)',
    users      AggregateFunction(uniqCombined64(12), UInt64) COMMENT 'different user_h, within about 1 %: read uniqCombined64Merge(12)(users)'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (project_id, event, minute)
TTL toDateTime(least(greatest(minute, toDateTime64(0, 0, 'UTC')), toDateTime64('2100-01-01 00:00:00', 0, 'UTC')), 'UTC') + INTERVAL 60 DAY
SETTINGS non_replicated_deduplication_window = 20000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Events by minute, of the last 60 days. Sum and merge when reading: a key may have several rows until they are merged';
CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.rollup_1m_mv TO {database}.rollup_1m AS
SELECT
    project_id,
    event,
    toDateTime64(60 * (intDiv(toUnixTimestamp64Milli(ts), 60000) - (toUnixTimestamp64Milli(ts) % 60000 < 0)), 0, 'UTC') AS minute,
    toInt64(count()) AS n,
    sum(revenue) AS revenue,
    uniqCombined64State(12)(user_h) AS users
FROM {database}.events
GROUP BY project_id, event, minute
COMMENT 'Fills rollup_1m from events. The division rounds down before 1970 too, and does not wrap after 2106 as toStartOfMinute does';
CREATE TABLE IF NOT EXISTS {database}.rollup_1h
(
    project_id UInt32                                        COMMENT 'project that owns the events',
    event      LowCardinality(String)                        COMMENT 'name of the event',
    hour       DateTime64(0, 'UTC')                          COMMENT 'hour of ts, by its beginning'                                          CODEC(Delta, ZSTD(1)),
    country    LowCardinality(String)                        COMMENT 'country, ISO 3166-1 alpha-2; empty: unknown',
    device     LowCardinality(String)                        COMMENT 'type of device; empty: unknown',
    n          SimpleAggregateFunction(sum, Int64)           COMMENT 'events: read sum(n)',
    revenue    SimpleAggregateFunction(sum, Decimal(38, 4))  COMMENT 'revenue of the events: read sum(revenue)',
    users      AggregateFunction(uniqCombined64(12), UInt64) COMMENT 'different user_h, within about 1 %: read uniqCombined64Merge(12)(users)'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYear(hour)
ORDER BY (project_id, event, hour, country, device)
SETTINGS non_replicated_deduplication_window = 20000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Events by hour, country and device. Sum and merge when reading: a key may have several rows until they are merged';
CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.rollup_1h_mv TO {database}.rollup_1h AS
SELECT
    project_id,
    event,
    toDateTime64(3600 * (intDiv(toUnixTimestamp64Milli(ts), 3600000) - (toUnixTimestamp64Milli(ts) % 3600000 < 0)), 0, 'UTC') AS hour,
    country,
    device,
    toInt64(count()) AS n,
    sum(revenue) AS revenue,
    uniqCombined64State(12)(user_h) AS users
FROM {database}.events
GROUP BY project_id, event, hour, country, device
COMMENT 'Fills rollup_1h from events';
CREATE TABLE IF NOT EXISTS {database}.user_day
(
    project_id UInt32                                              COMMENT 'project that owns the events',
    day        Date32                                              COMMENT 'day of ts, UTC',
    user_h     UInt64                                              COMMENT 'cityHash64(distinct_id) of the user',
    n          SimpleAggregateFunction(sum, Int64)                 COMMENT 'events of the user on that day: read sum(n)',
    first_ts   SimpleAggregateFunction(min, DateTime64(3, 'UTC'))  COMMENT 'ts of the first of them: read min(first_ts)',
    last_ts    SimpleAggregateFunction(max, DateTime64(3, 'UTC'))  COMMENT 'ts of the last of them: read max(last_ts)'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (project_id, day, user_h)
SETTINGS non_replicated_deduplication_window = 20000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Who was active on which day. Aggregate when reading: a key may have several rows until they are merged';
CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.user_day_mv TO {database}.user_day AS
SELECT
    project_id,
    toDate32(ts) AS day,
    user_h,
    toInt64(count()) AS n,
    min(ts) AS first_ts,
    max(ts) AS last_ts
FROM {database}.events
GROUP BY project_id, day, user_h
COMMENT 'Fills user_day from events';
CREATE TABLE IF NOT EXISTS {database}.sessions
(
    project_id UInt32                                              COMMENT 'project that owns the events',
    day        Date32                                              COMMENT 'day inside the session id, UTC',
    session_id UUID                                                COMMENT 'session',
    first      SimpleAggregateFunction(min, Tuple(ts DateTime64(3, 'UTC'), user_h UInt64, path String, referrer String, utm_source String))
                                                                   COMMENT 'first event: read min(first) and take its parts',
    last       SimpleAggregateFunction(max, Tuple(ts DateTime64(3, 'UTC'), path String))
                                                                   COMMENT 'last event: read max(last) and take its parts',
    events     SimpleAggregateFunction(sum, Int64)                 COMMENT 'events: read sum(events)',
    pageviews  SimpleAggregateFunction(sum, Int64)                 COMMENT 'events named $pageview: read sum(pageviews)',
    revenue    SimpleAggregateFunction(sum, Decimal(38, 4))        COMMENT 'revenue of the events: read sum(revenue)'
)
ENGINE = AggregatingMergeTree
ORDER BY (project_id, day, session_id)
SETTINGS non_replicated_deduplication_window = 20000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Sessions in parts, for view sessions_q. No partitions: session ids come from clients, which must not choose how many partitions an insert touches';
CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.sessions_mv TO {database}.sessions AS
SELECT
    project_id,
    toDate32(UUIDv7ToDateTime(session_id, 'UTC')) AS day,
    session_id,
    min((ts, user_h, CAST(url_path, 'String'), CAST(referrer_host, 'String'), CAST(utm_source, 'String'))) AS first,
    max((ts, CAST(url_path, 'String'))) AS last,
    toInt64(count()) AS events,
    toInt64(countIf(event = '$pageview')) AS pageviews,
    sum(revenue) AS revenue
FROM {database}.events
WHERE session_id != toUUID('00000000-0000-0000-0000-000000000000')
GROUP BY project_id, day, session_id
COMMENT 'Fills sessions from events';
CREATE VIEW IF NOT EXISTS {database}.sessions_q
(
    project_id UInt32               COMMENT 'project that owns the events',
    day        Date32               COMMENT 'day inside the session id, UTC: the key to filter by',
    session_id UUID                 COMMENT 'session',
    user_h     UInt64               COMMENT 'cityHash64(distinct_id) of the first event',
    started_at DateTime64(3, 'UTC') COMMENT 'ts of the first event',
    ended_at   DateTime64(3, 'UTC') COMMENT 'ts of the last event',
    duration_s Int64                COMMENT 'seconds between the two',
    events     Int64                COMMENT 'events',
    pageviews  Int64                COMMENT 'events named $pageview',
    revenue    Decimal(38, 4)       COMMENT 'revenue of the events',
    entry_path String               COMMENT 'path of the first event',
    exit_path  String               COMMENT 'path of the last event',
    referrer   String               COMMENT 'host of the page before the first event',
    utm_source String               COMMENT 'campaign source of the first event',
    bounced    UInt8                COMMENT '1: one page view at most'
)
SQL SECURITY INVOKER AS
SELECT
    project_id,
    day,
    session_id,
    f.user_h AS user_h,
    f.ts AS started_at,
    l.ts AS ended_at,
    dateDiff('second', f.ts, l.ts) AS duration_s,
    n AS events,
    views AS pageviews,
    income AS revenue,
    f.path AS entry_path,
    l.path AS exit_path,
    f.referrer AS referrer,
    f.utm_source AS utm_source,
    views <= 1 AS bounced
FROM
(
    SELECT project_id, day, session_id, min(first) AS f, max(last) AS l, sum(events) AS n, sum(pageviews) AS views, sum(revenue) AS income
    FROM {database}.sessions
    GROUP BY project_id, day, session_id
)
WHERE n > 0
COMMENT 'One row for each session';
