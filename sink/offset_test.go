package sink

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/broker"
)

// Retention was faster than the sink: it says so and goes on at the start of the log.
func TestTrimmedRecordsAreCounted(t *testing.T) {
	l := newLab(t, 1)
	cfg := testConfig()
	r := l.start(cfg, t.TempDir())
	l.produce("events", 0, plainBodies(0, 10)...)
	l.committed("events", 0, 10)
	r.stop()
	for i := range 4 {
		l.produce("events", 0, plainBodies(100*(i+1), 10)...)
	}
	if err := l.cluster.DeleteRecords("events", 0, 30); err != nil {
		t.Fatal(err)
	}
	r = l.start(cfg, t.TempDir())
	l.committed("events", 0, 50)
	if got := fmt.Sprint(l.query("SELECT count(), countIf(_offset < 10), countIf(_offset >= 30) FROM events")); got != "[[30 10 20]]" {
		t.Errorf("rows, before and after the gap: %s", got)
	}
	if n := r.counter("millrace_sink_trimmed_records_total"); n != 20 {
		t.Errorf("%v records trimmed, want 20", n)
	}
	if log := r.logs.String(); !strings.Contains(log, "wanted=10 log_start=30 records=20") {
		t.Error("the log does not tell the numbers")
	}
}

// The same while the sink is at work: it holds two blocks, and what it would fetch next goes away.
func TestTrimmedWhileClickHouseIsAway(t *testing.T) {
	l := newLab(t, 1)
	cfg := testConfig()
	cfg.BlockRows = 10
	r := l.start(cfg, t.TempDir())
	r.loading(2)
	l.engine.Kill()
	const lag = `millrace_consumer_lag_records{topic="events",partition="0"}`
	for i := range 2 {
		l.produce("events", 0, plainBodies(100*i, 10)...)
		l.until(func() bool { return r.counter(lag) == float64(10*(i+1)) }, func() string { return fmt.Sprintf("lag %v", r.counter(lag)) })
	}
	l.produce("events", 0, plainBodies(200, 10)...)
	l.produce("events", 0, plainBodies(300, 10)...)
	if err := l.cluster.DeleteRecords("events", 0, 30); err != nil {
		t.Fatal(err)
	}
	if n := r.counter(lag); n != 20 {
		t.Fatalf("lag %v: the partition was fetched though its worker was full", n)
	}
	l.engine.Start()
	l.committed("events", 0, 40)
	if got := fmt.Sprint(l.query("SELECT count(), countIf(_offset < 20), countIf(_offset >= 30) FROM events")); got != "[[30 20 10]]" {
		t.Errorf("rows, before and after the gap: %s", got)
	}
	if n := r.counter("millrace_sink_trimmed_records_total"); n != 10 {
		t.Errorf("%v records trimmed, want 10", n)
	}
}

// An offset that the partition never had: the sink neither repeats nor skips, it says so and waits for people.
func TestOffsetBeyondTheEndParksThePartition(t *testing.T) {
	l := newLab(t, 2)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	l.produce("events", 0, plainBodies(0, 10)...)
	l.produce("events", 1, plainBodies(100, 10)...)
	if _, err := l.client.CommitOffsets(ctx, broker.OffsetCommit{Group: DefaultConfig().Group, Generation: -1, Offsets: []broker.PartitionOffset{{Topic: "events", Partition: 0, Offset: 1000}}}); err != nil {
		t.Fatal(err)
	}
	r := l.start(testConfig(), t.TempDir())
	l.committed("events", 1, 10) // the others go on
	l.until(func() bool {
		return strings.Contains(r.logs.String(), "the topic ends at offset 10, but 1000 is committed") && strings.Contains(r.logs.String(), "millrace sink adopt --topic events")
	}, func() string { return "nobody is told" })
	if n := l.query("SELECT count() FROM events WHERE _partition = 0"); n[0][0] != "0" {
		t.Errorf("%v rows of the parked partition", n)
	}
	l.committed("events", 0, 1000)
}
