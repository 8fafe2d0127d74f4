package sink

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/sink/exact"
)

// sinkMetrics are counted per block, fetch or attempt, never per record.
type sinkMetrics struct {
	set *metrics.Set

	generations    *metrics.Counter
	rejected       *metrics.Counter
	trimmed        *metrics.Counter
	fetchErrors    map[broker.Class]*metrics.Counter
	commitErrors   map[broker.Class]*metrics.Counter
	rejectErrors   map[broker.Class]*metrics.Counter
	insertErrors   [exact.Unknown + 1]*metrics.Counter
	repeats        *metrics.Counter // records left out because their id was stored before
	retries        *metrics.Counter // requests to broker or ClickHouse that are made again
	incidents      *metrics.Counter // what must not happen and was mended
	restoreSeconds *metrics.PrometheusHistogram
	insertSeconds  map[string]*metrics.PrometheusHistogram // by table
	insertRows     map[string]*metrics.Counter
	blocks         map[string]*metrics.Counter
	blockRows      map[string]*metrics.PrometheusHistogram
	lastSuccess    atomic.Int64 // Unix milliseconds of the last confirmed block, or of the last time when there was nothing to load
	standby        atomic.Bool  // a member without partitions, because other members have them all
	assigned       sync.Mutex
	partitionStats map[broker.TopicPartition]*partitionStats // guarded by assigned
}

// Buckets of latencies in seconds and of rows per block.
var (
	insertBuckets = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}
	rowBuckets    = []float64{1, 10, 100, 1e3, 5e3, 1e4, 2.5e4, 5e4, 1e5, 2.5e5, 1e6}
)

func newMetrics(set *metrics.Set, tables ...string) *sinkMetrics {
	m := &sinkMetrics{
		set:            set,
		generations:    set.NewCounter("millrace_sink_generations_total"),
		rejected:       set.NewCounter("millrace_sink_rejected_records_total"),
		trimmed:        set.NewCounter("millrace_sink_trimmed_records_total"),
		fetchErrors:    classCounters(set, "millrace_sink_fetch_errors_total"),
		commitErrors:   classCounters(set, "millrace_sink_commit_errors_total"),
		rejectErrors:   classCounters(set, "millrace_sink_reject_errors_total"),
		insertSeconds:  make(map[string]*metrics.PrometheusHistogram),
		insertRows:     make(map[string]*metrics.Counter),
		blocks:         make(map[string]*metrics.Counter),
		blockRows:      make(map[string]*metrics.PrometheusHistogram),
		partitionStats: make(map[broker.TopicPartition]*partitionStats),
	}
	for c := range m.insertErrors {
		m.insertErrors[c] = set.NewCounter(fmt.Sprintf(`millrace_sink_insert_errors_total{class=%q}`, exact.Class(c)))
	}
	m.repeats = set.NewCounter("millrace_dedup_dropped_total")
	m.retries = set.NewCounter("millrace_sink_retries_total")
	m.incidents = set.NewCounter("millrace_sink_incidents_total")
	m.restoreSeconds = set.NewPrometheusHistogramExt("millrace_sink_restore_duration_seconds", insertBuckets)
	for _, table := range tables {
		m.insertSeconds[table] = set.NewPrometheusHistogramExt(fmt.Sprintf(`millrace_sink_insert_duration_seconds{table=%q}`, table), insertBuckets)
		m.insertRows[table] = set.NewCounter(fmt.Sprintf(`millrace_sink_insert_rows_total{table=%q}`, table))
		m.blocks[table] = set.NewCounter(fmt.Sprintf(`millrace_sink_blocks_total{table=%q}`, table))
		m.blockRows[table] = set.NewPrometheusHistogramExt(fmt.Sprintf(`millrace_sink_block_rows{table=%q}`, table), rowBuckets)
	}
	m.succeeded()
	set.NewGauge("millrace_consumer_oldest_unflushed_age_seconds", m.oldestAge)
	set.NewGauge("millrace_sink_last_success_timestamp_seconds", func() float64 {
		if m.standby.Load() {
			m.succeeded()
		}
		return float64(m.lastSuccess.Load()) / 1000
	})
	set.NewGauge("millrace_sink_partitions", func() float64 { n, _ := m.assignment(); return float64(n) })
	return m
}

func classCounters(set *metrics.Set, name string) map[broker.Class]*metrics.Counter {
	counters := make(map[broker.Class]*metrics.Counter)
	for c := broker.ClassRetriable; c <= broker.ClassFatal; c++ {
		counters[c] = set.NewCounter(fmt.Sprintf(`%s{class=%q}`, name, c))
	}
	return counters
}

