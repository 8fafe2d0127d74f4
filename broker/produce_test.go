package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

func mustProduce(t testing.TB, c *Client, batches ...PartitionBatch) []ProduceResult {
	t.Helper()
	md, err := c.Metadata(within(t), batches[0].Topic)
	if err != nil {
		t.Fatal(err)
	}
	leader := md.Topics[batches[0].Topic].Partitions[batches[0].Partition].Leader
	results, err := c.Produce(within(t), leader, 5*time.Second, batches)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func end(t testing.TB, c *Client, topic string, partition int32) int64 {
	t.Helper()
	ranges, err := c.ListOffsets(within(t), topic, []int32{partition})
	if err != nil {
		t.Fatal(err)
	}
	return ranges[partition].End
}

func producerID(t testing.TB, c *Client) ProducerID {
	t.Helper()
	id, err := c.InitProducerID(within(t))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// identified is numbered records in a batch of an idempotent producer.
func identified(id ProducerID, sequence int32, n int) []byte {
	var b BatchBuilder
	buildBatch(&b, numbered(n))
	return b.Seal(id, sequence)
}

func TestProduceManyPartitionsInOneRequest(t *testing.T) {
	cluster, c := connected(t)
	seen := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Count: -1, Observe: true})
	var batches []PartitionBatch
	for p := int32(3); p >= 0; p-- {
		batches = append(batches, PartitionBatch{"events", p, sealed(numbered(int(p) + 1)...)})
	}
	// Its topic is interrupted: both parts must arrive.
	batches = append(batches[:2:2], append([]PartitionBatch{{"quarantine", 0, sealed(numbered(7)...)}}, batches[2:]...)...)
	for round := range int64(2) {
		results := mustProduce(t, c, batches...)
		for i, r := range results {
			n := int64(len(mustRead(t, batches[i].Records)))
			if r.Err != nil || r.Topic != batches[i].Topic || r.Partition != batches[i].Partition || r.BaseOffset != round*n {
				t.Errorf("result %d is %+v, want %s/%d at %d", i, r, batches[i].Topic, batches[i].Partition, round*n)
			}
		}
	}
	if seen.Hits() != 2 {
		t.Errorf("the broker saw %d produce requests for two calls", seen.Hits())
	}
	for _, b := range batches {
		if got, want := end(t, c, b.Topic, b.Partition), 2*int64(len(mustRead(t, b.Records))); got != want {
			t.Errorf("%s/%d ends at %d, want %d", b.Topic, b.Partition, got, want)
		}
	}
}

func mustRead(t testing.TB, set []byte) []testRecord {
	t.Helper()
	var r RecordReader
	records, _ := readAll(&r, set, 0)
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return records
}

func TestProduceOfNothing(t *testing.T) {
	_, c := connected(t)
	results, err := c.Produce(within(t), 0, time.Second, nil)
	if err != nil || len(results) != 0 {
		t.Errorf("%v, %v", results, err)
	}
}

// What franz-go's consumer reads is what was produced.
func TestFranzReadsWhatWeProduce(t *testing.T) {
	cluster, c := connected(t)
	want := append(numbered(50), goldenBatches[1].records...)
	batch := sealed(want...)
	mustProduce(t, c, PartitionBatch{"events", 2, batch}, PartitionBatch{"events", 1, batch})
	consumer := franz(t, cluster, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"events": {2: kgo.NewOffset().At(0)}}))
	var got []*kgo.Record
	for len(got) < len(want) {
		fetches := consumer.PollFetches(within(t))
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		got = append(got, fetches.Records()...)
	}
	for i, rec := range got {
		r := testRecord{Timestamp: rec.Timestamp.UnixMilli(), Key: rec.Key, Value: rec.Value}
		for _, h := range rec.Headers {
			r.Headers = append(r.Headers, Header{h.Key, h.Value})
		}
		if err := sameRecord(r, want[i]); err != nil || rec.Offset != int64(i) {
			t.Errorf("record %d at %d: %v", i, rec.Offset, err)
		}
	}
}

