CREATE TABLE IF NOT EXISTS {database}.logs
(
    log        UInt16               COMMENT 'number of this life of the topic; rows carry it as _log',
    cluster_id String               COMMENT 'id of the broker cluster',
    topic      String               COMMENT 'name of the topic',
    partitions UInt16               COMMENT 'partitions that events are spread over, pinned at the first start',
    since      DateTime64(3, 'UTC') COMMENT 'when the number was allotted'
)
ENGINE = MergeTree
ORDER BY log
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Lives of the topics: a topic that is made anew gets another number, so its offsets mean other records';
