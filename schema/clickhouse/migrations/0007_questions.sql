CREATE OR REPLACE VIEW {database}.events_q
(
    project_id UInt32 COMMENT 'project that owns the event',
    type LowCardinality(String) COMMENT 'kind of call: track, identify, page, screen, group, alias, merge, unmerge',
    event LowCardinality(String) COMMENT 'name of the event; $identify, $pageview, $screen, $group, $alias for calls without one',
    name String COMMENT 'what the client called the page or screen',
    ts DateTime64(3, 'UTC') COMMENT 'when it happened, see ts_source',
    event_id UUID COMMENT 'id of the event: the client''s, or a hash of it when that is no UUID',
    session_id UUID COMMENT 'session; a UUIDv7 whose day can be trusted; zero: none',
    distinct_id String COMMENT 'who did it: user id, else anonymous id',
    user_id String COMMENT 'id of the known user',
    anonymous_id String COMMENT 'id of the device or browser',
    group_id String COMMENT 'account or other group',
    previous_id String COMMENT 'the other id of an alias or merge',
    client_ts DateTime64(3, 'UTC') COMMENT 'time of the event by the client''s clock, uncorrected; 1970: none given',
    sent_at DateTime64(3, 'UTC') COMMENT 'when the client sent the request, by its clock; 1970: not given',
    ts_source LowCardinality(String) COMMENT 'where ts comes from: client, corrected (by sent_at), received',
    request_id UUID COMMENT 'request that brought the event, see header X-Request-Id',
    correlation_id String COMMENT 'correlation id of the event or its request',
    causation_id String COMMENT 'id of what caused the event',
    hops UInt8 COMMENT 'how many causation steps lie behind the event',
    dialect LowCardinality(String) COMMENT 'SDK family that the client spoke',
    bot UInt8 COMMENT '1: labelled as sent by a bot',
    user_h UInt64 COMMENT 'cityHash64(distinct_id)',
    url_host LowCardinality(String) COMMENT 'host of the page',
    url_path LowCardinality(String) COMMENT 'path of the page',
    referrer_host LowCardinality(String) COMMENT 'host of the page before',
    utm_source LowCardinality(String) COMMENT 'campaign source',
    utm_medium LowCardinality(String) COMMENT 'campaign medium',
    utm_campaign LowCardinality(String) COMMENT 'campaign name',
    lib LowCardinality(String) COMMENT 'SDK',
    lib_version LowCardinality(String) COMMENT 'version of the SDK',
    locale LowCardinality(String) COMMENT 'language and region, de-DE',
    country LowCardinality(String) COMMENT 'country, ISO 3166-1 alpha-2',
    city LowCardinality(String) COMMENT 'city',
    os LowCardinality(String) COMMENT 'operating system',
    os_version LowCardinality(String) COMMENT 'version of the operating system',
    browser LowCardinality(String) COMMENT 'browser',
    browser_version LowCardinality(String) COMMENT 'version of the browser',
    device LowCardinality(String) COMMENT 'type of device',
    screen_w UInt16 COMMENT 'width of the screen in pixels; 0: unknown',
    screen_h UInt16 COMMENT 'height of the screen in pixels; 0: unknown',
    ip IPv6 COMMENT 'address of the client, IPv4 as ::ffff:a.b.c.d; ::: unknown',
    revenue Decimal(18, 4) COMMENT 'property revenue or $revenue when it is a number in range, else 0',
    props String COMMENT 'properties, byte for byte as the client sent them; empty: none',
    context String COMMENT 'context, byte for byte as the client sent it; empty: none',
    traits String COMMENT 'traits as the client sent them, or {"$set":…} where the dialect has operations; empty: none',
    lag_ms Int64 COMMENT 'received_at - ts in milliseconds',
    _log UInt16 COMMENT 'life of the topic, see table logs',
    _partition UInt16 COMMENT 'partition of the topic',
    _offset UInt64 COMMENT 'offset in the partition',
    received_at DateTime64(3, 'UTC') COMMENT 'when the event arrived',
    person_h UInt64 COMMENT 'the person: what questions group by; today the same as user_h'
)
SQL SECURITY INVOKER AS
SELECT project_id, type, event, name, ts, event_id, session_id, distinct_id, user_id, anonymous_id, group_id, previous_id, client_ts, sent_at, ts_source, request_id, correlation_id, causation_id, hops, dialect, bot, user_h, url_host, url_path, referrer_host, utm_source, utm_medium, utm_campaign, lib, lib_version, locale, country, city, os, os_version, browser, browser_version, device, screen_w, screen_h, ip, revenue, props, context, traits, lag_ms, _log, _partition, _offset, received_at, user_h AS person_h
FROM {database}.events
COMMENT 'One row for each event, with the person it belongs to. Filter by project_id and ts. Example: SELECT * FROM events_q WHERE project_id = 1 AND ts >= ''2026-11-01'' AND ts < ''2026-11-02'' LIMIT 10';
CREATE OR REPLACE VIEW {database}.user_day_q
(
    project_id UInt32 COMMENT 'project that owns the events',
    day Date32 COMMENT 'day of ts, UTC',
    person_h UInt64 COMMENT 'the person, as in events_q'
)
SQL SECURITY INVOKER AS
SELECT project_id, day, user_h AS person_h
FROM {database}.user_day
GROUP BY project_id, day, user_h
HAVING sum(n) > 0
COMMENT 'Which persons were active on which days: the rows of table user_day, summed, by person. Example: SELECT * FROM user_day_q WHERE project_id = 1 AND day = ''2026-11-01'' LIMIT 10';
CREATE OR REPLACE VIEW {database}.trends
(
    bucket DateTime64(0, 'UTC') COMMENT 'beginning of the period',
    breakdown String COMMENT 'value that rows are split by; empty: none',
    events UInt64 COMMENT 'events',
    revenue Decimal(38, 4) COMMENT 'sum of their revenue'
)
SQL SECURITY INVOKER AS
SELECT bucket, breakdown, toUInt64(sum(n)) AS events, sum(amount) AS revenue
FROM
(
    SELECT
        if({interval:Enum8('minute' = 1, 'hour' = 2, 'day' = 3, 'week' = 4, 'month' = 5)} = 'minute', toDateTime64(fromUnixTimestamp64Milli(intDiv(toUnixTimestamp64Milli(ts) + 2208988800000, 60000) * 60000 - 2208988800000, 'UTC'), 0, 'UTC'),
        if({interval:Enum8('minute' = 1, 'hour' = 2, 'day' = 3, 'week' = 4, 'month' = 5)} = 'hour', toDateTime64(fromUnixTimestamp64Milli(intDiv(toUnixTimestamp64Milli(ts) + 2208988800000, 3600000) * 3600000 - 2208988800000, 'UTC'), 0, 'UTC'),
        if({interval:Enum8('minute' = 1, 'hour' = 2, 'day' = 3, 'week' = 4, 'month' = 5)} = 'day', toDateTime64(toDate32(ts), 0, 'UTC'),
        if({interval:Enum8('minute' = 1, 'hour' = 2, 'day' = 3, 'week' = 4, 'month' = 5)} = 'week', toDateTime64(toDate32(ts) - (toDayOfWeek(ts) - 1), 0, 'UTC'),
        toDateTime64(toDate32(ts) - (toDayOfMonth(ts) - 1), 0, 'UTC'))))) AS bucket,
        toString({breakdown:Identifier}) AS breakdown,
        toInt64(1) AS n,
        toDecimal128(revenue, 4) AS amount
    FROM (SELECT *, '' AS none, JSONExtractString(props, {property:String}) AS property, if(JSONHas(traits, {property:String}), JSONExtractString(traits, {property:String}), JSONExtractString(traits, '$set', {property:String})) AS trait FROM {database}.events_q)
    WHERE project_id = {project:UInt32}
        AND ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06' AND ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')}
        OR NOT ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06') AND toUnixTimestamp64Milli(ts) >= toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AND toUnixTimestamp64Milli(ts) < toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}))
        AND ({event:String} = '' OR event = {event:String})
        AND NOT ({interval:Enum8('minute' = 1, 'hour' = 2, 'day' = 3, 'week' = 4, 'month' = 5)} != 'minute' AND {breakdown:String} IN ('none', 'country', 'device') AND toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) % 3600000 = 0 AND toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}) % 3600000 = 0)
    UNION ALL
    SELECT
        if({interval:Enum8('minute' = 1, 'hour' = 2, 'day' = 3, 'week' = 4, 'month' = 5)} = 'hour', toDateTime64(fromUnixTimestamp64Milli(intDiv(toUnixTimestamp64Milli(hour) + 2208988800000, 3600000) * 3600000 - 2208988800000, 'UTC'), 0, 'UTC'),
        if({interval:Enum8('minute' = 1, 'hour' = 2, 'day' = 3, 'week' = 4, 'month' = 5)} = 'day', toDateTime64(toDate32(hour), 0, 'UTC'),
        if({interval:Enum8('minute' = 1, 'hour' = 2, 'day' = 3, 'week' = 4, 'month' = 5)} = 'week', toDateTime64(toDate32(hour) - (toDayOfWeek(hour) - 1), 0, 'UTC'),
        toDateTime64(toDate32(hour) - (toDayOfMonth(hour) - 1), 0, 'UTC')))) AS bucket,
        if({breakdown:String} = 'country', toString(country), if({breakdown:String} = 'device', toString(device), '')) AS breakdown,
        n,
        revenue AS amount
    FROM {database}.rollup_1h
    WHERE project_id = {project:UInt32} AND hour >= {from:DateTime64(3, 'UTC')} AND hour < {to:DateTime64(3, 'UTC')}
        AND ({event:String} = '' OR event = {event:String})
        AND ({interval:Enum8('minute' = 1, 'hour' = 2, 'day' = 3, 'week' = 4, 'month' = 5)} != 'minute' AND {breakdown:String} IN ('none', 'country', 'device') AND toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) % 3600000 = 0 AND toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}) % 3600000 = 0)
)
GROUP BY bucket, breakdown
HAVING sum(n) != 0
ORDER BY bucket, breakdown
COMMENT 'Events and revenue by period of time and value of a field. Rows only where there are events. Whole hours of all events, by country or device, come from rollup_1h. project UInt32: the project. from DateTime64(3, ''UTC''): beginning of the range, UTC. to DateTime64(3, ''UTC''): its end, which is not part of it. interval Enum8(''minute'' = 1, ''hour'' = 2, ''day'' = 3, ''week'' = 4, ''month'' = 5): length of a period; weeks begin on Monday. event String: name of the events; empty: all. breakdown String: column of events_q by whose values rows are split; or none; or property or trait, whose key is in the next parameter. property String: key of the property or trait to split by; else empty. Example: SELECT * FROM trends(project = 1, from = ''2026-11-01'', to = ''2026-12-01'', interval = ''day'', event = ''$pageview'', breakdown = ''country'', property = '''')';
CREATE OR REPLACE VIEW {database}.uniques
(
    bucket DateTime64(0, 'UTC') COMMENT 'beginning of the period',
    breakdown String COMMENT 'value that rows are split by; empty: none',
    persons UInt64 COMMENT 'different persons'
)
SQL SECURITY INVOKER AS
SELECT bucket, breakdown, uniqExact(person) AS persons
FROM
(
    SELECT
        if({interval:Enum8('minute' = 1, 'hour' = 2, 'day' = 3, 'week' = 4, 'month' = 5)} = 'minute', toDateTime64(fromUnixTimestamp64Milli(intDiv(toUnixTimestamp64Milli(ts) + 2208988800000, 60000) * 60000 - 2208988800000, 'UTC'), 0, 'UTC'),
        if({interval:Enum8('minute' = 1, 'hour' = 2, 'day' = 3, 'week' = 4, 'month' = 5)} = 'hour', toDateTime64(fromUnixTimestamp64Milli(intDiv(toUnixTimestamp64Milli(ts) + 2208988800000, 3600000) * 3600000 - 2208988800000, 'UTC'), 0, 'UTC'),
        if({interval:Enum8('minute' = 1, 'hour' = 2, 'day' = 3, 'week' = 4, 'month' = 5)} = 'day', toDateTime64(toDate32(ts), 0, 'UTC'),
        if({interval:Enum8('minute' = 1, 'hour' = 2, 'day' = 3, 'week' = 4, 'month' = 5)} = 'week', toDateTime64(toDate32(ts) - (toDayOfWeek(ts) - 1), 0, 'UTC'),
        toDateTime64(toDate32(ts) - (toDayOfMonth(ts) - 1), 0, 'UTC'))))) AS bucket,
        toString({breakdown:Identifier}) AS breakdown,
        person_h AS person
    FROM (SELECT *, '' AS none, JSONExtractString(props, {property:String}) AS property, if(JSONHas(traits, {property:String}), JSONExtractString(traits, {property:String}), JSONExtractString(traits, '$set', {property:String})) AS trait FROM {database}.events_q)
    WHERE project_id = {project:UInt32}
        AND ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06' AND ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')}
        OR NOT ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06') AND toUnixTimestamp64Milli(ts) >= toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AND toUnixTimestamp64Milli(ts) < toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}))
        AND ({event:String} = '' OR event = {event:String})
)
GROUP BY bucket, breakdown
ORDER BY bucket, breakdown
COMMENT 'Different persons by period of time and value of a field, counted exactly. They do not add up over periods or values. project UInt32: the project. from DateTime64(3, ''UTC''): beginning of the range, UTC. to DateTime64(3, ''UTC''): its end, which is not part of it. interval Enum8(''minute'' = 1, ''hour'' = 2, ''day'' = 3, ''week'' = 4, ''month'' = 5): length of a period; weeks begin on Monday. event String: name of the events; empty: all. breakdown String: column of events_q by whose values rows are split; or none; or property or trait, whose key is in the next parameter. property String: key of the property or trait to split by; else empty. Example: SELECT * FROM uniques(project = 1, from = ''2026-11-01'', to = ''2026-12-01'', interval = ''week'', event = '''', breakdown = ''property'', property = ''plan'')';
CREATE OR REPLACE VIEW {database}.funnel
(
    step UInt8 COMMENT 'place of the step, from 1',
    event String COMMENT 'name of its event; empty: any',
    persons UInt64 COMMENT 'persons that came so far, or farther',
    conversion Float64 COMMENT 'their share of the persons at step 1'
)
SQL SECURITY INVOKER AS
SELECT
    toUInt8(place) AS step,
    {steps:Array(String)}[step] AS event,
    persons,
    if(reached[1] = 0, 0, persons / reached[1]) AS conversion
