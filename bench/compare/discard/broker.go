package discard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// Broker counts what it is sent. Make it with New, then Run it once. Counts and Refused are safe for concurrent use.
type Broker struct {
	topics    topics
	producers atomic.Int64  // the last producer id given out
	refused   atomic.Uint64 // record sets that are no v2 batches

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// New makes a broker whose topics have so many partitions unless they are created with another number; it must be positive.
func New(partitions int) (*Broker, error) {
	if partitions < 1 || partitions > maxPartitions {
		return nil, fmt.Errorf("%d partitions: choose 1 to %d", partitions, maxPartitions)
	}
	return &Broker{topics: topics{partitions: partitions, byName: make(map[string]*topic)}, conns: make(map[net.Conn]struct{})}, nil
}

// Counts returns what each topic has been sent, by name. What was acknowledged before the call is in it.
func (b *Broker) Counts() map[string]Count { return b.topics.counts() }

// Refused counts the record sets that were refused because they are no v2 batches, or not as long as they say.
func (b *Broker) Refused() uint64 { return b.refused.Load() }

// Run serves connections from ln, which it closes, until ctx ends; then it cuts them. All goroutines have ended when it returns. It fails early when ln does.
func (b *Broker) Run(ctx context.Context, ln net.Listener) error {
	var serving sync.WaitGroup
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() }) // only to end Accept
	defer stop()
	var failed error
	for {
		nc, err := ln.Accept()
		if err != nil {
			if ctx.Err() == nil {
				failed = fmt.Errorf("discard: accept: %w", errors.Join(err, ln.Close()))
			}
			break
		}
		b.mu.Lock()
		b.conns[nc] = struct{}{}
		b.mu.Unlock()
		serving.Go(func() {
			defer b.drop(nc)
			// How it ended is the client's affair: it hung up, or sent what is no request.
			_ = (&conn{broker: b, Conn: nc}).serve(ctx)
		})
	}
	b.mu.Lock()
	for nc := range b.conns {
		_ = nc.Close()
	}
	b.mu.Unlock()
	serving.Wait()
	return failed
}

func (b *Broker) drop(nc net.Conn) {
	_ = nc.Close()
	b.mu.Lock()
	delete(b.conns, nc)
	b.mu.Unlock()
}
