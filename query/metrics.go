package query

import (
	"fmt"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/internal/rest"
)

// gauges are the metrics of the questions. Label values come from fixed tables only.
type gauges struct {
	set        *metrics.Set
	duration   map[string]*metrics.PrometheusHistogram // by question
	rowsRead   *metrics.Counter
	bytesRead  *metrics.Counter
	bytesSent  *metrics.Counter
	panics     *metrics.Counter
	turnedAway *metrics.Counter
}

func newGauges(set *metrics.Set, s *rest.Slots) *gauges {
	g := &gauges{
		set:        set,
		duration:   map[string]*metrics.PrometheusHistogram{},
		rowsRead:   set.NewCounter("millrace_query_rows_read_total"),
		bytesRead:  set.NewCounter("millrace_query_bytes_read_total"),
		bytesSent:  set.NewCounter("millrace_query_bytes_sent_total"),
		panics:     set.NewCounter("millrace_query_panics_total"),
		turnedAway: set.NewCounter("millrace_query_connections_refused_total"),
	}
	for _, name := range append([]string{routeSQL}, questionNames...) {
		g.duration[name] = set.NewPrometheusHistogram(fmt.Sprintf("millrace_query_duration_seconds{question=%q}", name))
	}
	set.NewGauge("millrace_queries_running", func() float64 { return float64(s.Count()) })
	return g
}

// answered counts a request that came to its end.
func (g *gauges) answered(r *request, seconds float64) {
	g.set.GetOrCreateCounter(fmt.Sprintf("millrace_query_requests_total{question=%q,code=%q}", r.question, r.code)).Inc()
	if h := g.duration[r.question]; h != nil {
		h.Update(seconds)
	}
	g.rowsRead.AddInt64(r.stats.rowsRead)
	g.bytesRead.AddInt64(r.stats.bytesRead)
	g.bytesSent.AddInt64(r.bytes)
}

func (g *gauges) connectionRefused() { g.turnedAway.Inc() }
