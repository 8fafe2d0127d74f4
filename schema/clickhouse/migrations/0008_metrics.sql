CREATE TABLE IF NOT EXISTS {database}.metrics
(
    name        String                 COMMENT 'custom metric, as declared; people read it by view metric_NAME',
    build       UInt32                 COMMENT 'number of a build of it, which has a table of its own, metric_NAME__BUILD',
    version     UInt64                 COMMENT 'counts the changes of this build; the highest holds',
    phase       LowCardinality(String) COMMENT 'attaching, waiting, filling: it is being built; complete: it is read; broken: its view was taken away because it failed; dropped',
    holder      String                 COMMENT 'random id of whoever made the last change and may make the next',
    definition  String                 COMMENT 'what was declared, as JSON',
    rollup      String                 COMMENT 'how the table is computed from events, as JSON, for whoever compares both',
    fingerprint String                 COMMENT 'SHA-256 of what the statements are made of',
    log         UInt16                 COMMENT 'life of the topic that boundary belongs to, see table logs',
    boundary    Array(UInt64)          COMMENT 'by partition: of this log, events at offsets below are back-filled, the others come by the view',
    table_id    UUID                   COMMENT 'of the table that is being filled; zero: not made yet',
    days        UInt32                 COMMENT 'days to back-fill',
    days_done   UInt32                 COMMENT 'days that are back-filled',
    events      UInt64                 COMMENT 'events of these days to look at',
    events_done UInt64                 COMMENT 'of those, the ones that were looked at',
    note        String                 COMMENT 'why it is broken or dropped',
    begun       DateTime64(3, 'UTC')   COMMENT 'when the build began',
    at          DateTime64(3, 'UTC')   COMMENT 'when this was written'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (name, build)
SETTINGS non_replicated_deduplication_window = 20000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Custom metrics and how far their builds are. Read it with FINAL';
