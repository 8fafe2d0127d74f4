package proxy

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/internal/enginetest"
)

const (
	keyProduce      = 0
	keyFetch        = 1
	keyOffsetCommit = 8
)

// kafkaLink is a real broker, a proxy before it, a client that goes through the proxy, and one that does not.
type kafkaLink struct {
	t              testing.TB
	engine         *enginetest.Engine
	proxy          *Proxy
	client, direct *broker.Client
	leader         int32
}

func newKafkaLink(t testing.TB) *kafkaLink {
	t.Helper()
	e := enginetest.Broker(t, 2)
	k := &kafkaLink{t: t, engine: e, proxy: start(t, e.Broker, true)}
	k.client, k.direct = newBrokerClient(t, k.proxy.Addr()), newBrokerClient(t, e.Broker)
	md, err := k.client.Metadata(within(t), "events")
	if err != nil {
		t.Fatal(err)
	}
	k.leader = md.Topics["events"].Partitions[0].Leader
	return k
}

func newBrokerClient(t testing.TB, addr string) *broker.Client {
	t.Helper()
	cfg := broker.DefaultConfig()
	cfg.Addresses = []string{addr}
	cfg.RequestTimeout = 5 * time.Second
	c, err := broker.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// within bounds a whole test.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// batch is one record with a value of so many bytes.
func batch(id broker.ProducerID, sequence int32, valueBytes int) []byte {
	var b broker.BatchBuilder
	b.Append(broker.AppendRecordBody(nil, []byte("key"), make([]byte, valueBytes)), 1_700_000_000_000)
	return b.Seal(id, sequence)
}

// produce sends to partition 0 through the proxy.
func (k *kafkaLink) produce(records []byte) error {
	k.t.Helper()
	results, err := k.client.Produce(within(k.t), k.leader, 3*time.Second, []broker.PartitionBatch{{Topic: "events", Records: records}})
	if err != nil {
		return err
	}
	return results[0].Err
}

func (k *kafkaLink) mustProduce(records []byte) {
	k.t.Helper()
	if err := k.produce(records); err != nil {
		k.t.Fatal(err)
	}
}

// fetch reads partition 0 from the beginning, through the proxy.
func (k *kafkaLink) fetch() (records int, err error) {
	k.t.Helper()
	resp, err := k.client.Fetch(within(k.t), k.leader, broker.FetchRequest{
		MaxWait: time.Second, MinBytes: 1, MaxBytes: 8 << 20, Partitions: []broker.FetchPartition{{Topic: "events", MaxBytes: 8 << 20}},
	})
	if err != nil {
		return 0, err
	}
	if resp.Partitions[0].Err != nil {
		return 0, resp.Partitions[0].Err
	}
	var r broker.RecordReader
	var rec broker.Record
	for r.Reset(resp.Partitions[0].Records, 0); r.Next(&rec); {
		records++
	}
	return records, r.Err()
}

// logged is how many records the broker holds in partition 0, asked past the proxy.
func (k *kafkaLink) logged() int64 {
	k.t.Helper()
	ranges, err := k.direct.ListOffsets(within(k.t), "events", []int32{0})
	if err != nil {
		k.t.Fatal(err)
	}
	return ranges[0].End
}

// wantAmbiguous checks that the client cannot know what became of its request.
func wantAmbiguous(t testing.TB, err error) {
	t.Helper()
	if err == nil || broker.Classify(err) != broker.ClassAmbiguous {
		t.Errorf("the client sees %v (%v), want an ambiguous error", err, broker.Classify(err))
	}
}

// connections counts this machine's connections to a port, as seen from the side that opened them; -1: cannot be told here.
func connections(t testing.TB, addr string) int {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return -1
	}
	count := 0
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 3 && strings.HasSuffix(f[2], fmt.Sprintf(":%04X", n)) && f[3] == "01" {
			count++
		}
	}
	return count
}

