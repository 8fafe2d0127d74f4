package sink

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/internal/retry"
)

const (
	// shortWait is how long a fetch waits at the broker while a partition of the same leader is left out because it is being decoded: that one joins the
	// next fetch. A partition that has been left out for decodeTime waits for ClickHouse, and nobody hurries for it.
	shortWait  = 20 * time.Millisecond
	decodeTime = time.Second
	// idleWait bounds how long a loop without work sleeps when nobody wakes it.
	idleWait = 5 * time.Second
	// damagedPause is the first pause after a record set that cannot be read: most likely it stays so.
	damagedPause = time.Second
)

// fetcher brings record sets to the workers: one long poll per broker at a time, with all partitions that it leads and that have room.
type fetcher struct {
	client  *broker.Client
	cfg     *Config
	log     *slog.Logger
	metrics *sinkMetrics
	topics  []string

	mu      sync.Mutex
	sources []*source
	wake    map[int32]chan struct{} // by leader, one per running loop
	turn    int                     // where the next claim begins, so that no partition is always last
	stale   chan struct{}           // room for one: the layout must be asked for
}

func newFetcher(s *Sink) *fetcher {
	return &fetcher{
		client: s.client, cfg: &s.cfg, log: s.log, metrics: s.metrics, topics: s.topicNames(),
		wake: make(map[int32]chan struct{}), stale: make(chan struct{}, 1),
	}
}

// add makes a source that is not fetched before restart has said from where. Only before run.
func (f *fetcher) add(tp broker.TopicPartition, stats *partitionStats) *source {
	s := &source{
		tp: tp, out: make(chan recordSet, 1), stats: stats, leader: noLeader, state: decoding, maxBytes: f.partitionBytes(),
		pause:  retry.Backoff{Least: f.cfg.BackoffMin, Most: f.cfg.BackoffMax},
		repair: retry.Backoff{Least: damagedPause, Most: max(damagedPause, f.cfg.BackoffMax)},
	}
	f.sources = append(f.sources, s)
	return s
}

func (f *fetcher) partitionBytes() int32 { return int32(min(minPartitionBytes, f.cfg.FetchMaxBytes)) }

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// loop is the one fetch loop of one broker.
func (f *fetcher) loop(ctx context.Context, leader int32) {
	f.mu.Lock()
	wake := f.wake[leader]
	f.mu.Unlock()
	var claimed []*source
	var said retry.Reminder
	for ctx.Err() == nil {
		var req broker.FetchRequest
		var wait time.Duration
		claimed, req, wait = f.claim(leader, claimed[:0])
		if len(claimed) == 0 {
			t := time.NewTimer(wait)
			select {
			case <-ctx.Done():
			case <-wake:
			case <-t.C:
			}
			t.Stop()
			continue
		}
		res, err := f.client.Fetch(ctx, leader, req)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			f.client.RefreshRoutes()
			notify(f.stale)
			f.metrics.fetchErrors[broker.Classify(err)].Inc()
			var retry time.Duration
			for _, s := range claimed {
				retry = f.failed(s, err)
			}
			if said.Due(time.Now()) {
				f.log.Warn("broker cannot be read", "broker", leader, "partitions", len(claimed), "error", err, "retry_in", retry)
			}
		default:
			for i, s := range claimed {
				f.deliver(ctx, s, &res.Partitions[i])
			}
		}
	}
}

// claim takes all sources of the leader that can be fetched. When there is none, wait is how long until one may be.
func (f *fetcher) claim(leader int32, claimed []*source) (_ []*source, req broker.FetchRequest, wait time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	wait = idleWait
	leftOut := false
	f.turn++
	for i := range f.sources {
		s := f.sources[(f.turn+i)%len(f.sources)]
		ok, pause := s.ready(leader, now)
		switch {
		case ok:
			s.state = fetching
			claimed = append(claimed, s)
		case pause > 0:
			wait = min(wait, pause)
		case s.leader == leader && now.Sub(s.delivered) < decodeTime:
			leftOut = true
		}
	}
	req = broker.FetchRequest{MaxWait: min(f.cfg.FetchMaxWait, wait), MinBytes: 1, MaxBytes: int32(f.cfg.FetchMaxBytes)}
	if leftOut {
		req.MaxWait = min(req.MaxWait, shortWait)
	}
	for _, s := range claimed {
		// A fetch of few partitions may bring more of each.
		share := int32(min(f.cfg.FetchMaxBytes/int64(len(claimed)), 4*minPartitionBytes))
		req.Partitions = append(req.Partitions, broker.FetchPartition{
			Topic: s.tp.Topic, Partition: s.tp.Partition, Offset: s.offset, MaxBytes: max(s.maxBytes, share),
		})
		req.MaxBytes = max(req.MaxBytes, s.maxBytes)
	}
	return claimed, req, wait
}

