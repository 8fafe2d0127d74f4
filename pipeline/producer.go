package pipeline

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/broker"
)

// idSource gets producer ids for one shard, one at a time, in a goroutine of its own, so that the shard never waits for the broker.
type idSource struct {
	p    *Pipeline
	want chan struct{}
	got  chan broker.ProducerID
	// served is set once the first id is there. The store publishes nothing else.
	served atomic.Bool
}

func newIDSource(p *Pipeline) *idSource {
	return &idSource{p: p, want: make(chan struct{}, 1), got: make(chan broker.ProducerID)}
}

// request asks for a new id, which comes through got. Requests that were not answered yet are one.
func (src *idSource) request() {
	select {
	case src.want <- struct{}{}:
	default:
	}
}

// run serves requests until ctx ends.
func (src *idSource) run(ctx context.Context) {
	for {
		select {
		case <-src.want:
		case <-ctx.Done():
			return
		}
		id, ok := src.get(ctx)
		if !ok {
			return
		}
		select {
		case src.got <- id:
		case <-ctx.Done():
			return
		}
	}
}

// get tries until it has an id. False: ctx has ended.
func (src *idSource) get(ctx context.Context) (broker.ProducerID, bool) {
	for failures := 1; ; failures++ {
		attempt, cancel := context.WithTimeout(ctx, src.p.exchangeTimeout())
		id, err := src.p.deps.Broker.InitProducerID(attempt)
		cancel()
		if err == nil {
			src.served.Store(true)
			return id, true
		}
		if ctx.Err() != nil {
			return id, false
		}
		src.p.health.failed(err)
		src.p.log.warn("no producer id from the broker yet", "err", err)
		if !pause(ctx, backoff(failures)) {
			return id, false
		}
	}
}

// pause waits, and tells whether ctx still lives.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
