package erase

import (
	"fmt"

	"github.com/VictoriaMetrics/metrics"
)

// stats are counted per run.
type stats struct {
	ids     *metrics.Gauge
	runs    *metrics.Counter
	seconds *metrics.PrometheusHistogram
	rows    map[string]*metrics.Counter
}

func newStats(set *metrics.Set) stats {
	s := stats{
		ids:     set.NewGauge("millrace_erase_ids", nil),
		runs:    set.NewCounter("millrace_erase_runs_total"),
		seconds: set.NewPrometheusHistogram("millrace_erase_run_seconds"),
		rows:    map[string]*metrics.Counter{},
	}
	for _, t := range targets {
		s.rows[t.table] = set.NewCounter(fmt.Sprintf(`millrace_erase_rows_total{table=%q}`, t.table))
	}
	return s
}
