package broker

import (
	"context"
	"fmt"

	"github.com/segmentio/kafka-go/protocol/listoffsets"
)

// OffsetRange is what a partition holds: offsets from Start up to, not including, End. End is the high watermark.
type OffsetRange struct{ Start, End int64 }

// ListOffsets returns the range of each of the partitions, or an error if one of them fails.
func (c *Client) ListOffsets(ctx context.Context, topic string, partitions []int32) (map[int32]OffsetRange, error) {
	md, err := c.Metadata(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("list offsets: %w", err)
	}
	byLeader, err := md.leaders(topic, partitions)
	if err != nil {
		return nil, fmt.Errorf("list offsets: %w", err)
	}
	ranges := make(map[int32]OffsetRange, len(partitions))
	for leader, ids := range byLeader {
		starts, err := c.listOffsets(ctx, leader, topic, ids, offsetEarliest)
		if err != nil {
			return nil, fmt.Errorf("list offsets: %w", err)
		}
		ends, err := c.listOffsets(ctx, leader, topic, ids, offsetLatest)
		if err != nil {
			return nil, fmt.Errorf("list offsets: %w", err)
		}
		for _, id := range ids {
			ranges[id] = OffsetRange{Start: starts[id], End: ends[id]}
		}
	}
	return ranges, nil
}

// Times that stand for the ends of a partition.
const (
	offsetLatest   = -1
	offsetEarliest = -2
)

// listOffsets asks a leader for one end of its partitions. Brokers refuse a partition that comes twice in a request, so each
// end has a request of its own.
func (c *Client) listOffsets(ctx context.Context, leader int32, topic string, partitions []int32, time int64) (map[int32]int64, error) {
	rt := listoffsets.RequestTopic{Topic: topic}
	for _, id := range partitions {
		rt.Partitions = append(rt.Partitions, listoffsets.RequestPartition{Partition: id, CurrentLeaderEpoch: -1, Timestamp: time})
	}
	found, err := c.listTimes(ctx, leader, rt)
	if err != nil {
		return nil, err
	}
	offsets := make(map[int32]int64, len(partitions))
	for id, o := range found {
		offsets[id] = o.Offset
	}
	for _, id := range partitions {
		if _, ok := offsets[id]; !ok {
			return nil, fmt.Errorf("topic %s partition %d: %w", topic, id, ErrNoAnswer)
		}
	}
	return offsets, nil
}
