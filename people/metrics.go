package people

import (
	"fmt"
	"sync/atomic"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/people/identity"
)

// jobMetrics are counted per cycle or refused edge, never per event. The gauges are this process's: zero while another one leads.
type jobMetrics struct {
	set          *metrics.Set
	cycleSeconds *metrics.PrometheusHistogram
	cycles       *metrics.Counter
	failures     *metrics.Counter
	ignored      *metrics.Counter // operations beyond the limits of a profile
	met          *metrics.Counter // ids that met one of another project in the dictionary

	// The gauges read what the leadership publishes.
	leading atomic.Bool
	lag     atomic.Uint64
	facts   atomic.Int64
	bytes   atomic.Int64
	largest atomic.Int64
}

var cycleBuckets = []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}

func newMetrics(set *metrics.Set) *jobMetrics {
	m := &jobMetrics{
		set:          set,
		cycleSeconds: set.NewPrometheusHistogramExt("millrace_people_cycle_seconds", cycleBuckets),
		cycles:       set.NewCounter("millrace_people_cycles_total"),
		failures:     set.NewCounter("millrace_people_cycle_failures_total"),
		ignored:      set.NewCounter("millrace_people_operations_ignored_total"),
		met:          set.NewCounter("millrace_people_dictionary_collisions_total"),
	}
	for _, r := range []identity.Reason{identity.TwoUsers, identity.ClusterSize} {
		m.refused(r)
	}
	gauge := func(name string, value func() float64) {
		set.NewGauge(name, func() float64 {
			if !m.leading.Load() {
				return 0
			}
			return value()
		})
	}
	gauge("millrace_people_leader", func() float64 { return 1 })
	gauge("millrace_people_lag_offsets", func() float64 { return float64(m.lag.Load()) })
	gauge("millrace_people_facts", func() float64 { return float64(m.facts.Load()) })
	gauge("millrace_people_bytes", func() float64 { return float64(m.bytes.Load()) })
	gauge("millrace_people_cluster_largest", func() float64 { return float64(m.largest.Load()) })
	return m
}

func (m *jobMetrics) leads(yes bool) { m.leading.Store(yes) }

// refused counts edges by why they were refused.
func (m *jobMetrics) refused(r identity.Reason) *metrics.Counter {
	return m.set.GetOrCreateCounter(fmt.Sprintf(`millrace_people_edges_refused_total{reason=%q}`, r.String()))
}