// All of a client's work goes through the proxy, whose address is the only one that it ever learns.
func TestEverythingGoesThrough(t *testing.T) {
	k := newKafkaLink(t)
	md, err := k.client.Metadata(within(t), "events")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range md.Brokers {
		if got := net.JoinHostPort(b.Host, strconv.Itoa(b.Port)); got != k.proxy.Addr() {
			t.Errorf("broker %d is at %s, the proxy at %s", b.ID, got, k.proxy.Addr())
		}
	}
	id, err := k.client.InitProducerID(within(t))
	if err != nil {
		t.Fatal(err)
	}
	const size = 300_000
	for i := range int32(3) {
		k.mustProduce(batch(id, i, size))
	}
	if n, err := k.fetch(); n != 3 || err != nil {
		t.Errorf("fetched %d records, %v", n, err)
	}
	group, err := k.client.JoinGroup(broker.GroupConfig{ID: "g", Topics: []string{"events"}})
	if err != nil {
		t.Fatal(err)
	}
	gen, err := group.Next(within(t))
	if err != nil {
		t.Fatal(err)
	}
	offset := broker.PartitionOffset{Topic: "events", Offset: 3, Metadata: "m"}
	errs, err := k.client.CommitOffsets(within(t), broker.OffsetCommit{Group: "g", Generation: gen.ID, Member: gen.MemberID, Offsets: []broker.PartitionOffset{offset}})
	if err != nil || errs[broker.TopicPartition{Topic: "events"}] != nil {
		t.Errorf("commit: %v, %v", errs, err)
	}
	got, err := k.client.FetchOffsets(within(t), "g", "events", []int32{0})
	if err != nil || got[0] != offset {
		t.Errorf("committed %+v, %v", got, err)
	}
	s := k.proxy.Stats()
	if s.ToUpstream < 3*size || s.ToClient < 3*size || s.Rewritten < 3 || s.Accepted < 2 {
		t.Errorf("%+v", s)
	}
	// The broker has no connection but the proxy's.
	until(t, "each connection to the broker is one of the proxy's", func() bool {
		n := connections(t, k.engine.Broker)
		return n < 0 || (int64(n) == k.proxy.Stats().Open && n > 0)
	})
	if err := group.Close(); err != nil {
		t.Error(err)
	}
}

