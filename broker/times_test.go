package broker

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// produceAt writes one batch of a record for each time.
func produceAt(t *testing.T, c *Client, partition int32, times ...time.Time) {
	t.Helper()
	var b BatchBuilder
	for i, at := range times {
		b.Append(AppendRecordBody(nil, nil, fmt.Appendf(nil, "record %d", i)), at.UnixMilli())
	}
	mustProduce(t, c, PartitionBatch{"events", partition, b.Seal(NoProducerID, -1)})
}

func TestListOffsetsByTime(t *testing.T) {
	cluster, c := connected(t, kfake.NumBrokers(2))
	for id, leader := range map[int32]int32{0: 0, 1: 1} {
		if err := cluster.MoveTopicPartition("events", id, leader); err != nil {
			t.Fatal(err)
		}
	}
	start := time.UnixMilli(1_700_000_000_000)
	for i := range 10 {
		produceAt(t, c, 0, start.Add(time.Duration(2*i)*time.Minute), start.Add(time.Duration(2*i+1)*time.Minute))
	}
	produceAt(t, c, 1, start)
	got, err := c.ListOffsetsByTime(within(t), "events", map[int32]time.Time{0: start.Add(210 * time.Second), 1: start.Add(time.Millisecond), 2: start})
	if err != nil || len(got) != 3 {
		t.Fatal(got, err)
	}
	if o := got[0]; o.Offset != 4 || !o.Time.Equal(start.Add(4*time.Minute)) {
		t.Errorf("3.5 minutes in: %+v, want offset 4", o)
	}
	for _, id := range []int32{1, 2} {
		if o := got[id]; o.Offset != -1 || !o.Time.IsZero() {
			t.Errorf("partition %d has nothing that late: %+v", id, o)
		}
	}
	// A time before 1970 is the beginning, not the name of an end.
	if got, err = c.ListOffsetsByTime(within(t), "events", map[int32]time.Time{0: time.UnixMilli(-1)}); err != nil || got[0].Offset != 0 {
		t.Errorf("before all times: %+v, %v", got, err)
	}
	if _, err := c.ListOffsetsByTime(within(t), "events", map[int32]time.Time{9: start}); !errors.Is(err, kafka.UnknownTopicOrPartition) {
		t.Errorf("unknown partition: %v", err)
	}
	fault := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Err: kerr.OffsetNotAvailable})
	if _, err := c.ListOffsetsByTime(within(t), "events", map[int32]time.Time{0: start}); Classify(err) != ClassRetriable || fault.Hits() == 0 {
		t.Errorf("a leader that is not ready: %v", err)
	}
}
