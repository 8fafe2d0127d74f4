package audit

import (
	"fmt"

	"github.com/VictoriaMetrics/metrics"
)

// auditMetrics are shared by all Auditors of a Set, of which one runs at a time.
type auditMetrics struct {
	drift     map[*rollup]*metrics.Gauge
	repairs   *metrics.Counter
	checked   *metrics.Counter
	lastRound *metrics.Gauge
}

func newMetrics(set *metrics.Set) *auditMetrics {
	m := &auditMetrics{
		drift:     map[*rollup]*metrics.Gauge{},
		repairs:   set.GetOrCreateCounter("millrace_rollup_repairs_total"),
		checked:   set.GetOrCreateCounter("millrace_rollup_buckets_checked_total"),
		lastRound: set.GetOrCreateGauge("millrace_rollup_last_round_timestamp_seconds", nil),
	}
	for _, r := range rollups {
		m.drift[r] = set.GetOrCreateGauge(fmt.Sprintf("millrace_rollup_drift_rows{rollup=%q}", r.table), nil)
	}
	return m
}

// leave takes back what only the running Auditor can know.
func (m *auditMetrics) leave() {
	for _, g := range m.drift {
		g.Set(0)
	}
}
