package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/millrace/millrace/broker"
)

// router knows the leader of each partition. It asks the cluster when it starts and whenever a shard met something that makes the answer doubtful; all that ask
// at the same time are one.
type router struct {
	p    *Pipeline
	want chan struct{}
	// leaders is by partition.index; -1: none is known. A store publishes a new slice, which is never changed.
	leaders atomic.Pointer[[]int32]
}

func newRouter(p *Pipeline) *router {
	rt := &router{p: p, want: make(chan struct{}, 1)}
	none := make([]int32, len(p.parts))
	for i := range none {
		none[i] = -1
	}
	rt.leaders.Store(&none)
	return rt
}

// leader returns the id of the partition's leader, or -1.
func (rt *router) leader(pt *partition) int32 { return (*rt.leaders.Load())[pt.index] }

// refresh asks for new routes. Shards get a token when they are there.
func (rt *router) refresh() {
	select {
	case rt.want <- struct{}{}:
	default:
	}
}

// run looks the routes up, at once and then when asked to, until ctx ends.
func (rt *router) run(ctx context.Context) {
	for rt.update(ctx) {
		select {
		case <-rt.want:
		case <-ctx.Done():
			return
		}
		rt.p.deps.Broker.RefreshRoutes()
	}
}

// update asks until every partition has a leader. False: ctx has ended.
func (rt *router) update(ctx context.Context) bool {
	for failures := 1; ; failures++ {
		select {
		case <-rt.want: // asked before this look: it is the answer
		default:
		}
		err := rt.ask(ctx)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		rt.p.health.failed(err)
		rt.p.log.warn("the leaders of some partitions are not known", "err", err)
		if !pause(ctx, backoff(failures)) {
			return false
		}
		rt.p.deps.Broker.RefreshRoutes()
	}
}

// ask looks the routes up once. What it found it publishes even if something is missing.
func (rt *router) ask(ctx context.Context) error {
	md, err := rt.p.metadata(ctx)
	if err != nil {
		return err
	}
	leaders := make([]int32, len(rt.p.parts))
	var errs []error
	for i, pt := range rt.p.parts {
		if leaders[i], err = leaderOf(md, pt); err != nil && len(errs) < 3 {
			errs = append(errs, err)
		}
	}
	rt.leaders.Store(&leaders)
	for _, s := range rt.p.shards {
		select {
		case s.routed <- struct{}{}:
		default:
		}
	}
	return errors.Join(errs...)
}

// metadata asks the cluster about both topics, within the time of an exchange.
func (p *Pipeline) metadata(ctx context.Context) (*broker.Metadata, error) {
	ctx, cancel := context.WithTimeout(ctx, p.exchangeTimeout())
	defer cancel()
	return p.deps.Broker.Metadata(ctx, p.deps.Topic, p.deps.QuarantineTopic)
}

// leaderOf finds the leader of a partition, -1 with an error that says why there is none.
func leaderOf(md *broker.Metadata, pt *partition) (int32, error) {
	topic := md.Topics[pt.topic]
	if topic.Err != nil {
		return -1, fmt.Errorf("topic %s: %w (millrace migrate up creates it)", pt.topic, topic.Err)
	}
	for _, pm := range topic.Partitions {
		switch {
		case pm.ID != pt.id:
		case pm.Leader >= 0:
			return pm.Leader, nil
		default:
			return -1, fmt.Errorf("topic %s partition %d has no leader: %w", pt.topic, pt.id, errors.Join(pm.Err, errNoLeader))
		}
	}
	return -1, fmt.Errorf("topic %s has %d partitions, no partition %d", pt.topic, len(topic.Partitions), pt.id)
}

var errNoLeader = errors.New("leader not available")
