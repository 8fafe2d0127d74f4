package sink

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/schema"
)

// sameIDs gives events that were made apart one id each, by number.
func sameIDs(numbers ...int) [][]byte {
	var bodies [][]byte
	for _, n := range numbers {
		e := plainEvent(n, producedAt)
		e.ID = schema.UUID{0: 1, 6: 0x70, 8: 0x80, 14: byte(n >> 8), 15: byte(n)}
		bodies = append(bodies, e.body())
	}
	return bodies
}

// What a client sends twice is stored once: in one block, in two, and after another process has taken over.
func TestClientRepeatsAreStoredOnce(t *testing.T) {
	l := newLab(t, 1)
	cfg := testConfig()
	dir := t.TempDir()
	r := l.start(cfg, dir)
	l.produce("events", 0, sameIDs(1, 2, 1, 3)...)
	l.committed("events", 0, 4)
	l.produce("events", 0, sameIDs(3, 4)...)
	l.committed("events", 0, 6)
	if n := r.counter("millrace_dedup_dropped_total"); n != 2 {
		t.Errorf("%v repeats dropped, want 2", n)
	}
	r.stop()
	l.produce("events", 0, sameIDs(5, 2, 4, 6)...)
	r = l.start(cfg, dir)
	l.committed("events", 0, 10)
	if got := fmt.Sprint(l.query("SELECT count(), uniqExact(event_id), arraySort(groupArray(_offset)) FROM events")); got != "[[6 6 [0,1,3,5,6,9]]]" {
		t.Errorf("rows, ids and offsets: %s", got)
	}
	if n := r.counter("millrace_dedup_dropped_total"); n != 2 {
		t.Errorf("%v repeats dropped after the restart, want 2", n)
	}
}

// Records that are older than what is remembered are looked up in the table.
func TestOldRepeatsAreStoredOnce(t *testing.T) {
	l := newLab(t, 1)
	cfg := testConfig()
	cfg.DedupWindow = time.Minute
	r := l.start(cfg, t.TempDir())
	old := func(n int) []byte {
		e := plainEvent(n, producedAt)
		e.ID = schema.UUID{0: 2, 6: 0x70, 8: 0x80, 15: byte(n)}
		e.ReceivedAt -= time.Hour.Milliseconds()
		return e.body()
	}
	l.produce("events", 0, append(sameIDs(1), old(1), old(2))...)
	l.committed("events", 0, 3)
	l.produce("events", 0, append(sameIDs(1), old(2), old(3), old(3))...)
	l.committed("events", 0, 7)
	if got := fmt.Sprint(l.query("SELECT arraySort(groupArray(_offset)) FROM events")); got != "[[[0,1,2,5]]]" {
		t.Errorf("offsets: %s", got)
	}
	if n := r.counter("millrace_dedup_dropped_total"); n != 3 {
		t.Errorf("%v repeats dropped, want 3", n)
	}
}

// killUnconfirmed lets a sink store the block from 100 on and kills it before it can confirm.
func (l *lab) killUnconfirmed(cfg Config, dir string) {
	l.t.Helper()
	var killed atomic.Bool
	reached := make(chan struct{})
	reach := sync.OnceFunc(func() { close(reached) })
	l.onCommit(func(offset int64) bool {
		if killed.Load() || offset < 200 {
			return false
		}
		reach()
		return true
	})
	child := l.startChild(cfg, dir)
	<-reached
	if err := child.Process.Kill(); err != nil {
		l.t.Fatal(err)
	}
	_ = child.Wait() // killed
	killed.Store(true)
	l.waitFor("200", "SELECT count() FROM events")
	l.committed("events", 0, 100)
}

// blocksOf100 cuts at the same offsets however fast the machine is.
func blocksOf100() Config {
	cfg := testConfig()
	cfg.BlockRows = 100
	return cfg
}

// The server remembers the token of a block of which it has lost rows: the repeated INSERT is dropped, and only a look at the table shows what is missing.
func TestRowsThatTheTokenHidesComeBack(t *testing.T) {
	l := newLab(t, 1)
	l.produce("events", 0, plainBodies(0, 500)...)
	dir := t.TempDir()
	l.killUnconfirmed(blocksOf100(), dir)
	l.query("ALTER TABLE events DELETE WHERE _offset >= 150 AND _offset < 180 SETTINGS mutations_sync = 2")
	r := l.start(blocksOf100(), dir)
	l.committed("events", 0, 500)
	l.eachOnce(0, 500)
	if n := r.counter(`millrace_sink_steps_total{step="recover-attach"}`); n != 1 {
		t.Errorf("%v times rows were attached, want 1", n)
	}
	if n := l.query("SELECT count() FROM system.tables WHERE database = 'millrace_staging'"); n[0][0] != "0" {
		t.Log("a staging table is left for the next takeover")
	}
	if n := l.query("SELECT count() FROM audit_queue"); n[0][0] == "0" {
		t.Error("the rollups of the block were not queued for comparison")
	}
}

