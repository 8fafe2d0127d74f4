package broker

import (
	"context"
	"fmt"
)

// PartitionProgress is what a partition holds and how far a group has come in it.
type PartitionProgress struct {
	Partition int32
	OffsetRange
	Committed int64  // the offset that the group reads next; -1: it has committed nothing
	Metadata  string // of that commit
}

// Unread is how many offsets lie before the group.
func (p PartitionProgress) Unread() int64 { return max(p.End-max(p.Committed, p.Start), 0) }

// Progress returns how far a group has come in a topic: every partition, in the topic's order. What is committed is asked before the ends, so nothing that is
// confirmed in between looks like less than it was. It fails if one partition does.
func (c *Client) Progress(ctx context.Context, group, topic string) ([]PartitionProgress, error) {
	md, err := c.Metadata(ctx, topic)
	if err != nil {
		return nil, err
	}
	if err := md.Topics[topic].Err; err != nil {
		return nil, fmt.Errorf("topic %s: %w", topic, err)
	}
	var ids []int32
	for _, p := range md.Topics[topic].Partitions {
		ids = append(ids, p.ID)
	}
	committed, err := c.FetchOffsets(ctx, group, topic, ids)
	if err != nil {
		return nil, err
	}
	ranges, err := c.ListOffsets(ctx, topic, ids)
	if err != nil {
		return nil, err
	}
	all := make([]PartitionProgress, len(ids))
	for i, id := range ids {
		all[i] = PartitionProgress{Partition: id, OffsetRange: ranges[id], Committed: committed[id].Offset, Metadata: committed[id].Metadata}
	}
	return all, nil
}
