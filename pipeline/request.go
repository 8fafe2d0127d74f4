package pipeline

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/pipeline/enrich"
)

// request is all that one Submit needs, kept for the next one. The caller and each pushed chunk hold a reference; who gives up the last one returns it to the pool.
// The chunks of a caller that stopped waiting keep it, and its arena, alive.
type request struct {
	p *Pipeline
	// refs counts the references. At 1 only the caller is left: everything is settled. The subtraction that leaves 1 publishes the outcomes.
	refs  atomic.Int32
	done  chan struct{} // a token: look at refs
	timer *time.Timer

	arena      []byte // records, see record
	chunks     []chunk
	receivedAt int64 // Unix milliseconds: the records' time
	pushedAt   int64 // Pipeline.clock

	// The rest is used until the push.
	enrich  enrich.Request
	place   []int32 // by event: its chunk, or one of the two below
	open    []int32 // by partition.index: the chunk that takes its next record, plus 1; 0: none yet
	opened  []int   // indices of open that are set
	ix      []byte
	key     []byte
	text    []byte
	headers []broker.Header
	charged int64 // taken from the quarantine's bucket
}

// Places of events that have no chunk.
const notSent int32 = -1

// A pooled request keeps no more than this.
const (
	keepArenaBytes = 4 << 20
	keepPlaces     = 16 << 10
	keepChunks     = 1024
)

func newRequest(p *Pipeline) *request {
	r := &request{p: p, done: make(chan struct{}, 1), timer: time.NewTimer(time.Hour), open: make([]int32, len(p.parts))}
	r.timer.Stop()
	r.enrich.Use(p.deps.Enrich)
	return r
}

func (p *Pipeline) getRequest() *request {
	r := p.requests.Get().(*request)
	r.refs.Store(1)
	return r
}

// reset forgets the request. Only for the last holder.
func (r *request) reset() {
	select {
	case <-r.done:
	default:
	}
	if cap(r.arena) > keepArenaBytes {
		r.arena = nil
	}
	if cap(r.place) > keepPlaces {
		r.place = nil
	}
	if cap(r.chunks) > keepChunks {
		r.chunks = nil
	}
	r.closeChunks()
	r.arena, r.place, r.chunks = r.arena[:0], r.place[:0], r.chunks[:0]
	clear(r.headers[:cap(r.headers)]) // they alias the caller's batch
	r.headers = r.headers[:0]
	r.charged = 0
}

// closeChunks makes every further record begin a new chunk.
func (r *request) closeChunks() {
	for _, i := range r.opened {
		r.open[i] = 0
	}
	r.opened = r.opened[:0]
}

// release gives up the caller's reference.
func (r *request) release() {
	if r.refs.Add(-1) == 0 {
		r.reset()
		r.p.requests.Put(r)
	}
}

// chunkDone gives up a chunk's reference: it is settled or dropped. The chunk must not be touched afterwards.
func (r *request) chunkDone() {
	switch r.refs.Add(-1) {
	case 1:
		// The caller may give up at this moment and the request may serve another one when the token arrives; that one looks at refs and waits on.
		select {
		case r.done <- struct{}{}:
		default:
		}
	case 0:
		r.reset()
		r.p.requests.Put(r)
	}
}

// wait returns nil when every chunk is settled, else why not.
func (r *request) wait(ctx context.Context) error {
	r.timer.Reset(r.p.deps.AckTimeout)
	defer r.timer.Stop()
	for r.refs.Load() > 1 {
		select {
		case <-r.done:
		case <-r.timer.C:
			return errAckTimeout
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-r.p.stopped:
			return errStopped
		}
	}
	return nil
}
