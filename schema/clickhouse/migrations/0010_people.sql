CREATE TABLE IF NOT EXISTS {database}.identity_edges
(
    project_id UInt32                        COMMENT 'project',
    a_h        UInt64                        COMMENT 'cityHash64(a)'                                                          CODEC(ZSTD(1)),
    b_h        UInt64                        COMMENT 'cityHash64(b); 0: the call named one id only'                          CODEC(ZSTD(1)),
    kind       Enum8('identify' = 1, 'alias' = 2, 'merge' = 3, 'unmerge' = 4) COMMENT 'call that said so',
    a          SimpleAggregateFunction(anyLast, String) COMMENT 'id of the known user; of merge and unmerge, the lower of both' CODEC(ZSTD(1)),
    b          SimpleAggregateFunction(anyLast, String) COMMENT 'the other id; empty: none'                                   CODEC(ZSTD(1)),
    first      SimpleAggregateFunction(min, Tuple(ts DateTime64(3, 'UTC'), _log UInt16, _partition UInt16, _offset UInt64, event_id UUID)) COMMENT 'the earliest event that said so',
    last       SimpleAggregateFunction(max, Tuple(ts DateTime64(3, 'UTC'), _log UInt16, _partition UInt16, _offset UInt64, event_id UUID)) COMMENT 'the latest event that said so'
)
ENGINE = AggregatingMergeTree
ORDER BY (project_id, a_h, b_h, kind)
SETTINGS non_replicated_deduplication_window = 20000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Which ids events have named together. Facts only, so writing one again changes nothing; which of them hold is worked out from all. Read it with FINAL';

