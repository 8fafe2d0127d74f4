package load

import (
	"runtime"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// maxKinds bounds the kinds of error that are told apart: a target may invent codes.
const maxKinds = 100

// outcome is what one request adds to the counts.
type outcome struct {
	counts  Counts
	kind    string // of error; empty: none
	timed   bool   // latency and service are to be recorded
	latency time.Duration
	service time.Duration
}

// cell sums up outcomes.
type cell struct {
	counts  Counts
	kinds   map[string]uint64
	latency *hdrhistogram.Histogram
	service *hdrhistogram.Histogram
}

func newCell() *cell {
	return &cell{kinds: make(map[string]uint64), latency: newHistogram(), service: newHistogram()}
}

func (c *cell) add(o *outcome) {
	c.counts.merge(&o.counts)
	if o.kind != "" {
		c.count(o.kind, 1)
	}
	if o.timed {
		observe(c.latency, o.latency)
		observe(c.service, o.service)
	}
}

func (c *cell) count(kind string, n uint64) {
	if _, known := c.kinds[kind]; !known && len(c.kinds) >= maxKinds {
		kind = "other"
	}
	c.kinds[kind] += n
}

func (c *cell) merge(from *cell) {
	c.counts.merge(&from.counts)
	for kind, n := range from.kinds {
		c.count(kind, n)
	}
	if from.latency.TotalCount() > 0 { // a merge walks all buckets
		c.latency.Merge(from.latency)
		c.service.Merge(from.service)
	}
}

func (c *cell) reset() {
	c.counts = Counts{}
	clear(c.kinds)
	if c.latency.TotalCount() > 0 {
		c.latency.Reset()
		c.service.Reset()
	}
}

func (c *Counts) merge(from *Counts) {
	c.Scheduled += from.Scheduled
	c.Sent += from.Sent
	c.Accepted += from.Accepted
	c.Rejected += from.Rejected
	c.Unknown += from.Unknown
	c.Requests += from.Requests
	c.Errors += from.Errors
	c.Late += from.Late
	c.Dropped += from.Dropped
	c.Resent += from.Resent
	c.BytesSent += from.BytesSent
}

// recorder takes outcomes from the workers. It is split into shards so that they seldom wait for each other, and not into one per worker, since the
// histograms of a shard take a megabyte.
type recorder struct {
	shards []*shard
	spare  *cell // empty; only collect uses it
}

type shard struct {
	mu       sync.Mutex
	measured *cell
	warmup   *cell
	_        [64]byte // the next shard's lock is on another cache line
}

func newRecorder() *recorder {
	r := &recorder{spare: newCell()}
	for range min(2*runtime.GOMAXPROCS(0), 16) {
		r.shards = append(r.shards, &shard{measured: newCell(), warmup: newCell()})
	}
	return r
}

// shard is where the worker of that number records.
func (r *recorder) shard(worker int) *shard { return r.shards[worker%len(r.shards)] }

// record takes in o, apart when it belongs to the warm-up.
func (s *shard) record(o *outcome, warmup bool) {
	s.mu.Lock()
	if warmup {
		s.warmup.add(o)
	} else {
		s.measured.add(o)
	}
	s.mu.Unlock()
}

// collect moves what was recorded since the last call into dst, either that of the warm-up or the rest. It is for one goroutine.
func (r *recorder) collect(dst *cell, warmup bool) {
	for _, s := range r.shards {
		s.mu.Lock()
		from := &s.measured
		if warmup {
			from = &s.warmup
		}
		full := *from
		*from = r.spare
		s.mu.Unlock()
		dst.merge(full)
		full.reset()
		r.spare = full
	}
}