// A client of newer versions, with flexible headers, finds its way as well, and every answer but for the addresses is the broker's.
func TestNewerVersions(t *testing.T) {
	k := newKafkaLink(t)
	c, err := kgo.NewClient(kgo.SeedBrokers(k.proxy.Addr()), kgo.ConsumerGroup("newer"), kgo.ConsumeTopics("events"), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.ProduceSync(within(t), &kgo.Record{Topic: "events", Value: []byte("v")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if f := c.PollFetches(within(t)); f.Err() != nil || f.NumRecords() != 1 {
		t.Errorf("%d records, %v", f.NumRecords(), f.Err())
	}
	if err := c.CommitUncommittedOffsets(within(t)); err != nil {
		t.Error(err)
	}
	describe := kmsg.NewPtrDescribeClusterRequest()
	resp, err := describe.RequestWith(within(t), c)
	if err != nil || len(resp.Brokers) != 1 || net.JoinHostPort(resp.Brokers[0].Host, strconv.Itoa(int(resp.Brokers[0].Port))) != k.proxy.Addr() {
		t.Errorf("DescribeCluster: %+v, %v", resp, err)
	}
	until(t, "no connection beside the proxy", func() bool {
		n := connections(t, k.engine.Broker)
		return n < 0 || (int64(n) == k.proxy.Stats().Open && n > 0)
	})
}

// The record is in the log once, though its producer was not told; sent again, it still is.
func TestDropReplyOfProduce(t *testing.T) {
	k := newKafkaLink(t)
	id, err := k.client.InitProducerID(within(t))
	if err != nil {
		t.Fatal(err)
	}
	shot := k.proxy.Arm(Fault{Kind: DropReply, APIKeys: []int16{keyProduce}})
	if _, err := k.client.Metadata(within(t), "events"); err != nil {
		t.Errorf("another request met the fault: %v", err)
	}
	silent(t, shot)
	record := batch(id, 0, 1000)
	wantAmbiguous(t, k.produce(record))
	if what := fired(t, shot); !strings.HasPrefix(what, "dropped the answer of ") || !strings.Contains(what, " of Produce correlation ") {
		t.Error(what)
	}
	if n := k.logged(); n != 1 {
		t.Errorf("%d records in the log, want 1", n)
	}
	k.mustProduce(record)
	if n := k.logged(); n != 1 {
		t.Errorf("%d records in the log after sending again, want 1", n)
	}
	if f := k.proxy.Stats().Faults; len(f) != 1 || f[DropReply] != 1 {
		t.Errorf("faults %v", f)
	}
}

// A request that does not arrive whole is not acted upon; one that does is, whatever follows.
func TestCutOfProduce(t *testing.T) {
	k := newKafkaLink(t)
	var want int64
	for _, c := range []struct {
		after int64
		what  string
		acted bool
	}{
		{0, "cut after 0 bytes to upstream of Produce", false},
		{3, "cut after 3 bytes to upstream of Produce", false},
		{11, "cut after 11 bytes to upstream of Produce", false},
		{12, "cut after 12 bytes to upstream of Produce", false},
		{1733, "cut after 1,733 bytes to upstream of Produce", false},
		{100_000, "cut after 100,000 bytes to upstream of Produce", false},
		{1 << 30, "bytes to upstream of Produce", true},
	} {
		shot := k.proxy.Arm(Fault{Kind: Cut, After: c.after, APIKeys: []int16{keyProduce}})
		before := k.proxy.Stats().ToUpstream
		wantAmbiguous(t, k.produce(batch(broker.NoProducerID, -1, 100_000)))
		if what := fired(t, shot); !strings.Contains(what, c.what) {
			t.Errorf("%q, want %q", what, c.what)
		}
		if passed := k.proxy.Stats().ToUpstream - before; !c.acted && (passed < c.after || passed > c.after+10_000) { // and some other requests
			t.Errorf("%d bytes passed, want about %d", passed, c.after)
		}
		if c.acted {
			want++
			until(t, "the broker acts upon the whole request", func() bool { return k.logged() == want })
		}
		if n := k.logged(); n != want {
			t.Errorf("cut after %d: %d records in the log, want %d", c.after, n, want)
		}
		k.mustProduce(batch(broker.NoProducerID, -1, 10))
		want++
	}
	if n := k.logged(); n != want {
		t.Errorf("%d records at the end, want %d", n, want)
	}
}

// An answer is cut in its midst: the broker has acted, and the next attempt works.
func TestCutOfAnswers(t *testing.T) {
	k := newKafkaLink(t)
	k.mustProduce(batch(broker.NoProducerID, -1, 500_000))
	for _, after := range []int64{0, 2, 7, 8, 200_000} {
		shot := k.proxy.Arm(Fault{Kind: Cut, After: after, Direction: ToClient, APIKeys: []int16{keyFetch}})
		if _, err := k.fetch(); err == nil {
			t.Errorf("cut after %d: no error", after)
		}
		if what := fired(t, shot); !strings.Contains(what, " bytes to client of Fetch correlation ") {
			t.Error(what)
		}
		if n, err := k.fetch(); n != 1 || err != nil {
			t.Errorf("after the cut: %d records, %v", n, err)
		}
	}
	shot := k.proxy.Arm(Fault{Kind: Cut, After: 20, Direction: ToClient, APIKeys: []int16{keyProduce}})
	wantAmbiguous(t, k.produce(batch(broker.NoProducerID, -1, 10)))
	fired(t, shot)
	if n := k.logged(); n != 2 {
		t.Errorf("%d records in the log, want 2", n)
	}
	shot = k.proxy.Arm(Fault{Kind: Cut, After: 20, Direction: ToClient, APIKeys: []int16{keyMetadata}}) // one that is rewritten
	if _, err := k.client.Metadata(within(t), "events"); err == nil {
		fired(t, shot) // it was the transport's own request, which is repeated
	}
	if what := fired(t, shot); !strings.HasPrefix(what, "cut after 20 bytes to client of Metadata correlation ") {
		t.Error(what)
	}
}

// A commit whose answer is lost has been made.
func TestDropReplyOfCommit(t *testing.T) {
	k := newKafkaLink(t)
	shot := k.proxy.Arm(Fault{Kind: DropReply, APIKeys: []int16{keyOffsetCommit}})
	offset := broker.PartitionOffset{Topic: "events", Offset: 7, Metadata: "intent"}
	if _, err := k.client.CommitOffsets(within(t), broker.OffsetCommit{Group: "g", Generation: -1, Offsets: []broker.PartitionOffset{offset}}); err == nil {
		t.Error("the commit was answered")
	}
	fired(t, shot)
	got, err := k.direct.FetchOffsets(within(t), "g", "events", []int32{0})
	if err != nil || got[0] != offset {
		t.Errorf("committed %+v, %v", got, err)
	}
}

func TestHalfOpenOfProduce(t *testing.T) {
	for _, dir := range []Direction{ToUpstream, ToClient} {
		t.Run(dir.String(), func(t *testing.T) {
			k := newKafkaLink(t)
			shot := k.proxy.Arm(Fault{Kind: HalfOpen, Direction: dir, For: 300 * time.Millisecond, APIKeys: []int16{keyProduce}})
			begin := time.Now()
			wantAmbiguous(t, k.produce(batch(broker.NoProducerID, -1, 1000)))
			if took := time.Since(begin); took < 300*time.Millisecond {
				t.Errorf("closed after %v", took)
			}
			if what := fired(t, shot); !strings.HasPrefix(what, "nothing passed on "+dir.String()+" for 300ms, from Produce correlation ") {
				t.Error(what)
			}
			if n := k.logged(); n != int64(dir) {
				t.Errorf("%d records in the log, want %d", n, dir)
			}
			k.mustProduce(batch(broker.NoProducerID, -1, 10))
		})
	}
}

func TestLatencyOfProduceOnly(t *testing.T) {
	k := newKafkaLink(t)
	const delay = 150 * time.Millisecond
	shot := k.proxy.Arm(Fault{Kind: Latency, Delay: delay, For: time.Second, APIKeys: []int16{keyProduce}})
	if _, err := k.client.Metadata(within(t), "events"); err != nil {
		t.Fatal(err)
	}
	silent(t, shot)
	begin := time.Now()
	k.mustProduce(batch(broker.NoProducerID, -1, 10))
	if took := time.Since(begin); took < delay {
		t.Errorf("took %v", took)
	}
	if what := fired(t, shot); !strings.Contains(what, "first Produce correlation ") {
		t.Error(what)
	}
	until(t, "it passes", func() bool {
		k.mustProduce(batch(broker.NoProducerID, -1, 10))
		return len(k.proxy.shots.all()) == 0
	})
}

func TestRefusedClientFindsBack(t *testing.T) {
	k := newKafkaLink(t)
	c := newBrokerClient(t, k.proxy.Addr())
	shot := k.proxy.Arm(Fault{Kind: Refuse, For: 100 * time.Millisecond})
	if _, err := c.Metadata(within(t), "events"); err == nil {
		t.Error("served")
	}
	fired(t, shot)
	until(t, "it is served again", func() bool { _, err := c.Metadata(within(t), "events"); return err == nil })
}

// What is not the protocol is neither passed on nor waited for.
func TestMalformedFrames(t *testing.T) {
	s := newServer(t)
	p, err := New(Options{Name: "odd", Upstream: s.listener.Addr().String(), Kafka: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	for i, first := range [][]byte{[]byte("GET / HTTP/1.1\r\n\r\n"), {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}, {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0}} {
		c := dial(t, p)
		if _, err := c.Write(first); err != nil {
			t.Fatal(err)
		}
		_, err := c.Read(make([]byte, 1))
		wantReset(t, err)
		if end := s.end(t, i); end.bytes != 0 || !errors.Is(end.err, io.EOF) {
			t.Errorf("upstream: %+v", end)
		}
	}
	// Less than the beginning of a frame is passed on when nothing follows.
	c := dial(t, p)
	if _, err := c.Write([]byte{0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if end := s.end(t, 3); end.bytes != 3 {
		t.Errorf("upstream: %+v", end)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if st := p.Stats(); st.Malformed != 3 || !strings.Contains(st.Problem, "not the Kafka protocol") {
		t.Errorf("%+v", st)
	}
}

// A cut whose frame breaks off before its moment stays armed.
func TestBrokenFrameKeepsTheCutArmed(t *testing.T) {
	s := newServer(t)
	s.set(&s.swallow)
	p := start(t, s.listener.Addr().String(), true)
	shot := p.Arm(Fault{Kind: Cut, After: 100})
	frame := make([]byte, 200)
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-sizeBytes))
	c := dial(t, p)
	if _, err := c.Write(frame[:50]); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	until(t, "the connection ends", func() bool { st := p.Stats(); return st.Accepted == 1 && st.Open == 0 })
	silent(t, shot)
	if _, err := dial(t, p).Write(frame); err != nil {
		t.Fatal(err)
	}
	if what := fired(t, shot); what != "cut after 100 bytes to upstream of Produce correlation 0" {
		t.Error(what)
	}
}