FROM
(
    SELECT
        arraySlice([countIf(level >= 1), countIf(level >= 2), countIf(level >= 3), countIf(level >= 4), countIf(level >= 5), countIf(level >= 6), countIf(level >= 7), countIf(level >= 8), countIf(level >= 9), countIf(level >= 10)], 1, length({steps:Array(String)})) AS reached
    FROM
    (
        SELECT level, toUInt64(t[done] - entry) AS took, '' AS value
        FROM
        (
            SELECT *, folded.3 AS level, folded.2 AS best, arrayFirstIndex(v -> v > 0, best) AS done, best[done] AS entry
            FROM
            (
                SELECT
                    *,
                    arrayFold(
                        (f, i) -> (
                            arrayFill(v -> v > 0, arrayMap((p, x, y) -> p * bitTest(y, i) * (x - p <= {window_ms:UInt64}), arrayShiftRight(f.1, 1, toUInt64(0)), t, b)) AS s,
                            if(s[-1] > 0, s, f.2),
                            toUInt8(f.3 + (s[-1] > 0))),
                        range(1, length({steps:Array(String)})),
                        (arrayFill(v -> v > 0, arrayMap((x, y) -> x * bitTest(y, 0), u, b)) AS first, first, toUInt8(1))) AS folded
                FROM
                (
                    SELECT *, t AS u
                    FROM
                    (
                        SELECT *, arraySort(places) AS sorted, arrayMap(x -> toUInt64(bitShiftRight(x, 128)), sorted) AS t, arrayMap(x -> toUInt16(toUInt32(bitAnd(x, 4294967295))), sorted) AS b
                        FROM
                        (
                            SELECT groupArray(bitShiftLeft(toUInt256(toUnixTimestamp64Milli(ts) + 2208988800001), 128) + bitShiftLeft(toUInt256(bitShiftLeft(toUInt64(_log), 16) + _partition), 96) + bitShiftLeft(toUInt256(_offset), 32) + bits) AS places
                            FROM
                            (
                                SELECT
                                    person_h AS person, ts, _log, _partition, _offset,
                                    arraySum(arrayMap((s, i) -> bitShiftLeft(toUInt16(s = '' OR s = event), i), {steps:Array(String)}, range(length({steps:Array(String)})))) AS bits
                                FROM {database}.events_q
                                WHERE project_id = {project:UInt32}
                                    AND ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06' AND ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')}
                                    OR NOT ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06') AND toUnixTimestamp64Milli(ts) >= toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AND toUnixTimestamp64Milli(ts) < toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}))
                                    AND (has({steps:Array(String)}, '') OR event IN {steps:Array(String)})
                                    AND NOT throwIf(length({steps:Array(String)}) NOT BETWEEN 1 AND 10, 'steps: must be 1 to 10')
                            )
                            GROUP BY person
                            HAVING bitTest(groupBitOr(bits), 0)
                        )
                    )
                )
            )
        )
    )
)
ARRAY JOIN reached AS persons, arrayEnumerate(reached) AS place
ORDER BY step
COMMENT 'How many persons took steps one after the other within the window. Exact: also with events of the same time and steps that stand there twice. project UInt32: the project. from DateTime64(3, ''UTC''): beginning of the range, UTC. to DateTime64(3, ''UTC''): its end, which is not part of it. steps Array(String): names of 1 to 10 events; an empty one is any event. window_ms UInt64: longest time from the first step to the last, in milliseconds. Example: SELECT * FROM funnel(project = 1, from = ''2026-11-01'', to = ''2026-12-01'', steps = [''signup'', ''cart'', ''purchase''], window_ms = 1209600000)';
CREATE OR REPLACE VIEW {database}.funnel_by
(
    breakdown String COMMENT 'value that rows are split by; empty: none',
    step UInt8 COMMENT 'place of the step, from 1',
    event String COMMENT 'name of its event; empty: any',
    persons UInt64 COMMENT 'persons that came so far, or farther',
    conversion Float64 COMMENT 'their share of the persons at step 1',
    median_ms Nullable(Float64) COMMENT 'at the last step: median of the milliseconds from the entry to it',
    mean_ms Nullable(Float64) COMMENT 'at the last step: mean of the milliseconds from the entry to it'
)
SQL SECURITY INVOKER AS
SELECT
    breakdown,
    toUInt8(place) AS step,
    {steps:Array(String)}[step] AS event,
    persons,
    if(reached[1] = 0, 0, persons / reached[1]) AS conversion,
    if(step = length({steps:Array(String)}), if(persons = 0, NULL, median), NULL) AS median_ms,
    if(step = length({steps:Array(String)}), if(persons = 0, NULL, mean), NULL) AS mean_ms
