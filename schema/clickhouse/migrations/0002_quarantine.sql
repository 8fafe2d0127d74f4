CREATE TABLE IF NOT EXISTS {database}.quarantine
(
    at             DateTime64(3, 'UTC')   COMMENT 'when the event arrived'                                    CODEC(T64, ZSTD(1)),
    project_id     UInt32                 COMMENT 'project of the key that sent it',
    stage          LowCardinality(String) COMMENT 'who refused it: ingest, pipeline, sink',
    reason         LowCardinality(String) COMMENT 'the code, as in the answer',
    field          String                 COMMENT 'JSON pointer of the field that the code is about'          CODEC(ZSTD(1)),
    detail         String                 COMMENT 'in words: value, limit, cure'                              CODEC(ZSTD(1)),
    dialect        LowCardinality(String) COMMENT 'SDK family that the client spoke',
    event_index    UInt32                 COMMENT 'place of the event in its request, from 0',
    key_id         LowCardinality(String) COMMENT 'public part of the key that sent it',
    event_id       UUID                   COMMENT 'id of the event; zero: none'                               CODEC(ZSTD(1)),
    request_id     UUID                   COMMENT 'request that brought the event'                            CODEC(ZSTD(1)),
    correlation_id String                 COMMENT 'correlation id of the event or its request'                CODEC(ZSTD(1)),
    sent_at        DateTime64(3, 'UTC')   COMMENT 'when the client sent the request; 1970: not given'         CODEC(T64, ZSTD(1)),
    ip             IPv6                   COMMENT 'address of the client; ::: unknown'                        CODEC(ZSTD(1)),
    user_agent     String                 COMMENT 'User-Agent of the request'                                 CODEC(ZSTD(1)),
    payload        String                 COMMENT 'the event as it was sent, after decompression'             CODEC(ZSTD(3)),
    size           UInt64                 COMMENT 'bytes of the event as it was sent',
    truncated      Bool                   COMMENT 'payload holds only the beginning',
    from_record    String                 COMMENT 'log/partition/offset of the record that the sink refused'  CODEC(ZSTD(1)),
    _log           UInt16                 COMMENT 'life of the topic, see table logs',
    _partition     UInt16                 COMMENT 'partition of the topic',
    _offset        UInt64                 COMMENT 'offset in the partition',
    replayed_at    Nullable(DateTime64(3, 'UTC')) COMMENT 'when it was sent through again',
    INDEX ix_event_id event_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX ix_request  request_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (project_id, reason, at)
TTL toDateTime(at) + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 20000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Refused events with the reason and the original bytes, kept for 30 days';