func TestResendIsStoredOnce(t *testing.T) {
	_, c := connected(t)
	id := producerID(t, c)
	first := identified(id, 0, 10)
	if r := mustProduce(t, c, PartitionBatch{"events", 0, first})[0]; r.Err != nil || r.BaseOffset != 0 {
		t.Fatalf("first send: %+v", r)
	}
	second := identified(id, NextSequence(0, 10), 5)
	if r := mustProduce(t, c, PartitionBatch{"events", 0, second})[0]; r.Err != nil || r.BaseOffset != 10 {
		t.Fatalf("second batch: %+v", r)
	}
	for range 3 {
		if r := mustProduce(t, c, PartitionBatch{"events", 0, first})[0]; r.Err != nil || r.BaseOffset != 0 {
			t.Errorf("resend: %+v, want it at its first offset 0", r)
		}
	}
	if got := end(t, c, "events", 0); got != 15 {
		t.Errorf("partition ends at %d, want 15: a resent batch was stored again", got)
	}
	// A negative control: without an identity the same bytes are stored twice.
	plain := sealed(numbered(10)...)
	mustProduce(t, c, PartitionBatch{"events", 1, plain})
	mustProduce(t, c, PartitionBatch{"events", 1, plain})
	if got := end(t, c, "events", 1); got != 20 {
		t.Errorf("batches without an identity end at %d, want 20", got)
	}
}

func TestOutOfOrderSequenceNeedsNewID(t *testing.T) {
	_, c := connected(t)
	id := producerID(t, c)
	mustProduce(t, c, PartitionBatch{"events", 0, identified(id, 0, 10)})
	gap := identified(id, 11, 10)
	r := mustProduce(t, c, PartitionBatch{"events", 0, gap}, PartitionBatch{"events", 1, identified(id, 0, 3)})
	if Classify(r[0].Err) != ClassProducer || !errors.Is(r[0].Err, kafka.OutOfOrderSequenceNumber) {
		t.Errorf("a gap in the sequence is %v (%v), want class producer", r[0].Err, Classify(r[0].Err))
	}
	if r[1].Err != nil {
		t.Errorf("the other partition of the request failed as well: %v", r[1].Err)
	}
	next := producerID(t, c)
	if next == id {
		t.Fatalf("the same id %v was given twice", id)
	}
	if r := mustProduce(t, c, PartitionBatch{"events", 0, identified(next, 0, 10)})[0]; r.Err != nil || r.BaseOffset != 10 {
		t.Errorf("with a new identity: %+v", r)
	}
}

func TestRefusedBatches(t *testing.T) {
	_, c := connected(t, kfake.BrokerConfigs(map[string]string{"message.max.bytes": "2000"}))
	damaged := sealed(numbered(3)...)
	damaged[70] ^= 1
	results := mustProduce(t, c,
		PartitionBatch{"events", 0, sealed(testRecord{Value: make([]byte, 3000)})},
		PartitionBatch{"events", 1, damaged},
		PartitionBatch{"events", 2, sealed(numbered(1)...)},
		PartitionBatch{"events", 99, sealed(numbered(1)...)},
		PartitionBatch{"nowhere", 0, sealed(numbered(1)...)},
	)
	for i, want := range []Class{ClassRecord, ClassRecord, ClassNone, ClassRetriable, ClassRetriable} {
		if got := Classify(results[i].Err); got != want {
			t.Errorf("result %d: %v is %v, want %v", i, results[i].Err, got, want)
		}
	}
	wantWords(t, results[0].Err, "too large")
}

// The leader moves: the old one says so, and after a refresh the new one is found.
func TestLeaderMove(t *testing.T) {
	cluster, c := connected(t, kfake.NumBrokers(3))
	batch := sealed(numbered(2)...)
	leader := func() int32 {
		md, err := c.Metadata(within(t), "events")
		if err != nil {
			t.Fatal(err)
		}
		return md.Topics["events"].Partitions[0].Leader
	}
	old := leader()
	if r, err := c.Produce(within(t), old, time.Second, []PartitionBatch{{"events", 0, batch}}); err != nil || r[0].Err != nil {
		t.Fatal(r, err)
	}
	if err := cluster.MoveTopicPartition("events", 0, (old+1)%3); err != nil {
		t.Fatal(err)
	}
	r, err := c.Produce(within(t), old, time.Second, []PartitionBatch{{"events", 0, batch}})
	if err != nil {
		t.Fatal(err)
	}
	if !IsNotLeader(r[0].Err) || Classify(r[0].Err) != ClassRetriable {
		t.Fatalf("the old leader answered %v", r[0].Err)
	}
	c.RefreshRoutes()
	moved := leader()
	if moved != (old+1)%3 {
		t.Fatalf("metadata still names %d", moved)
	}
	if r, err = c.Produce(within(t), moved, time.Second, []PartitionBatch{{"events", 0, batch}}); err != nil || r[0].Err != nil || r[0].BaseOffset != 2 {
		t.Errorf("the new leader answered %+v, %v", r, err)
	}
	f, err := c.Fetch(within(t), old, FetchRequest{MinBytes: 1, MaxBytes: 1 << 20, Partitions: []FetchPartition{{"events", 0, 0, 1 << 20}}})
	if err != nil || !IsNotLeader(f.Partitions[0].Err) {
		t.Errorf("a fetch from the old leader: %+v, %v", f, err)
	}
}

