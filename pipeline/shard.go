package pipeline

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/pipeline/ring"
)

// shard is one goroutine with a ring and the partitions that are its own, of both topics. It forms batches, hands them to the senders of their leaders and settles them.
// Nothing in it but ring, records and oldest is touched by anybody else.
type shard struct {
	p     *Pipeline
	index int
	ring  *ring.Ring[*chunk]
	parts []*partition

	ids        *idSource
	identity   broker.ProducerID // for partitions that need one
	identified bool

	senders map[int32]*sender // by leader
	sending sync.WaitGroup
	answers chan *exchange
	routed  chan struct{} // a token: there are new routes
	turn    int           // which partition is looked at first

	timer   *time.Timer
	wakeAt  int64 // Pipeline.clock at which timer fires; 0: not armed
	sweepAt int64 // when abandoned chunks are next looked for

	// records counts what was pushed and is neither settled nor dropped.
	records atomic.Int64
	// oldest is when the oldest of them was pushed, Pipeline.clock; 0: none. Written by the shard as it goes to wait.
	oldest atomic.Int64
	// drained is closed when the ring has ended and all is settled.
	drained chan struct{}
}

// sweepEvery is how often chunks whose callers gave up are taken out of the queues, so that they do not fill the ring while the broker is away.
const sweepEvery = 250 * time.Millisecond

func newShard(p *Pipeline, index int) *shard {
	s := &shard{
		p:       p,
		index:   index,
		ring:    ring.New[*chunk](p.cfg.RingEntries, p.cfg.RingBytes),
		senders: make(map[int32]*sender),
		answers: make(chan *exchange),
		routed:  make(chan struct{}, 1),
		drained: make(chan struct{}),
		timer:   time.NewTimer(time.Hour),
	}
	s.timer.Stop()
	s.ids = newIDSource(p)
	return s
}

// run works until ctx ends, or until the ring has ended and everything is settled.
func (s *shard) run(ctx context.Context) {
	sendCtx, cancel := context.WithCancel(ctx)
	defer s.stop(cancel)
	s.ids.request()
	for {
		s.intake()
		now := s.p.clock()
		s.sweep(now)
		s.dispatch(sendCtx, now)
		ended := s.ring.Ended() // then only answers and timers are left to wait for
		if ended && s.records.Load() == 0 {
			s.oldest.Store(0)
			close(s.drained)
			return
		}
		s.plan(now)
		if !ended && !s.ring.Park() {
			continue
		}
		select {
		case <-s.ring.Ready():
		case x := <-s.answers:
			s.finish(x)
		case <-s.routed:
			s.hasten()
		case s.identity = <-s.ids.got:
			s.identified = true
		case <-s.timer.C:
			s.wakeAt = 0
		case <-ctx.Done():
			return
		}
		s.ring.Unpark()
	}
}

// stop ends the senders and takes their last answers: what the broker acknowledged just now still counts.
func (s *shard) stop(cancel context.CancelFunc) {
	cancel()
	s.timer.Stop()
	for _, sd := range s.senders {
		close(sd.work)
	}
	go func() {
		s.sending.Wait()
		close(s.answers) // joined by the loop below
	}()
	for x := range s.answers {
		s.finish(x)
	}
}

// intake takes everything off the ring.
func (s *shard) intake() {
	for c, ok := s.ring.Pop(); ok; c, ok = s.ring.Pop() {
		if c.abandoned() {
			s.drop(c)
			continue
		}
		c.part.queue.push(c)
	}
}

// sweep drops, now and then, what was abandoned. Callers give up in the order they came, or nearly so: the heads of the queues are enough.
func (s *shard) sweep(now int64) {
	if now < s.sweepAt {
		return
	}
	s.sweepAt = now + int64(sweepEvery)
	for _, pt := range s.parts {
		for pt.queue.head != nil && pt.queue.head.abandoned() {
			s.drop(pt.queue.pop())
		}
	}
}

// dispatch gives every idle sender one request with the batches of all its partitions that have something to send.
func (s *shard) dispatch(ctx context.Context, now int64) {
	s.turn++
	for i := range s.parts {
		pt := s.parts[(s.turn+i)%len(s.parts)]
		if due, _ := pt.due(now); !due {
			continue
		}
		leader := s.p.routes.leader(pt)
		if leader < 0 {
			continue // the router tries until every partition has one
		}
		sd := s.sender(ctx, leader)
		if sd.busy || !pt.identify() || pt.batch.sealed == nil && !pt.form() {
			continue
		}
		sd.next.add(pt) // or the next time round, when it is full
	}
	for _, sd := range s.senders {
		if !sd.busy && len(sd.next.parts) > 0 {
			sd.busy = true
			sd.work <- sd.next // has room: it is not busy
		}
	}
}

// sender returns the sender for a leader, started if it is new.
func (s *shard) sender(ctx context.Context, leader int32) *sender {
	sd := s.senders[leader]
	if sd == nil {
		sd = newSender(leader)
		s.senders[leader] = sd
		s.sending.Go(func() { sd.run(ctx, s.p.deps.Broker, s.p.exchangeTimeout(), s.answers) })
	}
	return sd
}

// plan arms the timer for the next thing that happens by itself, and notes the age of what waits.
func (s *shard) plan(now int64) {
	var wakeAt, oldest int64
	for _, pt := range s.parts {
		if pt.idle() {
			continue
		}
		oldest = older(oldest, pt.since())
		if _, at := pt.due(now); at > now {
			wakeAt = older(wakeAt, at)
		}
		if pt.queue.head != nil {
			wakeAt = older(wakeAt, s.sweepAt)
		}
	}
	s.oldest.Store(oldest)
	// A timer that fires early does no harm, so it is only ever moved forward.
	if wakeAt != 0 && (s.wakeAt == 0 || wakeAt < s.wakeAt) {
		s.wakeAt = wakeAt
		s.timer.Reset(time.Duration(wakeAt - now))
	}
}

// hasten brings forward what waits for its next attempt: the cluster has just answered. Not to at once, or a cluster that sends us in circles would
// be asked without end.
func (s *shard) hasten() {
	soon := s.p.clock() + int64(minBackoff)
	for _, pt := range s.parts {
		pt.notBefore = min(pt.notBefore, soon)
	}
}

// drop lets go of a chunk that its caller has abandoned.
func (s *shard) drop(c *chunk) {
	s.ring.Free(c.charge)
	s.records.Add(-int64(c.records))
	c.req.chunkDone()
}

// settle gives the records of a span their outcome, and each chunk its own when its last record has one.
func (s *shard) settle(sp span, stored bool) {
	sp.each(func(c *chunk, _, count int) {
		c.left -= count
		c.bad = c.bad || !stored
		if c.left > 0 {
			return
		}
		outcome := chunkStored
		if c.bad {
			outcome = chunkFailed
		}
		s.ring.Free(c.charge)
		s.records.Add(-int64(c.records))
		c.state.Store(outcome)
		c.req.chunkDone()
	})
}
