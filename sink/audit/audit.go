package audit

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/schema/clickhouse"
)

// Config is how the auditor paces itself.
type Config struct {
	// Interval between two looks at what sinks have queued.
	Interval time.Duration
}

// Deps are what an Auditor works with.
type Deps struct {
	DB *clickhouse.DB
	// Pending lists every partition of topic events, those of other sinks too. It may be called from several goroutines.
	Pending func(ctx context.Context) ([]Pending, error)
	Logger  *slog.Logger
	// Metrics may have been given to an Auditor before, whose Run has ended. nil: none are kept.
	Metrics *metrics.Set
}

// The pace beside Config.Interval.
const (
	roundEvery = time.Hour // a round begins no sooner after the one before
	restFactor = 19        // between two chunks of a round: so many times as long as the last one took
	lookFactor = 9         // the same between two looks at the queue, when that is more than Config.Interval
	patience   = 20 * time.Second
	pollEvery  = 200 * time.Millisecond
	// repairTime bounds the INSERT of a repair; repairPause is how long the same repair is not tried again after one that was sent, longer than the server
	// may still be busy with it.
	repairTime  = 30 * time.Second
	repairPause = 45 * time.Second
	// staleAfter is how long after events was read for the last time a repair may be sent. The tables remember tokens for longer.
	staleAfter = 5 * time.Minute
)

// Auditor compares and repairs. Its methods are safe for concurrent use.
type Auditor struct {
	db       *clickhouse.DB
	pending  func(ctx context.Context) ([]Pending, error)
	log      *slog.Logger
	metrics  *auditMetrics
	interval time.Duration

	poll, patience, pause, rounds time.Duration // tests shorten them

	rest, restLook time.Duration // restFactor and lookFactor
	limits         []clickhouse.Setting

	mu    sync.Mutex
	sent  map[repairID]sentRepair
	drift map[*rollup]map[int64]uint64 // rows of drift that were found and are not repaired

	custom map[string]*rollup // of custom metrics, by table
}

// New returns an Auditor. It starts nothing.
func New(c Config, d Deps) *Auditor {
	if d.DB == nil || d.Pending == nil || d.Logger == nil {
		panic("BUG: audit: DB, Pending and Logger are needed")
	}
	if d.Metrics == nil {
		d.Metrics = metrics.NewSet()
	}
	a := &Auditor{
		db: d.DB, pending: d.Pending, log: d.Logger, metrics: newMetrics(d.Metrics), interval: c.Interval,
		poll: pollEvery, patience: patience, pause: repairPause, rounds: roundEvery, rest: restFactor, restLook: lookFactor, limits: readSettings,
		sent: map[repairID]sentRepair{}, drift: map[*rollup]map[int64]uint64{}, custom: map[string]*rollup{},
	}
	return a
}

// Run works off the queue and goes round all buckets until ctx ends, then returns nil. A query under way is ended, which takes some seconds at most. What
// fails is logged and tried again.
func (a *Auditor) Run(ctx context.Context) error {
	defer func() { a.metrics.leave(a.all()) }()
	if err := a.dropLeftStages(ctx); err != nil {
		a.trouble(ctx, "drop what a former auditor has left", err)
	}
	q := newQueue(a)
	var turn *round
	nextLook, nextChunk := time.Now(), time.Now().Add(a.interval)
	for {
		if err := wait(ctx, min(time.Until(nextLook), time.Until(nextChunk))); err != nil {
			return nil //nolint:nilerr // the end of ctx is how it ends
		}
		begun := time.Now()
		if err := a.refresh(ctx); err != nil {
			a.trouble(ctx, "look for custom metrics", err)
		}
		if !begun.Before(nextLook) {
			if err := q.look(ctx); err != nil {
				a.trouble(ctx, "look at the queue", err)
			}
			nextLook = time.Now().Add(max(a.interval, a.restLook*time.Since(begun)))
			continue
		}
		if turn == nil {
			turn = newRound(begun)
		}
		done, err := turn.step(ctx, a, q)
		took := time.Since(begun)
		switch {
		case err != nil:
			a.trouble(ctx, "compare the rollups", err)
			nextChunk = time.Now().Add(max(a.interval, a.rest*took))
		case done:
			a.metrics.lastRound.Set(float64(time.Now().Unix()))
			nextChunk, turn = later(turn.begun.Add(a.rounds), time.Now().Add(a.rest*took)), nil
		default:
			nextChunk = time.Now().Add(a.rest * took)
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// trouble logs what will be tried again; the end of ctx is none.
func (a *Auditor) trouble(ctx context.Context, what string, err error) {
	if ctx.Err() == nil && !errors.Is(err, context.Canceled) {
		a.log.Warn("auditor: could not "+what+", will try again", "error", err)
	}
}

// setDrift notes what is different in a bucket and not repaired; 0: nothing.
func (a *Auditor) setDrift(r *rollup, bucket int64, rows uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.drift[r] == nil {
		a.drift[r] = map[int64]uint64{}
	}
	if rows == 0 {
		delete(a.drift[r], bucket)
	} else {
		a.drift[r][bucket] = rows
	}
	total := uint64(0)
	for _, rows := range a.drift[r] {
		total += rows
	}
	a.metrics.drift(r).Set(float64(total))
}
