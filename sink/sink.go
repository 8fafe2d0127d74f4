package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/internal/retry"
	"github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/sink/failpoint"
)

// Topic is one topic that the sink loads.
type Topic struct {
	// Name of the topic.
	Name string
	// Log is the number of the topic's present life, as clickhouse.AllotLog gave it.
	Log uint16
	// Keeps is how long the topic's table keeps a row; 0: for good.
	Keeps time.Duration
}

// Deps is what a Sink works with. None of it is closed by the Sink.
type Deps struct {
	Broker     *broker.Client
	Events     Topic // loaded into table events
	Quarantine Topic // loaded into table quarantine; takes the records that cannot be read
	// ClickHouse says where the tables are. Addresses must not be empty.
	ClickHouse clickhouse.Config
	// DataDir is the locked data directory of this process.
	DataDir string
	// Detach takes away the view of a custom metric in which INSERTs fail, which message names, and returns the name of the metric. Nil: such a view parks partitions
	// like any other.
	Detach  func(ctx context.Context, db *clickhouse.DB, message string) (metric string, err error)
	Logger  *slog.Logger
	Metrics *metrics.Set
}

// Sink loads the topics into ClickHouse.
type Sink struct {
	cfg        Config
	client     *broker.Client
	topics     map[string]topic
	events     string // topic of events
	quarantine string // topic of refused records
	dialer     *dialer
	tables     clickhouse.Config
	staging    string // database of staging tables
	promotions *promotions
	detach     func(ctx context.Context, db *clickhouse.DB, message string) (metric string, err error)
	registry   registry
	without    map[string]bool // protections that are left out: only in builds with failpoints, and in tests
	dataDir    string
	log        *slog.Logger
	metrics    *sinkMetrics
	slots      chan struct{} // room for as many partitions as may decode at once

	// joined is published by Run for Check and Status: the current generation, nil before the first and after a failed attempt to join.
	joined atomic.Pointer[broker.Generation]
	last   atomic.Pointer[string] // the last error of joining

	db   sync.Mutex
	pool *clickhouse.DB // guarded by db; opened when first needed
}

// New makes a Sink. It opens no connection. The error names every setting that cannot work.
func New(cfg Config, deps Deps) (*Sink, error) {
	if err := errors.Join(cfg.Validate(), deps.ClickHouse.Validate()); err != nil {
		return nil, err
	}
	d, err := newDialer(deps.ClickHouse, cfg.InsertTimeout)
	if err != nil {
		return nil, err
	}
	workers := cfg.DecodeWorkers
	if workers == 0 {
		workers = max(1, runtime.GOMAXPROCS(0)/2)
	}
	promoted := newPromotions()
	s := &Sink{
		cfg:        cfg,
		client:     deps.Broker,
		promotions: promoted,
		detach:     deps.Detach,
		topics:     newTopics(deps.Events, deps.Quarantine, promoted),
		events:     deps.Events.Name,
		quarantine: deps.Quarantine.Name,
		dialer:     d,
		tables:     deps.ClickHouse,
		staging:    clickhouse.StagingDatabase(deps.ClickHouse.Database),
		without:    without(),
		dataDir:    deps.DataDir,
		log:        deps.Logger.With("component", "sink"),
		metrics:    newMetrics(deps.Metrics, eventsTable, quarantineTable),
		slots:      make(chan struct{}, workers),
	}
	deps.Metrics.NewGauge("millrace_sink_parked_partitions", func() float64 { return float64(s.registry.parked()) })
	return s, nil
}

// grace is how long a revoked worker may take to see its INSERT answered and to commit: its session ends SessionTimeout after the last heartbeat, and
// the commit itself needs some of that.
func (s *Sink) grace() time.Duration { return s.cfg.SessionTimeout - revokeMargin }

// without reads which protections a build with failpoints is to leave out.
func without() map[string]bool {
	off := make(map[string]bool)
	for _, protection := range []string{"intent", "token", "verify", "ids"} {
		off[protection] = failpoint.Without(protection)
	}
	return off
}

