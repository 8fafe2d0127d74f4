package enrich

import (
	"fmt"
	"math"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// step is a part of enrichment that can fail and leave its fields empty.
type step uint8

const (
	stepAgent      step = iota // the library that reads user agents broke on one
	stepAgentLimit             // reading user agents has taken its share of the processor
	stepAddress                // an address that is none
	stepCountry                // a lookup that failed
	stepCity                   // likewise
	numSteps
)

var stepNames = [numSteps]string{"agent", "agent_limit", "address", "country", "city"}

// stats are the metrics. Requests count by themselves and add up at their end (tally).
type stats struct {
	failures     [numSteps]*metrics.Counter
	hits, misses *metrics.Counter
	started      *metrics.Counter
	bots         *metrics.Counter
}

// tally is what one request has counted.
type tally struct {
	failures                    [numSteps]int
	hits, misses, started, bots int
}

func newStats(x *Enricher, set *metrics.Set) *stats {
	st := &stats{
		hits:    set.NewCounter("millrace_enrich_agent_cache_hits_total"),
		misses:  set.NewCounter("millrace_enrich_agent_cache_misses_total"),
		started: set.NewCounter("millrace_enrich_sessions_started_total"),
		bots:    set.NewCounter("millrace_enrich_bot_events_total"),
	}
	for i, name := range stepNames {
		st.failures[i] = set.NewCounter(fmt.Sprintf("millrace_enrich_failures_total{step=%q}", name))
	}
	set.NewGauge("millrace_enrich_agent_cache_entries", func() float64 { return float64(x.agents.entries.Load()) })
	if x.visits != nil {
		set.NewGauge("millrace_enrich_session_entries", func() float64 { return float64(x.visits.entries.Load()) })
		x.visits.evicted = set.NewCounter("millrace_enrich_sessions_evicted_total")
	}
	for _, d := range x.databases() {
		d.reloads = set.NewCounter(fmt.Sprintf(`millrace_enrich_database_loads_total{database=%q,result="ok"}`, d.name))
		d.broken = set.NewCounter(fmt.Sprintf(`millrace_enrich_database_loads_total{database=%q,result="failed"}`, d.name))
		set.NewGauge(fmt.Sprintf("millrace_enrich_database_age_seconds{database=%q}", d.name), func() float64 {
			if p := d.current.Load(); p != nil {
				return time.Since(p.built).Seconds()
			}
			return math.NaN() // there is none
		})
	}
	return st
}

// add counts what a request has counted.
func (st *stats) add(t *tally) {
	for i, n := range t.failures {
		if n > 0 {
			st.failures[i].Add(n)
		}
	}
	for _, c := range [...]struct {
		counter *metrics.Counter
		n       int
	}{{st.hits, t.hits}, {st.misses, t.misses}, {st.started, t.started}, {st.bots, t.bots}} {
		if c.n > 0 {
			c.counter.Add(c.n)
		}
	}
	*t = tally{}
}