FROM
(
    SELECT
        value AS breakdown,
        arraySlice([countIf(level >= 1), countIf(level >= 2), countIf(level >= 3), countIf(level >= 4), countIf(level >= 5), countIf(level >= 6), countIf(level >= 7), countIf(level >= 8), countIf(level >= 9), countIf(level >= 10)], 1, length({steps:Array(String)})) AS reached,
        quantileExactInclusiveIf(0.5)(took, level = length({steps:Array(String)})) AS median,
        avgIf(took, level = length({steps:Array(String)})) AS mean
    FROM
    (
        SELECT level, toUInt64(t[done] - bitShiftRight(entry, 20)) AS took, vals[indexOf(places, sorted[indexOf(u, entry)])] AS value
        FROM
        (
            SELECT *, folded.3 AS level, folded.2 AS best, arrayFirstIndex(v -> v > 0, best) AS done, best[done] AS entry
            FROM
            (
                SELECT
                    *,
                    arrayFold(
                        (f, i) -> (
                            arrayFill(v -> v > 0, arrayMap((p, x, y) -> p * bitTest(y, i) * (x - bitShiftRight(p, 20) <= {window_ms:UInt64}), arrayShiftRight(f.1, 1, toUInt64(0)), t, b)) AS s,
                            if(s[-1] > 0, s, f.2),
                            toUInt8(f.3 + (s[-1] > 0))),
                        range(1, length({steps:Array(String)})),
                        (arrayFill(v -> v > 0, arrayMap((x, y) -> x * bitTest(y, 0), u, b)) AS first, first, toUInt8(1))) AS folded
                FROM
                (
                    SELECT *, arrayMap((x, i) -> bitShiftLeft(x, 20) + bitAnd(i, 1048575), t, arrayEnumerate(t)) AS u
                    FROM
                    (
                        SELECT *, arraySort(places) AS sorted, arrayMap(x -> toUInt64(bitShiftRight(x, 128)), sorted) AS t, arrayMap(x -> toUInt16(toUInt32(bitAnd(x, 4294967295))), sorted) AS b
                        FROM
                        (
                            SELECT groupArray(bitShiftLeft(toUInt256(toUnixTimestamp64Milli(ts) + 2208988800001), 128) + bitShiftLeft(toUInt256(bitShiftLeft(toUInt64(_log), 16) + _partition), 96) + bitShiftLeft(toUInt256(_offset), 32) + bits) AS places, groupArray(held) AS vals
                            FROM
                            (
                                SELECT
                                    person_h AS person, ts, _log, _partition, _offset,
                                    arraySum(arrayMap((s, i) -> bitShiftLeft(toUInt16(s = '' OR s = event), i), {steps:Array(String)}, range(length({steps:Array(String)})))) AS bits,
                                    if(bitTest(bits, 0), toString({breakdown:Identifier}), '') AS held
                                FROM (SELECT *, '' AS none, JSONExtractString(props, {property:String}) AS property, if(JSONHas(traits, {property:String}), JSONExtractString(traits, {property:String}), JSONExtractString(traits, '$set', {property:String})) AS trait FROM {database}.events_q)
                                WHERE project_id = {project:UInt32}
                                    AND ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06' AND ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')}
                                    OR NOT ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06') AND toUnixTimestamp64Milli(ts) >= toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AND toUnixTimestamp64Milli(ts) < toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}))
                                    AND (has({steps:Array(String)}, '') OR event IN {steps:Array(String)})
                                    AND NOT throwIf(length({steps:Array(String)}) NOT BETWEEN 1 AND 10, 'steps: must be 1 to 10')
                            )
                            GROUP BY person
                            HAVING bitTest(groupBitOr(bits), 0)
                        )
                    )
                )
            )
        )
    )
    GROUP BY value
)
ARRAY JOIN reached AS persons, arrayEnumerate(reached) AS place
ORDER BY reached[1] DESC, breakdown, step
COMMENT 'Funnel by the value that a field has at the entry, with the time to convert. project UInt32: the project. from DateTime64(3, ''UTC''): beginning of the range, UTC. to DateTime64(3, ''UTC''): its end, which is not part of it. steps Array(String): names of 1 to 10 events; an empty one is any event. window_ms UInt64: longest time from the first step to the last, in milliseconds. breakdown String: column of events_q by whose values rows are split; or none; or property or trait, whose key is in the next parameter. property String: key of the property or trait to split by; else empty. Example: SELECT * FROM funnel_by(project = 1, from = ''2026-11-01'', to = ''2026-12-01'', steps = [''signup'', ''purchase''], window_ms = 86400000, breakdown = ''country'', property = '''')';
CREATE OR REPLACE VIEW {database}.funnel_any
(
    breakdown String COMMENT 'value that rows are split by; empty: none',
    step UInt8 COMMENT 'place of the step, from 1',
    persons UInt64 COMMENT 'persons that came so far, or farther',
    conversion Float64 COMMENT 'their share of the persons at step 1',
    median_ms Nullable(Float64) COMMENT 'at the last step: median of the milliseconds from the entry to it',
    mean_ms Nullable(Float64) COMMENT 'at the last step: mean of the milliseconds from the entry to it'
)
SQL SECURITY INVOKER AS
SELECT
    breakdown,
    toUInt8(place) AS step,
    persons,
    if(reached[1] = 0, 0, persons / reached[1]) AS conversion,
    if(step = length({steps:Array(String)}), if(persons = 0, NULL, median), NULL) AS median_ms,
    if(step = length({steps:Array(String)}), if(persons = 0, NULL, mean), NULL) AS mean_ms
FROM
(
    SELECT
        value AS breakdown,
        arraySlice([countIf(level >= 1), countIf(level >= 2), countIf(level >= 3), countIf(level >= 4), countIf(level >= 5), countIf(level >= 6), countIf(level >= 7), countIf(level >= 8), countIf(level >= 9), countIf(level >= 10)], 1, length({steps:Array(String)})) AS reached,
        quantileExactInclusiveIf(0.5)(took, level = length({steps:Array(String)})) AS median,
        avgIf(took, level = length({steps:Array(String)})) AS mean
    FROM
    (
        SELECT level, toUInt64(t[done] - bitShiftRight(entry, 20)) AS took, vals[indexOf(places, sorted[indexOf(u, entry)])] AS value
        FROM
        (
            SELECT *, arrayMin(arrayFilter(v -> if(v > 0, t[done] - bitShiftRight(v, 20) <= {window_ms:UInt64}, 0), [q1[done], q2[done], q3[done], q4[done], q5[done], q6[done], q7[done], q8[done], q9[done], q10[done]])) AS entry
            FROM
            (
                SELECT *, arrayMax(levels) AS level, indexOf(levels, level) AS done
                FROM
                (
                    SELECT *, arrayMap((x, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10) -> toUInt8((v1 > 0) * (x - bitShiftRight(v1, 20) <= {window_ms:UInt64}) + (v2 > 0) * (x - bitShiftRight(v2, 20) <= {window_ms:UInt64}) + (v3 > 0) * (x - bitShiftRight(v3, 20) <= {window_ms:UInt64}) + (v4 > 0) * (x - bitShiftRight(v4, 20) <= {window_ms:UInt64}) + (v5 > 0) * (x - bitShiftRight(v5, 20) <= {window_ms:UInt64}) + (v6 > 0) * (x - bitShiftRight(v6, 20) <= {window_ms:UInt64}) + (v7 > 0) * (x - bitShiftRight(v7, 20) <= {window_ms:UInt64}) + (v8 > 0) * (x - bitShiftRight(v8, 20) <= {window_ms:UInt64}) + (v9 > 0) * (x - bitShiftRight(v9, 20) <= {window_ms:UInt64}) + (v10 > 0) * (x - bitShiftRight(v10, 20) <= {window_ms:UInt64})), t, q1, if(length({steps:Array(String)}) >= 2, q2, zeros), if(length({steps:Array(String)}) >= 3, q3, zeros), if(length({steps:Array(String)}) >= 4, q4, zeros), if(length({steps:Array(String)}) >= 5, q5, zeros), if(length({steps:Array(String)}) >= 6, q6, zeros), if(length({steps:Array(String)}) >= 7, q7, zeros), if(length({steps:Array(String)}) >= 8, q8, zeros), if(length({steps:Array(String)}) >= 9, q9, zeros), if(length({steps:Array(String)}) >= 10, q10, zeros)) AS levels
                    FROM
                    (
                        SELECT
                            *,
                            arrayMap(x -> toUInt64(0), t) AS zeros,
                            arrayFill((v, y) -> bitTest(y, 0), arrayMap((x, y) -> x * bitTest(y, 0), u, b), b) AS q1,
                            arrayFill((v, y) -> bitTest(y, 1), if(arraySort({steps:Array(String)})[2] = arraySort({steps:Array(String)})[1], arrayShiftRight(if(length({steps:Array(String)}) >= 2, q1, emptyArrayUInt64()), 1, toUInt64(0)), arrayMap((x, y) -> x * bitTest(y, 1), if(length({steps:Array(String)}) >= 2, u, emptyArrayUInt64()), if(length({steps:Array(String)}) >= 2, b, emptyArrayUInt16()))), if(length({steps:Array(String)}) >= 2, b, emptyArrayUInt16())) AS q2,
                            arrayFill((v, y) -> bitTest(y, 2), if(arraySort({steps:Array(String)})[3] = arraySort({steps:Array(String)})[2], arrayShiftRight(if(length({steps:Array(String)}) >= 3, q2, emptyArrayUInt64()), 1, toUInt64(0)), arrayMap((x, y) -> x * bitTest(y, 2), if(length({steps:Array(String)}) >= 3, u, emptyArrayUInt64()), if(length({steps:Array(String)}) >= 3, b, emptyArrayUInt16()))), if(length({steps:Array(String)}) >= 3, b, emptyArrayUInt16())) AS q3,
                            arrayFill((v, y) -> bitTest(y, 3), if(arraySort({steps:Array(String)})[4] = arraySort({steps:Array(String)})[3], arrayShiftRight(if(length({steps:Array(String)}) >= 4, q3, emptyArrayUInt64()), 1, toUInt64(0)), arrayMap((x, y) -> x * bitTest(y, 3), if(length({steps:Array(String)}) >= 4, u, emptyArrayUInt64()), if(length({steps:Array(String)}) >= 4, b, emptyArrayUInt16()))), if(length({steps:Array(String)}) >= 4, b, emptyArrayUInt16())) AS q4,
                            arrayFill((v, y) -> bitTest(y, 4), if(arraySort({steps:Array(String)})[5] = arraySort({steps:Array(String)})[4], arrayShiftRight(if(length({steps:Array(String)}) >= 5, q4, emptyArrayUInt64()), 1, toUInt64(0)), arrayMap((x, y) -> x * bitTest(y, 4), if(length({steps:Array(String)}) >= 5, u, emptyArrayUInt64()), if(length({steps:Array(String)}) >= 5, b, emptyArrayUInt16()))), if(length({steps:Array(String)}) >= 5, b, emptyArrayUInt16())) AS q5,
                            arrayFill((v, y) -> bitTest(y, 5), if(arraySort({steps:Array(String)})[6] = arraySort({steps:Array(String)})[5], arrayShiftRight(if(length({steps:Array(String)}) >= 6, q5, emptyArrayUInt64()), 1, toUInt64(0)), arrayMap((x, y) -> x * bitTest(y, 5), if(length({steps:Array(String)}) >= 6, u, emptyArrayUInt64()), if(length({steps:Array(String)}) >= 6, b, emptyArrayUInt16()))), if(length({steps:Array(String)}) >= 6, b, emptyArrayUInt16())) AS q6,
                            arrayFill((v, y) -> bitTest(y, 6), if(arraySort({steps:Array(String)})[7] = arraySort({steps:Array(String)})[6], arrayShiftRight(if(length({steps:Array(String)}) >= 7, q6, emptyArrayUInt64()), 1, toUInt64(0)), arrayMap((x, y) -> x * bitTest(y, 6), if(length({steps:Array(String)}) >= 7, u, emptyArrayUInt64()), if(length({steps:Array(String)}) >= 7, b, emptyArrayUInt16()))), if(length({steps:Array(String)}) >= 7, b, emptyArrayUInt16())) AS q7,
                            arrayFill((v, y) -> bitTest(y, 7), if(arraySort({steps:Array(String)})[8] = arraySort({steps:Array(String)})[7], arrayShiftRight(if(length({steps:Array(String)}) >= 8, q7, emptyArrayUInt64()), 1, toUInt64(0)), arrayMap((x, y) -> x * bitTest(y, 7), if(length({steps:Array(String)}) >= 8, u, emptyArrayUInt64()), if(length({steps:Array(String)}) >= 8, b, emptyArrayUInt16()))), if(length({steps:Array(String)}) >= 8, b, emptyArrayUInt16())) AS q8,
                            arrayFill((v, y) -> bitTest(y, 8), if(arraySort({steps:Array(String)})[9] = arraySort({steps:Array(String)})[8], arrayShiftRight(if(length({steps:Array(String)}) >= 9, q8, emptyArrayUInt64()), 1, toUInt64(0)), arrayMap((x, y) -> x * bitTest(y, 8), if(length({steps:Array(String)}) >= 9, u, emptyArrayUInt64()), if(length({steps:Array(String)}) >= 9, b, emptyArrayUInt16()))), if(length({steps:Array(String)}) >= 9, b, emptyArrayUInt16())) AS q9,
                            arrayFill((v, y) -> bitTest(y, 9), if(arraySort({steps:Array(String)})[10] = arraySort({steps:Array(String)})[9], arrayShiftRight(if(length({steps:Array(String)}) >= 10, q9, emptyArrayUInt64()), 1, toUInt64(0)), arrayMap((x, y) -> x * bitTest(y, 9), if(length({steps:Array(String)}) >= 10, u, emptyArrayUInt64()), if(length({steps:Array(String)}) >= 10, b, emptyArrayUInt16()))), if(length({steps:Array(String)}) >= 10, b, emptyArrayUInt16())) AS q10
                        FROM
                        (
                            SELECT *, arrayMap((x, i, f) -> bitShiftLeft(x, 20) + toUInt64(least(i - f, 1048575)), t, arrayEnumerate(t),
                                arrayFill(f -> f > 0, arrayMap((i, x, y) -> if(x = y, 0, i), arrayEnumerate(t), t, arrayShiftRight(t, 1, toUInt64(0))))) AS u
                            FROM
                            (
                                SELECT *, arraySort(places) AS sorted, arrayMap(x -> toUInt64(bitShiftRight(x, 128)), sorted) AS t, arrayMap(x -> toUInt16(toUInt32(bitAnd(x, 4294967295))), sorted) AS b
                                FROM
                                (
                                    SELECT groupArray(bitShiftLeft(toUInt256(toUnixTimestamp64Milli(ts) + 2208988800001), 128) + bitShiftLeft(toUInt256(bitShiftLeft(toUInt64(_log), 16) + _partition), 96) + bitShiftLeft(toUInt256(_offset), 32) + bits) AS places, groupArray(held) AS vals
                                    FROM
                                    (
                                        SELECT
                                            person_h AS person, ts, _log, _partition, _offset,
                                            arraySum(arrayMap((s, i) -> bitShiftLeft(toUInt16(s = '' OR s = event), i), arraySort({steps:Array(String)}), range(length({steps:Array(String)})))) AS bits,
                                            toString({breakdown:Identifier}) AS held
                                        FROM (SELECT *, '' AS none, JSONExtractString(props, {property:String}) AS property, if(JSONHas(traits, {property:String}), JSONExtractString(traits, {property:String}), JSONExtractString(traits, '$set', {property:String})) AS trait FROM {database}.events_q)
                                        WHERE project_id = {project:UInt32}
                                            AND ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06' AND ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')}
                                            OR NOT ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06') AND toUnixTimestamp64Milli(ts) >= toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AND toUnixTimestamp64Milli(ts) < toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}))
                                            AND (has({steps:Array(String)}, '') OR event IN {steps:Array(String)})
                                            AND NOT throwIf(length({steps:Array(String)}) NOT BETWEEN 1 AND 10, 'steps: must be 1 to 10')
                                    )
                                    GROUP BY person
                                )
                            )
                        )
                    )
                )
            )
        )
    )
    GROUP BY value
)
ARRAY JOIN reached AS persons, arrayEnumerate(reached) AS place
ORDER BY reached[1] DESC, breakdown, step
COMMENT 'How many persons took steps in any order within the window, by the value that a field has at the entry, with the time to convert. A step that stands there twice needs two events. project UInt32: the project. from DateTime64(3, ''UTC''): beginning of the range, UTC. to DateTime64(3, ''UTC''): its end, which is not part of it. steps Array(String): names of 1 to 10 events; an empty one is any event. window_ms UInt64: longest time from the first step to the last, in milliseconds. breakdown String: column of events_q by whose values rows are split; or none; or property or trait, whose key is in the next parameter. property String: key of the property or trait to split by; else empty. Example: SELECT * FROM funnel_any(project = 1, from = ''2026-11-01'', to = ''2026-12-01'', steps = [''search'', ''cart'', ''cart''], window_ms = 86400000, breakdown = ''none'', property = '''')';
CREATE OR REPLACE VIEW {database}.retention
(
    cohort Date32 COMMENT 'first day of the period in which the persons began',
    size UInt64 COMMENT 'persons of the cohort',
    k UInt16 COMMENT 'periods after the beginning',
    persons UInt64 COMMENT 'persons that came back then',
    rate Float64 COMMENT 'their share of the cohort'
)
SQL SECURITY INVOKER AS
SELECT
    if({period:Enum8('day' = 1, 'week' = 2)} = 'day', toDate32('1970-01-01') + (d0),
    toDate32('1970-01-01') + ((d0) * 7 - 3)) AS cohort,
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
        toUInt32(least((if({period:Enum8('day' = 1, 'week' = 2)} = 'day', toInt32(toDate32(({to:DateTime64(3, 'UTC')} - toIntervalMillisecond(1)))),
        toInt32(intDiv(toInt32(toDate32(({to:DateTime64(3, 'UTC')} - toIntervalMillisecond(1)))) + 70003, 7) - 10000))) - d0 + 1, {periods:UInt16})) AS length,
        if({mode:Enum8('n_day' = 1, 'rolling' = 2, 'unbounded' = 3)} = 'unbounded', arrayReverse(arrayCumSum(arrayReverse(arrayResize(arrayFlatten(arrayMap((k, before, n) -> arrayPushBack(arrayWithConstant(k - before - 1, toUInt64(0)), n), sums.1, arrayShiftRight(sums.1, 1, toInt64(-1)), sums.2)), length, toUInt64(0))))), arrayResize(arrayFlatten(arrayMap((k, before, n) -> arrayPushBack(arrayWithConstant(k - before - 1, toUInt64(0)), n), sums.1, arrayShiftRight(sums.1, 1, toInt64(-1)), sums.2)), length, toUInt64(0))) AS counts
    FROM
    (
        SELECT d0, if({mode:Enum8('n_day' = 1, 'rolling' = 2, 'unbounded' = 3)} = 'unbounded', arrayMap(k -> least(k, toInt64({periods:UInt16}) - 1), ks), arrayFilter(k -> k < {periods:UInt16}, ks)) AS kept
        FROM
        (
            SELECT d0, arrayFilter(k -> k >= 0, arrayMap(p -> toInt64(p) - d0, later)) AS ks
            FROM
            (
                SELECT minIf(period, born) AS d0, groupUniqArrayIf(period, returned) AS later
                FROM
                (
                    SELECT person_h AS person, if({period:Enum8('day' = 1, 'week' = 2)} = 'day', toInt32(toDate32(ts)),
                    toInt32(intDiv(toInt32(toDate32(ts)) + 70003, 7) - 10000)) AS period, ({birth:String} = '' OR event = {birth:String}) AS born, ({return:String} = '' OR event = {return:String}) AS returned
                    FROM {database}.events_q
                    WHERE project_id = {project:UInt32}
                        AND ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06' AND ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')}
                        OR NOT ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06') AND toUnixTimestamp64Milli(ts) >= toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AND toUnixTimestamp64Milli(ts) < toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}))
                        AND ({birth:String} = '' OR {return:String} = '' OR event IN ({birth:String}, {return:String}))
                        AND NOT throwIf({periods:UInt16} NOT BETWEEN 1 AND 400, 'periods: must be 1 to 400')
                        AND {mode:Enum8('n_day' = 1, 'rolling' = 2, 'unbounded' = 3)} = 'n_day'
                )
                GROUP BY person
                HAVING max(born)
            )
            UNION ALL
            SELECT d0, arrayDistinct(arrayMap(x -> toInt64(intDiv(toUInt64(bitShiftRight(x, 128)) - toUInt64(bitShiftRight(first, 128)), if({period:Enum8('day' = 1, 'week' = 2)} = 'day', 86400000, 604800000))), arrayFilter(x -> x > first, later))) AS ks
            FROM
            (
                SELECT minIf(period, born) AS d0, minIf(place, born) AS first, groupArrayIf(place, returned) AS later
                FROM
                (
                    SELECT person_h AS person, if({period:Enum8('day' = 1, 'week' = 2)} = 'day', toInt32(toDate32(ts)),
                    toInt32(intDiv(toInt32(toDate32(ts)) + 70003, 7) - 10000)) AS period, ({birth:String} = '' OR event = {birth:String}) AS born, ({return:String} = '' OR event = {return:String}) AS returned, bitShiftLeft(toUInt256(toUnixTimestamp64Milli(ts) + 2208988800001), 128) + bitShiftLeft(toUInt256(bitShiftLeft(toUInt64(_log), 16) + _partition), 96) + bitShiftLeft(toUInt256(_offset), 32) + toUInt8(0) AS place
                    FROM {database}.events_q
                    WHERE project_id = {project:UInt32}
                        AND ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06' AND ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')}
                        OR NOT ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06') AND toUnixTimestamp64Milli(ts) >= toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AND toUnixTimestamp64Milli(ts) < toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}))
                        AND ({birth:String} = '' OR {return:String} = '' OR event IN ({birth:String}, {return:String}))
                        AND NOT throwIf({periods:UInt16} NOT BETWEEN 1 AND 400, 'periods: must be 1 to 400')
                        AND {mode:Enum8('n_day' = 1, 'rolling' = 2, 'unbounded' = 3)} = 'rolling'
                )
                GROUP BY person
                HAVING max(born)
            )
            UNION ALL
            SELECT d0, if(later >= d0, [toInt64(later) - d0], emptyArrayInt64()) AS ks
            FROM
            (
                SELECT minIf(period, born) AS d0, if(max(returned), maxIf(period, returned), d0 - 1) AS later
                FROM
                (
                    SELECT person_h AS person, if({period:Enum8('day' = 1, 'week' = 2)} = 'day', toInt32(toDate32(ts)),
                    toInt32(intDiv(toInt32(toDate32(ts)) + 70003, 7) - 10000)) AS period, ({birth:String} = '' OR event = {birth:String}) AS born, ({return:String} = '' OR event = {return:String}) AS returned
                    FROM {database}.events_q
                    WHERE project_id = {project:UInt32}
                        AND ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06' AND ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')}
                        OR NOT ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06') AND toUnixTimestamp64Milli(ts) >= toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AND toUnixTimestamp64Milli(ts) < toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}))
                        AND ({birth:String} = '' OR {return:String} = '' OR event IN ({birth:String}, {return:String}))
                        AND NOT throwIf({periods:UInt16} NOT BETWEEN 1 AND 400, 'periods: must be 1 to 400')
                        AND {mode:Enum8('n_day' = 1, 'rolling' = 2, 'unbounded' = 3)} = 'unbounded'
                )
                GROUP BY person
                HAVING max(born)
            )
        )
    )
    GROUP BY d0
)
ARRAY JOIN counts AS persons, arrayEnumerate(counts) AS place
ORDER BY cohort, k
COMMENT 'How many of the persons that began in a period came back k periods later. A person begins with its first birth event of the range. n_day: it came back in that period of the calendar; unbounded: in that or a later one of the range; rolling: k times 24 hours, or 7 days, after its own beginning. project UInt32: the project. from DateTime64(3, ''UTC''): beginning of the range, UTC. to DateTime64(3, ''UTC''): its end, which is not part of it. birth String: name of the event that a person begins with; empty: any. return String: name of the event that it comes back with; empty: any. period Enum8(''day'' = 1, ''week'' = 2): length of a period; weeks begin on Monday. mode Enum8(''n_day'' = 1, ''rolling'' = 2, ''unbounded'' = 3): what coming back is. periods UInt16: how many periods are told, the first included; 400 at most. Example: SELECT * FROM retention(project = 1, from = ''2026-11-01'', to = ''2026-12-01'', birth = ''signup'', return = '''', period = ''day'', mode = ''n_day'', periods = 31)';
CREATE OR REPLACE VIEW {database}.paths
(
    step UInt8 COMMENT 'place in the path of the event that the edge leaves, from 1',
    source String COMMENT 'name of that event',
    target String COMMENT 'name of the event that followed',
    visits UInt64 COMMENT 'visits whose path has the edge at this place',
    persons UInt64 COMMENT 'different persons that they are of'
)
SQL SECURITY INVOKER AS
SELECT
    step,
    (SELECT arraySort(groupUniqArray(toString(event))) FROM {database}.events_q WHERE project_id = {project:UInt32} AND ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06' AND ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')}
        OR NOT ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06') AND toUnixTimestamp64Milli(ts) >= toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AND toUnixTimestamp64Milli(ts) < toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')})))[edge.1] AS source,
    (SELECT arraySort(groupUniqArray(toString(event))) FROM {database}.events_q WHERE project_id = {project:UInt32} AND ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06' AND ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')}
        OR NOT ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06') AND toUnixTimestamp64Milli(ts) >= toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AND toUnixTimestamp64Milli(ts) < toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')})))[edge.2] AS target,
    visits,
    persons
FROM
(
    SELECT
        toUInt8(at) AS step,
        edge,
        count() AS visits,
        uniqExact(person) AS persons
    FROM
    (
        SELECT person, arraySlice(arrayCompact(if({start:String} = '', visit, arraySlice(visit, if(has(visit, toUInt32(indexOf((SELECT arraySort(groupUniqArray(toString(event))) FROM {database}.events_q WHERE project_id = {project:UInt32} AND ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06' AND ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')}
            OR NOT ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06') AND toUnixTimestamp64Milli(ts) >= toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AND toUnixTimestamp64Milli(ts) < toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}))), {start:String}))), indexOf(visit, toUInt32(indexOf((SELECT arraySort(groupUniqArray(toString(event))) FROM {database}.events_q WHERE project_id = {project:UInt32} AND ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06' AND ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')}
            OR NOT ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06') AND toUnixTimestamp64Milli(ts) >= toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AND toUnixTimestamp64Milli(ts) < toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}))), {start:String}))), length(visit) + 1)))), 1, {depth:UInt8}) AS path
        FROM
        (
            SELECT
                person,
                arraySort(groupArray(bitShiftLeft(toUInt256(toUnixTimestamp64Milli(ts) + 2208988800001), 128) + bitShiftLeft(toUInt256(bitShiftLeft(toUInt64(_log), 16) + _partition), 96) + bitShiftLeft(toUInt256(_offset), 32) + id)) AS sorted,
                arrayMap(x -> toUInt64(bitShiftRight(x, 128)), sorted) AS t,
                arrayMap((x, before) -> x - before > {gap_ms:UInt64}, t, arrayShiftRight(t, 1, t[1])) AS begins,
                arraySplit((x, begin) -> begin, arrayMap(x -> toUInt32(bitAnd(x, 4294967295)), sorted), begins) AS all
            FROM
            (
                SELECT person_h AS person, ts, _log, _partition, _offset, toUInt32(transform(event, (SELECT arraySort(groupUniqArray(toString(event))) FROM {database}.events_q WHERE project_id = {project:UInt32} AND ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06' AND ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')}
                    OR NOT ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06') AND toUnixTimestamp64Milli(ts) >= toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AND toUnixTimestamp64Milli(ts) < toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}))), arrayEnumerate((SELECT arraySort(groupUniqArray(toString(event))) FROM {database}.events_q WHERE project_id = {project:UInt32} AND ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06' AND ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')}
                    OR NOT ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06') AND toUnixTimestamp64Milli(ts) >= toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AND toUnixTimestamp64Milli(ts) < toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')})))), 0)) AS id
                FROM {database}.events_q
                WHERE project_id = {project:UInt32} AND ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06' AND ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')}
                    OR NOT ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06') AND toUnixTimestamp64Milli(ts) >= toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AND toUnixTimestamp64Milli(ts) < toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}))
                    AND ({start:String} = '' OR person_h IN (SELECT person_h FROM {database}.events_q WHERE project_id = {project:UInt32} AND ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06' AND ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')}
                    OR NOT ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06') AND toUnixTimestamp64Milli(ts) >= toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AND toUnixTimestamp64Milli(ts) < toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')})) AND event = {start:String}))
            )
            WHERE id > 0
            GROUP BY person
        )
        ARRAY JOIN all AS visit
    )
    ARRAY JOIN arrayZip(arrayPopBack(path), arrayPopFront(path)) AS edge, arrayEnumerate(arrayPopFront(path)) AS at
    GROUP BY step, edge
    ORDER BY visits DESC, step, (SELECT arraySort(groupUniqArray(toString(event))) FROM {database}.events_q WHERE project_id = {project:UInt32} AND ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06' AND ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')}
        OR NOT ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06') AND toUnixTimestamp64Milli(ts) >= toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AND toUnixTimestamp64Milli(ts) < toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')})))[edge.1], (SELECT arraySort(groupUniqArray(toString(event))) FROM {database}.events_q WHERE project_id = {project:UInt32} AND ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06' AND ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')}
        OR NOT ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06') AND toUnixTimestamp64Milli(ts) >= toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AND toUnixTimestamp64Milli(ts) < toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')})))[edge.2]
    LIMIT {limit:UInt32}
)
ORDER BY step, visits DESC, source, target
COMMENT 'Which event follows which in the visits of persons. A visit ends when nothing happens for longer than the gap. Its path begins with its first event named start, or its first of all; an event that repeats the one before it is skipped. project UInt32: the project. from DateTime64(3, ''UTC''): beginning of the range, UTC. to DateTime64(3, ''UTC''): its end, which is not part of it. start String: event that paths begin with; empty: the first of a visit. depth UInt8: events that a path has at most. gap_ms UInt64: longest time between two events of a visit, in milliseconds. limit UInt32: edges that are told: those of the most visits. Example: SELECT * FROM paths(project = 1, from = ''2026-11-01'', to = ''2026-12-01'', start = '''', depth = 5, gap_ms = 1800000, limit = 100)';
CREATE OR REPLACE VIEW {database}.stickiness
(
    periods UInt64 COMMENT 'periods in which they were active',
    persons UInt64 COMMENT 'persons'
)
SQL SECURITY INVOKER AS
SELECT periods, count() AS persons
FROM
(
    SELECT person, uniqExact(period) AS periods
    FROM
    (
        SELECT person_h AS person, if({period:Enum8('day' = 1, 'week' = 2, 'month' = 3)} = 'day', toInt32(toDate32(ts)),
        if({period:Enum8('day' = 1, 'week' = 2, 'month' = 3)} = 'week', toInt32(intDiv(toInt32(toDate32(ts)) + 70003, 7) - 10000),
        toInt32(toYear(ts) * 12 + toMonth(ts) - 1))) AS period
        FROM {database}.events_q
        WHERE project_id = {project:UInt32} AND NOT ({event:String} = '' AND toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) % 86400000 = 0 AND toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}) % 86400000 = 0)
            AND ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06' AND ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')}
                OR NOT ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06') AND toUnixTimestamp64Milli(ts) >= toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AND toUnixTimestamp64Milli(ts) < toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}))
            AND ({event:String} = '' OR event = {event:String})
        UNION ALL
        SELECT person_h AS person, if({period:Enum8('day' = 1, 'week' = 2, 'month' = 3)} = 'day', toInt32(toDate32(day)),
        if({period:Enum8('day' = 1, 'week' = 2, 'month' = 3)} = 'week', toInt32(intDiv(toInt32(toDate32(day)) + 70003, 7) - 10000),
        toInt32(toYear(day) * 12 + toMonth(day) - 1))) AS period
        FROM {database}.user_day_q
        WHERE project_id = {project:UInt32} AND ({event:String} = '' AND toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) % 86400000 = 0 AND toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}) % 86400000 = 0)
            AND day >= toDate32({from:DateTime64(3, 'UTC')}) AND day < toDate32({to:DateTime64(3, 'UTC')})
    )
    GROUP BY person
)
GROUP BY periods
ORDER BY periods
COMMENT 'How many persons were active in exactly so many different periods of the range. project UInt32: the project. from DateTime64(3, ''UTC''): beginning of the range, UTC. to DateTime64(3, ''UTC''): its end, which is not part of it. event String: name of the events; empty: all. period Enum8(''day'' = 1, ''week'' = 2, ''month'' = 3): length of a period; weeks begin on Monday. Example: SELECT * FROM stickiness(project = 1, from = ''2026-11-01'', to = ''2026-12-01'', event = '''', period = ''day'')';
CREATE OR REPLACE VIEW {database}.lifecycle
(
    bucket Date32 COMMENT 'first day of the period',
    new UInt64 COMMENT 'persons that were never active before',
    returning UInt64 COMMENT 'persons that were active in the period before, too',
    resurrecting UInt64 COMMENT 'persons that were active before, but not in the period before',
    dormant UInt64 COMMENT 'persons that were active in the period before, and not in this one'
)
SQL SECURITY INVOKER AS
SELECT
    if({period:Enum8('day' = 1, 'week' = 2, 'month' = 3)} = 'day', toDate32('1970-01-01') + (change.1),
    if({period:Enum8('day' = 1, 'week' = 2, 'month' = 3)} = 'week', toDate32('1970-01-01') + ((change.1) * 7 - 3),
    makeDate32(intDiv((change.1), 12), (change.1) % 12 + 1, 1))) AS bucket,
    countIf(change.2 = 1) AS new,
    countIf(change.2 = 2) AS returning,
    countIf(change.2 = 3) AS resurrecting,
    countIf(change.2 = 4) AS dormant
FROM
(
    SELECT
        min(period) AS born,
        arraySort(groupUniqArrayIf(period, period >= (if({period:Enum8('day' = 1, 'week' = 2, 'month' = 3)} = 'day', toInt32(toDate32({from:DateTime64(3, 'UTC')})),
        if({period:Enum8('day' = 1, 'week' = 2, 'month' = 3)} = 'week', toInt32(intDiv(toInt32(toDate32({from:DateTime64(3, 'UTC')})) + 70003, 7) - 10000),
        toInt32(toYear({from:DateTime64(3, 'UTC')}) * 12 + toMonth({from:DateTime64(3, 'UTC')}) - 1)))) - 1)) AS active,
        arrayConcat(
            arrayMap((p, before) -> (p, multiIf(p = born, 1, p = before + 1, 2, 3)), active, arrayShiftRight(active, 1, toInt32(-100000))),
            arrayMap(p -> (p + 1, 4), arrayFilter((p, after) -> p + 1 != after, active, arrayShiftLeft(active, 1, toInt32(-100000))))) AS states
    FROM
    (
        SELECT person_h AS person, if({period:Enum8('day' = 1, 'week' = 2, 'month' = 3)} = 'day', toInt32(toDate32(ts)),
        if({period:Enum8('day' = 1, 'week' = 2, 'month' = 3)} = 'week', toInt32(intDiv(toInt32(toDate32(ts)) + 70003, 7) - 10000),
        toInt32(toYear(ts) * 12 + toMonth(ts) - 1))) AS period
        FROM {database}.events_q
        WHERE project_id = {project:UInt32} AND NOT ({event:String} = '' AND toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}) % 86400000 = 0)
            AND toUnixTimestamp64Milli(ts) < toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')})
            AND ({event:String} = '' OR event = {event:String})
        UNION ALL
        SELECT person_h AS person, if({period:Enum8('day' = 1, 'week' = 2, 'month' = 3)} = 'day', toInt32(toDate32(day)),
        if({period:Enum8('day' = 1, 'week' = 2, 'month' = 3)} = 'week', toInt32(intDiv(toInt32(toDate32(day)) + 70003, 7) - 10000),
        toInt32(toYear(day) * 12 + toMonth(day) - 1))) AS period
        FROM {database}.user_day_q
        WHERE project_id = {project:UInt32} AND ({event:String} = '' AND toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}) % 86400000 = 0)
            AND day < toDate32({to:DateTime64(3, 'UTC')})
    )
    GROUP BY person
)
ARRAY JOIN states AS change
WHERE change.1 BETWEEN (if({period:Enum8('day' = 1, 'week' = 2, 'month' = 3)} = 'day', toInt32(toDate32({from:DateTime64(3, 'UTC')})),
if({period:Enum8('day' = 1, 'week' = 2, 'month' = 3)} = 'week', toInt32(intDiv(toInt32(toDate32({from:DateTime64(3, 'UTC')})) + 70003, 7) - 10000),
toInt32(toYear({from:DateTime64(3, 'UTC')}) * 12 + toMonth({from:DateTime64(3, 'UTC')}) - 1)))) AND (if({period:Enum8('day' = 1, 'week' = 2, 'month' = 3)} = 'day', toInt32(toDate32(({to:DateTime64(3, 'UTC')} - toIntervalMillisecond(1)))),
if({period:Enum8('day' = 1, 'week' = 2, 'month' = 3)} = 'week', toInt32(intDiv(toInt32(toDate32(({to:DateTime64(3, 'UTC')} - toIntervalMillisecond(1)))) + 70003, 7) - 10000),
toInt32(toYear(({to:DateTime64(3, 'UTC')} - toIntervalMillisecond(1))) * 12 + toMonth(({to:DateTime64(3, 'UTC')} - toIntervalMillisecond(1))) - 1))))
GROUP BY change.1
ORDER BY bucket
COMMENT 'Persons of each period: new, active for the first time ever; returning, active in the period before, too; resurrecting, active before but not in the period before; dormant, active only in the period before. The period of from is looked at as a whole; what happened at to or later is not. project UInt32: the project. from DateTime64(3, ''UTC''): beginning of the range, UTC. to DateTime64(3, ''UTC''): its end, which is not part of it. event String: name of the events; empty: all. period Enum8(''day'' = 1, ''week'' = 2, ''month'' = 3): length of a period; weeks begin on Monday. Example: SELECT * FROM lifecycle(project = 1, from = ''2026-11-01'', to = ''2026-12-01'', event = '''', period = ''week'')';
CREATE OR REPLACE VIEW {database}.session_metrics
(
    bucket Date32 COMMENT 'first day of the period',
    sessions UInt64 COMMENT 'sessions',
    bounces UInt64 COMMENT 'those with one page view at most',
    bounce_rate Float64 COMMENT 'their share',
    events UInt64 COMMENT 'events',
    pageviews UInt64 COMMENT 'events named $pageview',
    revenue Decimal(38, 4) COMMENT 'revenue of the events',
    mean_s Float64 COMMENT 'mean of the seconds between first and last event',
    median_s Float64 COMMENT 'median of the same'
)
SQL SECURITY INVOKER AS
SELECT
    if({period:Enum8('day' = 1, 'week' = 2, 'month' = 3)} = 'day', toDate32('1970-01-01') + (toInt32(toDate32(day))),
    if({period:Enum8('day' = 1, 'week' = 2, 'month' = 3)} = 'week', toDate32('1970-01-01') + ((toInt32(intDiv(toInt32(toDate32(day)) + 70003, 7) - 10000)) * 7 - 3),
    makeDate32(intDiv((toInt32(toYear(day) * 12 + toMonth(day) - 1)), 12), (toInt32(toYear(day) * 12 + toMonth(day) - 1)) % 12 + 1, 1))) AS bucket,
    count() AS sessions,
    countIf(bounced) AS bounces,
    bounces / sessions AS bounce_rate,
    toUInt64(sum(s.events)) AS events,
    toUInt64(sum(s.pageviews)) AS pageviews,
    sum(s.revenue) AS revenue,
    avg(duration_s) AS mean_s,
    quantileExactInclusive(0.5)(duration_s) AS median_s
