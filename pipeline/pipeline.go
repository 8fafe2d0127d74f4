package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/pipeline/enrich"
	"github.com/millrace/millrace/schema"
)

// Deps is what the pipeline works with. All but Gate, Erased, Enrich and Now are required.
type Deps struct {
	// Broker is used until Run has returned.
	Broker *broker.Client
	// Topic and QuarantineTopic exist. Partitions and QuarantinePartitions are how many partitions of them keys are spread over; a topic may have more.
	Topic, QuarantineTopic           string
	Partitions, QuarantinePartitions int
	// AckTimeout is how long Submit waits for the broker.
	AckTimeout time.Duration
	// Relaxed says that the topics' settings can lose what they acknowledged, so answers must say so.
	Relaxed bool
	// Gate, when set, is asked at the start of each Submit; its error is returned and nothing is stored. It must be quick and safe for concurrent use.
	Gate func() error
	// Erased, when set, is asked once for each Submit for the ids of the project that were erased, as cityHash64 of the id; nil: none were. Events that bear one are refused, and
	// nothing of them is kept. It and what it returns must be quick and safe for concurrent use.
	Erased func(project uint32) (erased func(h uint64) bool)
	// Enrich, when set, is what events are completed from beyond what they and their requests say: user agents, places, sessions. It runs elsewhere.
	Enrich *enrich.Enricher
	// Now is the clock for requests that come without a time of arrival, and for the quarantine's rate. Default time.Now.
	Now func() time.Time

	Logger  *slog.Logger
	Metrics *metrics.Set
}

func (d *Deps) validate() error {
	var errs []error
	check := func(ok bool, what string) {
		if !ok {
			errs = append(errs, errors.New(what))
		}
	}
	check(d.Broker != nil, "no broker")
	check(d.Topic != "" && d.QuarantineTopic != "" && d.Topic != d.QuarantineTopic, "two topics are needed")
	check(d.Partitions > 0 && d.QuarantinePartitions > 0, "a topic without partitions")
	check(d.AckTimeout > 0, "no ack timeout")
	check(d.Logger != nil && d.Metrics != nil, "no logger or no metrics")
	return errors.Join(errs...)
}

// Pipeline takes events to the broker. Make it with New, Run it, Submit from any number of goroutines, Drain it, end Run.
type Pipeline struct {
	cfg    Config
	limits schema.Limits
	deps   Deps
	log    *throttle
	stats  *stats
	start  time.Time

	parts      []*partition // of both topics; by partition.index
	events     []*partition // by id
	quarantine []*partition // by id
	shards     []*shard
	routes     *router
	limiter    *limiter
	health     health
	requests   sync.Pool

	// draining refuses new requests. Its store publishes nothing else: a request that misses it is refused by the closed rings, or is still served.
	draining atomic.Bool
	// stopped is closed when no shard will settle anything any more.
	stopped chan struct{}
}

// New allocates the pipeline: rings are allocated in full, goroutines start in Run. Every problem of cfg and deps is reported at once.
func New(cfg Config, limits schema.Limits, deps Deps) (*Pipeline, error) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if err := errors.Join(cfg.Validate(), limits.Validate(), deps.validate()); err != nil {
		return nil, fmt.Errorf("pipeline: %w", err)
	}
	p := &Pipeline{
		cfg:     cfg,
		limits:  limits,
		deps:    deps,
		log:     newThrottle(deps.Logger),
		start:   time.Now(),
		limiter: newLimiter(cfg.QuarantineBytesPerSecond, cfg.QuarantineBurstBytes),
		stopped: make(chan struct{}),
	}
	p.requests.New = func() any { return newRequest(p) }
	total := deps.Partitions + deps.QuarantinePartitions
	n := cfg.Shards
	if n == 0 {
		n = runtime.GOMAXPROCS(0)
	}
	n = min(n, max(deps.Partitions, deps.QuarantinePartitions)) // a shard beyond that would own no partition
	for i := range n {
		p.shards = append(p.shards, newShard(p, i))
	}
	p.parts = make([]*partition, 0, total)
	add := func(topic string, id int) *partition {
		pt := newPartition(topic, int32(id), len(p.parts), p.shards[id%n])
		p.parts = append(p.parts, pt)
		pt.shard.parts = append(pt.shard.parts, pt)
		return pt
	}
	for id := range deps.Partitions {
		p.events = append(p.events, add(deps.Topic, id))
	}
	for id := range deps.QuarantinePartitions {
		p.quarantine = append(p.quarantine, add(deps.QuarantineTopic, id))
	}
	p.routes = newRouter(p)
	p.stats = newStats(p, deps.Metrics)
	return p, nil
}

// Run moves events to the broker until ctx ends, and returns nil when all its goroutines have ended. End ctx only after Drain: what is not
// acknowledged by then is given up, and its callers are told to send it again. Call it once.
func (p *Pipeline) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { p.routes.run(ctx) })
	for _, s := range p.shards {
		wg.Go(func() { s.ids.run(ctx) })
		wg.Go(func() { s.run(ctx) })
	}
	<-ctx.Done()
	p.refuse()
	wg.Wait()
	close(p.stopped)
	return nil
}

// refuse lets no new request in. What is in goes on.
func (p *Pipeline) refuse() {
	p.draining.Store(true)
	for _, s := range p.shards {
		s.ring.Close()
	}
}

// clock is the time since the pipeline was made, in nanoseconds. It never jumps.
func (p *Pipeline) clock() int64 { return int64(time.Since(p.start)) }
