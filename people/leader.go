package people

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/internal/retry"
	"github.com/millrace/millrace/people/identity"
	"github.com/millrace/millrace/schema/clickhouse"
)

// Task is work that one process does at a time, beside that of the Job: the leader.
type Task interface {
	// Name for logs.
	Name() string
	// Run works until ctx ends, which it does with the leadership, and then returns within seconds. After an error it is called again, after a pause; nil: it has nothing more to do under
	// this leader. l is good until then.
	Run(ctx context.Context, l *Leader) error
}

// Leader is one leadership, from its election to its end. Its exported methods are safe for concurrent use.
type Leader struct {
	job   *Job
	gen   *broker.Generation
	epoch uint64 // fixed by elect
	log   *slog.Logger
	db    *clickhouse.DB
	store *store
	end   context.CancelCauseFunc // of the leadership

	versions atomic.Uint64 // handed out in this epoch

	// turn is held by who changes tables and progress: a cycle or Forget. Whoever waits for it may give up, hence no mutex.
	turn    chan struct{}
	next    map[source]uint64           // the first offset that is not done; guarded by turn
	width   int64                       // factor of Config.RangeOffsets; guarded by turn
	pending pending                     // guarded by turn
	present []uint16                    // logs of the present when past was looked for; guarded by turn
	pastAt  time.Time                   // when that was; guarded by turn
	past    atomic.Pointer[[]Confirmed] // published by bounds: partitions of topics of the past
	loaded  dictionary                  // guarded by turn

	mu       sync.Mutex
	graph    *identity.Graph     // guarded by mu
	projects map[uint32]struct{} // those that have facts; guarded by mu
}

// source is a partition of a life of topic events.
type source struct{ log, partition uint16 }

// step is a point of the protocol at which tests stop a leader. What it names has been done.
type step string

const (
	stepElected    step = "elected"
	stepClaimed    step = "claimed"
	stepLoaded     step = "loaded"
	stepCompared   step = "compared"
	stepRead       step = "read"
	stepEdges      step = "edges"
	stepOperations step = "operations"
	stepSettled    step = "settled"
	stepOverrides  step = "overrides"
	stepProfiles   step = "profiles"
	stepGroups     step = "groups"
	stepProgress   step = "progress"
)

// steps are all of them in their order.
var steps = []step{
	stepElected, stepClaimed, stepLoaded, stepCompared, stepRead, stepEdges, stepOperations, stepSettled, stepOverrides, stepProfiles, stepGroups, stepProgress,
}

// passed is called at each step. The context returned is the one to go on with.
func (l *Leader) passed(ctx context.Context, s step) (context.Context, error) {
	if l.job.at == nil {
		return ctx, ctx.Err()
	}
	return l.job.at(ctx, s)
}

// term is one leadership: it ends with ctx, or with an error that only taking over anew can cure.
func (j *Job) term(ctx context.Context, gen *broker.Generation) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	db, err := j.database(ctx)
	if err != nil {
		return err
	}
	l := &Leader{
		job: j, gen: gen, log: j.log.With("generation", gen.ID), db: db, store: &store{db: db, timeout: j.cfg.StatementTimeout}, end: end,
		turn: make(chan struct{}, 1), next: make(map[source]uint64), width: 1, pending: newPending(), graph: identity.New(j.cfg.MaxIDs), projects: make(map[uint32]struct{}),
		loaded: dictionary{stale: true}, // whoever led before may have written and not loaded
	}
	l.past.Store(&[]Confirmed{})
	if err := l.takeOver(ctx); err != nil {
		return err
	}
	var tasks sync.WaitGroup
	for _, t := range j.deps.Tasks {
		tasks.Go(func() { l.runTask(ctx, t) })
	}
	err = l.runCycles(ctx)
	end(err)
	tasks.Wait()
	return err
}

// runTask runs a task again and again.
func (l *Leader) runTask(ctx context.Context, t Task) {
	again := retry.Backoff{Least: l.job.cfg.BackoffMin, Most: l.job.cfg.BackoffMax}
	for ctx.Err() == nil {
		began := time.Now()
		err := t.Run(ctx, l)
		switch {
		case err == nil || ctx.Err() != nil:
			return
		case errors.Is(err, ErrFenced):
			l.end(err)
			return
		case time.Since(began) > l.job.cfg.BackoffMax:
			again.Reset()
		}
		wait := again.Next()
		l.log.Warn("a task failed and will be run again", "task", t.Name(), "pause", wait, "error", err)
		retry.Pause(ctx, wait)
	}
}

// DB is the pool of the job, closed by nobody but it.
func (l *Leader) DB() *clickhouse.DB { return l.db }

// Version returns the next version. It is higher than any that it has returned, and than those of all leaders before.
func (l *Leader) Version() uint64 {
	n := l.versions.Add(1)
	switch {
	case n > math.MaxUint32:
		panic("BUG: the versions of an epoch are used up, and its leadership goes on")
	case n > math.MaxUint32/2:
		l.end(errRenew)
	}
	return l.epoch<<32 + n
}

// Still asks the group whether this process leads. ErrFenced: no, and the leadership ends. Any other error: nobody knows.
func (l *Leader) Still(ctx context.Context) error {
	err := l.commitEpoch(ctx)
	if errors.Is(err, ErrFenced) {
		l.end(err)
	}
	return err
}

// Confirmed returns how far each partition is loaded, those of topics of the past as far as they have rows.
func (l *Leader) Confirmed(ctx context.Context) ([]Confirmed, error) {
	present, err := l.job.confirmed(ctx)
	if err != nil {
		return nil, err
	}
	return append(present, *l.past.Load()...), nil
}

// Members returns all ids of the persons that the ids belong to, sorted, each once; an id that nothing is known of is a person of its own.
func (l *Leader) Members(project uint32, ids ...uint64) []uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []uint64
	for _, h := range ids {
		all = append(all, l.graph.Members(identity.Key{Project: project, H: h})...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Forget takes ids out of the graph, and writes what that changes for others: who they are without the edges of these ids, and their profiles. The ids themselves become persons of their own,
// without a profile. It deletes nothing; the facts of the ids must be deleted afterwards, or the next leader knows them again. After an error it may be called again.
func (l *Leader) Forget(ctx context.Context, project uint32, ids []uint64) error {
	if err := l.take(ctx); err != nil {
		return err
	}
	defer l.give()
	l.mu.Lock()
	for _, h := range ids {
		k := identity.Key{Project: project, H: h}
		if len(l.graph.Facts(k)) == 0 {
			continue
		}
		l.pending.persons[k], l.pending.persons[identity.Key{Project: project, H: l.graph.Person(k)}] = struct{}{}, struct{}{}
		l.graph.Remove(k)
		l.pending.gone[k] = struct{}{}
		l.pending.assigned[k] = h
	}
	l.mu.Unlock()
	l.settle()
	_, err := l.write(ctx)
	return err
}

// take waits for the turn.
func (l *Leader) take(ctx context.Context) error {
	select {
	case l.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *Leader) give() { <-l.turn }
