package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/schema"
)

const (
	testTopic      = "events"
	testQuarantine = "quarantine"
	testPartitions = 4
)

// lab is a pipeline at work on a broker of its own, with the wire between them.
type lab struct {
	*Pipeline
	t       testing.TB
	wire    *wire
	cluster *kfake.Cluster
	set     *metrics.Set
	logs    *syncBuffer
	stop    func() // ends Run and waits for it
	dir     string
	port    int
}

// options of a lab; all have defaults.
type options struct {
	cfg     func(*Config)
	deps    func(*Deps)
	limits  func(*schema.Limits)
	cluster []kfake.Opt
	brokers int
	down    bool // the broker is not started
}

func newLab(t testing.TB, o options) *lab {
	t.Helper()
	l := &lab{t: t, wire: newWire(t), set: metrics.NewSet(), logs: new(syncBuffer), dir: filepath.Join(t.TempDir(), "broker")}
	brokers := max(o.brokers, 1)
	if brokers == 1 {
		l.port = freePort(t)
	}
	addresses := []string{net.JoinHostPort("127.0.0.1", strconv.Itoa(l.port))}
	if !o.down {
		l.startBroker(brokers, o.cluster...)
		addresses = l.cluster.ListenAddrs()
	}
	t.Cleanup(func() {
		l.wire.release()
		if l.cluster != nil {
			l.cluster.Close()
		}
	})
	bc := broker.DefaultConfig()
	bc.Addresses = addresses
	bc.DialTimeout, bc.RequestTimeout = time.Second, 2*time.Second
	client, err := broker.New(bc)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	cfg, limits := DefaultConfig(), schema.DefaultLimits()
	cfg.Shards = 2
	deps := Deps{
		Broker: client, Topic: testTopic, QuarantineTopic: testQuarantine, Partitions: testPartitions, QuarantinePartitions: 1,
		AckTimeout: 20 * time.Second, // far beyond what any outage here lasts; tests of the timeout set their own
		Logger:     slog.New(slog.NewTextHandler(l.logs, nil)),
		Metrics:    l.set,
	}
	if o.cfg != nil {
		o.cfg(&cfg)
	}
	if o.limits != nil {
		o.limits(&limits)
	}
	if o.deps != nil {
		o.deps(&deps)
	}
	if l.Pipeline, err = New(cfg, limits, deps); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	l.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(l.stop)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%s", l.logs)
		}
	})
	return l
}

// startBroker starts the broker on the lab's port and directory; stopBroker ends it and keeps both.
func (l *lab) startBroker(brokers int, opts ...kfake.Opt) {
	l.t.Helper()
	opts = append([]kfake.Opt{
		kfake.NumBrokers(brokers), kfake.ListenFn(l.wire.listen), kfake.DataDir(l.dir), kfake.SyncWrites(),
		kfake.SeedTopics(testPartitions, testTopic), kfake.SeedTopics(1, testQuarantine),
	}, opts...)
	if l.port != 0 {
		opts = append(opts, kfake.Ports(l.port))
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		l.t.Fatal(err)
	}
	l.cluster = cluster
}

func (l *lab) stopBroker() {
	l.cluster.Close()
	l.cluster = nil
}

func freePort(t testing.TB) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().(*net.TCPAddr).Port
}

// metric reads one metric by its full name.
func (l *lab) metric(name string) float64 {
	l.t.Helper()
	var b bytes.Buffer
	l.set.WritePrometheus(&b)
	for line := range strings.Lines(b.String()) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				l.t.Fatalf("%s: %v", line, err)
			}
			return v
		}
	}
	l.t.Fatalf("no metric %s in\n%s", name, b.String())
	return 0
}

// storedRecord is a record as a client of another make reads it.
type storedRecord struct {
	*kgo.Record
	schema.Envelope
}

// stored reads a topic from beginning to end, in order within partitions.
func (l *lab) stored(topic string) []storedRecord {
	l.t.Helper()
	partitions := map[int32]kgo.Offset{}
	left := map[int32]int64{}
	for p := int32(0); ; p++ {
		info := l.cluster.PartitionInfo(topic, p)
		if info == nil {
			break
		}
		if info.HighWatermark > info.LogStartOffset {
			partitions[p] = kgo.NewOffset().AtStart()
			left[p] = info.HighWatermark
		}
	}
	if len(left) == 0 {
		return nil
	}
	c, err := kgo.NewClient(kgo.SeedBrokers(l.cluster.ListenAddrs()...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: partitions}))
	if err != nil {
		l.t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var records []storedRecord
	for len(left) > 0 {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			l.t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			s := storedRecord{Record: r}
			if topic == testTopic {
				if err := s.DecodeRecord(r.Value, header(r, schema.HeaderIndex)); err != nil {
					l.t.Fatalf("partition %d offset %d: %v", r.Partition, r.Offset, err)
				}
			}
			records = append(records, s)
			if r.Offset == left[r.Partition]-1 {
				delete(left, r.Partition)
			}
		})
	}
	return records
}