FROM {database}.sessions_q AS s
WHERE project_id = {project:UInt32} AND day >= toDate32({from:DateTime64(3, 'UTC')}) AND day <= toDate32({to:DateTime64(3, 'UTC')} - toIntervalMillisecond(1))
GROUP BY bucket
ORDER BY bucket
COMMENT 'Sessions by the day inside their id. All days are looked at that the range touches. project UInt32: the project. from DateTime64(3, ''UTC''): beginning of the range, UTC. to DateTime64(3, ''UTC''): its end, which is not part of it. period Enum8(''day'' = 1, ''week'' = 2, ''month'' = 3): length of a period; weeks begin on Monday. Example: SELECT * FROM session_metrics(project = 1, from = ''2026-11-01'', to = ''2026-12-01'', period = ''day'')';
CREATE OR REPLACE VIEW {database}.timeline
(
    ts DateTime64(3, 'UTC') COMMENT 'when it happened, see ts_source',
    event LowCardinality(String) COMMENT 'name of the event; $identify, $pageview, $screen, $group, $alias for calls without one',
    type LowCardinality(String) COMMENT 'kind of call: track, identify, page, screen, group, alias, merge, unmerge',
    name String COMMENT 'what the client called the page or screen',
    event_id UUID COMMENT 'id of the event: the client''s, or a hash of it when that is no UUID',
    session_id UUID COMMENT 'session; a UUIDv7 whose day can be trusted; zero: none',
    url_host LowCardinality(String) COMMENT 'host of the page',
    url_path LowCardinality(String) COMMENT 'path of the page',
    referrer_host LowCardinality(String) COMMENT 'host of the page before',
    country LowCardinality(String) COMMENT 'country, ISO 3166-1 alpha-2',
    city LowCardinality(String) COMMENT 'city',
    device LowCardinality(String) COMMENT 'type of device',
    os LowCardinality(String) COMMENT 'operating system',
    browser LowCardinality(String) COMMENT 'browser',
    revenue Decimal(18, 4) COMMENT 'property revenue or $revenue when it is a number in range, else 0',
    props String COMMENT 'properties, byte for byte as the client sent them; empty: none',
    traits String COMMENT 'traits as the client sent them, or {"$set":…} where the dialect has operations; empty: none',
    cursor String COMMENT 'place of the event: what a later page begins after'
)
SQL SECURITY INVOKER AS
SELECT
    ts, event, type, name, event_id, session_id, url_host, url_path, referrer_host, country, city, device, os, browser, revenue, props, traits,
    concat(toString(toUnixTimestamp64Milli(ts)), '.', toString(_log), '.', toString(_partition), '.', toString(_offset)) AS cursor
