package pipeline

import (
	"errors"
	"fmt"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/schema"
)

// stats are the pipeline's metrics. Everything is counted per request or per batch.
type stats struct {
	p      *Pipeline
	events [schema.Retry + 1]map[schema.Reason]*metrics.Counter

	ringFull           *metrics.Counter
	quarantineOver     *metrics.Counter
	publishSeconds     *metrics.PrometheusHistogram
	publishErrors      [broker.ClassFatal + 1]*metrics.Counter
	possibleDuplicates *metrics.Counter
	refusedRecords     *metrics.Counter
	topics             [2]topicStats // events, quarantine
}

type topicStats struct{ batches, records, bytes *metrics.Counter }

// publishBuckets are in seconds: a local broker answers within a millisecond, a replicated one with fsync in tens of them, and beyond the ack timeout callers are gone.
var publishBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

func newStats(p *Pipeline, set *metrics.Set) *stats {
	st := &stats{
		p:                  p,
		ringFull:           set.NewCounter("millrace_ring_full_total"),
		quarantineOver:     set.NewCounter("millrace_quarantine_over_limit_total"),
		publishSeconds:     set.NewPrometheusHistogramExt("millrace_publish_duration_seconds", publishBuckets),
		possibleDuplicates: set.NewCounter("millrace_publish_possible_duplicates_total"),
		refusedRecords:     set.NewCounter("millrace_publish_refused_records_total"),
	}
	for result := range st.events {
		st.events[result] = make(map[schema.Reason]*metrics.Counter)
	}
	add := func(result schema.Result, reason schema.Reason, text string) {
		st.events[result][reason] = set.NewCounter(fmt.Sprintf(`millrace_ingest_events_total{result=%q,reason=%q}`, result, text))
	}
	add(schema.OK, schema.ReasonNone, "none")
	for _, reason := range schema.Reasons() {
		switch reason {
		case schema.TimestampAdjusted:
			add(schema.Warning, reason, reason.String())
		case schema.Overloaded, schema.Unknown:
			add(schema.Retry, reason, reason.String())
		default:
			add(schema.Drop, reason, reason.String())
		}
	}
	for class := broker.ClassRetriable; class <= broker.ClassFatal; class++ {
		st.publishErrors[class] = set.NewCounter(fmt.Sprintf(`millrace_publish_errors_total{kind=%q}`, class))
	}
	for i, topic := range [...]string{p.deps.Topic, p.deps.QuarantineTopic} {
		st.topics[i] = topicStats{
			batches: set.NewCounter(fmt.Sprintf(`millrace_publish_batches_total{topic=%q}`, topic)),
			records: set.NewCounter(fmt.Sprintf(`millrace_publish_records_total{topic=%q}`, topic)),
			bytes:   set.NewCounter(fmt.Sprintf(`millrace_publish_bytes_total{topic=%q}`, topic)),
		}
	}
	for _, s := range p.shards {
		set.NewGauge(fmt.Sprintf(`millrace_ring_depth{shard="%d"}`, s.index), func() float64 { return float64(s.ring.Entries()) })
		set.NewGauge(fmt.Sprintf(`millrace_ring_bytes{shard="%d"}`, s.index), func() float64 { return float64(s.ring.Bytes()) })
		set.NewGauge(fmt.Sprintf(`millrace_unacked_records{shard="%d"}`, s.index), func() float64 { return float64(s.records.Load()) })
	}
	set.NewGauge("millrace_publish_oldest_unacked_seconds", func() float64 { return p.oldest().Seconds() })
	return st
}

// count counts the events of a request by their outcomes.
func (st *stats) count(events []schema.Event) {
	for i := 0; i < len(events); {
		result, reason, n := events[i].Result, events[i].Reason, 0
		for ; i < len(events) && events[i].Result == result && events[i].Reason == reason; i++ {
			n++
		}
		st.add(result, reason, n)
	}
}

// countAll counts n events of a request that was refused as a whole.
func (st *stats) countAll(n int, err error) {
	reason := schema.Unknown
	if !errors.Is(err, schema.ErrBrokerUnavailable) {
		reason = schema.Overloaded
	}
	st.add(schema.Retry, reason, n)
}

func (st *stats) add(result schema.Result, reason schema.Reason, n int) {
	if c := st.events[result][reason]; c != nil {
		c.Add(n)
	}
}

// exchange counts one produce request.
func (st *stats) exchange(x *exchange) { st.publishSeconds.Update(x.took.Seconds()) }

// failed counts the failure of one partition in a produce request.
func (st *stats) failed(class broker.Class) { st.publishErrors[class].Inc() }

// stored counts a batch that the broker has.
func (st *stats) stored(pt *partition, b *batch) {
	t := &st.topics[0]
	if pt.topic != st.p.deps.Topic {
		t = &st.topics[1]
	}
	t.batches.Inc()
	t.records.Add(b.span.n)
	t.bytes.Add(len(b.sealed))
}

// oldest is the age of the oldest record that is not acknowledged, 0 when there is none.
func (p *Pipeline) oldest() time.Duration {
	var at int64
	for _, s := range p.shards {
		at = older(at, s.oldest.Load())
	}
	if at == 0 {
		return 0
	}
	return max(time.Duration(p.clock()-at), 0)
}
