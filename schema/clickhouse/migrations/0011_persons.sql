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
    person_h UInt64 COMMENT 'the person: what questions group by; user_h, unless the id belongs to a person of another id'
)
SQL SECURITY INVOKER AS
SELECT project_id, type, event, name, ts, event_id, session_id, distinct_id, user_id, anonymous_id, group_id, previous_id, client_ts, sent_at, ts_source, request_id, correlation_id, causation_id, hops, dialect, bot, user_h, url_host, url_path, referrer_host, utm_source, utm_medium, utm_campaign, lib, lib_version, locale, country, city, os, os_version, browser, browser_version, device, screen_w, screen_h, ip, revenue, props, context, traits, lag_ms, _log, _partition, _offset, received_at, if((dictGetOrDefault('{database}.identity', ('person_h', 'project_id'), bitXor(user_h, intHash64(project_id)), (user_h, project_id)) AS found).2 = project_id, found.1, user_h) AS person_h
FROM {database}.events
COMMENT 'One row for each event, with the person it belongs to. Filter by project_id and ts. Example: SELECT * FROM events_q WHERE project_id = 1 AND ts >= ''2026-11-01'' AND ts < ''2026-11-02'' LIMIT 10';
CREATE OR REPLACE VIEW {database}.user_day_q
(
    project_id UInt32 COMMENT 'project that owns the events',
    day Date32 COMMENT 'day of ts, UTC',
    person_h UInt64 COMMENT 'the person, as in events_q'
)
SQL SECURITY INVOKER AS
SELECT DISTINCT project_id, day, if((dictGetOrDefault('{database}.identity', ('person_h', 'project_id'), bitXor(user_h, intHash64(project_id)), (user_h, project_id)) AS found).2 = project_id, found.1, user_h) AS person_h
FROM (SELECT project_id, day, user_h FROM {database}.user_day GROUP BY project_id, day, user_h HAVING sum(n) > 0)
COMMENT 'Which persons were active on which days: the rows of table user_day, summed, by person. Example: SELECT * FROM user_day_q WHERE project_id = 1 AND day = ''2026-11-01'' LIMIT 10';
CREATE OR REPLACE VIEW {database}.timeline
(
    ts DateTime64(3, 'UTC') COMMENT 'when it happened, see ts_source',
    event LowCardinality(String) COMMENT 'name of the event; $identify, $pageview, $screen, $group, $alias for calls without one',
    type LowCardinality(String) COMMENT 'kind of call: track, identify, page, screen, group, alias, merge, unmerge',
    name String COMMENT 'what the client called the page or screen',
    event_id UUID COMMENT 'id of the event: the client''s, or a hash of it when that is no UUID',
    distinct_id String COMMENT 'who did it: user id, else anonymous id',
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
    ts, event, type, name, event_id, distinct_id, session_id, url_host, url_path, referrer_host, country, city, device, os, browser, revenue, props, traits,
    concat(toString(toUnixTimestamp64Milli(ts)), '.', toString(_log), '.', toString(_partition), '.', toString(_offset)) AS cursor
FROM {database}.events_q
WHERE project_id = {project:UInt32} AND user_h IN
    (
        WITH
            cityHash64({user:String}) AS asked,
            (SELECT max(person_h) FROM {database}.identities_q WHERE project_id = {project:UInt32} AND user_h = cityHash64({user:String})) AS other,
            if(other = 0, asked, other) AS person
        SELECT user_h FROM {database}.identities_q WHERE project_id = {project:UInt32} AND person_h = person
        UNION ALL SELECT arrayJoin([asked, person])
    )
    AND ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06' AND ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')}
    OR NOT ({from:DateTime64(3, 'UTC')} >= '1970-01-01' AND {to:DateTime64(3, 'UTC')} <= '2149-06-06') AND toUnixTimestamp64Milli(ts) >= toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}) AND toUnixTimestamp64Milli(ts) < toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}))
ORDER BY ts DESC, _log DESC, _partition DESC, _offset DESC
LIMIT {limit:UInt32}
COMMENT 'Events of the person that an id belongs to, under whichever of its ids they were sent, the latest first. project UInt32: the project. from DateTime64(3, ''UTC''): beginning of the range, UTC. to DateTime64(3, ''UTC''): its end, which is not part of it. user String: a distinct_id. limit UInt32: events that are told. Example: SELECT * FROM timeline(project = 1, from = ''2026-11-01'', to = ''2026-12-01'', user = ''user-1'', limit = 100)';
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
    person_h UInt64 COMMENT 'the person: what questions group by; user_h, unless the id belongs to a person of another id'
)
SQL SECURITY INVOKER AS
SELECT project_id, type, event, name, ts, event_id, session_id, distinct_id, user_id, anonymous_id, group_id, previous_id, client_ts, sent_at, ts_source, request_id, correlation_id, causation_id, hops, dialect, bot, user_h, url_host, url_path, referrer_host, utm_source, utm_medium, utm_campaign, lib, lib_version, locale, country, city, os, os_version, browser, browser_version, device, screen_w, screen_h, ip, revenue, props, context, traits, lag_ms, _log, _partition, _offset, received_at, person_h
FROM {database}.events_q
WHERE project_id = {project:UInt32} AND event_id = {id:UUID}
ORDER BY ts, _log, _partition, _offset
LIMIT 1000
COMMENT 'The event of an id. Should a client have used an id twice, both events. project UInt32: the project. id UUID: the event_id. Example: SELECT * FROM event_by_id(project = 1, id = ''0192f3a4-7c1d-7e55-9d6b-3f2a1c0b9e8d'')';
