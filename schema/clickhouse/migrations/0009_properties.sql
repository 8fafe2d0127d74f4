CREATE TABLE IF NOT EXISTS {database}.properties
(
    project_id UInt32                                             COMMENT 'project that owns the events',
    event      LowCardinality(String)                             COMMENT 'name of the event',
    key        String                                             COMMENT 'key of the property, at the outermost level of props'             CODEC(ZSTD(1)),
    type       LowCardinality(String)                             COMMENT 'string, time (a string that is one), integer, number, bool, null, array, object; empty: the event as a whole, and key is empty too',
    latest     SimpleAggregateFunction(max, Tuple(at DateTime64(3, 'UTC'), found UInt64, sampled UInt64, total UInt64, different UInt64, value String))
                                                                  COMMENT 'the last look that found it: read max(latest) and take its parts. When; how many events of the sample have it; events in the sample; events of the days looked at; different values in the sample (of the event as a whole: keys); a value, as JSON, cut after 80 characters' CODEC(ZSTD(1)),
    first_seen SimpleAggregateFunction(min, DateTime64(3, 'UTC')) COMMENT 'ts of the first event in a sample that has it: read min(first_seen)',
    last_seen  SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'ts of the last event in a sample that has it: read max(last_seen)'
)
ENGINE = AggregatingMergeTree
ORDER BY (project_id, event, key, type)
TTL toDateTime(latest.at, 'UTC') + INTERVAL 45 DAY
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Which properties events have, from samples of them. What has not been found for 45 days is forgotten. Aggregate when reading, or read properties_q';
CREATE VIEW IF NOT EXISTS {database}.properties_q
(
    project_id  UInt32                 COMMENT 'project that owns the events',
    event       LowCardinality(String) COMMENT 'name of the event',
    key         String                 COMMENT 'key of the property, at the outermost level of props',
    type        LowCardinality(String) COMMENT 'string, time (a string that is one), integer, number, bool, null, array, object. A property that is sent with several types has several rows',
    share       Float64                COMMENT 'share of the events of this name that have the property with this type, 0 to 1; 0: not found in the last day of looking',
    events      UInt64                 COMMENT 'how many events that makes, of the last 30 days',
    cardinality UInt64                 COMMENT 'different values, estimated: those of the sample, or, when most of them are different, as many as the share of events makes likely',
    value       String                 COMMENT 'a value, as JSON, cut after 80 characters',
    sampled     UInt64                 COMMENT 'events in the sample',
    first_seen  DateTime64(3, 'UTC')   COMMENT 'ts of the first event in a sample that has it',
    last_seen   DateTime64(3, 'UTC')   COMMENT 'ts of the last event in a sample that has it',
    looked_at   DateTime64(3, 'UTC')   COMMENT 'when the sample was taken'
)
SQL SECURITY INVOKER AS
SELECT
    project_id,
    event,
    key,
    type,
    if(l.at < e.at - toIntervalDay(1), 0, least(l.found / l.sampled, 1)) AS share,
    toUInt64(round(share * e.total)) AS events,
    if(l.different * 2 > l.found, greatest(l.different, toUInt64(round(l.different / l.found * events))), l.different) AS cardinality,
    l.value AS value,
    l.sampled AS sampled,
    first AS first_seen,
    last AS last_seen,
    l.at AS looked_at
FROM
(
    SELECT project_id, event, key, type, max(latest) AS l, min(first_seen) AS first, max(last_seen) AS last
    FROM {database}.properties
    WHERE type != ''
    GROUP BY project_id, event, key, type
) AS p
INNER JOIN
(
    SELECT project_id, event, max(latest) AS e
    FROM {database}.properties
    WHERE type = ''
    GROUP BY project_id, event
) AS w USING (project_id, event)
COMMENT 'Which properties events have: one row for each project, event, key and type';
