package sink

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/millrace/millrace/broker"
)

// generation is one assignment of partitions: a fetcher, and a worker per partition. It ends with the group's generation, or when it has been drained.
type generation struct {
	sink *Sink
	gen  *broker.Generation
	log  *slog.Logger
	stop <-chan struct{} // closed: fetch nothing more, store what is held

	drained chan struct{} // closed when nothing runs any longer
	left    int           // rows held and not stored, for the records that stay on the topic; to be read after drained
}

func newGeneration(s *Sink, gen *broker.Generation, stop <-chan struct{}) *generation {
	return &generation{
		sink: s, gen: gen, stop: stop, drained: make(chan struct{}),
		log: s.log.With("generation", gen.ID),
	}
}

// run is started by the group. It must not return before the generation ends: that would end it, and make this member join again while it is leaving.
func (g *generation) run(ctx context.Context) {
	fenced := g.load(ctx)
	close(g.drained)
	if !fenced {
		<-ctx.Done()
	}
}

// load does the work and returns when everything that it started has ended. fenced tells that the group is past this generation.
func (g *generation) load(ctx context.Context) (fenced bool) {
	s := g.sink
	revoked := ctx.Done()
	fetching, stopFetching := context.WithCancel(ctx)
	defer stopFetching()
	life, cancelLife := context.WithCancel(context.Background())
	defer cancelLife()
	// The two ways to end, and how long what is under way may take then. A revoked generation has until its session ends: the heartbeats have stopped.
	defer afterward(ctx.Done(), s.grace(), cancelLife)()
	defer afterward(g.stop, s.cfg.DrainTimeout, cancelLife)()
	defer afterward(g.stop, 0, stopFetching)()

	offsets, ok := g.start(fetching)
	if !ok {
		return false
	}
	s.metrics.standby.Store(len(offsets) == 0)
	defer s.metrics.standby.Store(false)

	f := newFetcher(s)
	var workers []*worker
	for tp, offset := range offsets {
		workers = append(workers, g.newWorker(f, tp, offset, life, revoked))
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	wg.Go(func() { f.run(fetching) })
	for _, w := range workers {
		wg.Go(func() {
			err := w.run(revoked)
			s.metrics.release(w.src.tp)
			mu.Lock()
			defer mu.Unlock()
			g.left += w.left
			if errors.Is(err, errFenced) {
				fenced = true
				g.log.Warn("a newer generation owns the partition; what is held is dropped here and loaded there", "topic", w.src.tp.Topic, "partition", w.src.tp.Partition, "error", err)
				stopFetching()
			}
		})
	}
	wg.Wait()
	return fenced
}

// afterward calls f a while after c is closed. The function returned ends the watch and waits for it.
func afterward(c <-chan struct{}, d time.Duration, f func()) func() {
	over := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-over:
			return
		case <-c:
		}
		if d > 0 {
			t := time.NewTimer(d)
			defer t.Stop()
			select {
			case <-over:
				return
			case <-t.C:
			}
		}
		f()
	})
	return func() {
		close(over)
		wg.Wait()
	}
}

// start finds where each partition goes on, as long as it takes. ok is false when ctx ended before.
func (g *generation) start(ctx context.Context) (offsets map[broker.TopicPartition]int64, ok bool) {
	s := g.sink
	retry := backoff{least: s.cfg.BackoffMin, most: s.cfg.BackoffMax}
	var said reminder
	for ctx.Err() == nil {
		offsets, err := startOffsets(ctx, s, g.gen)
		if err == nil {
			g.log.Info("partitions assigned", "partitions", len(offsets), "member", g.gen.MemberID)
			return offsets, true
		}
		wait := retry.next()
		if ctx.Err() == nil && said.due(time.Now()) {
			g.log.Warn("committed offsets", "error", err, "retry_in", wait)
		}
		s.client.RefreshRoutes()
		pause(ctx, wait)
	}
	return nil, false
}

func (g *generation) newWorker(f *fetcher, tp broker.TopicPartition, offset int64, life context.Context, revoked <-chan struct{}) *worker {
	s := g.sink
	topic := s.topics[tp.Topic]
	stats := s.metrics.assign(tp, offset)
	loader, spares := topic.newLoader()
	c := &cutter{
		cfg: &s.cfg, loader: loader, spares: spares, log: topic.log, partition: tp.Partition,
		refuse: func(rec *broker.Record, why error, now time.Time) refusal {
			return newRefusal(topic.log, tp.Partition, rec, why, now)
		},
	}
	c.begin(offset)
	st := &store{
		sink: s, tp: tp, topic: topic, generation: g.gen, stats: stats, log: g.log, life: life, revoked: revoked,
		conn:     conn{dialer: s.dialer},
		rejecter: rejecter{client: s.client, topic: s.quarantine, timeout: rejectTimeout},
	}
	return &worker{
		src: f.add(tp, offset, stats), fetcher: f, cutter: c, slots: s.slots, store: st, stats: stats,
	}
}
