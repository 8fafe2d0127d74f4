package ingest

import (
	"fmt"
	"sync/atomic"

	"github.com/VictoriaMetrics/metrics"
	"github.com/millrace/millrace/ingest/dialect"
	"github.com/millrace/millrace/schema"
)

// gauges are the counters and gauges of the door. Label values come from fixed tables only.
type gauges struct {
	set       *metrics.Set
	requests  [][]atomic.Pointer[metrics.Counter] // by route, then by label of the answer; made on first use
	duration  *metrics.PrometheusHistogram
	bodyBytes *metrics.Counter
	discarded *metrics.Counter
	panics    *metrics.Counter
	noKey     *metrics.Counter
	badKey    *metrics.Counter
	badScope  *metrics.Counter
	refused   [2]*metrics.Counter // connections, by why
}

// Routes that are not in the dialect table, as offsets behind it.
const (
	routeHealth = iota
	routeDocument
	routeBootstrap
	routeUnknown
	routeNone // the request could not even be parsed
	numOtherRoutes
)

var otherRoutes = [numOtherRoutes]string{"health", "document", "bootstrap", "unknown", "none"}

// label numbers what a request was answered: a code, or behind those the reason of its first event when all were refused.
type label uint8

func codeLabel(c code) label                 { return label(c) }
func reasonLabel(reason schema.Reason) label { return label(numCodes) + label(reason) }

func (l label) String() string {
	if l < label(numCodes) {
		return code(l).String()
	}
	return schema.Reason(l - label(numCodes)).String()
}

// Why a connection was refused.
const (
	refusedTotal = iota
	refusedPerIP
)

func newGauges(set *metrics.Set, s *Server) *gauges {
	g := &gauges{
		set:       set,
		requests:  make([][]atomic.Pointer[metrics.Counter], len(dialect.Routes())+numOtherRoutes),
		duration:  set.NewPrometheusHistogram("millrace_ingest_request_duration_seconds"),
		bodyBytes: set.NewCounter("millrace_ingest_body_bytes_total"),
		discarded: set.NewCounter("millrace_ingest_discarded_total"),
		panics:    set.NewCounter("millrace_ingest_panics_total"),
		noKey:     set.NewCounter(`millrace_ingest_auth_failures_total{reason="missing"}`),
		badKey:    set.NewCounter(`millrace_ingest_auth_failures_total{reason="unknown"}`),
		badScope:  set.NewCounter(`millrace_ingest_auth_failures_total{reason="scope"}`),
		refused: [2]*metrics.Counter{
			refusedTotal: set.NewCounter(`millrace_ingest_connections_refused_total{reason="total"}`),
			refusedPerIP: set.NewCounter(`millrace_ingest_connections_refused_total{reason="per_ip"}`),
		},
	}
	for i := range g.requests {
		g.requests[i] = make([]atomic.Pointer[metrics.Counter], int(numCodes)+len(schema.Reasons())+1)
	}
	set.NewGauge("millrace_ingest_requests_in_flight", func() float64 { return float64(s.inflight.Load()) })
	set.NewGauge("millrace_ingest_body_bytes_in_flight", func() float64 { return float64(s.bodies.used.Load()) })
	set.NewGauge("millrace_ingest_connections", func() float64 { return float64(s.conns.count()) })
	return g
}

// answered counts a request by its route (a place in the dialect table, or behind it) and its answer.
func (g *gauges) answered(route int, l label) {
	p := &g.requests[route][l]
	c := p.Load()
	if c == nil {
		// Two that race make the same counter: the set holds one per name. The store publishes a finished counter.
		c = g.set.GetOrCreateCounter(fmt.Sprintf(`millrace_ingest_requests_total{route=%q,code=%q}`, routeName(route), l.String()))
		p.Store(c)
	}
	c.Inc()
}

func routeName(route int) string {
	table := dialect.Routes()
	if route < len(table) {
		return table[route].Path
	}
	return otherRoutes[route-len(table)]
}
