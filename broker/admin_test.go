package broker

import (
	"errors"
	"slices"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestMetadata(t *testing.T) {
	cluster, c := connected(t, kfake.NumBrokers(3), kfake.ClusterID("a-cluster"))
	md, err := c.Metadata(within(t), "events", "nowhere")
	if err != nil {
		t.Fatal(err)
	}
	if md.ClusterID != "a-cluster" || len(md.Brokers) != 3 || md.ControllerID < 0 || len(md.Topics) != 2 {
		t.Errorf("%+v", md)
	}
	for i, b := range md.Brokers {
		if b.ID != int32(i) || b.Host != "127.0.0.1" || b.Port == 0 {
			t.Errorf("broker %d is %+v", i, b)
		}
	}
	if !errors.Is(md.Topics["nowhere"].Err, kafka.UnknownTopicOrPartition) {
		t.Errorf("unknown topic: %v", md.Topics["nowhere"].Err)
	}
	events := md.Topics["events"]
	if events.Err != nil || len(events.Partitions) != 4 {
		t.Fatalf("%+v", events)
	}
	for i, p := range events.Partitions {
		if p.ID != int32(i) || p.Leader != cluster.LeaderFor("events", p.ID) || p.Err != nil || !slices.Contains(p.Replicas, p.Leader) || !slices.Contains(p.ISR, p.Leader) {
			t.Errorf("partition %d is %+v", i, p)
		}
	}
	if md, err = c.Metadata(within(t)); err != nil || len(md.Topics) != 0 || len(md.Brokers) != 3 {
		t.Errorf("without topics: %+v, %v", md, err)
	}
}

// Each call asks the cluster: what changed a moment ago is seen.
func TestMetadataIsFresh(t *testing.T) {
	cluster, c := connected(t, kfake.NumBrokers(2))
	for i := range int32(6) {
		if err := cluster.MoveTopicPartition("events", 1, i%2); err != nil {
			t.Fatal(err)
		}
		md, err := c.Metadata(within(t), "events")
		if err != nil {
			t.Fatal(err)
		}
		if got := md.Topics["events"].Partitions[1].Leader; got != i%2 {
			t.Fatalf("leader %d, moved to %d", got, i%2)
		}
	}
}

func TestCreateTopic(t *testing.T) {
	_, c := connected(t, kfake.NumBrokers(3))
	spec := TopicSpec{Name: "made", Partitions: 5, Replication: 2, Config: map[string]string{"min.insync.replicas": "2", "max.message.bytes": "4194304"}}
	if err := c.CreateTopic(within(t), spec); err != nil {
		t.Fatal(err)
	}
	md, err := c.Metadata(within(t), "made")
	if err != nil || len(md.Topics["made"].Partitions) != 5 || len(md.Topics["made"].Partitions[0].Replicas) != 2 {
		t.Errorf("%+v, %v", md, err)
	}
	settings, err := c.TopicConfig(within(t), "made")
	if err != nil || settings["min.insync.replicas"] != "2" || settings["max.message.bytes"] != "4194304" || settings["retention.ms"] == "" {
		t.Errorf("settings %v, %v", settings, err)
	}
	if err := c.CreateTopic(within(t), spec); !errors.Is(err, ErrTopicExists) {
		t.Errorf("again: %v", err)
	}
	if err := c.CreateTopic(within(t), TopicSpec{Name: "scattered", Replication: 99}); !errors.Is(err, kafka.InvalidReplicationFactor) {
		t.Errorf("99 replicas on 3 brokers: %v", err)
	}
	if err := c.CreateTopic(within(t), TopicSpec{Name: "defaults"}); err != nil {
		t.Errorf("with the broker's defaults: %v", err)
	}
	if _, err := c.TopicConfig(within(t), "nowhere"); !errors.Is(err, kafka.UnknownTopicOrPartition) {
		t.Errorf("settings of an unknown topic: %v", err)
	}
}

// The controller moved since the layout was read.
func TestCreateTopicFollowsTheController(t *testing.T) {
	cluster, c := connected(t)
	fault := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Err: kerr.NotController, Count: 2})
	if err := c.CreateTopic(within(t), TopicSpec{Name: "made", Partitions: 1}); err != nil || fault.Hits() != 2 {
		t.Errorf("%v after %d faults", err, fault.Hits())
	}
}

func TestInitProducerID(t *testing.T) {
	cluster, c := connected(t)
	seen := make(map[ProducerID]bool)
	for range 5 {
		id := producerID(t, c)
		if id.ID < 0 || id.Epoch < 0 || seen[id] {
			t.Errorf("id %+v, seen: %t", id, seen[id])
		}
		seen[id] = true
	}
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.CoordinatorLoadInProgress, TopLevel: true})
	if id, err := c.InitProducerID(within(t)); Classify(err) != ClassRetriable || id != NoProducerID {
		t.Errorf("a coordinator that is loading: %v, %v (%v)", id, err, Classify(err))
	}
}
