package backlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a broker with topics that have a retention, and the guard of them.
type world struct {
	t      *testing.T
	client *broker.Client
	log    *logBuffer
	set    *metrics.Set
	*Retention
}

// watched makes the topics events (as settings say) and quarantine, with partitions of the same number.
func watched(t *testing.T, address string, partitions int, settings map[string]string) *world {
	t.Helper()
	cfg := broker.DefaultConfig()
	cfg.Addresses, cfg.DialTimeout, cfg.RequestTimeout = []string{address}, time.Second, 2*time.Second
	client, err := broker.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	for topic, config := range map[string]map[string]string{"watched": settings, "watched-quarantine": {"retention.ms": "-1", "retention.bytes": "-1"}} {
		if err := client.CreateTopic(within(t), broker.TopicSpec{Name: topic, Partitions: partitions, Replication: 1, Config: config}); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{t: t, client: client, log: &logBuffer{}, set: metrics.NewSet()}
	w.Retention = NewRetention(RetentionConfig{Topics: []string{"watched", "watched-quarantine"}, Group: "sinks", Interval: time.Hour, RefuseAt: 0.9},
		client, slog.New(slog.NewTextHandler(w.log, nil)), w.set)
	return w
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// produce writes one batch, with a record of that size for each age.
func (w *world) produce(partition int32, size int, ages ...time.Duration) {
	w.t.Helper()
	var b broker.BatchBuilder
	now := time.Now()
	for _, age := range ages {
		b.Append(broker.AppendRecordBody(nil, nil, bytes.Repeat([]byte("x"), size)), now.Add(-age).UnixMilli())
	}
	md, err := w.client.Metadata(within(w.t), "watched")
	if err != nil {
		w.t.Fatal(err)
	}
	results, err := w.client.Produce(within(w.t), md.Topics["watched"].Partitions[partition].Leader, time.Second,
		[]broker.PartitionBatch{{Topic: "watched", Partition: partition, Records: b.Seal(broker.NoProducerID, -1)}})
	if err == nil {
		err = results[0].Err
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) commit(partition int32, offset int64) {
	w.t.Helper()
	tp := broker.TopicPartition{Topic: "watched", Partition: partition}
	ctx := within(w.t)
	for {
		outcome, err := w.client.CommitOffsets(ctx, broker.OffsetCommit{
			Group: "sinks", Generation: -1,
			Offsets: []broker.PartitionOffset{{Topic: tp.Topic, Partition: partition, Offset: offset}},
		})
		if err = errors.Join(err, outcome[tp]); err == nil {
			return
		}
		// A connection to a broker that was restarted fails once.
		if c := broker.Classify(err); c != broker.ClassAmbiguous && c != broker.ClassRetriable || ctx.Err() != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) metric(name string) float64 {
	w.t.Helper()
	var buf bytes.Buffer
	w.set.WritePrometheus(&buf)
	for line := range strings.Lines(buf.String()) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				w.t.Fatal(err)
			}
			return v
		}
	}
	w.t.Fatalf("no metric %s in:\n%s", name, &buf)
	return 0
}

func cluster(t *testing.T) (*kfake.Cluster, string) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, c.ListenAddrs()[0]
}

const (
	ratio   = `millrace_retention_headroom_ratio{topic="watched"}`
	seconds = `millrace_retention_headroom_seconds{topic="watched"}`
)

func TestRetentionByAge(t *testing.T) {
	_, address := cluster(t)
	w := watched(t, address, 3, map[string]string{"retention.ms": "3600000", "retention.bytes": "-1"})
	// One record a minute, the oldest 57 minutes ago; in partition 1 all is young, partition 2 is empty.
	for age := 57; age >= 1; age-- {
		w.produce(0, 100, time.Duration(age)*time.Minute)
	}
	w.produce(1, 100, time.Minute)
	for i, step := range []struct {
		commit int64 // -1: none yet
		level  level
	}{
		{-1, refusing}, // 57 minutes of 60
		{0, refusing},
		{5, refusing}, // 52 minutes: below the mark, and not far enough
		{8, refusing}, // 49
		{11, tight},   // 46
		{6, tight},    // 51: not yet at the mark again
		{0, refusing}, // 57
		{27, tight},   // 30
		{30, tight},   // 27
		{35, fine},    // 22
		{57, fine},    // all is read
	} {
		if step.commit >= 0 {
			w.commit(0, step.commit)
		}
		w.look(within(t))
		if w.level != step.level || w.failed != nil {
			t.Errorf("step %d, offset %d: level %d, want %d (%s), %v", i, step.commit, w.level, step.level, w.detail, w.failed)
		}
		switch err := w.Gate(); {
		case step.level == refusing:
			if !errors.Is(err, schema.ErrBacklog) {
				t.Errorf("step %d: the gate says %v", i, err)
			}
			for _, word := range []string{"topic watched partition 0", "retention.ms", "90 %", "80 %", "broker.retention_refuse_ratio"} {
				if !strings.Contains(fmt.Sprint(err), word) {
					t.Errorf("the error does not say %q: %v", word, err)
				}
			}
		case err != nil:
			t.Errorf("step %d: the gate says %v", i, err)
		}
		if _, err := w.Check(t.Context()); (err != nil) != (step.level > fine) {
			t.Errorf("step %d: the check says %v", i, err)
		}
		// What is not read is a minute old in partition 1.
		age := max(57-max(step.commit, 0), 1)
		if got, want := w.metric(ratio), 1-float64(age)/60; got < want-0.07 || got > want+0.001 {
			t.Errorf("step %d: headroom %v, want %v or a little less", i, got, want)
		}
		if got, want := w.metric(seconds), float64(60-age)*60; got < want-240 || got > want+1 {
			t.Errorf("step %d: %v seconds, want %v or a little less", i, got, want)
		}
	}
	if n := strings.Count(w.log.String(), "new events are refused\""); n != 2 {
		t.Errorf("refusing was said %d times, want 2:\n%s", n, w.log)
	}
	if got := w.metric(`millrace_retention_headroom_ratio{topic="watched-quarantine"}`); got != 1 {
		t.Errorf("headroom of a topic without limits: %v", got)
	}
}

