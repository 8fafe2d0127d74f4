package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/millrace/millrace/broker"
)

// Options say where to begin and when to stop.
type Options struct {
	Topic     string
	FromStart bool // from the oldest record that the broker has; default only new ones
	Limit     int  // stop after so many records were shown; 0 means never
	// Match shows only records whose value contains these bytes; nil shows all.
	Match []byte
}

const (
	pollWait     = 500 * time.Millisecond
	pollMaxBytes = 8 << 20
)

// Follow calls show with each record, one call at a time, in order within a partition, until ctx ends (which is no error), the limit is reached, show returns an error, or
// the broker fails. The record is valid until show returns.
func Follow(ctx context.Context, c *broker.Client, opts Options, show func(partition int32, rec *broker.Record) error) error {
	md, err := c.Metadata(ctx, opts.Topic)
	if err != nil {
		return err
	}
	topic := md.Topics[opts.Topic]
	if topic.Err != nil {
		return fmt.Errorf("topic %s: %w", opts.Topic, topic.Err)
	}
	var ids []int32
	for _, p := range topic.Partitions {
		ids = append(ids, p.ID)
	}
	ranges, err := c.ListOffsets(ctx, opts.Topic, ids)
	if err != nil {
		return err
	}
	byLeader := map[int32][]broker.FetchPartition{}
	for _, p := range topic.Partitions {
		from := ranges[p.ID].End
		if opts.FromStart {
			from = ranges[p.ID].Start
		}
		byLeader[p.Leader] = append(byLeader[p.Leader], broker.FetchPartition{Topic: opts.Topic, Partition: p.ID, Offset: from, MaxBytes: pollMaxBytes})
	}

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	seen := 0
	once := func(partition int32, rec *broker.Record) error {
		if !bytes.Contains(rec.Value, opts.Match) {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if opts.Limit > 0 && seen >= opts.Limit {
			return errEnough
		}
		seen++
		if err := show(partition, rec); err != nil {
			return err
		}
		if seen == opts.Limit {
			return errEnough
		}
		return nil
	}
	var wg sync.WaitGroup
	for leader, partitions := range byLeader {
		wg.Go(func() {
			if err := followLeader(ctx, c, leader, partitions, once); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errEnough), errors.Is(cause, context.Canceled), errors.Is(cause, context.DeadlineExceeded):
		return nil
	default:
		return cause
	}
}

// errEnough ends the walk when the limit is reached.
var errEnough = errors.New("limit reached")

func followLeader(ctx context.Context, c *broker.Client, leader int32, partitions []broker.FetchPartition, show func(int32, *broker.Record) error) error {
	var reader broker.RecordReader
	var rec broker.Record
	for ctx.Err() == nil {
		resp, err := c.Fetch(ctx, leader, broker.FetchRequest{MaxWait: pollWait, MinBytes: 1, MaxBytes: pollMaxBytes, Partitions: partitions})
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		for i, p := range resp.Partitions {
			if p.Err != nil {
				return fmt.Errorf("topic %s partition %d: %w", p.Topic, p.Partition, p.Err)
			}
			reader.Reset(p.Records, partitions[i].Offset)
			for reader.Next(&rec) {
				if err := show(p.Partition, &rec); err != nil {
					return err
				}
			}
			if err := reader.Err(); err != nil {
				return fmt.Errorf("topic %s partition %d: %w", p.Topic, p.Partition, err)
			}
			partitions[i].Offset = reader.NextOffset()
		}
	}
	return nil
}
