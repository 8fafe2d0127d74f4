package audit

import (
	"fmt"

	"github.com/VictoriaMetrics/metrics"
)

// auditMetrics are shared by all Auditors of a Set, of which one runs at a time.
type auditMetrics struct {
	set       *metrics.Set
	repairs   *metrics.Counter
	checked   *metrics.Counter
	lastRound *metrics.Gauge
}

func newMetrics(set *metrics.Set) *auditMetrics {
	m := &auditMetrics{
		set:       set,
		repairs:   set.GetOrCreateCounter("millrace_rollup_repairs_total"),
		checked:   set.GetOrCreateCounter("millrace_rollup_buckets_checked_total"),
		lastRound: set.GetOrCreateGauge("millrace_rollup_last_round_timestamp_seconds", nil),
	}
	for _, r := range rollups {
		m.drift(r)
	}
	return m
}

func driftName(r *rollup) string {
	return fmt.Sprintf("millrace_rollup_drift_rows{rollup=%q}", r.table)
}

// drift is the gauge of a rollup.
func (m *auditMetrics) drift(r *rollup) *metrics.Gauge {
	return m.set.GetOrCreateGauge(driftName(r), nil)
}

// forget drops the gauge of a rollup that is gone.
func (m *auditMetrics) forget(r *rollup) { m.set.UnregisterMetric(driftName(r)) }

// leave takes back what only the running Auditor can know of these rollups.
func (m *auditMetrics) leave(all []*rollup) {
	for _, r := range all {
		m.drift(r).Set(0)
	}
}