func (m *sinkMetrics) succeeded() { m.lastSuccess.Store(time.Now().UnixMilli()) }

// idle is called when a partition has nothing to load. When none has, that is as good as loading.
func (m *sinkMetrics) idle() {
	if why, _ := m.trouble(); why != "" {
		return
	}
	if _, lag := m.assignment(); lag == 0 {
		m.succeeded()
	}
}

// partitionStats is what one assigned partition tells. The gauges read it.
type partitionStats struct {
	highWatermark atomic.Int64 // published by the fetch loop, and at takeover
	confirmed     atomic.Int64 // published by whoever uses the port: the committed offset; at takeover, what was found to be stored
	oldest        atomic.Int64 // published by the worker: Unix milliseconds of the oldest record it holds, 0 when none
	waiting       atomic.Int64 // Unix milliseconds since when the partition cannot go on, 0 when it can
	trouble       atomic.Pointer[string]
}

// lag is how many records wait between the committed offset and the end of the partition.
func (p *partitionStats) lag() int64 { return max(p.highWatermark.Load()-p.confirmed.Load(), 0) }

// failing says that the partition cannot go on, and why.
func (p *partitionStats) failing(why string) {
	p.trouble.Store(&why)
	p.waiting.CompareAndSwap(0, time.Now().UnixMilli())
}

func (p *partitionStats) fine() {
	if p.waiting.Load() != 0 {
		p.waiting.Store(0)
		p.trouble.Store(nil)
	}
}

// assign makes the gauges of a partition, for as long as it is this process's.
func (m *sinkMetrics) assign(tp broker.TopicPartition) *partitionStats {
	p := &partitionStats{}
	m.assigned.Lock()
	defer m.assigned.Unlock()
	m.partitionStats[tp] = p
	name := lagName(tp)
	m.set.UnregisterMetric(name)
	m.set.NewGauge(name, func() float64 { return float64(p.lag()) })
	return p
}

// step counts the steps of the protocol that are not part of every block.
func (m *sinkMetrics) step(s exact.Step) {
	switch s {
	case exact.BeforeIntent, exact.AfterIntent, exact.MidSend, exact.AfterSend, exact.BeforeCommit, exact.AfterCommit:
		return
	}
	m.set.GetOrCreateCounter(fmt.Sprintf(`millrace_sink_steps_total{step=%q}`, string(s))).Inc()
}

// statsOf returns what a partition tells; nil when it is not assigned.
func (m *sinkMetrics) statsOf(tp broker.TopicPartition) *partitionStats {
	m.assigned.Lock()
	defer m.assigned.Unlock()
	return m.partitionStats[tp]
}

// release takes the gauges away: another process tells of the partition from now on.
func (m *sinkMetrics) release(tp broker.TopicPartition) {
	m.assigned.Lock()
	defer m.assigned.Unlock()
	delete(m.partitionStats, tp)
	m.set.UnregisterMetric(lagName(tp))
}

func lagName(tp broker.TopicPartition) string {
	return fmt.Sprintf(`millrace_consumer_lag_records{topic=%q,partition="%d"}`, tp.Topic, tp.Partition)
}

// assignment returns how many partitions are assigned and the sum of their lags.
func (m *sinkMetrics) assignment() (partitions int, lag int64) {
	m.assigned.Lock()
	defer m.assigned.Unlock()
	for _, p := range m.partitionStats {
		lag += p.lag()
	}
	return len(m.partitionStats), lag
}

// trouble returns the words of the partition that has been failing longest, and since when; "" when none is.
func (m *sinkMetrics) trouble() (why string, since time.Time) {
	m.assigned.Lock()
	defer m.assigned.Unlock()
	for tp, p := range m.partitionStats {
		ms, words := p.waiting.Load(), p.trouble.Load()
		if ms == 0 || words == nil {
			continue
		}
		if t := time.UnixMilli(ms); why == "" || t.Before(since) {
			why, since = fmt.Sprintf("%s partition %d: %s", tp.Topic, tp.Partition, *words), t
		}
	}
	return why, since
}

// oldestAge is how long ago the oldest record that is held was produced, in seconds; of a partition that holds nothing and cannot go on, since when.
func (m *sinkMetrics) oldestAge() float64 {
	now := time.Now().UnixMilli()
	oldest := now
	m.assigned.Lock()
	defer m.assigned.Unlock()
	for _, p := range m.partitionStats {
		if ms := p.oldest.Load(); ms > 0 {
			oldest = min(oldest, ms)
		} else if ms := p.waiting.Load(); ms > 0 && p.lag() > 0 {
			oldest = min(oldest, ms)
		}
	}
	return float64(now-oldest) / 1000
}
