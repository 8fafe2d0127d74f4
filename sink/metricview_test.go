package sink

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/millrace/millrace/schema/clickhouse"
)

// A custom metric whose view takes no row is taken away after some attempts; the events are stored once each.
func TestFailingMetricIsTakenAway(t *testing.T) {
	l := newLab(t, 1)
	l.query("CREATE TABLE millrace.metric_odd__1 (n UInt64, CONSTRAINT impossible CHECK n < 0) ENGINE = MergeTree ORDER BY n")
	l.query("CREATE MATERIALIZED VIEW millrace.metric_odd__1_mv TO millrace.metric_odd__1 AS SELECT count() AS n FROM millrace.events")
	var detached atomic.Int32
	r := l.startWith(testConfig(), t.TempDir(), func(s *Sink) {
		s.detach = func(ctx context.Context, db *clickhouse.DB, message string) (string, error) {
			if detached.Add(1); !strings.Contains(message, "impossible") {
				t.Errorf("the message is %q", message)
			}
			return "odd", db.Exec(ctx, "DROP VIEW millrace."+clickhouse.FailedMetricView(message)+" SYNC")
		}
	})
	l.produce("events", 0, plainBodies(0, 10)...)
	l.committed("events", 0, 10)
	l.eachOnce(0, 10)
	l.waitFor("10", "SELECT toString(sum(n)) FROM millrace.rollup_1m")
	if n := detached.Load(); n != 1 {
		t.Errorf("%d views were taken away", n)
	}
	if n := r.counter(retries); n != viewAttempts {
		t.Errorf("%v INSERTs were sent again, want %d", n, viewAttempts)
	}
	if !strings.Contains(r.logs.String(), "millrace metrics apply") {
		t.Error("nothing says what to do")
	}
	for _, part := range r.Status().Partitions {
		if part.State != StateLoading {
			t.Errorf("%+v", part)
		}
	}
}

// Where nobody takes views away, one that fails parks the partition, and nothing is lost.
func TestFailingMetricParksOtherwise(t *testing.T) {
	l := newLab(t, 1)
	l.query("CREATE TABLE millrace.metric_odd__1 (n UInt64, CONSTRAINT impossible CHECK n < 0) ENGINE = MergeTree ORDER BY n")
	l.query("CREATE MATERIALIZED VIEW millrace.metric_odd__1_mv TO millrace.metric_odd__1 AS SELECT count() AS n FROM millrace.events")
	r := l.start(testConfig(), t.TempDir())
	l.produce("events", 0, plainBodies(0, 10)...)
	l.until(func() bool {
		return slices.ContainsFunc(r.Status().Partitions, func(p PartitionStatus) bool { return p.State == StateParked })
	}, func() string { return "nothing is parked" })
	l.query("DROP VIEW millrace.metric_odd__1_mv SYNC")
	l.committed("events", 0, 10)
	l.eachOnce(0, 10)
}
