package pipeline

import (
	"github.com/millrace/millrace/broker"
)

// finish takes the answer to a produce request: each partition goes its own way from here.
func (s *shard) finish(x *exchange) {
	x.sender.busy = false
	now := s.p.clock()
	s.p.stats.exchange(x)
	if x.err != nil {
		s.p.health.failed(x.err)
		s.p.routes.refresh() // the leader may be gone
	}
	for i, pt := range x.parts {
		err := x.err
		if err == nil {
			err = x.results[i].Err
		}
		pt.batch.inFlight = false
		s.conclude(pt, err, now)
	}
	x.reset()
}

// conclude does what the outcome of one attempt asks for. It is the one place that decides between settling, sending again and giving up.
func (s *shard) conclude(pt *partition, err error, now int64) {
	class := broker.Classify(err)
	if class == broker.ClassNone {
		s.p.health.succeeded(now)
		s.stored(pt)
		return
	}
	s.p.stats.failed(class)
	s.p.health.failed(err)
	if broker.IsNotLeader(err) {
		s.p.routes.refresh()
	}
	switch class {
	case broker.ClassProducer:
		// Sent again under another identity the broker cannot tell it from what it may have stored: the sink can, by the events' ids.
		s.p.log.warn("the broker no longer knows the producer: sending the batch again under a new id", "topic", pt.topic, "partition", pt.id, "records", pt.batch.span.n, "err", err)
		s.p.stats.possibleDuplicates.Add(pt.batch.span.n)
		s.renew(pt)
	case broker.ClassRecord:
		s.refused(pt, err)
		return // the parts go at once
	case broker.ClassAmbiguous:
		// The same bytes again: the broker knows by identity and sequence whether it has them.
		pt.batch.ambiguous = true
		s.p.log.warn("the broker did not answer for a batch: sending it again", "topic", pt.topic, "partition", pt.id, "records", pt.batch.span.n, "err", err)
	case broker.ClassRetriable:
		s.p.log.warn("the broker cannot take a batch now: sending it again", "topic", pt.topic, "partition", pt.id, "records", pt.batch.span.n, "err", err)
	default:
		// Somebody must change a setting or a permission. The batch is held until then; its callers have long been told to send again.
		s.p.log.warn("the broker refuses to take events: check the permissions and settings of this user and topic", "topic", pt.topic, "partition", pt.id, "records", pt.batch.span.n, "err", err)
	}
	pt.failures++
	pt.notBefore = now + int64(backoff(pt.failures))
}

// stored settles the batch and moves the sequence on.
func (s *shard) stored(pt *partition) {
	b := &pt.batch
	s.p.stats.stored(pt, b)
	pt.sequence = broker.NextSequence(pt.sequence, b.span.n)
	sp := b.span
	pt.dropBatch()
	s.settle(sp, true)
}

// refused deals with a batch that the broker will never store as it is: half of it at a time, until the record that it refuses is alone.
func (s *shard) refused(pt *partition, err error) {
	sp, ambiguous := pt.batch.span, pt.batch.ambiguous
	pt.dropBatch()
	if ambiguous {
		// An earlier attempt may be stored after all. Its sequence must not be used for other records: the broker would take them for a repeat and
		// drop them.
		s.p.stats.possibleDuplicates.Add(sp.n)
		s.renew(pt)
	}
	if sp.n > 1 {
		left, right := sp.halves()
		pt.halves = append(pt.halves, right, left)
		return
	}
	s.p.stats.refusedRecords.Inc()
	s.p.log.warn("the broker refuses a record for good: its sender is told to send again; compare limits.max_event_bytes and pipeline.max_batch_bytes with the topic's max.message.bytes",
		"topic", pt.topic, "partition", pt.id, "bytes", sp.chunks[0].size, "err", err)
	s.settle(sp, false)
}

// renew takes the partition's identity away. It gets the shard's, and if that is the one it had, the shard gets a new one first.
func (s *shard) renew(pt *partition) {
	pt.identified = false
	if s.identified && s.identity == pt.identity {
		s.identified = false
		s.ids.request()
	}
}