// Times within a topic are those of many gateways, and not in order.
func TestAgesAreNeverTooYoung(t *testing.T) {
	_, address := cluster(t)
	w := watched(t, address, 1, map[string]string{"retention.ms": "3600000"})
	var ages []time.Duration
	for i := range 60 {
		age := time.Duration(60-i)*time.Minute + time.Duration(i*7919%13)*time.Second
		ages = append(ages, age)
		w.produce(0, 10, age)
	}
	for offset, age := range ages {
		got, err := w.observer.ages(within(t), "watched", map[int32]int64{0: int64(offset)}, time.Hour, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		// A later record may hide behind one that came before it and is younger, by the seconds of disorder.
		if got[0] < min(age, time.Hour)-13*time.Second || got[0] > min(age+3*time.Minute, time.Hour) && got[0] > time.Hour/16 {
			t.Errorf("offset %d is %v old, found %v", offset, age, got[0])
		}
	}
}

func TestRetentionByBytes(t *testing.T) {
	_, address := cluster(t)
	w := watched(t, address, 1, map[string]string{"retention.ms": "-1", "retention.bytes": "100000"})
	for range 96 {
		w.produce(0, 930, 0) // a batch of one record takes about 70 bytes more
	}
	for i, step := range []struct {
		commit int64
		level  level
	}{{0, refusing}, {10, refusing}, {14, refusing}, {20, tight}, {50, tight}, {70, fine}, {96, fine}} {
		w.commit(0, step.commit)
		w.look(within(t))
		if w.level != step.level || w.failed != nil {
			t.Errorf("step %d, offset %d: level %d, want %d (%s), %v", i, step.commit, w.level, step.level, w.detail, w.failed)
		}
		if got, want := w.metric(ratio), 1-float64(96-step.commit)/100; got < want-0.02 || got > want+0.02 {
			t.Errorf("step %d: headroom %v, want about %v", i, got, want)
		}
	}
	// With something arriving, space has an end in time.
	w.commit(0, 70)
	w.produce(0, 930, 0)
	w.look(within(t))
	if s := w.metric(seconds); s <= 0 || s > 3600 {
		t.Errorf("%v seconds left while records arrive", s)
	}
}

func TestRetentionTellsOfWhatIsLost(t *testing.T) {
	c, address := cluster(t)
	w := watched(t, address, 2, map[string]string{"retention.ms": "3600000"})
	for range 10 {
		w.produce(1, 10, 0)
	}
	w.commit(1, 3)
	if err := c.DeleteRecords("watched", 1, 8); err != nil {
		t.Fatal(err)
	}
	w.look(within(t))
	w.look(within(t))
	const said = "records=5 committed=3 log_start=8"
	if n := strings.Count(w.log.String(), said); n != 1 {
		t.Errorf("said %d times %q:\n%s", n, said, w.log)
	}
	w.commit(1, 8)
	w.look(within(t))
	w.commit(1, 7)
	w.look(within(t))
	if !strings.Contains(w.log.String(), "records=1 committed=7 log_start=8") {
		t.Errorf("a second loss was not told:\n%s", w.log)
	}
}

// The broker dies while events are refused: they stay refused, and are taken again when it is back and the sink has loaded.
func TestRetentionKeepsItsVerdictWhileTheBrokerIsAway(t *testing.T) {
	engine := enginetest.Broker(t, 1)
	w := watched(t, engine.Broker, 1, map[string]string{"retention.ms": "3600000"})
	w.produce(0, 10, 58*time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	w.log.wait(t, "new events are refused")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := w.Check(t.Context()); err == nil || strings.Contains(err.Error(), "holds") {
		t.Errorf("the check with the broker there: %v", err)
	}

	engine.Kill()
	w.look(within(t))
	w.look(within(t))
	if err := w.Gate(); !errors.Is(err, schema.ErrBacklog) {
		t.Errorf("the gate with the broker away: %v", err)
	}
	if _, err := w.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "verdict holds") {
		t.Errorf("the check with the broker away: %v", err)
	}
	if n := strings.Count(w.log.String(), "cannot be watched"); n != 1 {
		t.Errorf("said %d times:\n%s", n, w.log)
	}

	engine.Start()
	w.commit(0, 1)
	for w.look(within(t)); w.failed != nil; w.look(within(t)) {
		if time.Since(w.looked) > 20*time.Second {
			t.Fatal(w.failed)
		}
	}
	if err := w.Gate(); err != nil {
		t.Errorf("all is read, and the gate says %v", err)
	}
	if detail, err := w.Check(t.Context()); err != nil || !strings.Contains(w.log.String(), "watched again") {
		t.Errorf("the check at the end: %s, %v\n%s", detail, err, w.log)
	}
}

// logBuffer collects log lines and wakes a test that waits for one.
type logBuffer struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	grew chan struct{}
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.grew != nil {
		close(b.grew)
		b.grew = nil
	}
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *logBuffer) wait(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		b.mu.Lock()
		found := strings.Contains(b.buf.String(), text)
		if !found && b.grew == nil {
			b.grew = make(chan struct{})
		}
		grew := b.grew
		b.mu.Unlock()
		if found {
			return
		}
		select {
		case <-grew:
		case <-deadline:
			t.Fatalf("%q was never logged:\n%s", text, b)
		}
	}
}
