package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/schema/clickhouse"
)

// traffic inserts into every partition, block after block, until stop is called, which waits for it.
func (l *lab) traffic(rows int, start time.Time) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for p := range l.partitions {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				// Not with ctx: what is announced is inserted and confirmed, as a sink does.
				if err := l.send(context.Background(), p, l.announce(p, rows), rows, start.Add(time.Duration(i%7)*time.Minute), time.Second); err != nil {
					l.t.Errorf("insert: %v", err)
					return
				}
				l.confirm(p)
			}
		})
	}
	return func() { cancel(); wg.Wait() }
}

// slow makes every insert take longer between what is visible of it first and last.
func (l *lab) slow() {
	l.exec("CREATE TABLE {db}.nothing (x UInt8) ENGINE = Null")
	l.exec("CREATE MATERIALIZED VIEW {db}.b_slow_mv TO {db}.nothing AS SELECT toUInt8(sleepEachRow(0.03)) AS x FROM (SELECT 1 FROM {db}.events LIMIT 1)")
}

func TestNoFalseDriftUnderTraffic(t *testing.T) {
	l := newLab(t, enginetest.ClickHouse(t), 3)
	l.slow()
	a := l.auditor()
	start := today()
	l.load(0, 100, start, time.Second)
	stop := l.traffic(100, start)
	stopped := sync.OnceFunc(stop)
	defer stopped()
	suspects, unclear := 0, 0
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline) || suspects == 0; {
		for _, r := range rollups {
			buckets := []int64{floor(start.Unix(), r.unit)}
			found, err := a.findings(within(t), r, "("+r.driftQuery(l.db.Database())+")", span(buckets))
			if err != nil {
				t.Fatal(err)
			}
			suspects += len(found)
			o, err := a.mend(within(t), r, buckets, true)
			if err != nil {
				t.Fatal(err)
			}
			if len(o.drifted) != 0 || len(o.repaired) != 0 {
				t.Fatalf("%s: drift where there is none: %+v\n%s", r.table, o, l.log)
			}
			unclear += len(o.unclear)
		}
	}
	stopped()
	t.Logf("%d times a bucket looked different, %d times it could not be judged", suspects, unclear)
	if l.metric("millrace_rollup_repairs_total") != 0 {
		t.Error("something was repaired")
	}
	l.mustBeExact()
	if report := l.reconcile(a, ReconcileOptions{Repair: true}); !report.Exact() || report.Rollups[0].Drifted != 0 {
		t.Error(report)
	}
}

