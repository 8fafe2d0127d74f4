package broker

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/offsetcommit"
	"github.com/segmentio/kafka-go/protocol/offsetfetch"
)

// MaxCommitMetadata is the most bytes of metadata a commit may carry: brokers take 4,096 by default, and beyond 32,767 it
// would be lost without an error.
const MaxCommitMetadata = 4000

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// PartitionOffset is a committed offset, with the string that was committed beside it.
type PartitionOffset struct {
	Topic     string
	Partition int32
	// Offset of the next record to read; -1 in an answer: none was committed.
	Offset   int64
	Metadata string
}

// OffsetCommit is a commit by a member of a group. Generation -1 with an empty Member commits from outside, which brokers
// allow while the group has no members.
type OffsetCommit struct {
	Group      string
	Generation int32
	Member     string
	Offsets    []PartitionOffset
}

// CommitOffsets commits offsets with metadata. The map holds every partition of the commit; nil means committed. The error
// is for the whole exchange: then nothing is known. ErrMetadataTooLong is found before anything is sent.
func (c *Client) CommitOffsets(ctx context.Context, commit OffsetCommit) (map[TopicPartition]error, error) {
	req := &offsetcommit.Request{GroupID: commit.Group, GenerationID: commit.Generation, MemberID: commit.Member, RetentionTimeMs: -1}
	outcome := make(map[TopicPartition]error, len(commit.Offsets))
	topics := make(map[string]int)
	for i := range commit.Offsets {
		o := &commit.Offsets[i]
		if len(o.Metadata) > MaxCommitMetadata {
			return nil, fmt.Errorf("commit of %s partition %d in group %s: %d bytes, %d at most: %w",
				o.Topic, o.Partition, commit.Group, len(o.Metadata), MaxCommitMetadata, ErrMetadataTooLong)
		}
		at, ok := topics[o.Topic]
		if !ok {
			at = len(req.Topics)
			topics[o.Topic] = at
			req.Topics = append(req.Topics, offsetcommit.RequestTopic{Name: o.Topic})
		}
		req.Topics[at].Partitions = append(req.Topics[at].Partitions, offsetcommit.RequestPartition{
			PartitionIndex: o.Partition, CommittedOffset: o.Offset, CommittedLeaderEpoch: -1, CommittedMetadata: o.Metadata, CommitTimestamp: -1,
		})
		outcome[TopicPartition{o.Topic, o.Partition}] = ErrNoAnswer
	}
	m, err := c.groupCall(ctx, commit.Group, req)
	if err != nil {
		return nil, fmt.Errorf("commit in group %s: %w", commit.Group, err)
	}
	for _, t := range m.(*offsetcommit.Response).Topics {
		for _, p := range t.Partitions {
			outcome[TopicPartition{t.Name, p.PartitionIndex}] = codeError(p.ErrorCode, "")
		}
	}
	return outcome, nil
}

// FetchOffsets returns what a group has committed for the partitions of a topic, each of them; Offset is -1 where there is
// no commit. It fails if one partition does.
func (c *Client) FetchOffsets(ctx context.Context, group, topic string, partitions []int32) (map[int32]PartitionOffset, error) {
	m, err := c.groupCall(ctx, group, &offsetfetch.Request{
		GroupID: group,
		Topics:  []offsetfetch.RequestTopic{{Name: topic, PartitionIndexes: partitions}},
	})
	if err != nil {
		return nil, fmt.Errorf("offsets of group %s: %w", group, err)
	}
	res := m.(*offsetfetch.Response)
	offsets := make(map[int32]PartitionOffset, len(partitions))
	switch err := codeError(res.ErrorCode, ""); {
	case errors.Is(err, kafka.GroupIdNotFound):
		// Some coordinators answer so, others with no offsets, for a group that never was.
		for _, id := range partitions {
			offsets[id] = PartitionOffset{Topic: topic, Partition: id, Offset: -1}
		}
		return offsets, nil
	case err != nil:
		return nil, fmt.Errorf("offsets of group %s: %w", group, err)
	}
	for _, t := range res.Topics {
		if t.Name != topic {
			continue
		}
		for _, p := range t.Partitions {
			if err := codeError(p.ErrorCode, ""); err != nil {
				return nil, fmt.Errorf("offsets of group %s: %s partition %d: %w", group, topic, p.PartitionIndex, err)
			}
			offsets[p.PartitionIndex] = PartitionOffset{Topic: topic, Partition: p.PartitionIndex, Offset: p.CommittedOffset, Metadata: p.Metadata}
		}
	}
	for _, id := range partitions {
		if _, ok := offsets[id]; !ok {
			return nil, fmt.Errorf("offsets of group %s: %s partition %d: %w", group, topic, id, ErrNoAnswer)
		}
	}
	return offsets, nil
}
