package segment

import "github.com/VictoriaMetrics/metrics"

// gauges are counted per build and per request to the door.
type gauges struct {
	seconds   *metrics.PrometheusHistogram
	built     *metrics.Counter
	failed    *metrics.Counter
	spilled   *metrics.Counter
	sent      *metrics.Counter
	unsent    *metrics.Counter
	unsayable *metrics.Counter
}

func newGauges(set *metrics.Set) *gauges {
	return &gauges{
		seconds:   set.NewPrometheusHistogram("millrace_segments_build_seconds"),
		built:     set.NewCounter(`millrace_segments_builds_total{result="active"}`),
		failed:    set.NewCounter(`millrace_segments_builds_total{result="failed"}`),
		spilled:   set.NewCounter("millrace_segments_spilled_bytes_total"),
		sent:      set.NewCounter("millrace_segments_announced_total"),
		unsent:    set.NewCounter("millrace_segments_send_failures_total"),
		unsayable: set.NewCounter("millrace_segments_unannounced_total"),
	}
}
