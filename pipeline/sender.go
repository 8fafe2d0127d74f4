package pipeline

import (
	"context"
	"time"

	"github.com/millrace/millrace/broker"
)

// minExchange is the least time an exchange has: below it a slow broker would be asked again and again and never heard.
const minExchange = time.Second

// exchangeTimeout is how long one produce request may take. Callers are not told to wait longer than the ack timeout, but the exchange goes on.
func (p *Pipeline) exchangeTimeout() time.Duration { return max(p.deps.AckTimeout, minExchange) }

// maxExchangeBytes bounds one produce request, far below the 100 MiB that brokers take.
const maxExchangeBytes = 16 << 20

// sender sends the produce requests of one shard to one leader, one at a time. The shard writes next while the sender is not busy, then gives it away
// until it comes back as the answer.
type sender struct {
	leader int32
	work   chan *exchange
	busy   bool      // the shard's own
	next   *exchange // likewise
}

// exchange is one produce request and its answer.
type exchange struct {
	sender  *sender
	parts   []*partition
	batches []broker.PartitionBatch // of parts, in their order
	size    int

	took    time.Duration
	results []broker.ProduceResult // in the order of batches, when err is nil
	err     error
}

func newSender(leader int32) *sender {
	sd := &sender{leader: leader, work: make(chan *exchange, 1)}
	sd.next = &exchange{sender: sd}
	return sd
}

// add puts the partition's batch into the request, unless that is full.
func (x *exchange) add(pt *partition) {
	sealed := pt.batch.sealed
	if len(x.parts) > 0 && x.size+len(sealed) > maxExchangeBytes {
		return
	}
	pt.batch.inFlight = true
	x.parts = append(x.parts, pt)
	x.batches = append(x.batches, broker.PartitionBatch{Topic: pt.topic, Partition: pt.id, Records: sealed})
	x.size += len(sealed)
}

// reset makes the request empty again.
func (x *exchange) reset() {
	clear(x.batches)
	*x = exchange{sender: x.sender, parts: x.parts[:0], batches: x.batches[:0]}
}

// run sends until work is closed. The end of ctx ends an exchange that is going on, its outcome unknown.
func (sd *sender) run(ctx context.Context, client *broker.Client, timeout time.Duration, answers chan<- *exchange) {
	for x := range sd.work {
		start := time.Now()
		x.results, x.err = client.Produce(ctx, sd.leader, timeout, x.batches)
		x.took = time.Since(start)
		answers <- x
	}
}
