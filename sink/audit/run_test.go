package audit

import (
	"context"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/enginetest"
)

func (l *lab) enqueue(at ...time.Time) {
	l.t.Helper()
	var hours []int64
	for _, t := range at {
		hours = append(hours, t.Unix())
	}
	if err := Enqueue(within(l.t), l.db, hours, "test"); err != nil {
		l.t.Fatal(err)
	}
}

func TestMarksAreDoneOnlyWhenTheirBlocksAreConfirmed(t *testing.T) {
	l := newLab(t, enginetest.ClickHouse(t), 1)
	l.load(0, 300, today(), time.Second)
	l.load(0, 300, today().AddDate(0, 0, -2), time.Second)
	a := l.auditor()
	a.patience = 0
	q := newQueue(a)
	look := func() {
		t.Helper()
		if err := q.look(within(t)); err != nil {
			t.Fatal(err)
		}
	}
	double := func() {
		for table := range truths {
			l.exec("INSERT INTO {db}." + table + " SELECT * FROM {db}." + table)
		}
	}
	look()
	if len(q.marks) != 0 || l.metric("millrace_rollup_buckets_checked_total") != 0 {
		t.Fatal("something was looked at without a mark")
	}

	// A sink is at work on a block: its hour is looked at, and again when the block is confirmed.
	l.announce(0, 100)
	l.enqueue(today(), today().Add(59*time.Minute))
	hour := floor(today().Unix(), hourSeconds)
	look()
	if m := q.marks[hour]; len(q.marks) != 1 || m == nil || m.done || m.count != 1 {
		t.Fatalf("marks %+v", q.marks)
	}
	checked := l.metric("millrace_rollup_buckets_checked_total")
	if checked == 0 {
		t.Error("a fresh mark was not looked at")
	}
	look()
	if l.metric("millrace_rollup_buckets_checked_total") != checked {
		t.Error("a mark whose block is under way was looked at again")
	}
	l.confirm(0)
	double()
	look()
	if !q.marks[hour].done {
		t.Error("the mark is not done")
	}
	for table := range truths {
		// The other day has no mark. Sessions of the days before and after are looked at too.
		if n := l.number("(SELECT sum(" + map[bool]string{true: "events", false: "n"}[table == "sessions"] + ") FROM {db}." + table + ")"); n == 0 || table != "sessions" && n != 300+600 {
			t.Errorf("%s: %d events, want what was marked repaired and the rest doubled", table, n)
		}
	}
	checked = l.metric("millrace_rollup_buckets_checked_total")
	look()
	if l.metric("millrace_rollup_buckets_checked_total") != checked {
		t.Error("a mark that is done was looked at again")
	}
	l.enqueue(today(), today().AddDate(0, 0, -2))
	look()
	if len(q.marks) != 2 || !q.marks[hour].done {
		t.Errorf("marks %+v", q.marks)
	}
	l.mustBeExact()
}

func TestRunRepairsWhatIsQueuedAndGoesRound(t *testing.T) {
	l := newLab(t, enginetest.ClickHouse(t), 1)
	l.load(0, 300, today(), time.Second)
	l.load(0, 300, today().AddDate(0, 0, -2), time.Second)
	for table := range truths {
		l.exec("INSERT INTO {db}." + table + " SELECT * FROM {db}." + table)
	}
	l.enqueue(today())
	for range 2 { // one Auditor after the other, with the same metrics
		a := l.auditor()
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- a.Run(ctx) }()
		l.until("a round is over", func() bool {
			return l.metric("millrace_rollup_last_round_timestamp_seconds") > 0 && l.wrong("rollup_1m")+l.wrong("rollup_1h")+l.wrong("user_day")+l.wrong("sessions") == 0
		})
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		l.exec("INSERT INTO {db}.rollup_1h SELECT * FROM {db}.rollup_1h")
	}
	for table := range truths {
		if l.drift(table) != 0 {
			t.Errorf("%s: drift %v after the end", table, l.drift(table))
		}
	}
	if n := l.number("(SELECT count() FROM system.tables WHERE database = '{db}_staging')"); n != 0 {
		t.Errorf("%d staging tables are left", n)
	}
}

func TestReconcileWaits(t *testing.T) {
	l := newLab(t, enginetest.ClickHouse(t), 1)
	l.load(0, 300, today(), time.Second)
	l.exec("INSERT INTO {db}.user_day SELECT * FROM {db}.user_day")
	l.announce(0, 10)
	a := l.auditor()
	a.patience = 0
	report := l.reconcile(a, ReconcileOptions{Repair: true})
	if report.Exact() || report.Rollups[2].Unjudged != 1 || report.Rollups[2].Drifted != 0 {
		t.Errorf("a block is under way:\n%v", report)
	}
	ended := make(chan Report, 1)
	go func() {
		report, err := a.Reconcile(within(t), ReconcileOptions{Repair: true, Wait: true})
		if err != nil {
			t.Error(err)
		}
		ended <- report
	}()
	l.confirm(0)
	if report := <-ended; !report.Exact() || report.Rollups[2].Repaired != 1 {
		t.Error(report)
	}
	l.mustBeExact()
	ctx, cancel := context.WithCancel(within(t))
	cancel()
	if _, err := a.Reconcile(ctx, ReconcileOptions{Wait: true}); err == nil {
		t.Error("no error though the context has ended")
	}
}

func TestFloor(t *testing.T) {
	for _, c := range [][3]int64{{0, 24, 0}, {23, 24, 0}, {24, 24, 1}, {-1, 24, -1}, {-24, 24, -1}, {-25, 24, -2}} {
		if got := floor(c[0], c[1]); got != c[2] {
			t.Errorf("floor(%d, %d) = %d, want %d", c[0], c[1], got, c[2])
		}
	}
}
