package broker

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/segmentio/kafka-go/protocol/metadata"
)

// Metadata is what a broker knew of its cluster a moment ago.
type Metadata struct {
	// ClusterID is empty if the broker has none.
	ClusterID    string
	ControllerID int32 // -1: none
	// Brokers, sorted by ID.
	Brokers []BrokerNode
	// Topics that were asked for, by name.
	Topics map[string]TopicMetadata
}

// BrokerNode is one broker under the address it advertises.
type BrokerNode struct {
	ID   int32
	Host string
	Port int
	Rack string
}

// TopicMetadata is one topic. Err is set when it does not exist (code 3) or may not be seen.
type TopicMetadata struct {
	Err        error
	Partitions []PartitionMetadata // sorted by ID
}

// PartitionMetadata is one partition.
type PartitionMetadata struct {
	ID            int32
	Leader        int32 // -1: none at present, see Err
	Replicas, ISR []int32
	Err           error
}

// Metadata asks a broker, never a cache. Every topic named is in the result; with none named it tells of the brokers only.
// A topic is not created by asking.
func (c *Client) Metadata(ctx context.Context, topics ...string) (*Metadata, error) {
	names := slices.Clone(topics)
	if names == nil {
		names = []string{} // nil would ask for every topic
	}
	m, err := c.call(ctx, anyBroker, &metadata.Request{TopicNames: names})
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	return newMetadata(m.(*metadata.Response), topics), nil
}

func newMetadata(res *metadata.Response, topics []string) *Metadata {
	md := &Metadata{ClusterID: res.ClusterID, ControllerID: res.ControllerID, Topics: make(map[string]TopicMetadata, len(topics))}
	for _, b := range res.Brokers {
		md.Brokers = append(md.Brokers, BrokerNode{ID: b.NodeID, Host: b.Host, Port: int(b.Port), Rack: b.Rack})
	}
	slices.SortFunc(md.Brokers, func(a, b BrokerNode) int { return cmp.Compare(a.ID, b.ID) })
	for _, name := range topics {
		md.Topics[name] = TopicMetadata{Err: ErrNoAnswer}
	}
	for _, t := range res.Topics {
		tm := TopicMetadata{Err: codeError(t.ErrorCode, "")}
		for _, p := range t.Partitions {
			tm.Partitions = append(tm.Partitions, PartitionMetadata{
				ID: p.PartitionIndex, Leader: p.LeaderID, Replicas: p.ReplicaNodes, ISR: p.IsrNodes, Err: codeError(p.ErrorCode, ""),
			})
		}
		slices.SortFunc(tm.Partitions, func(a, b PartitionMetadata) int { return cmp.Compare(a.ID, b.ID) })
		md.Topics[t.Name] = tm
	}
	return md
}

// leaders maps each partition of a topic to its leader. Partitions without one are in errs.
func (md *Metadata) leaders(topic string, partitions []int32) (byLeader map[int32][]int32, err error) {
	tm := md.Topics[topic]
	if tm.Err != nil {
		return nil, fmt.Errorf("topic %s: %w", topic, tm.Err)
	}
	byLeader = make(map[int32][]int32)
	for _, id := range partitions {
		i, ok := slices.BinarySearchFunc(tm.Partitions, id, func(p PartitionMetadata, id int32) int { return cmp.Compare(p.ID, id) })
		if !ok {
			return nil, fmt.Errorf("topic %s has %d partitions, no partition %d: %w", topic, len(tm.Partitions), id, codeError(3, ""))
		}
		p := tm.Partitions[i]
		if p.Leader < 0 {
			return nil, fmt.Errorf("topic %s partition %d has no leader: %w", topic, id, cmp.Or(p.Err, codeError(5, "")))
		}
		byLeader[p.Leader] = append(byLeader[p.Leader], id)
	}
	return byLeader, nil
}