// A block stands still half-way: events has it, the rollups do not. Who does not ask for announced blocks is wrong about it: this is what the rule is for.
func TestJudgingWithoutAnnouncedBlocksIsWrong(t *testing.T) {
	l := newLab(t, enginetest.ClickHouse(t), 1)
	l.load(0, 100, today(), time.Second)
	for table := range truths {
		l.exec("DETACH TABLE {db}." + table + "_mv")
	}
	first := l.announce(0, 100)
	if err := l.send(within(t), 0, first, 100, today(), time.Second); err != nil {
		t.Fatal(err)
	}
	blind := New(Config{Interval: 30 * time.Second}, Deps{DB: l.db, Pending: func(context.Context) ([]Pending, error) { return nil, nil }, Logger: slog.New(slog.DiscardHandler)})
	a := l.auditor()
	for _, r := range rollups {
		buckets := []int64{floor(today().Unix(), r.unit)}
		j, err := blind.judge(within(t), r, buckets, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := blind.dropStage(within(t), j.stage); err != nil {
			t.Fatal(err)
		}
		if len(j.drift) != 1 {
			t.Errorf("%s: without the rule: %+v: the test did not bite", r.table, j)
		}
		if j, err = a.judge(within(t), r, buckets, 0); err != nil || len(j.drift) != 0 || len(j.unclear) != 1 || j.stage != "" {
			t.Errorf("%s: with the rule: %+v, %v", r.table, j, err)
		}
	}
	// The block becomes whole, and the next one stands at its beginning.
	l.exec("ALTER TABLE {db}.events DELETE WHERE _offset >= " + strconv.FormatInt(first, 10))
	for table := range truths {
		l.exec("ATTACH TABLE {db}." + table + "_mv")
	}
	if err := l.send(within(t), 0, first, 101, today(), time.Second); err != nil {
		t.Fatal(err)
	}
	l.confirm(0)
	l.announce(0, 100)
	for _, r := range rollups {
		buckets := []int64{floor(today().Unix(), r.unit)}
		if j, err := a.judge(within(t), r, buckets, 0); err != nil || len(j.fine) != 1 {
			t.Errorf("%s: %+v, %v", r.table, j, err)
		}
	}
	l.mustBeExact()
}

func TestDriftIsRepairedUnderTraffic(t *testing.T) {
	l := newLab(t, enginetest.ClickHouse(t), 2)
	// The drift is in a day of its own; nothing comes in there, but it does everywhere else.
	l.load(0, 2000, today().AddDate(0, 0, -3), 10*time.Second)
	stop := l.traffic(100, today())
	for table := range truths {
		l.exec("INSERT INTO {db}." + table + " SELECT * FROM {db}." + table + " WHERE toDate(" + map[string]string{"rollup_1m": "minute", "rollup_1h": "hour", "user_day": "day", "sessions": "day"}[table] + ") < '" + today().AddDate(0, 0, -1).Format(time.DateOnly) + "'")
	}
	report := l.reconcile(l.auditor(), ReconcileOptions{Repair: true})
	stop()
	for _, r := range report.Rollups {
		if r.Drifted == 0 || r.Repaired != r.Drifted {
			t.Errorf("%+v", r)
		}
	}
	l.mustBeExact()
}

func TestRepairThatIsRepeatedIsDropped(t *testing.T) {
	l := newLab(t, enginetest.ClickHouse(t), 1)
	l.load(0, 500, today(), time.Second)
	l.exec("INSERT INTO {db}.rollup_1h SELECT * FROM {db}.rollup_1h")
	r, buckets := rollups[1], []int64{today().Unix() / hourSeconds}
	// Two auditors have judged before either repairs, and the first repeats itself, not knowing.
	one, two := l.auditor(), l.auditor()
	one.pause = time.Hour
	j1, err := one.judge(within(t), r, buckets, 0)
	if err != nil {
		t.Fatal(err)
	}
	j2, err := two.judge(within(t), r, buckets, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(j1.drift) != 1 || len(j2.drift) != 1 || j1.drift[0] != j2.drift[0] {
		t.Fatalf("%+v and %+v, want the same drift", j1.drift, j2.drift)
	}
	for _, try := range []struct {
		a *Auditor
		j judgement
	}{{one, j1}, {two, j2}, {l.auditor(), j1}} {
		if sent, err := try.a.repair(within(t), r, try.j, try.j.drift[0]); err != nil || !sent {
			t.Fatal(sent, err)
		}
		l.mustBeExact()
	}
	// At once again by the same one: not even sent.
	if sent, err := one.repair(within(t), r, j1, j1.drift[0]); err != nil || sent {
		t.Errorf("sent again: %v, %v", sent, err)
	}
	// Long after: the server does not take it.
	j1.clock -= 2 * staleAfter.Milliseconds()
	if err := one.insertRepair(within(t), r, j1, j1.drift[0], 77); err != nil {
		t.Error(err)
	}
	l.mustBeExact()
	// Under another token it would count: the tokens are what holds it back.
	j1.clock += 2 * staleAfter.Milliseconds()
	if err := one.insertRepair(within(t), r, j1, j1.drift[0], 78); err != nil || l.wrong("rollup_1h") == 0 {
		t.Errorf("the repair is dropped for another reason than its token: %v", err)
	}
	for _, j := range []judgement{j1, j2} {
		if err := one.dropStage(within(t), j.stage); err != nil {
			t.Error(err)
		}
	}
}

func TestRepairWhoseRowsWereLostIsMadeAgain(t *testing.T) {
	l := newLab(t, enginetest.ClickHouse(t), 1)
	l.load(0, 500, today(), time.Second)
	a := l.auditor()
	for i := range 3 {
		l.exec("ALTER TABLE {db}.rollup_1m DELETE WHERE 1") // tokens stay
		if report := l.reconcile(a, ReconcileOptions{Repair: true, Wait: true}); !report.Exact() || report.Rollups[0].Repaired == 0 {
			t.Errorf("time %d:\n%v", i, report)
		}
		l.mustBeExact()
	}
	if !strings.Contains(l.log.String(), "attempt=2") {
		t.Error("no second attempt: the token did not bite")
	}
}

func TestRowsBeyondATTLAreLeftAlone(t *testing.T) {
	l := newLab(t, enginetest.ClickHouse(t), 1)
	l.load(0, 500, today(), time.Second)
	l.load(0, 500, time.Now().UTC().AddDate(0, 0, -61), time.Second)
	l.load(0, 500, time.Now().UTC().AddDate(0, 0, -60).Add(2*time.Hour), time.Second)
	l.exec("OPTIMIZE TABLE {db}.rollup_1m FINAL")
	if l.wrong("rollup_1m") == 0 {
		t.Fatal("the TTL did not bite")
	}
	a := l.auditor()
	if report := l.reconcile(a, ReconcileOptions{Repair: true}); !report.Exact() || report.Rollups[0].Drifted != 0 || report.Rollups[0].Buckets != 1 || report.Rollups[1].Buckets < 3 {
		t.Error(report)
	}
	// Retention of events: what is older is in the rollups alone.
	l.exec("ALTER TABLE {db}.events MODIFY TTL toDateTime(ts) + INTERVAL 30 DAY")
	l.exec("OPTIMIZE TABLE {db}.events FINAL")
	if n := l.number("(SELECT count() FROM {db}.events)"); n != 500 {
		t.Fatalf("%d events are left, want 500", n)
	}
	if report := l.reconcile(a, ReconcileOptions{Repair: true}); !report.Exact() || report.Rollups[2].Drifted != 0 || report.Rollups[2].Buckets != 1 {
		t.Error(report)
	}
	if l.wrong("rollup_1h") == 0 {
		t.Error("rollup_1h lost what events has forgotten")
	}
	l.exec("ALTER TABLE {db}.events MODIFY TTL toDateTime(ts) + toIntervalDay(10 + project_id)")
	if _, err := a.Reconcile(within(t), ReconcileOptions{}); err == nil || !strings.Contains(err.Error(), "table events: TTL") {
		t.Errorf("a TTL that is not understood: %v", err)
	}
}

func TestTooMuchForOneQueryIsSplit(t *testing.T) {
	l := newLab(t, enginetest.ClickHouse(t), 1)
	for i := range 4 {
		l.load(0, 300, today().AddDate(0, -i, 0), time.Second)
	}
	a := l.auditor()
	a.limits = append(a.limits[:len(a.limits):len(a.limits)], clickhouse.Setting{Name: "max_rows_to_read", Value: "700"})
	var days []day
	for i := range 4 {
		days = append(days, day{floor(today().AddDate(0, -i, 0).Unix(), daySeconds), 300})
	}
	l.exec("TRUNCATE TABLE {db}.user_day")
	all, differing, err := a.compare(within(t), chunk{rollups[2], days, days[3].number - 1})
	if err != nil || all != 4 || len(differing) != 4 {
		t.Fatalf("%d buckets, %d differ, %v; want 4 of 4", all, len(differing), err)
	}
	if _, err := a.mendOnce(within(t), rollups[2], differing, true); !beyondLimits(err) {
		t.Fatalf("the limit does not bite: %v", err)
	}
	if o, err := a.mendWithin(within(t), rollups[2], differing, true); err != nil || len(o.repaired) != 4 {
		t.Errorf("%+v, %v", o, err)
	}
	if n := l.wrong("user_day"); n != 0 {
		t.Errorf("%d keys are wrong", n)
	}
}

func TestQueryEndsWithItsContext(t *testing.T) {
	l := newLab(t, enginetest.ClickHouse(t), 1)
	a := l.auditor()
	ctx, cancel := context.WithCancel(within(t))
	ended := make(chan error, 1)
	go func() {
		var x uint8
		ended <- a.query(ctx, "SELECT sleepEachRow(0.1) FROM numbers(10000) SETTINGS max_block_size = 1, function_sleep_max_microseconds_per_block = 1000000000", nil, func() {}, &x)
	}()
	const running = "(SELECT count() FROM system.processes WHERE query LIKE 'SELECT sleepEachRow%')"
	l.until("the query runs", func() bool { return l.number(running) == 1 })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want canceled", err)
	}
	l.until("the query is gone", func() bool { return l.number(running) == 0 })
}

// until asks until a condition holds.
func (l *lab) until(what string, holds func() bool) {
	l.t.Helper()
	ctx := within(l.t)
	for !holds() {
		if err := wait(ctx, 10*time.Millisecond); err != nil {
			l.t.Fatal(fmt.Errorf("%s: %w\n%s", what, err, l.log))
		}
	}
}
