package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/schema"
)

const (
	// maxRefused bounds how many refused records one block carries.
	maxRefused = 10_000
	// maxRejectBatch is where a batch of refused records is closed, in bytes: below every broker's limit of 1 MiB, one record of schema.TruncatedBytes
	// and its headers included.
	maxRejectBatch = 512 << 10
	// maxDetail bounds the words about one record.
	maxDetail = 1 << 10
	// rejectTimeout bounds one produce of refused records.
	rejectTimeout = 5 * time.Second
)

// refusal is the record of a refused record, ready to be produced.
type refusal struct {
	key       []byte
	body      []byte
	timestamp int64
}

// newRefusal describes a record that cannot be read. When its block is read again the record is refused again: both have the same "from".
//
// It is dated now and not by the record, because table quarantine forgets old rows: a record of long ago would vanish with the INSERT.
func newRefusal(log uint16, partition int32, rec *broker.Record, why error, now time.Time) refusal {
	value := rec.Value
	if len(value) > schema.TruncatedBytes {
		value = value[:schema.TruncatedBytes]
	}
	r := schema.Rejection{
		Stage:      "sink",
		Reason:     schema.InvalidRecord.String(),
		Detail:     why.Error(),
		ReceivedAt: now.UnixMilli(),
		Size:       int64(len(rec.Value)),
		Truncated:  len(value) < len(rec.Value),
		From:       fmt.Sprintf("%d/%d/%d", log, partition, rec.Offset),
	}
	if len(r.Detail) > maxDetail {
		r.Detail = strings.ToValidUTF8(r.Detail[:maxDetail], "")
	}
	var headers []broker.Header
	r.EachHeader(func(key string, value []byte) {
		headers = append(headers, broker.Header{Key: key, Value: value})
	})
	key := strconv.AppendUint(nil, uint64(projectOf(rec.Key)), 10)
	return refusal{key: key, body: broker.AppendRecordBody(nil, key, value, headers...), timestamp: now.UnixMilli()}
}

// projectOf reads the project off a record's key: "7:user" on topic events, "7" on topic quarantine; 0 when there is none.
func projectOf(key []byte) uint32 {
	if i := bytes.IndexByte(key, ':'); i >= 0 {
		key = key[:i]
	}
	n, err := strconv.ParseUint(string(key), 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

// rejecter produces refused records to the quarantine topic. Not safe for concurrent use.
type rejecter struct {
	client  *broker.Client
	topic   string
	timeout time.Duration
	batch   broker.BatchBuilder
}

// produce sends the records and returns those that are not stored, with the reason. A record whose fate is unknown counts as not stored, so it may
// be stored twice.
func (r *rejecter) produce(ctx context.Context, records []refusal) (left []refusal, err error) {
	md, err := r.client.Metadata(ctx, r.topic)
	if err != nil {
		return records, err
	}
	topic := md.Topics[r.topic]
	if topic.Err != nil {
		return records, fmt.Errorf("topic %s: %w", r.topic, topic.Err)
	}
	if len(topic.Partitions) == 0 {
		return records, fmt.Errorf("topic %s has no partitions", r.topic)
	}
	byPartition := make(map[int32][]refusal)
	for _, rec := range records {
		p := broker.PartitionFor(rec.key, len(topic.Partitions))
		byPartition[p] = append(byPartition[p], rec)
	}
	var errs []error
	for id, recs := range byPartition {
		n, err := r.producePartition(ctx, topic.Partitions[id], recs)
		left = append(left, recs[n:]...)
		if err != nil {
			errs = append(errs, fmt.Errorf("topic %s partition %d: %w", r.topic, id, err))
		}
	}
	return left, errors.Join(errs...)
}

// producePartition sends the records in batches, in order, and returns how many are stored.
func (r *rejecter) producePartition(ctx context.Context, p broker.PartitionMetadata, records []refusal) (stored int, err error) {
	if p.Leader < 0 {
		return 0, errors.Join(errNoLeader, p.Err)
	}
	for stored < len(records) {
		r.batch.Reset()
		n := stored
		for ; n < len(records) && r.batch.Len() < maxRejectBatch; n++ {
			r.batch.Append(records[n].body, records[n].timestamp)
		}
		results, err := r.client.Produce(ctx, p.Leader, r.timeout, []broker.PartitionBatch{{
			Topic: r.topic, Partition: p.ID, Records: r.batch.Seal(broker.NoProducerID, -1),
		}})
		if err == nil {
			err = results[0].Err
		}
		if err != nil {
			return stored, err
		}
		stored = n
	}
	return stored, nil
}