// A broker that joined after the layout was read is unknown until a refresh.
func TestRefreshRoutesFindsNewBroker(t *testing.T) {
	cluster, c := connected(t)
	if _, err := c.Metadata(within(t)); err != nil {
		t.Fatal(err)
	}
	id, _, err := cluster.AddNode(-1, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := cluster.MoveTopicPartition("events", 0, id); err != nil {
		t.Fatal(err)
	}
	batches := []PartitionBatch{{"events", 0, sealed(numbered(1)...)}}
	if _, err := c.Produce(within(t), id, time.Second, batches); !errors.Is(err, ErrNoRoute) || !IsNotLeader(err) || Classify(err) != ClassRetriable {
		t.Errorf("a broker that is not in the layout: %v (%v)", err, Classify(err))
	}
	c.RefreshRoutes()
	r, err := c.Produce(within(t), id, time.Second, batches)
	if err != nil || r[0].Err != nil {
		t.Errorf("after a refresh: %+v, %v", r, err)
	}
}

// silence lets the broker take requests of a key and answer none of them, until the test ends; taken, which may be nil, hears of each.
func silence(t *testing.T, cluster *kfake.Cluster, key kmsg.Key, taken func()) {
	t.Helper()
	var sleeping sync.WaitGroup
	var mu sync.Mutex
	over, release := false, make(chan struct{})
	begin := func() bool {
		mu.Lock()
		defer mu.Unlock()
		if !over {
			sleeping.Add(1)
		}
		return !over
	}
	// All wake up before the broker is closed: while it is being closed, one that wakes up or falls asleep may lock itself up.
	t.Cleanup(func() {
		mu.Lock()
		over = true
		mu.Unlock()
		close(release)
		sleeping.Wait()
	})
	cluster.ControlKey(key.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if !begin() {
			return nil, nil, false
		}
		defer sleeping.Done()
		if taken != nil {
			taken()
		}
		cluster.SleepControl(func() { <-release })
		return nil, nil, false
	})
}

func TestProduceTimeout(t *testing.T) {
	cluster, c := connected(t)
	silence(t, cluster, kmsg.Produce, nil)
	batch := sealed(numbered(2)...)
	start := time.Now()
	_, err := c.Produce(within(t), 0, 300*time.Millisecond, []PartitionBatch{{"events", 0, batch}})
	if took := time.Since(start); took < 250*time.Millisecond || took > 3*time.Second {
		t.Errorf("a timeout of 300 ms took %v", took)
	}
	if !errors.Is(err, context.DeadlineExceeded) && !kafkaTimeout(err) || Classify(err) != ClassAmbiguous {
		t.Errorf("a hung broker: %v (%v), want ambiguous", err, Classify(err))
	}
	// The caller may overwrite the batch at once: what is sent was copied.
	clear(batch)
	if len(c.buffers.free) != 0 {
		t.Error("the request's buffer was taken back although the connection may still write it")
	}
}

func kafkaTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

