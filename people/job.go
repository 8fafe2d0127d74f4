package people

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/internal/retry"
	"github.com/millrace/millrace/schema/clickhouse"
)

// Confirmed is how far a partition of topic events is loaded: rows below Offset are stored for good.
type Confirmed struct {
	Log       uint16 // life of the topic, see table logs
	Partition uint16
	Offset    uint64
}

// Deps is what a Job works with. None of it is closed by the Job.
type Deps struct {
	Broker *broker.Client
	// ClickHouse says where the tables are. Addresses must not be empty.
	ClickHouse clickhouse.Config
	// Confirmed reads how far each partition of the present topic is loaded, by whatever sinks. It may be called from several goroutines.
	Confirmed func(ctx context.Context) ([]Confirmed, error)
	// Tasks run while this process leads, each in a goroutine of its own.
	Tasks   []Task
	Logger  *slog.Logger
	Metrics *metrics.Set
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Job is a process that may lead. Its methods are safe for concurrent use; Run is called once.
type Job struct {
	cfg     Config
	deps    Deps
	log     *slog.Logger
	metrics *jobMetrics
	alerts  *alerts
	status  atomic.Pointer[status] // published by Run and its leadership for Check

	db   sync.Mutex
	pool *clickhouse.DB // guarded by db; opened when first needed

	// Tests stop a leader at a step, or make it leave a rule out. They are not set otherwise.
	at          func(ctx context.Context, s step) (context.Context, error)
	onlyChanged bool
}

// New makes a Job. It opens no connection. The error names every setting that cannot work.
func New(cfg Config, deps Deps) (*Job, error) {
	if err := errors.Join(cfg.Validate(), deps.ClickHouse.Validate()); err != nil {
		return nil, err
	}
	if deps.Broker == nil || deps.Confirmed == nil || deps.Logger == nil || deps.Metrics == nil {
		panic("BUG: people: Broker, Confirmed, Logger and Metrics are needed")
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	log := deps.Logger.With("component", "people")
	return &Job{cfg: cfg, deps: deps, log: log, metrics: newMetrics(deps.Metrics), alerts: &alerts{log: log, now: deps.Now}}, nil
}

// Run is a member of the group until ctx ends, and leads while it owns the partition. Then it ends what is under way, leaves the group and returns, within seconds. Nothing needs to be finished: the
// next leader goes on from what is in the tables.
func (j *Job) Run(ctx context.Context) error {
	group, err := j.deps.Broker.JoinGroup(broker.GroupConfig{
		ID: j.cfg.Group, Topics: []string{j.cfg.Topic}, SessionTimeout: j.cfg.SessionTimeout, HeartbeatInterval: j.cfg.HeartbeatInterval,
		RebalanceTimeout: j.cfg.RebalanceTimeout, JoinBackoff: j.cfg.JoinBackoff, Logger: j.log,
	})
	if err != nil {
		return err
	}
	var last *broker.Generation
	var drained chan struct{}
	var said retry.Reminder
	for {
		gen, err := group.Next(ctx)
		if ctx.Err() != nil && err != nil {
			break
		}
		if err != nil {
			j.say(status{trouble: fmt.Sprintf("not a member of group %s: %v", j.cfg.Group, err)})
			if said.Due(time.Now()) {
				j.log.Warn("join the group", "group", j.cfg.Group, "error", err)
			}
			continue // the next attempt is made after JoinBackoff
		}
		over := make(chan struct{})
		last, drained = gen, over
		gen.Start(func(ended context.Context) { j.serve(ended, ctx, gen, over) })
	}
	if drained != nil {
		<-drained
	}
	j.leave(group, last)
	j.say(status{trouble: "stopped"})
	return j.closeDatabase()
}

// serve is started by the group. Unless it was fenced it must not return before the generation ends: that would end it, and make this member join again while it is leaving.
func (j *Job) serve(ended, stop context.Context, gen *broker.Generation, drained chan<- struct{}) {
	ctx, cancel := context.WithCancel(ended)
	defer cancel()
	defer context.AfterFunc(stop, cancel)()
	fenced := false
	if slices.Contains(gen.Assignments[j.cfg.Topic], 0) {
		fenced = j.lead(ctx, gen)
	} else {
		j.say(status{generation: gen.ID})
		<-ctx.Done()
	}
	close(drained)
	j.say(status{generation: gen.ID, trouble: "between two generations of the group"})
	if !fenced {
		<-ended.Done()
	}
}

// lead leads for as long as ctx lasts. fenced tells that the group is past this generation.
func (j *Job) lead(ctx context.Context, gen *broker.Generation) (fenced bool) {
	again := retry.Backoff{Least: j.cfg.BackoffMin, Most: j.cfg.BackoffMax}
	var said retry.Reminder
	j.say(status{generation: gen.ID, leads: true})
	for ctx.Err() == nil {
		began := time.Now()
		err := j.term(ctx, gen)
		switch {
		case ctx.Err() != nil:
			return false
		case errors.Is(err, ErrFenced):
			j.log.Warn("another process leads; what is under way is dropped here and done there", "generation", gen.ID, "error", err)
			return true
		case errors.Is(err, errRenew):
			continue
		}
		j.say(status{generation: gen.ID, leads: true, trouble: err.Error()})
		if said.Due(time.Now()) {
			j.log.Warn("cannot take over yet, will try again", "generation", gen.ID, "error", err)
		}
		if time.Since(began) > j.cfg.BackoffMax {
			again.Reset()
		}
		retry.Pause(ctx, again.Next())
	}
	return false
}

// leaveTimeout bounds the request to leave the group.
const leaveTimeout = time.Second

// leave ends the membership. Closing the group leaves it too, but tells nobody when that failed.
func (j *Job) leave(group *broker.Group, gen *broker.Generation) {
	if err := group.Close(); err != nil {
		j.log.Warn("close the group", "error", err)
	}
	if gen == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	if err := j.deps.Broker.LeaveGroup(ctx, gen.GroupID, gen.MemberID); err != nil {
		j.log.Warn("leave the group: it waits for the session to end", "group", gen.GroupID, "error", err)
	}
}

// database opens the pool, once.
func (j *Job) database(ctx context.Context) (*clickhouse.DB, error) {
	j.db.Lock()
	defer j.db.Unlock()
	if j.pool == nil {
		db, err := clickhouse.Open(ctx, j.deps.ClickHouse)
		if err != nil {
			return nil, err
		}
		j.pool = db
	}
	return j.pool, nil
}

func (j *Job) closeDatabase() error {
	j.db.Lock()
	defer j.db.Unlock()
	if j.pool == nil {
		return nil
	}
	db := j.pool
	j.pool = nil
	return db.Close()
}

// status is what Check tells.
type status struct {
	generation int32 // 0: not a member
	leads      bool
	epoch      uint64 // 0: still taking over
	facts      int
	lag        uint64
	trouble    string
	since      time.Time // of the trouble
}

// say publishes a status. A trouble that goes on keeps its begin.
func (j *Job) say(s status) {
	if s.trouble != "" {
		s.since = j.deps.Now()
		if old := j.status.Load(); old != nil && old.trouble != "" {
			s.since = old.since
		}
	}
	j.status.Store(&s)
	j.metrics.leads(s.leads && s.epoch != 0)
}

// troubleAfter is how long a job may fail before Check calls it an error: a takeover or a restart of ClickHouse takes less.
const troubleAfter = 30 * time.Second

// Check tells whether the job can work, in a line for people. It asks nobody and never blocks.
func (j *Job) Check(context.Context) (detail string, err error) {
	s := j.status.Load()
	switch {
	case s == nil:
		return "", fmt.Errorf("joining group %s", j.cfg.Group)
	case s.generation == 0:
		return "", errors.New(s.trouble)
	case !s.leads && s.trouble == "":
		return fmt.Sprintf("group %s generation %d, another process leads", j.cfg.Group, s.generation), nil
	case !s.leads:
		detail = fmt.Sprintf("group %s, after generation %d", j.cfg.Group, s.generation)
	case s.epoch == 0:
		detail = fmt.Sprintf("group %s generation %d, taking over", j.cfg.Group, s.generation)
	default:
		detail = fmt.Sprintf("group %s generation %d, leads in epoch %d, %d facts, %d offsets behind", j.cfg.Group, s.generation, s.epoch, s.facts, s.lag)
	}
	if lasts := j.deps.Now().Sub(s.since); s.trouble != "" && lasts > troubleAfter {
		return detail, fmt.Errorf("%s (for %v)", s.trouble, lasts.Round(time.Second))
	}
	return detail, nil
}
