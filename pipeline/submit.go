package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace/millrace/schema"
)

// Why a caller stopped waiting.
var (
	errAckTimeout = errors.New("not acknowledged within broker.ack_timeout")
	errStopped    = errors.New("the program is stopping")
)

// Submit validates, completes and stores the events of one request. It runs on the caller's goroutine and blocks until every event has its final outcome, at most
// the ack timeout or until ctx ends. It may be called from any number of goroutines. It borrows b, writes to its Buf, its events and its Durability, and refers to
// nothing of it after it returned.
//
// With nil the outcomes are in b.Events: OK or Warning is stored with b.Durability, Drop is refused for good (Quarantined tells whether its bytes are stored), Retry
// is not stored or unknown. An error is about the whole request: nothing of it is acknowledged and all of it should be sent again. It is schema.ErrOverloaded,
// with nothing stored, schema.ErrBrokerUnavailable, with anything stored unknown, or the Gate's.
func (p *Pipeline) Submit(ctx context.Context, b *schema.Batch) error {
	err := p.submit(ctx, b)
	if err != nil {
		p.stats.countAll(len(b.Events), err)
		return err
	}
	p.stats.count(b.Events)
	return nil
}

func (p *Pipeline) submit(ctx context.Context, b *schema.Batch) error {
	if p.deps.Gate != nil {
		if err := p.deps.Gate(); err != nil {
			return err
		}
	}
	if p.draining.Load() {
		return fmt.Errorf("%w: %w", schema.ErrOverloaded, errStopped)
	}
	b.Durability = schema.Broker
	if p.deps.Relaxed {
		b.Durability = schema.Relaxed
	}
	if b.ReceivedAt == 0 {
		b.ReceivedAt = p.deps.Now().UnixMilli()
	}
	r := p.getRequest()
	defer r.release()
	r.encode(b)
	if len(r.chunks) == 0 {
		return nil
	}
	if err := r.reserve(); err != nil {
		p.limiter.give(b.KeyID, r.charged)
		return err
	}
	r.push()
	cause := r.wait(ctx)
	if stored := r.collect(); stored == 0 {
		if cause == nil {
			cause = errors.New("the broker refused the records")
		}
		return fmt.Errorf("%w: %w", schema.ErrBrokerUnavailable, cause)
	}
	r.answer(b)
	return nil
}

// encode decides on every event and writes its record.
func (r *request) encode(b *schema.Batch) {
	r.enrich.Begin(b, r.p.limits)
	r.prepare(b)
	erased := r.p.erased(b.Project)
	for i := range b.Events {
		e := &b.Events[i]
		stage := stagePipeline
		if e.Refused() {
			stage = stageIngest
		}
		r.judge(b, e)
		switch {
		case erased != nil && r.forget(b, e, erased):
			r.place[i] = notSent
		case e.Refused():
			r.place[i] = r.encodeRefused(b, e, stage)
		default:
			r.place[i] = r.encodeEvent(b, e)
		}
	}
	r.enrich.End()
}

// reserve makes room for all chunks on their rings, or for none.
func (r *request) reserve() error {
	for i := range r.chunks {
		c := &r.chunks[i]
		if c.part.shard.ring.TryReserve(c.charge) {
			continue
		}
		for j := range i {
			r.chunks[j].part.shard.ring.Release(r.chunks[j].charge)
		}
		return c.part.shard.full(r)
	}
	return nil
}

// full says why a ring refused.
func (s *shard) full(r *request) error {
	if s.p.draining.Load() {
		return fmt.Errorf("%w: %w", schema.ErrOverloaded, errStopped)
	}
	s.p.stats.ringFull.Inc()
	var need int64
	for i := range r.chunks {
		if r.chunks[i].part.shard == s {
			need += r.chunks[i].charge
		}
	}
	entries, limit := s.ring.Cap()
	if need > limit {
		return fmt.Errorf("%w: the request needs %d bytes in one queue, pipeline.ring_bytes is %d: send smaller requests or raise it", schema.ErrOverloaded, need, limit)
	}
	return fmt.Errorf("%w: queue %d holds %d of %d bytes (pipeline.ring_bytes) and %d of %d requests (pipeline.ring_entries)",
		schema.ErrOverloaded, s.index, s.ring.Bytes(), limit, s.ring.Entries(), entries)
}

// push hands all chunks over. From here on they belong to the shards.
func (r *request) push() {
	r.pushedAt = r.p.clock()
	r.refs.Add(int32(len(r.chunks))) // before the first push, or the first chunk settled could be taken for the last
	for i := range r.chunks {
		c := &r.chunks[i]
		c.part.shard.records.Add(int64(c.records))
		c.part.shard.ring.Push(c)
	}
}

// collect ends the wait for what is not settled and returns how many chunks are stored. From the last to the first, so that what a shard takes in the meantime
// is what comes first in its partition.
func (r *request) collect() (stored int) {
	for i := len(r.chunks) - 1; i >= 0; i-- {
		c := &r.chunks[i]
		c.abandon()
		// Looked at once: what is settled later does not change the answer.
		c.unknown = c.state.Load() != chunkStored
		if !c.unknown {
			stored++
		}
	}
	return stored
}

// answer gives each event its outcome.
func (r *request) answer(b *schema.Batch) {
	for i := range b.Events {
		e := &b.Events[i]
		switch at := r.place[i]; {
		case at == notSent:
			// Refused and only counted: final.
		case r.chunks[at].unknown:
			e.Result, e.Reason, e.Pointer = schema.Retry, schema.Unknown, ""
			e.Detail = "the broker did not acknowledge it: send it again with the same id"
		case e.Refused():
			e.Quarantined = true
		}
	}
}