// Rows of an unconfirmed block that are there twice, under other parts.
func TestSurplusRowsGo(t *testing.T) {
	l := newLab(t, 1)
	l.produce("events", 0, plainBodies(0, 500)...)
	dir := t.TempDir()
	l.killUnconfirmed(blocksOf100(), dir)
	l.query("INSERT INTO events SELECT * FROM events WHERE _offset >= 110 AND _offset < 120 SETTINGS insert_deduplicate = 0")
	r := l.start(blocksOf100(), dir)
	l.committed("events", 0, 500)
	l.eachOnce(0, 500)
	if n := r.counter("millrace_sink_incidents_total"); n == 0 {
		t.Error("nobody was told")
	}
}

// The table has lost rows that were confirmed: the partition waits, and a rewind stores exactly what is missing.
func TestRewind(t *testing.T) {
	l := newLab(t, 1)
	cfg := blocksOf100()
	dir := t.TempDir()
	l.produce("events", 0, plainBodies(0, 500)...)
	r := l.start(cfg, dir)
	l.committed("events", 0, 500)
	r.stop()
	l.query("ALTER TABLE events DELETE WHERE _offset >= 320 OR _offset = 250 SETTINGS mutations_sync = 2")
	r = l.start(cfg, dir)
	parked := func() (p PartitionStatus, ok bool) {
		for _, p := range r.Status().Partitions {
			if p.State == StateParked {
				return p, true
			}
		}
		return p, false
	}
	l.until(func() bool { _, ok := parked(); return ok }, func() string { return fmt.Sprintf("not parked: %+v", r.Status()) })
	p, _ := parked()
	if p.Topic != "events" || p.Reason != "rows_lost" || !strings.Contains(p.Cure, "millrace sink rewind") {
		t.Errorf("%+v", p)
	}
	l.produce("events", 0, plainBodies(1000, 50)...)
	if _, err := r.Rewind("quarantine", 0, -1); err == nil {
		t.Error("rewound a partition that is not parked")
	}
	from, err := r.Rewind("events", 0, -1)
	if err != nil || from != 0 {
		t.Errorf("begins at %d, %v", from, err)
	}
	l.committed("events", 0, 550)
	l.eachOnce(0, 550)
}

// A row that the table does not take goes to quarantine alone.
func TestRowThatTheTableRefuses(t *testing.T) {
	l := newLab(t, 1)
	l.query("ALTER TABLE events ADD CONSTRAINT no_poison CHECK event != 'poison'")
	bodies := plainBodies(0, 200)
	for _, i := range []int{17, 130, 131} {
		e := plainEvent(i, producedAt)
		e.texts[schema.FieldEvent] = "poison"
		bodies[i] = e.body()
	}
	r := l.start(blocksOf100(), t.TempDir())
	l.produce("events", 0, bodies...)
	l.committed("events", 0, 200)
	l.committed("quarantine", 0, 3)
	if got := fmt.Sprint(l.query("SELECT count(), uniqExact(_offset), countIf(_offset IN (17, 130, 131)) FROM events")); got != "[[197 197 0]]" {
		t.Errorf("rows, offsets, of the poison: %s", got)
	}
	want := fmt.Sprintf("[[[%d/0/130 %d/0/131 %d/0/17]]]", eventsLog, eventsLog, eventsLog)
	if got := strings.NewReplacer("'", "", ",", " ").Replace(fmt.Sprint(l.query("SELECT arraySort(groupArray(from_record)) FROM quarantine"))); got != want {
		t.Errorf("in quarantine: %s, want %s", got, want)
	}
	// What comes later is cut as if nothing had been.
	l.produce("events", 0, plainBodies(2000, 10)...)
	l.committed("events", 0, 210)
	if n := r.counter("millrace_sink_rejected_records_total"); n != 3 {
		t.Errorf("%v records rejected", n)
	}
}

// A view that throws is nobody's row: the partition waits, and goes on when the view is gone, with every row once in the table and in the rollups.
func TestThrowingView(t *testing.T) {
	l := newLab(t, 1)
	l.query("CREATE TABLE other (x UInt8) ENGINE = MergeTree ORDER BY x")
	l.query("CREATE MATERIALIZED VIEW broken TO other AS SELECT throwIf(event = 'Hello', 'no') AS x FROM events")
	r := l.start(testConfig(), t.TempDir())
	l.produce("events", 0, plainBodies(0, 100)...)
	l.until(func() bool { return strings.Contains(r.logs.String(), "parked") }, func() string { return "not parked" })
	l.query("DROP VIEW broken SYNC")
	l.committed("events", 0, 100)
	l.eachOnce(0, 100)
	l.waitFor("100", "SELECT sum(n) FROM rollup_1h")
}

// A tool has set the offset back, and rows are missing: what is there is not stored again, what is missing is.
func TestOffsetsBehindTheTable(t *testing.T) {
	l := newLab(t, 1)
	l.produce("events", 0, plainBodies(0, 300)...)
	r := l.start(blocksOf100(), t.TempDir())
	l.committed("events", 0, 300)
	r.stop()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := l.setOffset(ctx, 0, 50); err != nil { // as a tool would, without a word beside it
		t.Fatal(err)
	}
	l.query("ALTER TABLE events DELETE WHERE _offset IN (60, 299) SETTINGS mutations_sync = 2")
	l.produce("events", 0, plainBodies(1000, 20)...)
	l.start(blocksOf100(), t.TempDir())
	l.committed("events", 0, 320)
	l.eachOnce(0, 320)
}
