package sink

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/internal/retry"
	"github.com/millrace/millrace/schema/clickhouse"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		childMain()
		return
	}
	goleak.VerifyTestMain(m)
}

// patience bounds every wait for a condition; what is waited for takes a tenth of it.
const patience = 30 * time.Second

// lab is a real broker, in this process so that faults can be set up, and a real ClickHouse with the tables.
type lab struct {
	t       testing.TB
	cluster *kfake.Cluster
	client  *broker.Client
	engine  *enginetest.Engine
	tables  clickhouse.Config
}

const (
	eventsLog     = 3
	quarantineLog = 4
)

func newLab(t testing.TB, partitions int32, opts ...kfake.Opt) *lab {
	t.Helper()
	l := &lab{t: t}
	var err error
	l.cluster, err = kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(partitions, "events"), kfake.SeedTopics(1, "quarantine")}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.cluster.Close)
	l.client = newClient(t, l.cluster.ListenAddrs())
	l.engine = enginetest.ClickHouse(t)
	l.tables = tablesAt(l.engine.TCP)
	migrate(t, l.tables)
	return l
}

func newClient(t testing.TB, addresses []string) *broker.Client {
	t.Helper()
	cfg := broker.DefaultConfig()
	cfg.Addresses = addresses
	client, err := broker.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func tablesAt(address string) clickhouse.Config {
	cfg := clickhouse.DefaultConfig()
	cfg.Addresses = []string{address}
	return cfg
}

func migrate(t testing.TB, cfg clickhouse.Config) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	db, err := clickhouse.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // of a test
	if err := clickhouse.Up(ctx, db, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
}

// testConfig is quick, but for what a test is about.
func testConfig() Config {
	cfg := DefaultConfig()
	cfg.BlockAge = 50 * time.Millisecond
	cfg.FetchMaxWait = 100 * time.Millisecond
	cfg.HeartbeatInterval = 100 * time.Millisecond
	cfg.BackoffMin = 20 * time.Millisecond
	cfg.BackoffMax = 200 * time.Millisecond
	cfg.DrainTimeout = 5 * time.Second
	return cfg
}

// running is a sink at work.
type running struct {
	*Sink
	t      testing.TB
	set    *metrics.Set
	logs   *logBuffer
	cancel context.CancelFunc
	ended  chan error
}

// start runs a sink until the test ends or stop is called.
func (l *lab) start(cfg Config, dataDir string) *running {
	l.t.Helper()
	return l.startWith(cfg, dataDir, func(*Sink) {})
}

// startWithout leaves protections out.
func (l *lab) startWithout(cfg Config, dataDir string, without map[string]bool) *running {
	l.t.Helper()
	return l.startWith(cfg, dataDir, func(s *Sink) {
		for protection := range without {
			s.without[protection] = true
		}
	})
}

// startWith changes the sink before it runs.
func (l *lab) startWith(cfg Config, dataDir string, change func(*Sink)) *running {
	l.t.Helper()
	r := &running{t: l.t, set: metrics.NewSet(), logs: &logBuffer{}, ended: make(chan error, 1)}
	var err error
	r.Sink, err = New(cfg, Deps{
		Broker: l.client, Events: Topic{Name: "events", Log: eventsLog}, Quarantine: Topic{Name: "quarantine", Log: quarantineLog},
		ClickHouse: l.tables, DataDir: dataDir, Logger: slog.New(slog.NewTextHandler(r.logs, nil)), Metrics: r.set,
	})
	if err != nil {
		l.t.Fatal(err)
	}
	change(r.Sink)
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() { r.ended <- r.Run(ctx) }()
	l.t.Cleanup(func() {
		r.stop()
		if l.t.Failed() {
			l.t.Logf("log of the sink:\n%s", r.logs)
		}
	})
	return r
}

// stop ends the sink and waits for it.
func (r *running) stop() {
	r.t.Helper()
	r.cancel()
	select {
	case err := <-r.ended:
		r.ended <- err
		if err != nil {
			r.t.Errorf("sink ended with %v", err)
		}
	case <-time.After(patience):
		r.t.Error("the sink does not end")
	}
}

// loading waits until so many partitions have been taken over.
func (r *running) loading(partitions int) {
	r.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		n := 0
		for _, p := range r.Status().Partitions {
			if p.State == StateLoading {
				n++
			}
		}
		if n == partitions {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			r.t.Fatalf("%d partitions are loaded, want %d: %+v", n, partitions, r.Status())
		}
	}
}

// counter reads a metric by its full name.
func (r *running) counter(name string) float64 {
	var b bytes.Buffer
	r.set.WritePrometheus(&b)
	for line := range strings.Lines(b.String()) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			f, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				r.t.Fatalf("%q: %v", line, err)
			}
			return f
		}
	}
	r.t.Fatalf("no metric %s in\n%s", name, b.String())
	return 0
}

// producedAt is the Kafka timestamp of what tests produce, in Unix milliseconds: of this day, because table quarantine forgets old rows.
var producedAt = time.Now().UnixMilli()

// produce appends records to a partition as one batch.
func (l *lab) produce(topic string, partition int32, bodies ...[]byte) {
	l.t.Helper()
	produce(l.t, l.client, topic, partition, bodies...)
}

