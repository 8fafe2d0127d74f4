CREATE TABLE IF NOT EXISTS {database}.audit_queue
(
    at     DateTime64(3, 'UTC')   COMMENT 'when the hour was queued',
    hour   DateTime64(0, 'UTC')   COMMENT 'hour of ts, by its beginning, whose rollups are to be compared with events' CODEC(Delta, ZSTD(1)),
    reason LowCardinality(String) COMMENT 'why: what a sink had to do to rows of that hour'
)
ENGINE = MergeTree
ORDER BY at
TTL toDateTime(at) + INTERVAL 30 DAY
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Hours whose rollups the auditor compares first. Kept for 30 days; what was compared stays here';
