package broker

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestPartitionSizes(t *testing.T) {
	cluster, c := connected(t, kfake.NumBrokers(2))
	for id := range int32(4) {
		if err := cluster.MoveTopicPartition("events", id, id%2); err != nil {
			t.Fatal(err)
		}
	}
	var b BatchBuilder
	b.Append(AppendRecordBody(nil, nil, bytes.Repeat([]byte("x"), 10_000)), time.Now().UnixMilli())
	batch := b.Seal(NoProducerID, -1)
	mustProduce(t, c, PartitionBatch{"events", 0, batch}, PartitionBatch{"events", 2, batch})
	mustProduce(t, c, PartitionBatch{"events", 1, batch})
	mustProduce(t, c, PartitionBatch{"events", 1, batch})
	sizes, err := c.PartitionSizes(within(t), "events", []int32{0, 1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	one := int64(len(batch))
	for id, want := range map[int32]int64{0: one, 1: 2 * one, 2: one, 3: 0} {
		if got := sizes[id]; got != want {
			t.Errorf("partition %d has %d bytes, want %d", id, got, want)
		}
	}
	if _, err := c.PartitionSizes(within(t), "nowhere", []int32{0}); !errors.Is(err, kafka.UnknownTopicOrPartition) {
		t.Errorf("unknown topic: %v", err)
	}
	// A disk that failed shows no sizes: nothing may be taken for empty.
	fault := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeLogDirs}, Err: kerr.KafkaStorageError})
	if _, err := c.PartitionSizes(within(t), "events", []int32{0}); err == nil || fault.Hits() == 0 {
		t.Errorf("a failed disk: %v after %d faults", err, fault.Hits())
	}
}

// Brokers that hide their directories from a client answer with none.
func TestPartitionSizesDenied(t *testing.T) {
	cluster, c := connected(t)
	cluster.ControlKey(int16(kmsg.DescribeLogDirs), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		return req.ResponseKind(), nil, true
	})
	if _, err := c.PartitionSizes(within(t), "events", []int32{0}); !errors.Is(err, kafka.ClusterAuthorizationFailed) || Classify(err) != ClassFatal {
		t.Errorf("%v (%v)", err, Classify(err))
	}
}