// produce is lab.produce with another client. What was surely not stored is sent again: the client may have to learn its routes first.
func produce(t testing.TB, client *broker.Client, topic string, partition int32, bodies ...[]byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var b broker.BatchBuilder
	for _, body := range bodies {
		b.Append(body, producedAt)
	}
	batch := []broker.PartitionBatch{{Topic: topic, Partition: partition, Records: b.Seal(broker.NoProducerID, -1)}}
	for {
		md, err := client.Metadata(ctx, topic)
		if err == nil {
			var results []broker.ProduceResult
			if results, err = client.Produce(ctx, md.Topics[topic].Partitions[partition].Leader, patience, batch); err == nil {
				err = results[0].Err
			}
			if err != nil && broker.Classify(err) != broker.ClassRetriable {
				t.Fatalf("produce to %s/%d: %v", topic, partition, err)
			}
		}
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("produce to %s/%d: %v", topic, partition, err)
		}
		client.RefreshRoutes()
		retry.Pause(ctx, 10*time.Millisecond)
	}
}

// plainBodies are n records of plain events with distinct ids.
func plainBodies(first, n int) [][]byte {
	bodies := make([][]byte, n)
	for i := range bodies {
		e := plainEvent(first+i, testNow.UnixMilli())
		bodies[i] = e.body()
	}
	return bodies
}

// query runs SQL over HTTP and returns the rows as text.
func (l *lab) query(sql string, args ...any) [][]string {
	l.t.Helper()
	rows, err := l.tryQuery(fmt.Sprintf(sql, args...))
	if err != nil {
		l.t.Fatal(err)
	}
	return rows
}

func (l *lab) tryQuery(sql string) ([][]string, error) {
	res, err := http.Post("http://"+l.engine.HTTP+"/?database=millrace&default_format=JSONCompactStrings&query="+url.QueryEscape(sql), "", nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", sql, body)
	}
	if len(body) == 0 {
		return nil, nil
	}
	var answer struct{ Data [][]string }
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("%s: %w", sql, err)
	}
	return answer.Data, nil
}

// waitFor waits until the query's first value is want. Errors count as another value.
func (l *lab) waitFor(want, sql string) {
	l.t.Helper()
	var got string
	l.until(func() bool {
		rows, err := l.tryQuery(sql)
		got = fmt.Sprint(rows, err)
		return err == nil && len(rows) > 0 && rows[0][0] == want
	}, func() string { return fmt.Sprintf("%s\nis %s, want %s", sql, got, want) })
}

// until polls a condition of another process. The ticker only spaces the questions; nothing depends on its length.
func (l *lab) until(ok func() bool, what func() string) {
	l.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			l.t.Fatalf("waited %v: %s", patience, what())
		}
	}
}

// eachOnce checks that the events of partition p are exactly the offsets 0 to n-1, each once.
func (l *lab) eachOnce(p, n int) {
	l.t.Helper()
	got := l.query("SELECT count(), uniqExact(_offset), min(_offset), max(_offset), uniqExact(event_id) FROM events WHERE _partition = %d AND _log = %d", p, eventsLog)
	want := []string{strconv.Itoa(n), strconv.Itoa(n), "0", strconv.Itoa(n - 1), strconv.Itoa(n)}
	if fmt.Sprint(got[0]) != fmt.Sprint(want) {
		l.t.Errorf("partition %d: rows, offsets, first, last, ids are %v, want %v", p, got[0], want)
	}
}

// committed waits until the group's offset of a partition is want.
func (l *lab) committed(topic string, partition int32, want int64) {
	l.t.Helper()
	var got int64
	var err error
	l.until(func() bool {
		var offsets map[int32]broker.PartitionOffset
		if offsets, err = l.client.FetchOffsets(context.Background(), DefaultConfig().Group, topic, []int32{partition}); err == nil {
			got = offsets[partition].Offset
		}
		return err == nil && got == want
	}, func() string {
		return fmt.Sprintf("committed offset of %s/%d is %d (%v), want %d", topic, partition, got, err, want)
	})
}

// onCommit calls f for each commit that reaches the broker, with the highest offset in it, until f returns true: then that commit is not taken and
// its connection is closed.
func (l *lab) onCommit(f func(offset int64) bool) {
	l.cluster.ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
		l.cluster.KeepControl()
		highest := int64(0)
		for _, t := range req.(*kmsg.OffsetCommitRequest).Topics {
			for _, p := range t.Partitions {
				highest = max(highest, p.Offset)
			}
		}
		if f(highest) {
			return nil, io.ErrClosedPipe, true
		}
		return nil, nil, false
	})
}

// logBuffer is the log of one sink.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// setOffset sets the group's offset of a partition of topic events from outside, while the group has no members.
func (l *lab) setOffset(ctx context.Context, partition int32, offset int64) error {
	outcome, err := l.client.CommitOffsets(ctx, broker.OffsetCommit{
		Group: DefaultConfig().Group, Generation: -1, Offsets: []broker.PartitionOffset{{Topic: "events", Partition: partition, Offset: offset}},
	})
	if err != nil {
		return err
	}
	return outcome[broker.TopicPartition{Topic: "events", Partition: partition}]
}
