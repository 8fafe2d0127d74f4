package erase

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/google/uuid"

	"github.com/millrace/millrace/people"
	"github.com/millrace/millrace/schema/clickhouse"
)

// Deps is what the Task works with. All but Now are required.
type Deps struct {
	// Quarantine tells how far each partition of topic quarantine is loaded for good, as people.Deps.Confirmed does of topic events.
	Quarantine func(ctx context.Context) ([]people.Confirmed, error)
	// Audit has the rollups of these hours, Unix seconds, compared with table events soon. nil: that is stored.
	Audit   func(ctx context.Context, db *clickhouse.DB, hours []int64) error
	Logger  *slog.Logger
	Metrics *metrics.Set
	Now     func() time.Time
}

// Task deletes the rows of erased people, as long as this process leads.
type Task struct {
	cfg   Config
	deps  Deps
	stats stats
}

var _ people.Task = (*Task)(nil)

// New makes a Task. Every problem of cfg and deps is reported at once.
func New(cfg Config, deps Deps) (*Task, error) {
	err := cfg.Validate()
	if deps.Quarantine == nil || deps.Audit == nil || deps.Logger == nil || deps.Metrics == nil {
		err = errors.Join(err, errors.New("erase: no quarantine, audit, logger or metrics"))
	}
	if err != nil {
		return nil, err
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	return &Task{cfg: cfg, deps: deps, stats: newStats(deps.Metrics)}, nil
}

// Name for logs.
func (*Task) Name() string { return "erase" }

// Run looks for rows of erased people, and deletes them, every erase.interval.
func (t *Task) Run(ctx context.Context, l *people.Leader) error { return t.lead(ctx, l) }

// leader is what the Task needs of *people.Leader.
type leader interface {
	DB() *clickhouse.DB
	Still(ctx context.Context) error
	Confirmed(ctx context.Context) ([]people.Confirmed, error)
	Members(project uint32, ids ...uint64) []uint64
	Forget(ctx context.Context, project uint32, ids []uint64) error
}

var _ leader = (*people.Leader)(nil)

// memory is what one leadership remembers between runs, to look at less.
type memory struct {
	known  knownSet                         // who is erased
	looked map[source]uint64                // up to where rows were looked at; nil: look at all
	full   time.Time                        // when all was looked at last
	again  int                              // further looks that are due
	waits  map[uuid.UUID][]people.Confirmed // by erasure that has not begun: what the graph has to know first
}

// looksAfter is how many looks at all that is filled from other tables follow a run that has deleted something: whoever worked with the rows meanwhile, such as the auditor or a
// build of a segment, may have written more of the person.
const looksAfter = 3

func (t *Task) lead(ctx context.Context, l leader) error {
	m := &memory{waits: map[uuid.UUID][]people.Confirmed{}}
	if err := t.finishRuns(ctx, l); err != nil {
		return err
	}
	tick := time.NewTicker(t.cfg.Interval)
	defer tick.Stop()
	for {
		if err := t.once(ctx, l, m); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// once is one run.
func (t *Task) once(ctx context.Context, l leader, m *memory) error {
	r := &run{task: t, leader: l, db: l.DB(), memory: m, store: NewStore(l.DB().Source(), t.deps.Now)}
	if err := r.readErased(ctx); err != nil {
		return err
	}
	if len(m.known.rows) == 0 {
		return nil
	}
	began := t.deps.Now()
	if err := r.readBounds(ctx); err != nil {
		return err
	}
	fresh, err := r.fresh(ctx)
	if err != nil {
		return err
	}
	deep := shallow
	switch {
	case m.looked == nil || began.Sub(m.full) >= t.cfg.FullInterval || r.bounds.back(m.looked):
		deep = full
	case m.again > 0:
		deep = derived
	}
	found, err := r.look(ctx, deep)
	if err != nil {
		return err
	}
	deleted, err := r.work(ctx, fresh, found)
	if err != nil {
		m.looked = nil // what is left of the work is found again
		return fmt.Errorf("erase: %w", err)
	}
	if deep != shallow && !deleted {
		if err := r.sweep(ctx); err != nil {
			return fmt.Errorf("erase: %w", err)
		}
	}
	m.looked = r.bounds.next
	if deep == full {
		m.full = began
	}
	if deep != shallow {
		m.again = max(0, m.again-1)
	}
	if deleted {
		m.again = looksAfter
	}
	return nil
}
