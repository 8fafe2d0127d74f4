package pipeline

import (
	"math/rand/v2"
	"time"

	"github.com/millrace/millrace/broker"
)

// Back-off between the attempts of one batch.
const (
	minBackoff = 20 * time.Millisecond
	maxBackoff = time.Second
)

// backoff returns how long to wait after the given number of failures, 1 or more, with up to a third taken off at random so that many do not
// come back together.
func backoff(failures int) time.Duration {
	d := min(minBackoff<<min(failures-1, 16), maxBackoff)
	return d - rand.N(d/3)
}

// partition is one partition of a topic on its way to the broker: what waits for it and the one batch that is formed or in flight. The names are fixed; the rest is
// the goroutine's of its shard.
type partition struct {
	topic string
	id    int32
	index int // among all partitions of the pipeline
	shard *shard

	queue   queue
	halves  []span   // of a batch that the broker refused; the last is next and goes before the queue
	members []*chunk // the chunks of the batch, and of halves
	batch   batch

	// identity and sequence are what the next batch is sent with, once identified. A sequence moves when a batch is stored, never before.
	identity   broker.ProducerID
	sequence   int32
	identified bool

	failures  int   // of the batch, in a row
	notBefore int64 // Pipeline.clock: no attempt before it
}

func newPartition(topic string, id int32, index int, s *shard) *partition {
	return &partition{topic: topic, id: id, index: index, shard: s}
}

// batch is a record batch: formed, then sent until it is settled. Its bytes do not change between attempts unless it gets another identity.
type batch struct {
	builder  broker.BatchBuilder
	sealed   []byte // nil: there is no batch. The builder's memory
	span     span
	since    int64 // Pipeline.clock of the oldest record
	inFlight bool
	// ambiguous says that an attempt ended without an answer, so the broker may have the batch.
	ambiguous bool
}

// keepBatchBytes is how much memory a partition keeps for its next batch, over what batches may hold.
const keepBatchBytes = 256 << 10

// drop forgets the batch and keeps its memory, unless one large event has made it large.
func (pt *partition) dropBatch() {
	sealed := pt.batch.sealed
	pt.batch.builder.Reset()
	if cap(sealed) > int(pt.shard.p.cfg.MaxBatchBytes)+keepBatchBytes {
		pt.batch.builder.Detach()
	}
	pt.batch.sealed, pt.batch.span, pt.batch.ambiguous = nil, span{}, false
	pt.failures, pt.notBefore = 0, 0
}

// idle tells whether there is nothing of this partition to send.
func (pt *partition) idle() bool {
	return pt.batch.sealed == nil && len(pt.halves) == 0 && pt.queue.head == nil
}

// due tells whether the partition has something to send at now; if not yet, at tells when (0: only when something else happens).
func (pt *partition) due(now int64) (due bool, at int64) {
	switch {
	case pt.batch.inFlight:
		return false, 0
	case now < pt.notBefore:
		return false, pt.notBefore
	case pt.batch.sealed != nil || len(pt.halves) > 0:
		return true, 0
	case pt.queue.head == nil:
		return false, 0
	}
	s := pt.shard
	linger := int64(s.p.cfg.Linger)
	if linger == 0 || pt.queue.size >= s.p.maxChunkBytes() || s.p.draining.Load() {
		return true, 0
	}
	at = pt.queue.head.req.pushedAt + linger
	return now >= at, at
}

// form makes the next batch of a half, or of what waits, and seals it. False: all that waited had been abandoned. The partition must be identified and
// without a batch.
func (pt *partition) form() bool {
	b := &pt.batch
	if n := len(pt.halves); n > 0 {
		b.span, pt.halves = pt.halves[n-1], pt.halves[:n-1]
	} else {
		b.span = pt.gather()
	}
	if b.span.n == 0 {
		return false
	}
	b.since = b.span.chunks[0].req.pushedAt
	b.span.each(func(c *chunk, skip, count int) {
		arena, at := c.req.arena, c.first
		for i := range skip + count {
			body, next := record(arena, at)
			if i >= skip {
				b.builder.Append(body, c.req.receivedAt)
			}
			at = next
		}
		b.since = min(b.since, c.req.pushedAt)
	})
	b.sealed = b.builder.Seal(pt.identity, pt.sequence)
	return true
}

// gather takes chunks off the queue, as many as a batch holds and one at least.
func (pt *partition) gather() span {
	clear(pt.members)
	pt.members = pt.members[:0]
	size, records := 0, 0
	for c := pt.queue.head; c != nil; c = pt.queue.head {
		if records > 0 && size+c.size > pt.shard.p.maxChunkBytes() {
			break
		}
		pt.queue.pop()
		if !c.take() {
			pt.shard.drop(c)
			continue
		}
		c.left = c.records
		size += c.size
		records += c.records
		pt.members = append(pt.members, c)
	}
	return span{chunks: pt.members, n: records}
}

// identify gives a partition that has no identity the shard's, from sequence 0, and a batch that was made for another one with it. False: the shard has none yet.
func (pt *partition) identify() bool {
	if pt.identified {
		return true
	}
	s := pt.shard
	if !s.identified {
		return false
	}
	pt.identity, pt.sequence, pt.identified = s.identity, 0, true
	if pt.batch.sealed != nil {
		pt.batch.sealed = pt.batch.builder.Seal(pt.identity, pt.sequence)
		pt.batch.ambiguous = false // under this identity it was never sent
	}
	return true
}

// since is when the oldest record of the partition that is not acknowledged was pushed; 0: none.
func (pt *partition) since() (at int64) {
	if pt.queue.head != nil {
		at = pt.queue.head.req.pushedAt
	}
	for _, sp := range pt.halves {
		at = older(at, sp.chunks[0].req.pushedAt)
	}
	if pt.batch.sealed != nil {
		at = older(at, pt.batch.since)
	}
	return at
}

// older returns the earlier of two times of which 0 means none.
func older(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
