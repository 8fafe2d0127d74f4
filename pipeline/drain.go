package pipeline

import (
	"context"
	"fmt"
	"time"
)

// drainReport is how often a drain that takes long says how far it is.
const drainReport = time.Second

// Drain refuses new requests and waits until everything that was taken in is acknowledged, at most until ctx ends or Config.DrainTimeout has passed. An error says
// how many events are left: nothing of them was acknowledged, and their callers are told to send them again when Run's context ends. Run must be running, and ends
// only after Drain.
func (p *Pipeline) Drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.DrainTimeout)
	defer cancel()
	begin := time.Now()
	p.refuse()
	report := time.NewTicker(drainReport)
	defer report.Stop()
	for _, s := range p.shards {
		for drained := false; !drained; {
			select {
			case <-s.drained:
				drained = true
			case <-report.C:
				p.deps.Logger.Info("waiting for the broker to acknowledge the last events", "events", p.unacked(), "elapsed", time.Since(begin).Round(time.Second))
			case <-ctx.Done():
				return p.leftBehind(time.Since(begin))
			case <-p.stopped:
				return p.leftBehind(time.Since(begin))
			}
		}
	}
	return nil
}

// leftBehind says what a drain did not finish.
func (p *Pipeline) leftBehind(after time.Duration) error {
	n := p.unacked()
	if n == 0 {
		return nil // the last answer came with the deadline
	}
	return fmt.Errorf("pipeline: %d events not acknowledged by the broker after %v (pipeline.drain_timeout): their senders are told to send them again; last error: %w",
		n, after.Round(time.Millisecond), p.health.lastFailure())
}

// unacked is how many records are neither settled nor given up.
func (p *Pipeline) unacked() (n int64) {
	for _, s := range p.shards {
		n += s.records.Load()
	}
	return n
}
