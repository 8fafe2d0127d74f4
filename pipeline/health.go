package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// health is what is known of the broker from the traffic.
type health struct {
	// succeededAt is the Pipeline.clock of the last acknowledged batch; 0: none yet.
	succeededAt atomic.Int64
	// failure is the last error of any exchange; nil after a success.
	failure atomic.Pointer[error]

	mu       sync.Mutex // one probe at a time; held during it
	probedAt time.Time
	probed   error
}

func (h *health) failed(err error) { h.failure.Store(&err) }

func (h *health) succeeded(now int64) {
	h.succeededAt.Store(now)
	if h.failure.Load() != nil { // a load per batch instead of a store
		h.failure.Store(nil)
	}
}

// lastFailure returns why the broker does not acknowledge, as far as is known.
func (h *health) lastFailure() error {
	if err := h.failure.Load(); err != nil {
		return *err
	}
	return errors.New("still trying")
}

const (
	// fullRing is the fill of a ring from which the pipeline no longer counts as ready.
	fullRing = 0.9
	// freshSuccess is how long an acknowledged batch proves that the next would be.
	freshSuccess = time.Second
	// freshProbe is how long a probe's result is kept.
	freshProbe = time.Second
)

// Check tells whether events can be durably accepted now: the broker acknowledges, no ring is nearly full, the Gate is open, no drain has begun. detail is for people. It may ask
// the cluster, and returns when ctx ends or the ack timeout has passed. It is safe for concurrent use.
func (p *Pipeline) Check(ctx context.Context) (detail string, err error) {
	if p.draining.Load() {
		return "", errStopped
	}
	fill := p.fill()
	if fill >= fullRing {
		return "", fmt.Errorf("a queue is %.0f %% full: the broker takes less than comes in (pipeline.ring_bytes, pipeline.ring_entries)", 100*fill)
	}
	if p.deps.Gate != nil {
		if err := p.deps.Gate(); err != nil {
			return "", err
		}
	}
	age := p.oldest()
	if age > p.deps.AckTimeout {
		return "", fmt.Errorf("the oldest event has waited %v for the broker: %w", age.Round(time.Millisecond), p.health.lastFailure())
	}
	for _, s := range p.shards {
		if !s.ids.served.Load() {
			return "", fmt.Errorf("the broker has given no producer id yet: %w", p.health.lastFailure())
		}
	}
	if at := p.health.succeededAt.Load(); at == 0 || p.clock()-at > int64(freshSuccess) {
		if err := p.probe(ctx); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d partitions in %d shards, fullest queue %.0f %%, oldest waiting event %v", len(p.parts), len(p.shards), 100*fill, age.Round(time.Millisecond)), nil
}

// fill is the fill of the fullest ring, 0 to 1.
func (p *Pipeline) fill() (fill float64) {
	for _, s := range p.shards {
		entries, bytes := s.ring.Cap()
		fill = max(fill, float64(s.ring.Entries())/float64(entries), float64(s.ring.Bytes())/float64(bytes))
	}
	return fill
}

// probe asks the cluster whether every partition has a leader. Those who come while one asks share its answer.
func (p *Pipeline) probe(ctx context.Context) error {
	h := &p.health
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.probedAt.IsZero() && time.Since(h.probedAt) < freshProbe {
		return h.probed
	}
	deadline, cancel := context.WithTimeout(ctx, p.deps.AckTimeout)
	defer cancel()
	err := p.askLeaders(deadline)
	if ctx.Err() != nil {
		return err // says more about this caller than about the broker: not kept
	}
	h.probed, h.probedAt = err, time.Now()
	return err
}

func (p *Pipeline) askLeaders(ctx context.Context) error {
	md, err := p.metadata(ctx)
	if err != nil {
		// The explanation in words needs connections of its own; without it the error must do.
		if why := p.deps.Broker.Probe(ctx); why != nil && ctx.Err() == nil {
			return why
		}
		return fmt.Errorf("the broker does not answer: %w", err)
	}
	for _, pt := range p.parts {
		if _, err := leaderOf(md, pt); err != nil {
			return err
		}
	}
	return nil
}
