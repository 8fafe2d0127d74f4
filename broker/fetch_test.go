package broker

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func fetchOne(t testing.TB, c *Client, partition int32, offset int64, maxBytes int32) FetchedPartition {
	t.Helper()
	f, err := c.Fetch(within(t), 0, FetchRequest{
		MaxWait: 5 * time.Second, MinBytes: 1, MaxBytes: maxBytes,
		Partitions: []FetchPartition{{"events", partition, offset, maxBytes}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return f.Partitions[0]
}

func TestFetch(t *testing.T) {
	_, c := connected(t)
	batch := sealed(numbered(10)...)
	for range 3 {
		mustProduce(t, c, PartitionBatch{"events", 2, batch}, PartitionBatch{"quarantine", 0, batch})
	}
	f, err := c.Fetch(within(t), 0, FetchRequest{MaxWait: time.Second, MinBytes: 1, MaxBytes: 1 << 20, Partitions: []FetchPartition{
		{"quarantine", 0, 29, 1 << 20}, {"events", 3, 0, 1 << 20}, {"events", 2, 12, 1 << 20}, {"events", 77, 0, 1}, {"nowhere", 0, 0, 1},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		topic     string
		partition int32
		offsets   int
		hw        int64
		class     Class
	}{
		{"quarantine", 0, 1, 30, ClassNone},
		{"events", 3, 0, 0, ClassNone},
		{"events", 2, 18, 30, ClassNone},
		{"events", 77, 0, -1, ClassRetriable},
		{"nowhere", 0, 0, -1, ClassRetriable},
	} {
		p := f.Partitions[i]
		var r RecordReader
		_, offsets := readAll(&r, p.Records, []int64{29, 0, 12, 0, 0}[i])
		if p.Topic != want.topic || p.Partition != want.partition || len(offsets) != want.offsets || r.Err() != nil || Classify(p.Err) != want.class {
			t.Errorf("partition %d: %s/%d %v, offsets %v, %v", i, p.Topic, p.Partition, p.Err, offsets, r.Err())
		}
		if want.class == ClassNone && (p.HighWatermark != want.hw || p.LogStart != 0) {
			t.Errorf("partition %d: high watermark %d, start %d", i, p.HighWatermark, p.LogStart)
		}
	}
}

// A fetch at the end waits for what is produced meanwhile.
func TestFetchLongPoll(t *testing.T) {
	cluster, c := connected(t)
	arrived := make(chan struct{}, 1)
	cluster.ControlKey(kmsg.Fetch.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		arrived <- struct{}{}
		return nil, nil, false
	})
	got := make(chan *FetchResponse, 1)
	go func() {
		f, err := c.Fetch(within(t), 0, FetchRequest{
			MaxWait: 20 * time.Second, MinBytes: 1, MaxBytes: 1 << 20,
			Partitions: []FetchPartition{{"events", 0, 0, 1 << 20}, {"events", 1, 0, 1 << 20}},
		})
		if err != nil {
			t.Error(err)
		}
		got <- f
	}()
	<-arrived
	select {
	case f := <-got:
		t.Fatalf("the fetch did not wait: %+v", f)
	default:
	}
	mustProduce(t, c, PartitionBatch{"events", 1, sealed(numbered(3)...)})
	if f := <-got; len(mustRead(t, f.Partitions[1].Records)) != 3 || len(f.Partitions[0].Records) != 0 {
		t.Errorf("got %+v", f)
	}
}

func TestFetchReturnsEmptyAfterMaxWait(t *testing.T) {
	_, c := connected(t)
	start := time.Now()
	f, err := c.Fetch(within(t), 0, FetchRequest{
		MaxWait: 50 * time.Millisecond, MinBytes: 1, MaxBytes: 1 << 20,
		Partitions: []FetchPartition{{"events", 0, 0, 1 << 20}},
	})
	if err != nil || len(f.Partitions[0].Records) != 0 || f.Partitions[0].Err != nil || time.Since(start) < 50*time.Millisecond {
		t.Errorf("%+v, %v after %v", f, err, time.Since(start))
	}
	if f, err = c.Fetch(within(t), 0, FetchRequest{}); err != nil || len(f.Partitions) != 0 {
		t.Errorf("no partitions: %+v, %v", f, err)
	}
}

func TestFetchOutOfRange(t *testing.T) {
	cluster, c := connected(t)
	mustProduce(t, c, PartitionBatch{"events", 0, sealed(numbered(10)...)})
	if err := cluster.DeleteRecords("events", 0, 5); err != nil {
		t.Fatal(err)
	}
	for _, offset := range []int64{0, 4, 11, -1} {
		if p := fetchOne(t, c, 0, offset, 1<<20); !IsOffsetOutOfRange(p.Err) || Classify(p.Err) != ClassFatal {
			t.Errorf("offset %d: %v (%v)", offset, p.Err, Classify(p.Err))
		}
	}
	if p := fetchOne(t, c, 0, 5, 1<<20); p.Err != nil || p.LogStart != 5 {
		t.Errorf("offset 5: %+v", p)
	}
	ranges, err := c.ListOffsets(within(t), "events", []int32{0, 1})
	if err != nil || ranges[0] != (OffsetRange{5, 10}) || ranges[1] != (OffsetRange{0, 0}) {
		t.Errorf("ranges %v, %v", ranges, err)
	}
}

// Limits smaller than a batch: the first one comes whole all the same, else a fetch could never get past it.
func TestFetchLimits(t *testing.T) {
	_, c := connected(t)
	batch := sealed(testRecord{Value: make([]byte, 50_000)})
	for range 4 {
		mustProduce(t, c, PartitionBatch{"events", 0, batch})
	}
	var r RecordReader
	if _, offsets := readAll(&r, fetchOne(t, c, 0, 1, 1000).Records, 1); len(offsets) != 1 || r.NextOffset() != 2 {
		t.Errorf("a limit of 1000 bytes gave offsets %v", offsets)
	}
	if _, offsets := readAll(&r, fetchOne(t, c, 0, 1, 110_000).Records, 1); len(offsets) < 2 || len(offsets) > 3 {
		t.Errorf("a limit of two batches gave offsets %v", offsets)
	}
}

// What franz-go's producer writes is what we read, in each codec, with its own batching.
func TestWeReadWhatFranzProduces(t *testing.T) {
	for _, codec := range append(codecs, struct {
		name  string
		id    uint16
		codec kgo.CompressionCodec
	}{"none", 0, kgo.NoCompression()}) {
		t.Run(codec.name, func(t *testing.T) {
			cluster, c := connected(t)
			producer := franz(t, cluster, kgo.ProducerBatchCompression(codec.codec), kgo.RecordPartitioner(kgo.ManualPartitioner()))
			var records []*kgo.Record
			want := append(numbered(300), goldenBatches[1].records...)
			for i := range want {
				rec := &kgo.Record{Topic: "events", Partition: 1, Key: want[i].Key, Value: want[i].Value, Timestamp: time.UnixMilli(want[i].Timestamp)}
				for _, h := range want[i].Headers {
					rec.Headers = append(rec.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
				}
				records = append(records, rec)
			}
			if err := producer.ProduceSync(within(t), records...).FirstErr(); err != nil {
				t.Fatal(err)
			}
			set := fetchOne(t, c, 1, 0, 1<<20).Records
			if attrs := uint16(set[posAttributes])<<8 | uint16(set[posAttributes+1]); attrs&attrCodec != codec.id {
				t.Fatalf("attributes %x: not compressed with %s", attrs, codec.name)
			}
			var r RecordReader
			got, _ := readAll(&r, set, 0)
			if r.Err() != nil || len(got) != len(want) {
				t.Fatalf("%d records, want %d; %v", len(got), len(want), r.Err())
			}
			for i := range got {
				if err := sameRecord(got[i], want[i]); err != nil {
					t.Errorf("record %d: %v", i, err)
				}
			}
		})
	}
}

func TestFetchTimeout(t *testing.T) {
	cluster := startCluster(t)
	cfg := testConfig(cluster.ListenAddrs()...)
	cfg.RequestTimeout = time.Second
	c := newClient(t, cfg)
	silence(t, cluster, kmsg.Fetch, nil)
	start := time.Now()
	_, err := c.Fetch(within(t), 0, FetchRequest{MaxWait: 100 * time.Millisecond, MinBytes: 1, MaxBytes: 1000, Partitions: []FetchPartition{{"events", 0, 0, 1000}}})
	if Classify(err) != ClassAmbiguous || time.Since(start) < time.Second || time.Since(start) > 5*time.Second {
		t.Errorf("%v (%v) after %v", err, Classify(err), time.Since(start))
	}
	ctx, cancel := context.WithCancel(within(t))
	cancel()
	if _, err = c.Fetch(ctx, 0, FetchRequest{MaxWait: time.Second, MinBytes: 1, MaxBytes: 1000, Partitions: []FetchPartition{{"events", 0, 0, 1000}}}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// The broker goes away while a fetch waits, then comes back nowhere.
func TestBrokerGone(t *testing.T) {
	cluster, c := connected(t)
	mustProduce(t, c, PartitionBatch{"events", 0, sealed(numbered(1)...)})
	cluster.Close()
	batches := []PartitionBatch{{"events", 0, sealed(numbered(1)...)}}
	_, err := c.Produce(within(t), 0, time.Second, batches)
	if Classify(err) != ClassAmbiguous && Classify(err) != ClassRetriable {
		t.Errorf("first request on a dead connection: %v (%v)", err, Classify(err))
	}
	c.RefreshRoutes()
	if _, err = c.Produce(within(t), 0, time.Second, batches); Classify(err) != ClassRetriable {
		t.Errorf("nobody listens, so nothing was sent: %v (%v)", err, Classify(err))
	}
	if _, err = c.Metadata(within(t), "events"); Classify(err) != ClassRetriable {
		t.Errorf("metadata: %v (%v)", err, Classify(err))
	}
}

func TestListOffsetsErrors(t *testing.T) {
	cluster, c := connected(t, kfake.NumBrokers(3))
	if _, err := c.ListOffsets(within(t), "nowhere", []int32{0}); !errors.Is(err, kafka.UnknownTopicOrPartition) {
		t.Errorf("unknown topic: %v", err)
	}
	if _, err := c.ListOffsets(within(t), "events", []int32{0, 9}); !errors.Is(err, kafka.UnknownTopicOrPartition) {
		t.Errorf("unknown partition: %v", err)
	}
	fault := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Partitions: []int32{2}, Count: -1})
	if _, err := c.ListOffsets(within(t), "events", []int32{0, 1, 2}); err == nil {
		t.Error("one partition failed and nobody was told")
	}
	fault.Remove()
	ranges, err := c.ListOffsets(within(t), "events", []int32{0, 1, 2, 3})
	if err != nil || len(ranges) != 4 {
		t.Errorf("three leaders: %v, %v", ranges, err)
	}
}