FROM {database}.events_q
WHERE project_id = {project:UInt32} AND user_h = cityHash64({user:String}) AND distinct_id = {user:String}
    AND ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06' AND ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')}
    OR NOT ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06') AND toUnixTimestamp64Milli(ts) >= toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AND toUnixTimestamp64Milli(ts) < toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}))
ORDER BY ts DESC, _log DESC, _partition DESC, _offset DESC
LIMIT {limit:UInt32}
COMMENT 'Events that were sent under the id of a user, the latest first. project UInt32: the project. from DateTime64(3, ''UTC''): beginning of the range, UTC. to DateTime64(3, ''UTC''): its end, which is not part of it. user String: a distinct_id. limit UInt32: events that are told. Example: SELECT * FROM timeline(project = 1, from = ''2026-11-01'', to = ''2026-12-01'', user = ''user-1'', limit = 100)';
CREATE OR REPLACE VIEW {database}.event_by_id
(
    project_id UInt32 COMMENT 'project that owns the event',
    type LowCardinality(String) COMMENT 'kind of call: track, identify, page, screen, group, alias, merge, unmerge',
    event LowCardinality(String) COMMENT 'name of the event; $identify, $pageview, $screen, $group, $alias for calls without one',
    name String COMMENT 'what the client called the page or screen',
    ts DateTime64(3, 'UTC') COMMENT 'when it happened, see ts_source',
    event_id UUID COMMENT 'id of the event: the client''s, or a hash of it when that is no UUID',
    session_id UUID COMMENT 'session; a UUIDv7 whose day can be trusted; zero: none',
    distinct_id String COMMENT 'who did it: user id, else anonymous id',
    user_id String COMMENT 'id of the known user',
    anonymous_id String COMMENT 'id of the device or browser',
    group_id String COMMENT 'account or other group',
    previous_id String COMMENT 'the other id of an alias or merge',
    client_ts DateTime64(3, 'UTC') COMMENT 'time of the event by the client''s clock, uncorrected; 1970: none given',
    sent_at DateTime64(3, 'UTC') COMMENT 'when the client sent the request, by its clock; 1970: not given',
    ts_source LowCardinality(String) COMMENT 'where ts comes from: client, corrected (by sent_at), received',
    request_id UUID COMMENT 'request that brought the event, see header X-Request-Id',
    correlation_id String COMMENT 'correlation id of the event or its request',
    causation_id String COMMENT 'id of what caused the event',
    hops UInt8 COMMENT 'how many causation steps lie behind the event',
    dialect LowCardinality(String) COMMENT 'SDK family that the client spoke',
    bot UInt8 COMMENT '1: labelled as sent by a bot',
    user_h UInt64 COMMENT 'cityHash64(distinct_id)',
    url_host LowCardinality(String) COMMENT 'host of the page',
    url_path LowCardinality(String) COMMENT 'path of the page',
    referrer_host LowCardinality(String) COMMENT 'host of the page before',
    utm_source LowCardinality(String) COMMENT 'campaign source',
    utm_medium LowCardinality(String) COMMENT 'campaign medium',
    utm_campaign LowCardinality(String) COMMENT 'campaign name',
    lib LowCardinality(String) COMMENT 'SDK',
    lib_version LowCardinality(String) COMMENT 'version of the SDK',
    locale LowCardinality(String) COMMENT 'language and region, de-DE',
    country LowCardinality(String) COMMENT 'country, ISO 3166-1 alpha-2',
    city LowCardinality(String) COMMENT 'city',
    os LowCardinality(String) COMMENT 'operating system',
    os_version LowCardinality(String) COMMENT 'version of the operating system',
    browser LowCardinality(String) COMMENT 'browser',
    browser_version LowCardinality(String) COMMENT 'version of the browser',
    device LowCardinality(String) COMMENT 'type of device',
    screen_w UInt16 COMMENT 'width of the screen in pixels; 0: unknown',
    screen_h UInt16 COMMENT 'height of the screen in pixels; 0: unknown',
    ip IPv6 COMMENT 'address of the client, IPv4 as ::ffff:a.b.c.d; ::: unknown',
    revenue Decimal(18, 4) COMMENT 'property revenue or $revenue when it is a number in range, else 0',
    props String COMMENT 'properties, byte for byte as the client sent them; empty: none',
    context String COMMENT 'context, byte for byte as the client sent it; empty: none',
    traits String COMMENT 'traits as the client sent them, or {"$set":…} where the dialect has operations; empty: none',
    lag_ms Int64 COMMENT 'received_at - ts in milliseconds',
    _log UInt16 COMMENT 'life of the topic, see table logs',
    _partition UInt16 COMMENT 'partition of the topic',
    _offset UInt64 COMMENT 'offset in the partition',
    received_at DateTime64(3, 'UTC') COMMENT 'when the event arrived',
    person_h UInt64 COMMENT 'the person: what questions group by; today the same as user_h'
)
SQL SECURITY INVOKER AS
SELECT project_id, type, event, name, ts, event_id, session_id, distinct_id, user_id, anonymous_id, group_id, previous_id, client_ts, sent_at, ts_source, request_id, correlation_id, causation_id, hops, dialect, bot, user_h, url_host, url_path, referrer_host, utm_source, utm_medium, utm_campaign, lib, lib_version, locale, country, city, os, os_version, browser, browser_version, device, screen_w, screen_h, ip, revenue, props, context, traits, lag_ms, _log, _partition, _offset, received_at, person_h
FROM {database}.events_q
WHERE project_id = {project:UInt32} AND event_id = {id:UUID}
ORDER BY ts, _log, _partition, _offset
LIMIT 1000
COMMENT 'The event of an id. Should a client have used an id twice, both events. project UInt32: the project. id UUID: the event_id. Example: SELECT * FROM event_by_id(project = 1, id = ''0192f3a4-7c1d-7e55-9d6b-3f2a1c0b9e8d'')';