func header(r *kgo.Record, key string) []byte {
	for _, h := range r.Headers {
		if h.Key == key {
			return h.Value
		}
	}
	return nil
}

// eventBatch is a request with n track events, of users u0 to u(users-1) in turn, numbered from first in property n.
func eventBatch(n, users, first int) *schema.Batch {
	b := &schema.Batch{Project: 7, KeyID: "k1", RequestID: schema.NewUUIDv7(1), ReceivedAt: time.Now().UnixMilli()}
	for i := range n {
		addEvent(b, fmt.Sprintf("u%d", i%users), first+i)
	}
	return b
}

// addEvent appends an event of a user with a number and an id of its own.
func addEvent(b *schema.Batch, user string, number int) *schema.Event {
	e := b.Add()
	e.Type = schema.Track
	id := schema.NewUUIDv7(time.Now().UnixMilli()).String()
	props := fmt.Sprintf(`{"n":%d}`, number)
	e.Raw = b.Append(fmt.Appendf(nil, `{"event":"Paid","userId":%q,"messageId":%q,"properties":%s}`, user, id, props), false)
	e.ClientID = b.Append([]byte(id), false)
	e.Set(schema.FieldEvent, b.Append([]byte("Paid"), false))
	e.Set(schema.FieldUserID, b.Append([]byte(user), false))
	e.Set(schema.FieldProperties, b.Append([]byte(props), false))
	return e
}

// userOn returns a user whose events go to the partition.
func userOn(partition int32) string {
	for i := 0; ; i++ {
		user := fmt.Sprintf("user-%d", i)
		if broker.PartitionFor([]byte("7:"+user), testPartitions) == partition {
			return user
		}
	}
}

// ledger remembers what was acknowledged.
type ledger struct {
	mu      sync.Mutex
	acked   map[schema.UUID]bool
	sent    map[schema.UUID]bool
	refused int // requests
}

func newLedger() *ledger {
	return &ledger{acked: make(map[schema.UUID]bool), sent: make(map[schema.UUID]bool)}
}

// note enters the outcome of a request. Errors must be ones that a request may end in.
func (g *ledger) note(t testing.TB, b *schema.Batch, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		if !errors.Is(err, schema.ErrBrokerUnavailable) && !errors.Is(err, schema.ErrOverloaded) {
			t.Errorf("Submit: %v", err)
		}
		g.refused++
	}
	for i := range b.Events {
		e := &b.Events[i]
		g.sent[e.ID] = true
		if err == nil && (e.Result == schema.OK || e.Result == schema.Warning) {
			g.acked[e.ID] = true
		}
	}
}

// compare checks that everything acknowledged is stored and that everything stored was sent. It returns how many ids are stored more than once.
func (g *ledger) compare(t testing.TB, records []storedRecord) (repeated int) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	seen := make(map[schema.UUID]int)
	for i := range records {
		seen[records[i].ID]++
		if seen[records[i].ID] == 2 {
			repeated++
		}
		if !g.sent[records[i].ID] {
			t.Errorf("%v is stored and was never sent", records[i].ID)
		}
	}
	lost := 0
	for id := range g.acked {
		if seen[id] == 0 {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged events are not stored", lost, len(g.acked))
	}
	return repeated
}

// load submits from several goroutines until stop is closed, then returns. Every goroutine has users of its own.
func (l *lab) load(g *ledger, goroutines int, stop <-chan struct{}) (join func()) {
	var wg sync.WaitGroup
	for i := range goroutines {
		wg.Go(func() {
			for n := 0; ; n += 10 {
				select {
				case <-stop:
					return
				default:
				}
				b := &schema.Batch{Project: 7, KeyID: "k1", ReceivedAt: time.Now().UnixMilli()}
				for j := range 10 {
					addEvent(b, fmt.Sprintf("g%d-u%d", i, j%3), n+j)
				}
				g.note(l.t, b, l.Submit(context.Background(), b))
			}
		})
	}
	return wg.Wait
}

// syncBuffer is a buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