CREATE TABLE IF NOT EXISTS {database}.identity_overrides
(
    project_id UInt32 COMMENT 'project',
    user_h     UInt64 COMMENT 'cityHash64(distinct_id) of the events' CODEC(ZSTD(1)),
    person_h   UInt64 COMMENT 'person that they belong to; the same as user_h: a person of its own again' CODEC(ZSTD(1)),
    version    UInt64 COMMENT 'generation of the writer * 2^32 + n; the highest holds' CODEC(ZSTD(1)),
    INDEX ix_person person_h TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (project_id, user_h)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 20000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Which ids belong to a person of another id. Dictionary identity holds it in memory for the views. Read it with FINAL';

CREATE DICTIONARY IF NOT EXISTS {database}.identity
(
    id         UInt64,
    person_h   UInt64,
    project_id UInt32
)
PRIMARY KEY id
SOURCE(CLICKHOUSE({account}QUERY 'SELECT bitXor(user_h, intHash64(project_id)) AS id, person_h, project_id FROM {database}.identity_overrides FINAL WHERE person_h != user_h' INVALIDATE_QUERY 'SELECT max(version), count() FROM {database}.identity_overrides'))
LAYOUT(HASHED_ARRAY())
LIFETIME(MIN 5 MAX 15)
COMMENT 'identity_overrides in memory. The key is bitXor(user_h, intHash64(project_id)); a row counts for the project in it only';

CREATE TABLE IF NOT EXISTS {database}.profile_ops
(
    project_id UInt32                              COMMENT 'project',
    subject    Enum8('user' = 1, 'group' = 2)      COMMENT 'whose property: of the user that an id names, or of a group',
    subject_h  UInt64                              COMMENT 'cityHash64(id)' CODEC(ZSTD(1)),
    name       String                              COMMENT 'property' CODEC(ZSTD(1)),
    op         Enum8('set' = 1, 'set_once' = 2, 'add' = 3, 'append' = 4, 'unset' = 5) COMMENT 'what was done to it',
    slot       UUID                                COMMENT 'set and unset: zero, because only the latest matters; others: the event' CODEC(ZSTD(1)),
    id         SimpleAggregateFunction(anyLast, String) COMMENT 'user or group, as events name it' CODEC(ZSTD(1)),
    last       SimpleAggregateFunction(max, Tuple(ts DateTime64(3, 'UTC'), _log UInt16, _partition UInt16, _offset UInt64, value String)) COMMENT 'when, by which record, and the value as JSON; the latest' CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
ORDER BY (project_id, subject, subject_h, name, op, slot)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 20000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What events have done to properties of people and groups. Facts only, so writing one again changes nothing; profiles are worked out from them. Read it with FINAL';

CREATE TABLE IF NOT EXISTS {database}.profiles
(
    project_id  UInt32               COMMENT 'project',
    person_h    UInt64               COMMENT 'person, as in events_q' CODEC(ZSTD(1)),
    distinct_id String               COMMENT 'the id that the person goes by: cityHash64 of it is person_h' CODEC(ZSTD(1)),
    props       String               COMMENT 'properties, as a JSON object with sorted names' CODEC(ZSTD(1)),
    ids         UInt32               COMMENT 'ids that belong to the person',
    first_at    DateTime64(3, 'UTC') COMMENT 'ts of the earliest event that its properties come from',
    updated_at  DateTime64(3, 'UTC') COMMENT 'ts of the latest such event',
    version     UInt64               COMMENT 'generation of the writer * 2^32 + n; the highest holds',
    is_deleted  UInt8                COMMENT '1: there is no such person any longer'
)
ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (project_id, person_h)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 20000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Profiles of persons, one row for each that has properties. Read view profiles_q';

CREATE TABLE IF NOT EXISTS {database}.groups
(
    project_id  UInt32               COMMENT 'project',
    group_h     UInt64               COMMENT 'cityHash64(group_id)' CODEC(ZSTD(1)),
    group_id    String               COMMENT 'the group, as in events' CODEC(ZSTD(1)),
    props       String               COMMENT 'properties, as a JSON object with sorted names' CODEC(ZSTD(1)),
    first_at    DateTime64(3, 'UTC') COMMENT 'ts of the earliest event that its properties come from',
    updated_at  DateTime64(3, 'UTC') COMMENT 'ts of the latest such event',
    version     UInt64               COMMENT 'generation of the writer * 2^32 + n; the highest holds',
    is_deleted  UInt8                COMMENT '1: there is no such group any longer'
)
ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (project_id, group_h)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 20000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Profiles of groups, such as accounts. Read view groups_q';

CREATE TABLE IF NOT EXISTS {database}.people_progress
(
    _log       UInt16 COMMENT 'life of the topic, see table logs',
    _partition UInt16 COMMENT 'partition of the topic',
    next       UInt64 COMMENT 'events below this offset are in edges, profile_ops, overrides and profiles',
    version    UInt64 COMMENT 'generation of the writer * 2^32 + n; the highest holds'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (_log, _partition)
SETTINGS non_replicated_deduplication_window = 20000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'How far the job that works out identities and profiles has read. Read it with FINAL';

CREATE TABLE IF NOT EXISTS {database}.segments
(
    project_id UInt32               COMMENT 'project',
    name       String               COMMENT 'name of the segment',
    definition String               COMMENT 'what was declared, as JSON',
    version    UInt64               COMMENT 'microseconds since 1970 of the change; the highest holds',
    is_deleted UInt8                COMMENT '1: dropped'
)
ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (project_id, name)
SETTINGS non_replicated_deduplication_window = 20000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Segments as they were declared. Read view segments_q';

CREATE TABLE IF NOT EXISTS {database}.segment_builds
(
    project_id  UInt32               COMMENT 'project',
    segment     String               COMMENT 'name of the segment',
    build       UUID                 COMMENT 'the build; also the causation_id of its $segment_entered and $segment_left',
    definition  UInt64               COMMENT 'version of the definition that was built',
    at          DateTime64(3, 'UTC') COMMENT 'moment that it is of: windows end here',
    state       Enum8('building' = 1, 'active' = 2, 'announced' = 3, 'failed' = 4) COMMENT 'active: members are read from it; announced: its events are on the topic, too',
    size        UInt64               COMMENT 'members',
    entered     UInt64               COMMENT 'of them, those that were none before',
    left        UInt64               COMMENT 'members before that are none now',
    announced   UInt64               COMMENT 'events of these that are on the topic',
    took_ms     UInt64               COMMENT 'how long the build took',
    memory      UInt64               COMMENT 'peak memory of its query, in bytes',
    note        String               COMMENT 'why it failed',
    version     UInt64               COMMENT 'generation of the writer * 2^32 + n; the highest holds. 1: asked for, and not begun',
    INDEX ix_version version TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (project_id, segment, build)
TTL toDateTime(at) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 20000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Builds of segments. Read view segment_sizes_q';

CREATE TABLE IF NOT EXISTS {database}.segment_members
(
    project_id UInt32               COMMENT 'project',
    segment    String               COMMENT 'name of the segment' CODEC(ZSTD(1)),
    build      UUID                 COMMENT 'build that found the member' CODEC(ZSTD(1)),
    person_h   UInt64               COMMENT 'person at the build, and, in rows of their own, the other ids that were the same person: who that is now is for the identities to say' CODEC(ZSTD(1)),
    at         DateTime64(3, 'UTC') COMMENT 'moment of the build' CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (project_id, segment, build, person_h)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 20000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Members of segments, by build. Read view segment_members_q';

CREATE TABLE IF NOT EXISTS {database}.segment_changes
(
    project_id  UInt32               COMMENT 'project',
    segment     String               COMMENT 'name of the segment' CODEC(ZSTD(1)),
    build       UUID                 COMMENT 'build that found the change' CODEC(ZSTD(1)),
    person_h    UInt64               COMMENT 'person' CODEC(ZSTD(1)),
    entered     UInt8                COMMENT '1: entered, 0: left',
    distinct_id String               COMMENT 'an id of the person, which the event is sent under' CODEC(ZSTD(1)),
    at          DateTime64(3, 'UTC') COMMENT 'moment of the build' CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (project_id, segment, build, person_h)
TTL toDateTime(at) + INTERVAL 30 DAY
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 20000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Who entered and left segments, by build. Kept for 30 days';

CREATE TABLE IF NOT EXISTS {database}.erasures
(
    project_id   UInt32               COMMENT 'project',
    user_h       UInt64               COMMENT 'cityHash64 of an id of the erased person' CODEC(ZSTD(1)),
    erasure      UUID                 COMMENT 'request that named it',
    requested_at DateTime64(3, 'UTC') COMMENT 'when',
    whole        UInt8                COMMENT '1: all ids of the person are meant, those that the job finds as well; 0: this id only',
    version      UInt64               COMMENT 'microseconds since 1970 of the change; the highest holds',
    is_deleted   UInt8                COMMENT '1: the person may come back'
)
ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (project_id, user_h)
SETTINGS non_replicated_deduplication_window = 20000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Ids that were erased, as hashes: what bears them is refused at the door and deleted from the tables. Read it with FINAL';

CREATE TABLE IF NOT EXISTS {database}.erasure_log
(
    project_id UInt32                 COMMENT 'project',
    erasure    UUID                   COMMENT 'request',
    run        UUID                   COMMENT 'run of the job',
    table      LowCardinality(String) COMMENT 'table that was gone through',
    before     UInt64                 COMMENT 'rows of the person before',
    after      UInt64                 COMMENT 'rows of the person after',
    at         DateTime64(3, 'UTC')   COMMENT 'when the count after was taken'
)
ENGINE = MergeTree
ORDER BY (project_id, erasure, at, run, table)
SETTINGS non_replicated_deduplication_window = 20000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Proof of erasures: rows before and after, by run of the job and table';

CREATE TABLE IF NOT EXISTS {database}.erased_offsets
(
    table      LowCardinality(String)              COMMENT 'table that rows were deleted from: events or quarantine',
    _log       UInt16                              COMMENT 'life of the topic, see table logs',
    _partition UInt16                              COMMENT 'partition of the topic',
    highest    SimpleAggregateFunction(max, UInt64) COMMENT 'the highest offset of a row that was deleted: read max(highest)'
)
ENGINE = AggregatingMergeTree
ORDER BY (table, _log, _partition)
SETTINGS non_replicated_deduplication_window = 20000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'How far rows have been stored that erasures deleted since: a sink that takes a partition over must not take them for lost. Written before they are deleted';

CREATE TABLE IF NOT EXISTS {database}.erased_rows
(
    _log        UInt16               COMMENT 'life of the topic, see table logs',
    _partition  UInt16               COMMENT 'partition of the topic',
    _offset     UInt64               COMMENT 'offset in the partition',
    event_id    UUID                 COMMENT 'id of the event'                         CODEC(ZSTD(1)),
    received_at DateTime64(3, 'UTC') COMMENT 'when the event arrived'                  CODEC(ZSTD(1)),
    project_id  UInt32               COMMENT 'project',
    hour        DateTime64(0, 'UTC') COMMENT 'hour of its ts, by its beginning'        CODEC(ZSTD(1)),
    session_h   UInt64               COMMENT 'cityHash64 of its session; 0: it had none' CODEC(ZSTD(1)),
    run         UUID                 COMMENT 'run of the job that deleted it'          CODEC(ZSTD(1)),
    at          DateTime64(3, 'UTC') COMMENT 'when'                                    CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (_log, _partition, _offset)
TTL toDateTime(at) + INTERVAL 7 DAY
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 20000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Where erased rows of table events were. A sink that reads a block again must decide about repeats as it did the first time, and the job must finish a run that was cut off. Nothing in it says whose they were. Kept for 7 days';

CREATE OR REPLACE VIEW {database}.identities_q
(
    project_id UInt32 COMMENT 'project',
    user_h     UInt64 COMMENT 'cityHash64(distinct_id) of the events',
    person_h   UInt64 COMMENT 'person that they belong to'
)
SQL SECURITY INVOKER AS
SELECT project_id, user_h, person_h
FROM {database}.identity_overrides FINAL
WHERE person_h != user_h
COMMENT 'Ids that belong to a person of another id, as events_q has it. Example: SELECT * FROM identities_q WHERE project_id = 1 AND person_h = cityHash64(''user-1'') LIMIT 10';

CREATE OR REPLACE VIEW {database}.profiles_q
(
    project_id  UInt32               COMMENT 'project',
    person_h    UInt64               COMMENT 'person, as in events_q',
    distinct_id String               COMMENT 'the id that the person goes by',
    props       String               COMMENT 'properties, as a JSON object with sorted names',
    ids         UInt32               COMMENT 'ids that belong to the person',
    first_at    DateTime64(3, 'UTC') COMMENT 'ts of the earliest event that its properties come from',
    updated_at  DateTime64(3, 'UTC') COMMENT 'ts of the latest such event'
)
SQL SECURITY INVOKER AS
SELECT project_id, person_h, distinct_id, props, ids, first_at, updated_at
FROM {database}.profiles FINAL
COMMENT 'Profiles of persons, one row for each that has properties. Example: SELECT distinct_id, JSONExtractString(props, ''plan'') AS plan FROM profiles_q WHERE project_id = 1 LIMIT 10';

CREATE OR REPLACE VIEW {database}.groups_q
(
    project_id UInt32               COMMENT 'project',
    group_id   String               COMMENT 'the group, as in events',
    props      String               COMMENT 'properties, as a JSON object with sorted names',
    first_at   DateTime64(3, 'UTC') COMMENT 'ts of the earliest event that its properties come from',
    updated_at DateTime64(3, 'UTC') COMMENT 'ts of the latest such event'
)
SQL SECURITY INVOKER AS
SELECT project_id, group_id, props, first_at, updated_at
FROM {database}.groups FINAL
COMMENT 'Profiles of groups, such as accounts. Example: SELECT group_id, JSONExtractString(props, ''plan'') AS plan FROM groups_q WHERE project_id = 1 LIMIT 10';

CREATE OR REPLACE VIEW {database}.segments_q
(
    project_id UInt32               COMMENT 'project',
    segment    String               COMMENT 'name of the segment',
    definition String               COMMENT 'what was declared, as JSON',
    changed_at DateTime64(6, 'UTC') COMMENT 'when it was declared so'
)
SQL SECURITY INVOKER AS
SELECT project_id, name AS segment, definition, fromUnixTimestamp64Micro(toInt64(version), 'UTC') AS changed_at
FROM {database}.segments FINAL
COMMENT 'Segments as they were declared. Example: SELECT * FROM segments_q WHERE project_id = 1 LIMIT 10';

CREATE OR REPLACE VIEW {database}.segment_sizes_q
(
    project_id UInt32               COMMENT 'project',
    segment    String               COMMENT 'name of the segment',
    at         DateTime64(3, 'UTC') COMMENT 'moment of the build',
    size       UInt64               COMMENT 'members',
    entered    UInt64               COMMENT 'of them, those that were none at the build before',
    left       UInt64               COMMENT 'members at the build before that are none any longer',
    took_ms    UInt64               COMMENT 'how long the build took',
    build      UUID                 COMMENT 'the build; also the causation_id of its $segment_entered and $segment_left'
)
SQL SECURITY INVOKER AS
SELECT project_id, segment, at, size, entered, left, took_ms, build
FROM {database}.segment_builds FINAL
WHERE state IN ('active', 'announced')
COMMENT 'Sizes of segments over time, one row for each build. Example: SELECT at, size, entered, left FROM segment_sizes_q WHERE project_id = 1 AND segment = ''buyers'' ORDER BY at';

CREATE OR REPLACE VIEW {database}.segment_members_q
(
    project_id UInt32 COMMENT 'project',
    segment    String COMMENT 'name of the segment',
    person_h   UInt64 COMMENT 'person, as in events_q'
)
SQL SECURITY INVOKER AS
SELECT DISTINCT project_id, segment, if((dictGetOrDefault('{database}.identity', ('person_h', 'project_id'), bitXor(user_h, intHash64(project_id)), (user_h, project_id)) AS found).2 = project_id, found.1, user_h) AS person_h
FROM
(
    SELECT project_id, segment, person_h AS user_h
    FROM {database}.segment_members
    WHERE (project_id, segment, build) IN
    (
        SELECT project_id, segment, argMax(build, (at, version))
        FROM {database}.segment_builds FINAL
        WHERE state IN ('active', 'announced') AND (project_id, segment) IN (SELECT project_id, name FROM {database}.segments FINAL)
        GROUP BY project_id, segment
    )
)
COMMENT 'Who is in which segment, by its last build. Example: SELECT count() FROM events_q WHERE project_id = 1 AND person_h IN (SELECT person_h FROM segment_members_q WHERE project_id = 1 AND segment = ''buyers'')';
