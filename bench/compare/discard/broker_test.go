package discard

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/broker"
)

func client(t testing.TB, address string) *broker.Client {
	t.Helper()
	cfg := broker.DefaultConfig()
	cfg.Addresses = []string{address}
	c, err := broker.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// batch seals n records of about size bytes.
func batch(b *broker.BatchBuilder, id broker.ProducerID, sequence int32, n, size int) []byte {
	b.Reset()
	value := bytes.Repeat([]byte("v"), size)
	for i := range n {
		b.Append(broker.AppendRecordBody(nil, fmt.Appendf(nil, "user-%d", i), value), time.Now().UnixMilli())
	}
	return b.Seal(id, sequence)
}

// TestOurClient is what the product does from its start on: probe, layout, settings, producer id, batches.
func TestOurClient(t *testing.T) {
	address, count := start(t, 3)
	c, ctx := client(t, address), t.Context()
	if err := c.Probe(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.CreateTopic(ctx, broker.TopicSpec{Name: "five", Partitions: 5, Replication: 1}); err != nil {
		t.Fatal(err)
	}
	if err := c.CreateTopic(ctx, broker.TopicSpec{Name: "five", Partitions: 6}); !errors.Is(err, broker.ErrTopicExists) {
		t.Errorf("created twice: %v", err)
	}
	md, err := c.Metadata(ctx, "events", "five", "not/legal")
	if err != nil {
		t.Fatal(err)
	}
	if md.ClusterID != clusterID || len(md.Topics["events"].Partitions) != 3 || len(md.Topics["five"].Partitions) != 5 || md.Topics["not/legal"].Err == nil {
		t.Errorf("metadata %+v", md)
	}
	for _, p := range md.Topics["events"].Partitions {
		if p.Leader != nodeID || p.Err != nil || len(p.Replicas) != 1 {
			t.Errorf("partition %+v", p)
		}
	}
	settings, err := c.TopicConfig(ctx, "events")
	if err != nil || settings["cleanup.policy"] != "delete" || settings["max.message.bytes"] != "1048588" || settings["min.insync.replicas"] != "1" {
		t.Errorf("settings %v, %v", settings, err)
	}
	first, err1 := c.InitProducerID(ctx)
	second, err2 := c.InitProducerID(ctx)
	if err1 != nil || err2 != nil || first == second {
		t.Errorf("producer ids %v and %v, %v, %v", first, second, err1, err2)
	}

	// Small and large batches in one request, of two topics.
	var small, large, other broker.BatchBuilder
	results, err := c.Produce(ctx, nodeID, 5*time.Second, []broker.PartitionBatch{
		{Topic: "events", Partition: 0, Records: batch(&small, first, 0, 7, 10)},
		{Topic: "events", Partition: 2, Records: batch(&large, first, 0, 900, 1100)},
		{Topic: "five", Partition: 4, Records: batch(&other, first, 0, 1, 0)},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Err != nil || r.BaseOffset != 0 {
			t.Errorf("result %+v", r)
		}
	}
	results, err = c.Produce(ctx, nodeID, 5*time.Second, []broker.PartitionBatch{{Topic: "events", Partition: 0, Records: batch(&small, first, 7, 2, 100)}})
	if err != nil || results[0].Err != nil || results[0].BaseOffset != 7 {
		t.Errorf("second batch: %+v, %v", results, err)
	}
	got := counts(t, count)
	if e := got.Topics["events"]; e.Records != 909 || e.Batches != 3 || !slices.Equal(e.Partitions, []uint64{9, 0, 900}) || e.Bytes < 900*1100 {
		t.Errorf("events: %+v", e)
	}
	if f := got.Topics["five"]; f.Records != 1 || !slices.Equal(f.Partitions, []uint64{0, 0, 0, 0, 1}) {
		t.Errorf("five: %+v", f)
	}
	if got.Refused != 0 {
		t.Errorf("%d refused", got.Refused)
	}
}

func TestRefusals(t *testing.T) {
	address, count := start(t, 2)
	c := client(t, address)
	var b broker.BatchBuilder
	sound := bytes.Clone(batch(&b, broker.NoProducerID, -1, 3, 50))
	change := func(at int, to ...byte) []byte {
		bad := bytes.Clone(sound)
		copy(bad[at:], to)
		return bad
	}
	for name, c1 := range map[string]struct {
		topic     string
		partition int32
		records   []byte
		code      kafka.Error
	}{
		"sound":             {"t", 1, sound, 0},
		"two batches":       {"t", 0, slices.Concat(sound, sound), 0},
		"empty":             {"t", 0, nil, codeInvalidRecord},
		"cut header":        {"t", 0, sound[:40], codeInvalidRecord},
		"cut records":       {"t", 0, sound[:len(sound)-1], codeInvalidRecord},
		"something after":   {"t", 0, append(bytes.Clone(sound), 1, 2, 3), codeInvalidRecord},
		"old format":        {"t", 0, change(posMagic, 1), codeInvalidRecord},
		"length too small":  {"t", 0, change(posLength, 0, 0, 0, 5), codeInvalidRecord},
		"length overflows":  {"t", 0, change(posLength, 0xff, 0xff, 0xff, 0xff), codeInvalidRecord},
		"no records":        {"t", 0, change(posRecordCount, 0, 0, 0, 0), codeInvalidRecord},
		"more than fit":     {"t", 0, change(posLastOffsetDelta, slices.Concat([]byte{0, 0, 1, 0}, sound[27:posRecordCount], []byte{0, 0, 1, 1})...), codeInvalidRecord},
		"counts disagree":   {"t", 0, change(posLastOffsetDelta, 0, 0, 0, 9), codeInvalidRecord},
		"unknown codec":     {"t", 0, change(posAttributes+1, 7), codeInvalidRecord},
		"control batch":     {"t", 0, change(posAttributes+1, controlMask), codeInvalidRecord},
		"unknown partition": {"t", 2, sound, codeUnknownPartition},
		"illegal topic":     {"t t", 0, sound, codeUnknownPartition},
		"too large":         {"t", 0, make([]byte, maxBatchBytes+1), codeTooLarge},
	} {
		results, err := c.Produce(t.Context(), nodeID, 5*time.Second, []broker.PartitionBatch{{Topic: c1.topic, Partition: c1.partition, Records: c1.records}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var code kafka.Error
		errors.As(results[0].Err, &code)
		if code != c1.code {
			t.Errorf("%s: %v, want code %d", name, results[0].Err, c1.code)
		}
	}
	got := counts(t, count)
	if e := got.Topics["t"]; !slices.Equal(e.Partitions, []uint64{6, 3}) || e.Batches != 3 || len(got.Topics) != 1 || got.Refused != 12 {
		t.Errorf("counts: %+v", got)
	}
}

// TestWriter: kafka-go's Writer, as the naive service uses it.
func TestWriter(t *testing.T) {
	address, count := start(t, 4)
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	w := &kafka.Writer{
		Addr: kafka.TCP(address), Topic: "written", Balancer: &kafka.Hash{}, RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond, Transport: transport,
		AllowAutoTopicCreation: true, // without it this client looks into its cache of all topics only
	}
	want := make([]uint64, 4)
	var messages []kafka.Message
	for i := range 500 {
		m := kafka.Message{Key: fmt.Appendf(nil, "user-%d", i%37), Value: bytes.Repeat([]byte("x"), i)}
		want[new(kafka.Hash).Balance(m, 0, 1, 2, 3)]++
		messages = append(messages, m)
	}
	if err := w.WriteMessages(t.Context(), messages...); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if got := counts(t, count).Topics["written"]; got.Records != 500 || !slices.Equal(got.Partitions, want) {
		t.Errorf("counts %+v, want partitions %v", got, want)
	}
}

// TestOtherClients: franz-go asks for newer versions first, is idempotent and compresses.
func TestOtherClients(t *testing.T) {
	address, count := start(t, 2)
	c, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.DefaultProduceTopic("compressed"), kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var records []*kgo.Record
	for range 300 {
		records = append(records, kgo.StringRecord("the same again and again"))
	}
	if err := c.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if got := counts(t, count).Topics["compressed"]; got.Records != 300 || got.Bytes > 300*24 {
		t.Errorf("counts %+v: 300 records, compressed, were sent", got)
	}
}

// TestOffsets: a consumer learns that nothing is there, and waits for more as long as it wants to.
func TestOffsets(t *testing.T) {
	address, _ := start(t, 1)
	if err := client(t, address).CreateTopic(t.Context(), broker.TopicSpec{Name: "t", Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	w := &kafka.Client{Addr: kafka.TCP(address), Transport: &kafka.Transport{}}
	defer w.Transport.(*kafka.Transport).CloseIdleConnections()
	produced, err := w.Produce(t.Context(), &kafka.ProduceRequest{Topic: "t", RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes([]byte("x"))})})
	if err != nil || produced.Error != nil {
		t.Fatal(err, produced)
	}
	offsets, err := w.ListOffsets(t.Context(), &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{"t": {kafka.FirstOffsetOf(0), kafka.LastOffsetOf(0)}}})
	if err != nil {
		t.Fatal(err)
	}
	if p := offsets.Topics["t"][0]; p.Error != nil || p.FirstOffset != 1 || p.LastOffset != 1 {
		t.Errorf("offsets %+v, want 1 and 1", p)
	}
	fetched, err := w.Fetch(t.Context(), &kafka.FetchRequest{Topic: "t", Partition: 0, Offset: 1, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Millisecond})
	if err != nil || fetched.Error != nil || fetched.HighWatermark != 1 {
		t.Errorf("fetch at the end: %+v, %v", fetched, err)
	}
	if fetched, err = w.Fetch(t.Context(), &kafka.FetchRequest{Topic: "t", Partition: 0, Offset: 0, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Hour}); err != nil || !errors.Is(fetched.Error, kafka.OffsetOutOfRange) {
		t.Errorf("fetch of what is gone: %+v, %v", fetched, err)
	}
}

// TestFraming: requests that come in pieces, several at once, or are none.
func TestFraming(t *testing.T) {
	address, count := start(t, 1)
	var b broker.BatchBuilder
	request := func(acks int16, correlation byte, records []byte) []byte {
		f := []byte{0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, correlation, 0, 1, 'c', 0xff, 0xff}
		f = binary.BigEndian.AppendUint16(f, uint16(acks))
		f = append(f, 0, 0, 0, 9, 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 1, 0, 0, 0, 0)
		f = binary.BigEndian.AppendUint32(f, uint32(len(records)))
		f = append(f, records...)
		binary.BigEndian.PutUint32(f, uint32(len(f)-4))
		return f
	}
	dial := func() net.Conn {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		return c
	}
	answer := func(c net.Conn) byte {
		var head [8]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(head[:]))-4); err != nil {
			t.Fatal(err)
		}
		return head[7]
	}
	one := bytes.Clone(batch(&b, broker.NoProducerID, -1, 1, 20))
	big := bytes.Clone(batch(&b, broker.NoProducerID, -1, 900, 1000)) // larger than the first buffer

	c := dial()
	for _, piece := range slices.Collect(slices.Chunk(request(-1, 1, one), 5)) {
		if _, err := c.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	if id := answer(c); id != 1 {
		t.Errorf("answer to request %d, want 1", id)
	}
	// Several in one write; the one without acks gets no answer.
	if _, err := c.Write(slices.Concat(request(-1, 2, one), request(0, 3, one), request(-1, 4, big), request(1, 5, one))); err != nil {
		t.Fatal(err)
	}
	for _, want := range []byte{2, 4, 5} {
		if id := answer(c); id != want {
			t.Errorf("answer to request %d, want %d", id, want)
		}
	}
	if got := counts(t, count).Topics["t"].Records; got != 904 {
		t.Errorf("%d records, want 904", got)
	}
	cut := request(-1, 6, one)
	binary.BigEndian.PutUint32(cut, uint32(len(cut)-4-10))
	for name, bad := range map[string][]byte{
		"HTTP":            []byte("GET / HTTP/1.1\r\n\r\n"),
		"tiny":            {0, 0, 0, 3, 1, 2, 3},
		"unknown key":     {0, 0, 0, 10, 0x7f, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff},
		"old produce":     {0, 0, 0, 10, 0, 0, 0, 2, 0, 0, 0, 1, 0xff, 0xff},
		"cut produce":     cut[:len(cut)-10],
		"endless array":   {0, 0, 0, 22, 0, 0, 0, 7, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 9, 0x7f, 0xff, 0xff, 0xff},
		"broken metadata": {0, 0, 0, 14, 0, 3, 0, 5, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff},
	} {
		c := dial()
		if _, err := c.Write(bad); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !isReset(err) {
			t.Errorf("%s: read %d bytes, %v, want the connection to end", name, n, err)
		}
	}
}

func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && !op.Timeout()
}

func TestRunFails(t *testing.T) {
	address, _ := start(t, 1)
	for name, o := range map[string]Options{
		"busy port":        {Listen: address},
		"busy count port":  {Count: address},
		"minus partitions": {Partitions: -1},
	} {
		if err := Run(context.Background(), o, io.Discard); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestProduceAllocatesNothing: the cost of the broker must not show beside the producer's.
func TestProduceAllocatesNothing(t *testing.T) {
	b, err := New(1)
	if err != nil {
		t.Fatal(err)
	}
	var builder broker.BatchBuilder
	body := []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 9, 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 1, 0, 0, 0, 0}
	records := batch(&builder, broker.NoProducerID, -1, 100, 100)
	body = append(binary.BigEndian.AppendUint32(body, uint32(len(records))), records...)
	out := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() {
		if _, _, err := b.produce(out, body, maxProduce); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per request", n)
	}
	if got := b.Counts()["t"].Records; got != 101*100 {
		t.Errorf("%d records, want 10100", got)
	}
}

func FuzzProduce(f *testing.F) {
	var builder broker.BatchBuilder
	body := []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 9, 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 1, 0, 0, 0, 0}
	records := batch(&builder, broker.NoProducerID, -1, 3, 10)
	f.Add(append(binary.BigEndian.AppendUint32(body, uint32(len(records))), records...))
	f.Add([]byte{0xff, 0xff, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := New(2)
		if err != nil {
			t.Fatal(err)
		}
		if out, _, err := b.produce(nil, body, maxProduce); err == nil && len(out) > 8*len(body)+8 {
			t.Errorf("an answer of %d bytes to a request of %d", len(out), len(body))
		}
	})
}
