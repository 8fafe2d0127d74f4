package generate

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/scenario"
)

// Pool is every body of a run.
type Pool struct {
	Producers []*Producer
	// Probe has one body with one event named ProbeEvent, for measuring how long an accepted event takes until a query finds it. Its number is len(Producers).
	Probe *Producer
}

// Producer is what one connection sends: its bodies in order, round and round. Users and sessions of different producers are disjoint, so the order of one user's
// events is that of one producer.
type Producer struct {
	Number uint16
	Slots  []ledger.Slot // the events of all bodies in order
	Bodies []Body
}

// New renders a scenario: one producer per connection, each with at least one body of load.batch events, and as many as fit its part of events.pool_bytes. It takes
// all processors for a time that grows with the pool, about a second per 150 MB and processor. The error is the scenario's.
func New(s *scenario.Scenario) (*Pool, error) { return NewContext(context.Background(), s) }

// NewContext is New that the end of ctx ends early, with its error.
func NewContext(ctx context.Context, s *scenario.Scenario) (*Pool, error) {
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("scenario %s: %w", s.Name, err)
	}
	world := newWorld(s)
	p := &Pool{Producers: make([]*Producer, s.Load.Connections)}
	budget := s.Events.PoolBytes / int64(s.Load.Connections)
	var next atomic.Int64
	var running sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(p.Producers)) {
		running.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= len(p.Producers) || ctx.Err() != nil {
					return
				}
				p.Producers[n] = newMaker(s, world, uint16(n), budget).run(ctx)
			}
		})
	}
	p.Probe = newProbe(s, world, uint16(len(p.Producers)))
	running.Wait()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("render events: %w", err)
	}
	return p, nil
}

// Bytes is the size of all bodies together, the probe's not counted.
func (p *Pool) Bytes() int64 {
	var sum int64
	for _, producer := range p.Producers {
		for i := range producer.Bodies {
			sum += int64(len(producer.Bodies[i].JSON))
		}
	}
	return sum
}

// Path is where a dialect's bodies are posted to.
func Path(dialect string) string {
	if dialect == "native" {
		return "/v1/events"
	}
	return "/v1/batch"
}