func TestProduceCancelled(t *testing.T) {
	cluster, c := connected(t)
	silence(t, cluster, kmsg.Produce, nil)
	ctx, cancel := context.WithCancel(within(t))
	done := make(chan error, 1)
	go func() {
		_, err := c.Produce(ctx, 0, 2*time.Second, []PartitionBatch{{"events", 0, sealed(numbered(1)...)}})
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || Classify(err) != ClassAmbiguous {
		t.Errorf("cancelled: %v (%v)", err, Classify(err))
	}
}

// The reply is lost after the broker stored the batch: ambiguous, and the resend is recognised.
func TestLostReply(t *testing.T) {
	cluster, c := connected(t)
	id := producerID(t, c)
	batch := identified(id, 0, 4)
	fault := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.RequestTimedOut, Count: 1})
	r := mustProduce(t, c, PartitionBatch{"events", 0, batch})
	if Classify(r[0].Err) != ClassAmbiguous || fault.Hits() != 1 {
		t.Fatalf("code 7 is %v (%v), %d faults", r[0].Err, Classify(r[0].Err), fault.Hits())
	}
	if r = mustProduce(t, c, PartitionBatch{"events", 0, batch}); r[0].Err != nil || r[0].BaseOffset != 0 {
		t.Errorf("resend: %+v", r[0])
	}
	if got := end(t, c, "events", 0); got != 4 {
		t.Errorf("partition ends at %d, want 4", got)
	}
}

// Everything works against each version that brokers in use may offer.
func TestVersions(t *testing.T) {
	for name, v := range map[string]*kversion.Versions{
		"1.0": kversion.V1_0_0(), "1.1": kversion.V1_1_0(), "2.0": kversion.V2_0_0(), "2.1": kversion.V2_1_0(), "2.3": kversion.V2_3_0(),
		"2.4": kversion.V2_4_0(), "3.0": kversion.V3_0_0(), "4.0": kversion.V4_0_0(),
	} {
		t.Run(name, func(t *testing.T) {
			_, c := connected(t, kfake.MaxVersions(v))
			id := producerID(t, c)
			batch := identified(id, 0, 4)
			if r := mustProduce(t, c, PartitionBatch{"events", 3, batch}, PartitionBatch{"events", 1, batch}); r[0].Err != nil || r[1].Err != nil {
				t.Fatalf("%+v", r)
			}
			f, err := c.Fetch(within(t), 0, FetchRequest{
				MaxWait: time.Second, MinBytes: 1, MaxBytes: 1 << 20,
				Partitions: []FetchPartition{{"events", 1, 0, 1 << 20}, {"events", 3, 2, 1 << 20}},
			})
			if err != nil {
				t.Fatal(err)
			}
			for i, p := range f.Partitions {
				if n := len(mustRead(t, p.Records)); p.Err != nil || n != 4 || p.HighWatermark != 4 {
					t.Errorf("partition %d: %d records, %+v", i, n, p)
				}
			}
			if err := c.CreateTopic(within(t), TopicSpec{Name: "more", Partitions: 2, Config: map[string]string{"max.message.bytes": "2097152"}}); err != nil {
				t.Error(err)
			}
			if settings, err := c.TopicConfig(within(t), "more"); err != nil || settings["max.message.bytes"] != "2097152" {
				t.Errorf("%v, %v", settings, err)
			}
			outcome, err := c.CommitOffsets(within(t), OffsetCommit{Group: "g", Generation: -1, Offsets: []PartitionOffset{{"events", 1, 3, "m"}}})
			if err != nil || outcome[TopicPartition{"events", 1}] != nil {
				t.Errorf("%v, %v", outcome, err)
			}
			offsets, err := c.FetchOffsets(within(t), "g", "events", []int32{0, 1})
			if err != nil || offsets[0].Offset != -1 || offsets[1] != (PartitionOffset{"events", 1, 3, "m"}) {
				t.Errorf("%+v, %v", offsets, err)
			}
		})
	}
}

func TestTooOldBroker(t *testing.T) {
	_, c := connected(t, kfake.MaxVersions(kversion.V0_10_0()))
	for name, err := range map[string]error{
		"produce": func() error {
			_, err := c.Produce(within(t), 0, time.Second, []PartitionBatch{{"events", 0, sealed(numbered(1)...)}})
			return err
		}(),
		"fetch": func() error {
			_, err := c.Fetch(within(t), 0, FetchRequest{MaxBytes: 1, Partitions: []FetchPartition{{"events", 0, 0, 1}}})
			return err
		}(),
	} {
		if !errors.Is(err, ErrTooOld) || Classify(err) != ClassFatal {
			t.Errorf("%s: %v (%v)", name, err, Classify(err))
		}
	}
}

