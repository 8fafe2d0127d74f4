package custom

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/sink/audit"
)

// The auditor finds every custom metric as it should be, while events come in, and mends what repairs of the sink have put into events past the views.
func TestAuditorKnowsCustomMetrics(t *testing.T) {
	w := newWorld(t)
	w.history(400)
	m, sales := w.metrics(), parseOne(t, salesYAML)
	stop := w.traffic(0, 1)
	w.apply(m, sales)
	for _, interval := range []string{"minute", "day"} {
		w.apply(m, parseOne(t, "  - {name: by_"+interval+", by: [event, bot, group_id], uniques: [user], interval: "+interval+", keep: 3650d}"))
	}
	a := audit.New(audit.Config{Interval: time.Second}, audit.Deps{
		DB: w.db, Pending: func(ctx context.Context) ([]audit.Pending, error) {
			return sink.Pending(ctx, w.client, "sinks", "events")
		},
		Logger: slog.New(slog.DiscardHandler), Metrics: metrics.NewSet(),
	})
	reconcile := func(drifted bool) {
		t.Helper()
		report, err := a.Reconcile(within(t), audit.ReconcileOptions{Repair: true, Wait: true})
		if err != nil || !report.Exact() || len(report.Rollups) != 7 {
			t.Fatalf("%v\n%v", err, report)
		}
		for _, r := range report.Rollups[4:] {
			if r.Buckets == 0 || (r.Drifted > 0) != drifted {
				t.Errorf("drifted %v, want %v:\n%v", r.Drifted > 0, drifted, report)
			}
		}
	}
	stop()
	reconcile(false)
	// Rows that pass no view, at offsets above and below the boundary.
	w.exec("CREATE TABLE {db}_staging.put AS {db}.events")
	w.exec("INSERT INTO {db}_staging.put SELECT * REPLACE (_offset + 100000 AS _offset, generateUUIDv4() AS event_id) FROM {db}.events WHERE toDate(ts) = '2026-09-11'")
	w.exec("INSERT INTO {db}_staging.put SELECT * REPLACE (toUInt16(0) AS _log, generateUUIDv4() AS event_id) FROM {db}.events WHERE toDate(ts) = '2026-09-12'")
	w.exec("ALTER TABLE {db}.events ATTACH PARTITION 202609 FROM {db}_staging.put")
	reconcile(true)
	if n, want := w.number("SELECT sum(n) FROM {db}.metric_by_day"), w.number("SELECT count() FROM {db}.events"); n != want {
		t.Errorf("%d events in by_day, want %d", n, want)
	}
	if n, want := w.number("SELECT sum(n) FROM {db}.metric_sales"), w.number("SELECT count() FROM {db}.events AS events WHERE "+and(compile(sales).conditions...)); n != want {
		t.Errorf("%d events in sales, want %d", n, want)
	}
	reconcile(false)
}
