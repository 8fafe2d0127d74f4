package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// ErrPartitions says that a topic has fewer partitions than were pinned for it.
var ErrPartitions = errors.New("the topic has fewer partitions than were pinned")

// allotAttempts bounds AllotLog: an attempt fails only when somebody else takes the number at that moment, or when the server died over it before.
const allotAttempts = 64

// Log is one life of a topic.
type Log struct {
	Number     uint16 // from 1 up, and of this life alone
	Partitions int    // pinned: events are spread over the partitions 0 to Partitions-1
}

// AllotLog returns the present life of the topic on the cluster, and makes the first one, with partitions pinned to what the topic has, when there is none. ErrPartitions: the
// topic has fewer partitions now than were pinned. More are fine.
//
// No number is given twice, and callers at once agree: each inserts the next number under a token of that number, so the server keeps the first and drops the others, whose
// callers look again.
func AllotLog(ctx context.Context, db *DB, clusterID, topic string, partitions int) (Log, error) {
	l, err := db.allot(ctx, clusterID, topic, partitions, 0)
	if err == nil && partitions < l.Partitions {
		return Log{}, fmt.Errorf("%w: %s has %d, log %d has %d: bring the old topic back, or name a new one in broker.topic", ErrPartitions, topic, partitions, l.Number, l.Partitions)
	}
	return l, err
}

// AdoptLog begins a new life of the topic on the cluster, with partitions pinned to what the topic has now, whatever lives it has had. It is for a topic whose records are no
// longer those that its rows were loaded from. Callers at once agree on one new life.
func AdoptLog(ctx context.Context, db *DB, clusterID, topic string, partitions int) (Log, error) {
	present, _, err := db.log(ctx, clusterID, topic)
	if err != nil {
		return Log{}, err
	}
	return db.allot(ctx, clusterID, topic, partitions, present.Number)
}

// allot returns the present life of the topic if its number is higher than above, and makes that life when it is not.
func (db *DB) allot(ctx context.Context, clusterID, topic string, partitions int, above uint16) (Log, error) {
	if partitions < 1 || partitions > math.MaxUint16 {
		return Log{}, fmt.Errorf("allot a log number: topic %s has %d partitions, want 1 to %d", topic, partitions, math.MaxUint16)
	}
	tried := uint64(0)
	for range allotAttempts {
		l, top, err := db.log(ctx, clusterID, topic)
		if err != nil {
			return Log{}, err
		}
		if l.Number > above {
			return l, nil
		}
		// A number whose row is not there although it was tried is lost: the server noted the token and died before the row was stored.
		tried = max(top, tried) + 1
		if tried > math.MaxUint16 {
			return Log{}, fmt.Errorf("allot a log number: all %d are used, see table %s.logs", math.MaxUint16, db.database)
		}
		if err := db.insertLog(ctx, uint16(tried), clusterID, topic, partitions); err != nil {
			return Log{}, fmt.Errorf("allot a log number: %w", err)
		}
	}
	return Log{}, fmt.Errorf("allot a log number: topic %s got none in %d attempts, see table %s.logs", topic, allotAttempts, db.database)
}

// log reads, in one look, the topic's present life (Number 0: none) and the highest number of all.
func (db *DB) log(ctx context.Context, clusterID, topic string) (l Log, top uint64, err error) {
	var highest, partitions uint16
	err = db.conn.QueryRow(parameters(ctx, map[string]string{"cluster": clusterID, "topic": topic}),
		"SELECT max(log), maxIf(log, mine), argMaxIf(partitions, log, mine) FROM (SELECT log, partitions, cluster_id = {cluster:String} AND topic = {topic:String} AS mine FROM "+db.database+".logs)").
		Scan(&highest, &l.Number, &partitions)
	if err != nil {
		return Log{}, 0, fmt.Errorf("read the log number: %w", err)
	}
	l.Partitions = int(partitions)
	return l, uint64(highest), nil
}

// insertLog returns nil, too, when the server dropped the row because the number's token was used before.
func (db *DB) insertLog(ctx context.Context, number uint16, clusterID, topic string, partitions int) error {
	batch, err := db.conn.PrepareBatch(with(ctx, InsertSettings("log-"+strconv.Itoa(int(number)))...),
		"INSERT INTO "+db.database+".logs (log, cluster_id, topic, partitions, since)")
	if err != nil {
		return err
	}
	defer batch.Close() //nolint:errcheck // Send has told
	if err := batch.Append(number, clusterID, topic, uint16(partitions), time.Now().UTC()); err != nil {
		return err
	}
	return batch.Send()
}