// The whole request is one write: this is what makes it cheap.
func TestOneWrite(t *testing.T) {
	var w countingConn
	req := &produceRequest{correlation: 7, version: 8}
	req.frame = appendProduce(nil, 7, "millrace", time.Second, []PartitionBatch{
		{"events", 0, make([]byte, 100_000)}, {"events", 1, make([]byte, 100_000)}, {"quarantine", 0, make([]byte, 100)},
	})
	if _, err := req.RawExchange(&w); err == nil {
		t.Fatal("an exchange without an answer succeeded")
	}
	if w.writes != 1 || w.bytes != len(req.frame) {
		t.Errorf("%d writes of %d bytes, want one of %d", w.writes, w.bytes, len(req.frame))
	}
}

type countingConn struct{ writes, bytes int }

func (c *countingConn) Write(b []byte) (int, error) {
	c.writes++
	c.bytes += len(b)
	return len(b), nil
}

func (c *countingConn) Read([]byte) (int, error) { return 0, errors.New("no answer") }

func TestMalformedAnswers(t *testing.T) {
	good := appendInt32(appendInt32(nil, 8), 7)
	for name, answer := range map[string][]byte{
		"empty":            {},
		"size only":        {0, 0, 0, 8},
		"size negative":    {0xff, 0, 0, 0, 0, 0, 0, 7},
		"size huge":        {0x7f, 0, 0, 0, 0, 0, 0, 7},
		"other request":    appendInt32(appendInt32(appendInt32(nil, 8), 6), 0),
		"array too long":   append(bytes.Clone(good), 0x7f, 0xff, 0xff, 0xff),
		"array negative":   append(bytes.Clone(good), 0x80, 0, 0, 0),
		"cut in the midst": append(bytes.Clone(good), 0, 0),
	} {
		for kind, req := range map[string]protocol.RawExchanger{
			"produce": &produceRequest{correlation: 7, version: 8, frame: appendProduce(nil, 7, "", time.Second, nil)},
			"fetch":   &fetchRequest{correlation: 7, version: 11},
		} {
			_, err := req.RawExchange(&scripted{Reader: bytes.NewReader(answer)})
			if err == nil || Classify(err) != ClassAmbiguous {
				t.Errorf("%s, %s: %v (%v), want ambiguous", kind, name, err, Classify(err))
			}
		}
	}
}

type scripted struct{ *bytes.Reader }

func (scripted) Write(b []byte) (int, error) { return len(b), nil }

func FuzzAnswers(f *testing.F) {
	f.Add([]byte{0, 0, 0, 12, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0}, int16(8))
	f.Fuzz(func(t *testing.T, answer []byte, version int16) {
		p := &produceRequest{correlation: 7, version: minProduceVersion + (version&0xff)%(maxProduceVersion-minProduceVersion+1), frame: appendProduce(nil, 7, "", time.Second, nil)}
		if res, err := p.RawExchange(&scripted{Reader: bytes.NewReader(answer)}); err == nil {
			res.(*produceAnswer).results([]PartitionBatch{{"events", 0, nil}})
		}
		q := &fetchRequest{correlation: 7, version: minFetchVersion + (version&0xff)%(maxFetchVersion-minFetchVersion+1)}
		if res, err := q.RawExchange(&scripted{Reader: bytes.NewReader(answer)}); err == nil {
			res.(*fetchAnswer).response([]FetchPartition{{"events", 0, 0, 0}})
		}
	})
}

func TestBufferList(t *testing.T) {
	var l bufferList
	small, big := l.get(10), l.get(1000)
	l.put(big)
	l.put(small)
	if b := l.get(500); cap(b) < 1000 {
		t.Errorf("a request of 500 bytes got a new buffer of %d", cap(b))
	}
	l.put(make([]byte, 0, keepBufferBytes+1))
	for range 2 * keepBuffers {
		l.put(make([]byte, 0, 8))
	}
	if len(l.free) > keepBuffers {
		t.Errorf("%d buffers are kept", len(l.free))
	}
	for _, b := range l.free {
		if cap(b) > keepBufferBytes {
			t.Error("an oversize buffer was kept")
		}
	}
}

func BenchmarkProduce(b *testing.B) {
	for _, size := range []int{64 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size>>10, "KiB"), func(b *testing.B) {
			_, c := connected(b, kfake.BlackholeProduce(), kfake.BrokerConfigs(map[string]string{"message.max.bytes": "4000000"}))
			batches := []PartitionBatch{{"events", 0, sealed(testRecord{Value: make([]byte, size)})}}
			mustProduce(b, c, batches...)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Produce(context.Background(), 0, time.Second, batches); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