func (s *Sink) topicNames() []string {
	names := make([]string, 0, len(s.topics))
	for name := range s.topics {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Run loads until ctx ends, then stores what it holds, commits, leaves the group and returns, within DrainTimeout and a few seconds for the group. The
// broker and ClickHouse may be away at any time: Run waits for them. Records that are not stored when it returns are still on the topic, and the
// group's offsets say so; that is logged and is no error.
func (s *Sink) Run(ctx context.Context) error {
	s.leaveFormerSelf(ctx)
	group, err := s.client.JoinGroup(broker.GroupConfig{
		ID: s.cfg.Group, Topics: s.topicNames(), SessionTimeout: s.cfg.SessionTimeout, HeartbeatInterval: s.cfg.HeartbeatInterval,
		RebalanceTimeout: s.cfg.RebalanceTimeout, JoinBackoff: s.cfg.JoinBackoff, WatchPartitionChanges: true, Logger: s.log,
	})
	if err != nil {
		return err
	}
	var watching sync.WaitGroup
	watch, stopWatching := context.WithCancel(ctx)
	watching.Go(func() { s.promotions.watch(watch, s.database, s.log) })
	var current *generation
	var said retry.Reminder
	for {
		gen, err := group.Next(ctx)
		if ctx.Err() != nil && err != nil {
			break
		}
		if err != nil {
			s.joined.Store(nil)
			words := err.Error()
			s.last.Store(&words)
			if said.Due(time.Now()) {
				s.log.Warn("join the group", "group", s.cfg.Group, "error", err)
			}
			continue // the next attempt is made after JoinBackoff
		}
		if err := saveMember(s.dataDir, member{Group: gen.GroupID, Member: gen.MemberID}); err != nil {
			s.log.Warn("member file: after a crash the group will wait for the session timeout", "error", err)
		}
		s.metrics.generations.Inc()
		s.joined.Store(gen)
		current = newGeneration(s, gen, ctx.Done())
		gen.Start(current.run)
	}
	if current != nil {
		s.log.Info("storing what is held", "deadline", s.cfg.DrainTimeout)
		<-current.drained
		if current.left > 0 {
			s.log.Warn("not stored before the deadline; the records are on the topic and are loaded after the next start", "rows", current.left)
		}
	}
	s.leave(group)
	stopWatching()
	watching.Wait()
	return s.closeDatabase()
}

// leaveTimeout bounds each request to leave the group.
const leaveTimeout = time.Second

// leaveFormerSelf takes the member that this process was before it was killed out of the group.
func (s *Sink) leaveFormerSelf(ctx context.Context) {
	m, err := loadMember(s.dataDir)
	if err != nil {
		s.log.Warn("member file", "error", err)
		return
	}
	if m.Member == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	if err := s.client.LeaveGroup(ctx, m.Group, m.Member); err != nil {
		s.log.Warn("leave the group for the former process: the group waits for its session to end", "group", m.Group, "member", m.Member, "error", err)
		return
	}
	s.log.Info("left the group for the former process", "group", m.Group, "member", m.Member)
}

// leave ends the membership. Closing the group leaves it too, but tells nobody when that failed.
func (s *Sink) leave(group *broker.Group) {
	gen := s.joined.Swap(nil)
	if err := group.Close(); err != nil {
		s.log.Warn("close the group", "error", err)
	}
	if gen == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	if err := s.client.LeaveGroup(ctx, gen.GroupID, gen.MemberID); err != nil {
		s.log.Warn("leave the group: it waits for the session to end", "group", gen.GroupID, "error", err)
		return
	}
	if err := removeMember(s.dataDir); err != nil {
		s.log.Warn("member file", "error", err)
	}
}

// troubleAfter is how long a partition may fail before Check calls it an error: a restart of ClickHouse or a moving leader takes less.
const troubleAfter = 5 * time.Second

// Check tells whether the sink can load, in a line for people. It asks nobody and never blocks.
func (s *Sink) Check(context.Context) (detail string, err error) {
	gen := s.joined.Load()
	if gen == nil {
		if words := s.last.Load(); words != nil {
			return "", fmt.Errorf("not a member of group %s: %s", s.cfg.Group, *words)
		}
		return "", fmt.Errorf("joining group %s", s.cfg.Group)
	}
	partitions, lag := s.metrics.assignment()
	detail = fmt.Sprintf("group %s generation %d, %d partitions, %d records behind", gen.GroupID, gen.ID, partitions, lag)
	if why, since := s.metrics.trouble(); why != "" && time.Since(since) > troubleAfter {
		return detail, fmt.Errorf("%s (for %v)", why, time.Since(since).Round(time.Second))
	}
	return detail, nil
}
