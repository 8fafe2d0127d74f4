package sink

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/internal/retry"
	"github.com/millrace/millrace/sink/exact"
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

	assigned := 0
	f := newFetcher(s)
	var workers []*worker
	for topic, partitions := range g.gen.Assignments {
		for _, id := range partitions {
			assigned++
			workers = append(workers, g.newWorker(f, broker.TopicPartition{Topic: topic, Partition: id}, life, fetching, revoked))
		}
	}
	g.log.Info("partitions assigned", "partitions", assigned, "member", g.gen.MemberID)
	s.metrics.standby.Store(assigned == 0)
	defer s.metrics.standby.Store(false)

	var wg sync.WaitGroup
	var mu sync.Mutex
	wg.Go(func() { f.run(fetching) })
	if slices.Contains(g.gen.Assignments[s.events], 0) {
		wg.Go(func() { s.audit(fetching) })
	}
	for _, w := range workers {
		wg.Go(func() {
			err := w.run(revoked)
			s.metrics.release(w.src.tp)
			mu.Lock()
			defer mu.Unlock()
			g.left += w.left
			if errors.Is(err, exact.ErrFenced) {
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

func (g *generation) newWorker(f *fetcher, tp broker.TopicPartition, life, taking context.Context, revoked <-chan struct{}) *worker {
	s := g.sink
	topic := s.topics[tp.Topic]
	stats := s.metrics.assign(tp)
	loader, spares := topic.newLoader()
	c := &cutter{cfg: &s.cfg, limit: &blockLimit{}, builder: builder{
		loader: loader, spares: spares, log: topic.log, partition: tp.Partition, ids: s.newIDs(topic),
		refuse: func(rec *broker.Record, why error, now time.Time) refusal {
			return newRefusal(topic.log, tp.Partition, rec, why, now)
		},
	}}
	c.begin(0)
	ask := &asker{
		tables: tables{conn: conn{dialer: s.dialer}, topic: topic, partition: tp.Partition, staging: s.staging},
		stats:  stats, retry: retry.Backoff{Least: s.cfg.BackoffMin, Most: s.cfg.BackoffMax}, life: life, revoked: revoked,
	}
	c.ask = ask.ask
	p := g.newPort(tp, c, stats, revoked)
	return &worker{
		src: f.add(tp, stats), fetcher: f, cutter: c, slots: s.slots, stats: stats, asker: ask,
		store: &store{port: p, machine: newMachine(p), life: life, taking: taking},
	}
}
