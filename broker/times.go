package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go/protocol/listoffsets"
)

// TimedOffset is a record as ListOffsetsByTime finds it.
type TimedOffset struct {
	Offset int64     // -1: there is no such record
	Time   time.Time // of the record; zero when there is none
}

// ListOffsetsByTime returns, for each partition of the map, the first record at or after the given time, as the broker's time index has it: it looks for
// the first batch that reaches the time, and records need not be in the order of time. It fails if one partition does. A partition that is empty, or
// whose records are all older, has Offset -1.
func (c *Client) ListOffsetsByTime(ctx context.Context, topic string, at map[int32]time.Time) (map[int32]TimedOffset, error) {
	partitions := make([]int32, 0, len(at))
	for id := range at {
		partitions = append(partitions, id)
	}
	md, err := c.Metadata(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("list offsets by time: %w", err)
	}
	byLeader, err := md.leaders(topic, partitions)
	if err != nil {
		return nil, fmt.Errorf("list offsets by time: %w", err)
	}
	found := make(map[int32]TimedOffset, len(at))
	for leader, ids := range byLeader {
		rt := listoffsets.RequestTopic{Topic: topic}
		for _, id := range ids {
			// Times before 1970 would be read as the names of the partition's ends.
			rt.Partitions = append(rt.Partitions, listoffsets.RequestPartition{Partition: id, CurrentLeaderEpoch: -1, Timestamp: max(at[id].UnixMilli(), 0)})
		}
		answers, err := c.listTimes(ctx, leader, rt)
		if err != nil {
			return nil, fmt.Errorf("list offsets by time: %w", err)
		}
		for _, id := range ids {
			a, ok := answers[id]
			if !ok {
				return nil, fmt.Errorf("list offsets by time: topic %s partition %d: %w", topic, id, ErrNoAnswer)
			}
			found[id] = a
		}
	}
	return found, nil
}

func (c *Client) listTimes(ctx context.Context, leader int32, rt listoffsets.RequestTopic) (map[int32]TimedOffset, error) {
	m, err := c.call(ctx, leader, &listoffsets.Request{ReplicaID: -1, Topics: []listoffsets.RequestTopic{rt}})
	if err != nil {
		return nil, err
	}
	found := make(map[int32]TimedOffset, len(rt.Partitions))
	for _, t := range m.(*listoffsets.Response).Topics {
		if t.Topic != rt.Topic {
			continue
		}
		for _, p := range t.Partitions {
			if err := codeError(p.ErrorCode, ""); err != nil {
				return nil, fmt.Errorf("topic %s partition %d: %w", rt.Topic, p.Partition, err)
			}
			o := TimedOffset{Offset: p.Offset}
			if p.Offset >= 0 {
				o.Time = time.UnixMilli(p.Timestamp)
			}
			found[p.Partition] = o
		}
	}
	return found, nil
}
