package broker

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
)

// GroupConfig says how to be a member of a consumer group. Zero durations take the defaults.
type GroupConfig struct {
	ID     string
	Topics []string
	// SessionTimeout after which a silent member is taken for dead. Default 6s.
	SessionTimeout time.Duration
	// HeartbeatInterval, a third of SessionTimeout at most. Default 1s.
	HeartbeatInterval time.Duration
	// RebalanceTimeout that members have to join again. Default 30s.
	RebalanceTimeout time.Duration
	// JoinBackoff after a failed join. Default 200ms.
	JoinBackoff time.Duration
	// WatchPartitionChanges rebalances when a topic gets more partitions, which is looked at every 5 s.
	WatchPartitionChanges bool
	// Logger of membership. Nil = none.
	Logger *slog.Logger
}

// Group is a membership. Its methods are safe for concurrent use.
type Group struct {
	cg    *kafka.ConsumerGroup
	conns connTracker
	// live is set while a generation is running, that is while no join is in progress.
	live atomic.Bool
}

// JoinGroup starts to be a member: in the background, until Close. Errors of joining come out of Next. Rebalances are eager:
// all members stop, then all get their partitions anew.
func (c *Client) JoinGroup(cfg GroupConfig) (*Group, error) {
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	g := &Group{}
	g.conns.dial = newDial(c.cfg.DialTimeout)
	cg, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID:      cfg.ID,
		Topics:  cfg.Topics,
		Brokers: c.cfg.Addresses,
		Dialer: &kafka.Dialer{
			ClientID:      c.cfg.ClientID,
			Timeout:       c.cfg.DialTimeout,
			DialFunc:      g.conns.dialContext,
			TLS:           c.tls,
			SASLMechanism: c.sasl,
		},
		SessionTimeout:         orDuration(cfg.SessionTimeout, 6*time.Second),
		HeartbeatInterval:      orDuration(cfg.HeartbeatInterval, time.Second),
		RebalanceTimeout:       orDuration(cfg.RebalanceTimeout, 30*time.Second),
		JoinGroupBackoff:       orDuration(cfg.JoinBackoff, 200*time.Millisecond),
		WatchPartitionChanges:  cfg.WatchPartitionChanges,
		PartitionWatchInterval: 5 * time.Second,
		GroupBalancers:         []kafka.GroupBalancer{kafka.RangeGroupBalancer{}, kafka.RoundRobinGroupBalancer{}},
		StartOffset:            kafka.FirstOffset,
		RetentionTime:          -1 * time.Millisecond, // the broker's own
		Timeout:                groupTimeout,
		Logger: kafka.LoggerFunc(func(format string, args ...any) {
			log.Debug("group: " + fmt.Sprintf(format, args...))
		}),
		ErrorLogger: kafka.LoggerFunc(func(format string, args ...any) {
			log.Warn("group: " + fmt.Sprintf(format, args...))
		}),
	})
	if err != nil {
		return nil, fmt.Errorf("join group %s: %w", cfg.ID, err)
	}
	g.cg = cg
	return g, nil
}

// groupTimeout bounds a request of the membership, joining apart.
const groupTimeout = 5 * time.Second

func orDuration(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}

// Next waits for the next generation, which comes only when the one before has ended and all its functions have returned.
// An error of joining is returned once, and the next call waits for the next attempt; ErrGroupClosed after Close.
func (g *Group) Next(ctx context.Context) (*Generation, error) {
	gen, err := g.cg.Next(ctx)
	if err != nil {
		return nil, fmt.Errorf("next generation: %w", err)
	}
	out := &Generation{GroupID: gen.GroupID, ID: gen.ID, MemberID: gen.MemberID, Assignments: make(map[string][]int32), gen: gen}
	for topic, assigned := range gen.Assignments {
		partitions := make([]int32, 0, len(assigned))
		for _, a := range assigned {
			partitions = append(partitions, int32(a.ID))
		}
		slices.Sort(partitions)
		out.Assignments[topic] = partitions
	}
	g.live.Store(true)
	gen.Start(func(ctx context.Context) {
		<-ctx.Done()
		g.live.Store(false)
	})
	return out, nil
}

// Close ends the current generation, waits for its functions, leaves the group and joins the background work. It does not
// wait for a join in progress.
func (g *Group) Close() error {
	live := g.live.Load()
	closed := make(chan error, 1)
	go func() { closed <- g.cg.Close() }()
	// A live generation keeps its connection: losing it would make kafka-go join again before it leaves.
	g.conns.end(!live)
	return <-closed
}

// Generation is one assignment of partitions. It ends with a rebalance, with Close, or when a function given to Start
// returns.
type Generation struct {
	GroupID  string
	ID       int32
	MemberID string
	// Assignments are the partitions of this member by topic, sorted, possibly none.
	Assignments map[string][]int32

	gen *kafka.Generation
}

// Start runs fn in a goroutine of this generation. Its ctx ends with the generation; the group then waits for fn before it
// joins again, at the broker's patience of RebalanceTimeout. When fn returns, the generation ends for all functions: one
// that has nothing to do must wait for ctx.
func (gen *Generation) Start(fn func(ctx context.Context)) { gen.gen.Start(fn) }

// leaveTimeout is what the connections opened after Close have: to leave the group.
const leaveTimeout = 2 * time.Second

// connTracker knows the membership's connections. kafka-go waits for an answer to JoinGroup for RebalanceTimeout and more,
// and Close waits with it; cutting its connections is the only way to end that.
type connTracker struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu   sync.Mutex
	open map[*trackedConn]struct{}
	last bool // closing: new connections have leaveTimeout
}

func (t *connTracker) dialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := t.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	tc := &trackedConn{Conn: conn, tracker: t}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last {
		tc.timer = time.AfterFunc(leaveTimeout, func() { _ = conn.Close() })
		return tc, nil
	}
	if t.open == nil {
		t.open = make(map[*trackedConn]struct{})
	}
	t.open[tc] = struct{}{}
	return tc, nil
}

// end limits the life of later connections and, if cut is set, closes those that are open.
func (t *connTracker) end(cut bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = true
	if !cut {
		return
	}
	for tc := range t.open {
		_ = tc.Conn.Close()
	}
	t.open = nil
}

type trackedConn struct {
	net.Conn
	tracker *connTracker
	timer   *time.Timer
}

func (c *trackedConn) Close() error {
	c.tracker.mu.Lock()
	delete(c.tracker.open, c)
	c.tracker.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
	return c.Conn.Close()
}
