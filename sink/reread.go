package sink

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/sink/exact"
)

// reader reads ranges of one partition again, apart from the fetch loops. Not safe for concurrent use.
type reader struct {
	client *broker.Client
	tp     broker.TopicPartition
	wait   time.Duration
}

// bounds are the offsets that the topic holds.
func (r *reader) bounds(ctx context.Context) (broker.OffsetRange, error) {
	ranges, err := r.client.ListOffsets(ctx, r.tp.Topic, []int32{r.tp.Partition})
	if err != nil {
		return broker.OffsetRange{}, err
	}
	return ranges[r.tp.Partition], nil
}

// read returns record sets that hold the records [first, next). They may hold more at their end. exact.ErrTrimmed when the topic does not have them all.
func (r *reader) read(ctx context.Context, first, next int64) (sets []recordSet, err error) {
	sets, _, err = r.readSome(ctx, first, next, math.MaxInt64)
	return sets, err
}

// readSome is read, but ends behind the set with which there are so many bytes; end is behind its last record then, else next.
func (r *reader) readSome(ctx context.Context, first, next, bytes int64) (sets []recordSet, end int64, err error) {
	at, err := r.bounds(ctx)
	if err != nil {
		return nil, 0, err
	}
	if at.Start > first || at.End < next {
		return nil, 0, fmt.Errorf("%w: %s partition %d holds %d to %d, wanted are %d to %d", exact.ErrTrimmed, r.tp.Topic, r.tp.Partition, at.Start, at.End-1, first, next-1)
	}
	md, err := r.client.Metadata(ctx, r.tp.Topic)
	if err != nil {
		return nil, 0, err
	}
	leader, err := leaderOf(md, r.tp)
	if err != nil {
		return nil, 0, err
	}
	var probe broker.RecordReader
	var rec broker.Record
	size := int32(4 * minPartitionBytes)
	from := first
	for from < next && bytes > 0 {
		res, err := r.client.Fetch(ctx, leader, broker.FetchRequest{
			MaxWait: r.wait, MinBytes: 1, MaxBytes: size,
			Partitions: []broker.FetchPartition{{Topic: r.tp.Topic, Partition: r.tp.Partition, Offset: from, MaxBytes: size}},
		})
		if err != nil {
			return nil, 0, err
		}
		p := &res.Partitions[0]
		if broker.IsOffsetOutOfRange(p.Err) {
			return nil, 0, fmt.Errorf("%w: %w", exact.ErrTrimmed, p.Err)
		}
		if p.Err != nil {
			return nil, 0, p.Err
		}
		probe.Reset(p.Records, from)
		for probe.Next(&rec) && rec.Offset < next-1 {
		}
		if err := probe.Err(); err != nil {
			return nil, 0, fmt.Errorf("%w: %w", errDamaged, err)
		}
		reached := probe.NextOffset()
		if reached == from {
			if !probe.Truncated() || size >= maxPartitionBytes {
				return nil, 0, fmt.Errorf("read %s partition %d at %d: %w", r.tp.Topic, r.tp.Partition, from, errNothingRead)
			}
			size = min(4*size, maxPartitionBytes)
			continue
		}
		sets = append(sets, recordSet{records: p.Records, from: from})
		from, bytes = reached, bytes-int64(len(p.Records))
	}
	return sets, min(from, next), nil
}

// errNothingRead: the broker answered and sent nothing.
var errNothingRead = errors.New("the broker sends no records")

// build makes the block of the records [first, next) of sets. only, when it is not nil, are the offsets to take.
func (b *builder) build(sets []recordSet, first, next int64, only []int64) (*block, error) {
	b.begin(first)
	now := time.Now()
	var r broker.RecordReader
	var rec broker.Record
	for _, set := range sets {
		for r.Reset(set.records, set.from); r.Next(&rec) && rec.Offset < next; {
			if only != nil {
				if _, ok := slices.BinarySearch(only, rec.Offset); !ok {
					continue
				}
			}
			if err := b.take(&rec, set, now); err != nil {
				return nil, err
			}
		}
	}
	b.extend(next, now)
	return b.cut(), nil
}
