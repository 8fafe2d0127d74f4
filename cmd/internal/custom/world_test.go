package custom

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/sink/exact"
)

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

const partitions = 3

// world is both engines with tables and topics, and somebody who loads events like the sinks do.
type world struct {
	t      *testing.T
	engine *enginetest.Engine
	broker *enginetest.Engine
	db     *clickhouse.DB
	client *broker.Client
	log    uint16

	parts [partitions]*part
}

// part is a partition.
type part struct {
	mu       sync.Mutex
	produced int64 // records in the topic
	stored   int64 // rows in the table
}

// newWorld returns a world on the shared server.
func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOn(t, sharedClickHouse())
}

// newWorldOn returns a world on a server that the test may kill.
func newWorldOn(t *testing.T, engine *enginetest.Engine) *world {
	t.Helper()
	w := &world{t: t, engine: engine, broker: enginetest.Broker(t, partitions)}
	brokerConfig := broker.DefaultConfig()
	brokerConfig.Addresses = []string{w.broker.Broker}
	client, err := broker.New(brokerConfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	w.client = client
	cfg := clickhouse.DefaultConfig()
	cfg.Addresses, cfg.Database = []string{w.engine.TCP}, newDatabase()
	if w.db, err = clickhouse.Open(within(t), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.db.Close() })
	if err := clickhouse.Up(within(t), w.db, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	md, err := client.Metadata(within(t))
	if err != nil {
		t.Fatal(err)
	}
	l, err := clickhouse.AllotLog(within(t), w.db, md.ClusterID, "events", partitions)
	if err != nil {
		t.Fatal(err)
	}
	w.log = l.Number
	for p := range partitions {
		w.parts[p] = &part{}
	}
	return w
}

// metrics returns Metrics in a hurry. TestTrialFindsExpressionsThatThrow has as many odd rows as are usual.
func (w *world) metrics() *Metrics {
	m := New(Deps{DB: w.db, Broker: w.client, Topic: "events", Group: "sinks", Logger: slog.New(slog.DiscardHandler)})
	m.pace = pace{sample: 100 * time.Millisecond, lead: 300 * time.Millisecond, poll: 50 * time.Millisecond, still: 2 * time.Second, note: 200 * time.Millisecond, retry: time.Minute, keys: mostKeys, odd: 200, anew: 20}
	return m
}

// builder returns one that is about to apply d, or to go on with it.
func (w *world) builder(m *Metrics, d Definition) *builder {
	return &builder{Metrics: m, book: newBook(w.db), rollup: compile(d), topic: topic{w.client, w.db, m.Topic, m.Group}, tell: func(Progress) {}}
}

func (w *world) exec(sql string) {
	w.t.Helper()
	err := server{w.db}.exec(within(w.t), strings.ReplaceAll(sql, "{db}", w.db.Database()), nil, clickhouse.Setting{Name: "mutations_sync", Value: "2"})
	if err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

func (w *world) number(sql string) uint64 {
	w.t.Helper()
	n, err := server{w.db}.number(within(w.t), "SELECT toUInt64(("+strings.ReplaceAll(sql, "{db}", w.db.Database())+"))", nil)
	if err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// insert stores the events at offsets [first, next).
func (w *world) insert(ctx context.Context, partition int, first, next int64) error {
	quotedAll := func(all []string) string { return "[" + literals(all) + "]" }
	props := make([]string, len(objects))
	for i, o := range objects {
		props[i] = o.props
	}
	n := func(all []int64, format string) string {
		var out []string
		for _, x := range all {
			out = append(out, fmt.Sprintf(format, x))
		}
		return "[" + strings.Join(out, ", ") + "]"
	}
	start := eventAt(partition, -int64(partition)*7).at.UnixMilli()
	statement := fmt.Sprintf(`INSERT INTO %s.events (project_id, type, event, ts, event_id, country, props, revenue, user_h, _log, _partition, _offset)
		SELECT [1, 1, 2][1 + o %% 3], 'track', %s[1 + o %% %d], fromUnixTimestamp64Milli(toInt64(%d + o %% %d * 86400000 + o %% 7 * 3600000 + o %% 3 * 60000 + o %% 1000), 'UTC'), generateUUIDv4(),
		%s[1 + intDiv(o, 2) %% %d], %s[1 + o %% %d], %s[1 + intDiv(o, 3) %% %d], o %% %d, %d, %d, number
		FROM (SELECT number, number + %d AS o FROM numbers(%d, %d))`,
		w.db.Database(), quotedAll(eventsOf), len(eventsOf), start, daysOfPart, quotedAll(countries), len(countries), quotedAll(props), len(props),
		n(revenues, "reinterpret(toInt64(%d), 'Decimal(18, 4)')"), len(revenues), users, w.log, partition, partition*7, first, next-first)
	token := fmt.Sprintf("%d-%d-%d-%d", w.log, partition, first, next-1)
	settings := clickhouse.InsertSettings(token)
	for _, name := range []string{"compile_expressions", "compile_aggregate_expressions", "compile_sort_description"} {
		settings = append(settings, clickhouse.Setting{Name: name, Value: "0"}) // compiling takes longer than so few rows
	}
	return server{w.db}.exec(ctx, statement, nil, settings...)
}

// produce adds records to the topic, and returns their first offset.
func (w *world) produce(ctx context.Context, partition, n int) error {
	var b broker.BatchBuilder
	for range n {
		b.Append(broker.AppendRecordBody(nil, nil, []byte("{}")), time.Now().UnixMilli())
	}
	results, err := w.client.Produce(ctx, 0, 30*time.Second, []broker.PartitionBatch{{Topic: "events", Partition: int32(partition), Records: b.Seal(broker.NoProducerID, -1)}})
	if err != nil {
		return err
	}
	return results[0].Err
}

// commit says how far a partition is, and what is announced from there on.
func (w *world) commit(ctx context.Context, partition int, offset, next int64) error {
	tp := broker.TopicPartition{Topic: "events", Partition: int32(partition)}
	outcome, err := w.client.CommitOffsets(ctx, broker.OffsetCommit{Group: "sinks", Generation: -1, Offsets: []broker.PartitionOffset{{
		Topic: tp.Topic, Partition: tp.Partition, Offset: offset,
		Metadata: exact.Intent{Log: w.log, First: offset, Next: next, Rows: int(next - offset), Last: offset - 1, Codec: 1}.String(),
	}}})
	return errors.Join(err, outcome[tp])
}

// load produces n events and stores all that are not stored, as a sink does: announced, inserted, confirmed.
func (w *world) load(ctx context.Context, partition, n int) error {
	if err := w.grow(ctx, partition, n); err != nil {
		return err
	}
	return w.store(ctx, partition)
}

// grow produces n events that nobody stores yet.
func (w *world) grow(ctx context.Context, partition, n int) error {
	if n == 0 {
		return nil
	}
	p := w.parts[partition]
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := w.produce(ctx, partition, n); err != nil {
		return err
	}
	p.produced += int64(n)
	return nil
}

func (w *world) store(ctx context.Context, partition int) error {
	p := w.parts[partition]
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stored == p.produced {
		return nil
	}
	if err := w.commit(ctx, partition, p.stored, p.produced); err != nil {
		return err
	}
	if err := w.insert(ctx, partition, p.stored, p.produced); err != nil {
		return err
	}
	p.stored = p.produced
	return w.commit(ctx, partition, p.stored, p.stored)
}

// storedOf is how many events of a partition are in the table.
func (w *world) storedOf(partition int) int64 {
	p := w.parts[partition]
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stored
}

// history loads events of all partitions.
func (w *world) history(n int) {
	w.t.Helper()
	for p := range partitions {
		if err := w.load(within(w.t), p, n); err != nil {
			w.t.Fatal(err)
		}
	}
}

// trafficEvery is how often a partition gets records, and storeEvery how many times it does before they are stored: as one block, because each INSERT is one into all that hangs on
// table events, too.
const (
	trafficEvery = 50 * time.Millisecond
	storeEvery   = 10
)

// traffic loads small blocks into some partitions until stop is called, which waits for it: then all that was produced is stored.
func (w *world) traffic(of ...int) (stop func()) {
	ctx := within(w.t)
	quit := make(chan struct{})
	var wg sync.WaitGroup
	for turn, p := range of {
		wg.Go(func() {
			beat := time.NewTicker(trafficEvery)
			defer beat.Stop()
			for i := 1; ; i++ {
				over := false
				select {
				case <-quit:
					over = true
				case <-beat.C:
				}
				var err error
				switch {
				case over:
					err = w.load(ctx, p, 0)
				case i%storeEvery == 2*turn: // not all at once
					err = w.load(ctx, p, 1+i%17)
				default:
					err = w.grow(ctx, p, 1+i%17)
				}
				if err != nil {
					w.t.Errorf("partition %d: %v", p, err)
				}
				if err != nil || over {
					return
				}
			}
		})
	}
	stop = sync.OnceFunc(func() { close(quit); wg.Wait() })
	w.t.Cleanup(stop)
	return stop
}

func (w *world) apply(m *Metrics, d Definition) {
	w.t.Helper()
	built, err := m.Apply(within(w.t), d, nil)
	if err != nil || !built {
		w.t.Fatalf("apply %s: %v, %v", d.Name, built, err)
	}
}

// build returns the build of a metric that is not dropped.
func (w *world) build(metric string) record {
	w.t.Helper()
	all, err := newBook(w.db).records(within(w.t), metric)
	if err != nil {
		w.t.Fatal(err)
	}
	all = slices.DeleteFunc(all, func(r record) bool { return r.phase == dropped })
	if len(all) != 1 {
		w.t.Fatalf("metric %s has %d builds: %+v", metric, len(all), all)
	}
	return all[0]
}

// leftovers lists relations of metrics but those of the given builds.
func (w *world) leftovers(keep ...record) []string {
	w.t.Helper()
	var name string
	var all []string
	err := server{w.db}.query(within(w.t), "SELECT name FROM system.tables WHERE database = {db:String} AND startsWith(name, 'metric_')", names{"db": w.db.Database()}, nil, func() { all = append(all, name) }, &name)
	if err != nil {
		w.t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(n string) bool {
		return slices.ContainsFunc(keep, func(r record) bool { return n == r.table() || n == r.view() || n == readerName(r.name) })
	})
}
