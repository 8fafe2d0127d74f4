package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// ErrPartitions says that a topic has fewer partitions than were pinned for it.
var ErrPartitions = errors.New("the topic has fewer partitions than were pinned")

// Log is one life of a topic.
type Log struct {
	Number     uint16
	Partitions int // pinned: events are spread over the partitions 0 to Partitions-1
}

// AllotLog returns the present life of the topic on the cluster, and makes the first one, with partitions pinned to what the topic has, when there is none. Two callers at once
// may both insert; every reader takes the lowest number then, so they agree.
func AllotLog(ctx context.Context, db *DB, clusterID, topic string, partitions int) (Log, error) {
	l, ok, err := db.log(ctx, clusterID, topic)
	if err == nil && !ok {
		insert := "INSERT INTO " + db.database + ".logs (log, cluster_id, topic, partitions, since) SELECT max(log) + 1, {cluster:String}, {topic:String}, {partitions:UInt16}, now64(3) FROM " + db.database + ".logs"
		p := map[string]string{"cluster": clusterID, "topic": topic, "partitions": strconv.Itoa(partitions)}
		if err := db.conn.Exec(parameters(ctx, p), insert); err != nil {
			return l, fmt.Errorf("allot a log number: %w", err)
		}
		l, ok, err = db.log(ctx, clusterID, topic)
	}
	switch {
	case err != nil:
		return l, err
	case !ok:
		return l, fmt.Errorf("allot a log number: topic %s is not in %s.logs after it was inserted", topic, db.database)
	case partitions < l.Partitions:
		return l, fmt.Errorf("%w: %s has %d, log %d has %d: bring the old topic back, or name a new one in broker.topic", ErrPartitions, topic, partitions, l.Number, l.Partitions)
	}
	return l, nil
}

func (db *DB) log(ctx context.Context, clusterID, topic string) (l Log, ok bool, err error) {
	rows, err := db.conn.Query(parameters(ctx, map[string]string{"cluster": clusterID, "topic": topic}),
		"SELECT log, partitions FROM "+db.database+".logs WHERE cluster_id = {cluster:String} AND topic = {topic:String} ORDER BY log LIMIT 1")
	if err != nil {
		return l, false, fmt.Errorf("read the log number: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err has told
	for rows.Next() {
		var partitions uint16
		if err := rows.Scan(&l.Number, &partitions); err != nil {
			return l, false, fmt.Errorf("read the log number: %w", err)
		}
		l.Partitions, ok = int(partitions), true
	}
	if err := rows.Err(); err != nil {
		return l, false, fmt.Errorf("read the log number: %w", err)
	}
	return l, ok, nil
}