// deliver takes one partition's part of an answer.
func (f *fetcher) deliver(ctx context.Context, s *source, p *broker.FetchedPartition) {
	if p.Err != nil {
		f.refused(ctx, s, p)
		return
	}
	s.stats.highWatermark.Store(p.HighWatermark)
	f.mu.Lock()
	defer f.mu.Unlock()
	s.pause.Reset()
	if s.moved || len(p.Records) == 0 {
		s.state, s.moved = idle, false
		if s.stats.lag() == 0 {
			s.stats.fine()
			f.metrics.idle()
		}
		return
	}
	s.state, s.delivered = decoding, time.Now()
	s.out <- recordSet{records: p.Records, from: s.offset}
}

// refused handles an error of one partition.
func (f *fetcher) refused(ctx context.Context, s *source, p *broker.FetchedPartition) {
	err := p.Err
	f.metrics.fetchErrors[broker.Classify(err)].Inc()
	switch {
	case broker.IsOffsetOutOfRange(err):
		if err = f.reposition(ctx, s, err); err == nil {
			return
		}
	case broker.IsNotLeader(err):
		f.client.RefreshRoutes()
		notify(f.stale)
	}
	retry := f.failed(s, err)
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.said.Due(time.Now()) {
		f.log.Warn("partition cannot be read", "topic", s.tp.Topic, "partition", s.tp.Partition, "offset", s.offset, "error", err, "retry_in", retry)
	}
}

// reposition finds where a partition goes on whose offset the broker refused.
func (f *fetcher) reposition(ctx context.Context, s *source, refusal error) error {
	f.mu.Lock()
	wanted := s.offset
	f.mu.Unlock()
	ranges, err := f.client.ListOffsets(ctx, s.tp.Topic, []int32{s.tp.Partition})
	if err != nil {
		return err
	}
	from, err := startOffset(wanted, ranges[s.tp.Partition])
	if err != nil {
		return err
	}
	if from == wanted {
		return refusal // a new leader that is not yet up to it
	}
	reportTrimmed(f.log, f.metrics, s.tp, wanted, from)
	f.resume(s, from)
	return nil
}

// failed pauses a source and returns for how long.
func (f *fetcher) failed(s *source, err error) time.Duration {
	s.stats.failing("fetch: " + err.Error())
	f.mu.Lock()
	defer f.mu.Unlock()
	d := s.pause.Next()
	s.state, s.moved, s.notBefore = idle, false, time.Now().Add(d)
	return d
}

// restart makes a source be fetched from offset on, whatever was under way: what comes of that is dropped.
func (f *fetcher) restart(s *source, offset int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.state == fetching {
		s.moved, s.offset = true, offset
		return
	}
	select {
	case <-s.out: // a set, or nothing more when fetching is over
	default:
	}
	s.state, s.offset, s.maxBytes, s.notBefore = idle, offset, f.partitionBytes(), time.Time{}
	s.repair.Reset()
	f.wakeLocked(s.leader)
}

// resume gives a source back after its set was decoded: it is fetched from offset on.
func (f *fetcher) resume(s *source, offset int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.moved { // by a takeover, which knows better
		s.state, s.moved = idle, false
	} else {
		s.state, s.offset, s.maxBytes = idle, offset, f.partitionBytes()
	}
	s.repair.Reset()
	f.wakeLocked(s.leader)
}

// starved is for a set that ended before its first batch did, as old brokers cut it at the limit: more is asked for until the batch fits.
func (f *fetcher) starved(s *source, offset int64) {
	f.mu.Lock()
	if s.maxBytes >= maxPartitionBytes {
		f.mu.Unlock()
		f.damaged(s, offset, fmt.Errorf("a record batch is larger than %d MiB", maxPartitionBytes>>20))
		return
	}
	defer f.mu.Unlock()
	s.state, s.maxBytes = idle, min(4*max(s.maxBytes, minPartitionBytes), maxPartitionBytes)
	f.wakeLocked(s.leader)
}

func (f *fetcher) wakeLocked(leader int32) {
	if wake := f.wake[leader]; wake != nil {
		notify(wake)
	}
}

// damaged is for a set that cannot be read: what comes from offset on is fetched again, after a pause that grows.
func (f *fetcher) damaged(s *source, offset int64, err error) {
	s.stats.failing(err.Error())
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	d := s.repair.Next()
	s.state, s.offset, s.notBefore = idle, offset, now.Add(d)
	f.wakeLocked(s.leader) // the loop may sleep for longer than the pause
	if s.said.Due(now) {
		f.log.Error("records cannot be read and nothing behind them is loaded: compare the replicas of the partition, or move the group's offset past the batch to give it up",
			"topic", s.tp.Topic, "partition", s.tp.Partition, "offset", offset, "error", err, "retry_in", d)
	}
}
