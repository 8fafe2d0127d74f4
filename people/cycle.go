package people

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/retry"
)

// runCycles looks for new events until ctx ends, or until only another election can help.
func (l *Leader) runCycles(ctx context.Context) error {
	again := retry.Backoff{Least: l.job.cfg.BackoffMin, Most: l.job.cfg.BackoffMax}
	var said retry.Reminder
	l.tell(0, "")
	for {
		more, err := l.cycle(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, ErrFenced):
			return err
		case err != nil:
			l.tell(l.job.metrics.lag.Load(), err.Error())
			l.job.metrics.failures.Inc()
			if said.Due(time.Now()) {
				l.log.Warn("a cycle failed and will be done again", "error", err)
			}
			retry.Pause(ctx, again.Next())
		default:
			again.Reset()
			if !more {
				retry.Pause(ctx, l.job.cfg.Interval)
			}
		}
	}
}

// cycle does what is confirmed, up to what one statement may read; more says that there is more.
func (l *Leader) cycle(ctx context.Context) (more bool, err error) {
	if err := l.take(ctx); err != nil {
		return false, err
	}
	defer l.give()
	began := time.Now()
	bounds, err := l.bounds(ctx)
	if err != nil {
		return false, err
	}
	budget := uint64(l.job.cfg.RangeOffsets * l.width)
	spans, lag := plan(bounds, l.next, budget)
	if len(spans) > 0 || !l.pending.empty() {
		if err := l.step(ctx, spans, budget); err != nil {
			return false, err
		}
		l.job.metrics.cycleSeconds.UpdateDuration(began)
	}
	l.refresh(ctx)
	for _, s := range spans {
		lag -= s.to - s.from
	}
	l.tell(lag, "")
	l.job.metrics.cycles.Inc()
	return lag > 0, nil
}

// widest is how many times Config.RangeOffsets is read at once where few rows matter.
const widest = 8

// step takes in what lies in the spans, writes what follows, and moves the offsets on.
func (l *Leader) step(ctx context.Context, spans []span, budget uint64) error {
	p := newPage(l)
	ctx, err := p.read(ctx, spans)
	if err != nil {
		return err
	}
	l.settle()
	if ctx, err = l.passed(ctx, stepSettled); err != nil {
		return err
	}
	if ctx, err = l.write(ctx); err != nil {
		return err
	}
	done := make(map[source]uint64, len(spans))
	for _, s := range spans {
		done[s.source] = s.to
	}
	if err := l.store.writeProgress(ctx, done, l.Version()); err != nil {
		return fmt.Errorf("write the progress: %w", err)
	}
	for s, next := range done {
		l.next[s] = next
	}
	if _, err = l.passed(ctx, stepProgress); err != nil {
		return err
	}
	switch rows := uint64(p.rows); {
	case rows > budget/2:
		l.width = max(l.width/2, 1)
	case rows < budget/8:
		l.width = min(l.width*2, widest)
	}
	return nil
}

// confirmTimeout bounds the question how far sinks are.
const confirmTimeout = 10 * time.Second

// confirmed asks how far the partitions of the present topic are loaded.
func (j *Job) confirmed(ctx context.Context) ([]Confirmed, error) {
	ctx, cancel := context.WithTimeout(ctx, confirmTimeout)
	defer cancel()
	all, err := j.deps.Confirmed(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask how far events are loaded: %w", err)
	}
	return slices.Clone(all), nil
}

// pastEvery is how often topics of the past are looked for, which appear when a topic is replaced.
const pastEvery = time.Hour

// bounds returns how far each partition may be read, and sees to it that each has a place to begin.
func (l *Leader) bounds(ctx context.Context) ([]Confirmed, error) {
	bounds, err := l.job.confirmed(ctx)
	if err != nil || len(bounds) == 0 { // with none it would look as if all that events holds were of the past
		return nil, err
	}
	var logs []uint16
	for _, b := range bounds {
		logs = append(logs, b.Log)
	}
	slices.Sort(logs)
	logs = slices.Compact(logs)
	if now := l.job.deps.Now(); l.pastAt.IsZero() || !slices.Equal(logs, l.present) || now.Sub(l.pastAt) > pastEvery {
		past, err := l.store.past(ctx, logs)
		if err != nil {
			return nil, fmt.Errorf("look for topics of the past: %w", err)
		}
		l.present, l.pastAt = logs, now
		l.past.Store(&past)
	}
	bounds = append(bounds, *l.past.Load()...)
	return bounds, l.begin(ctx, bounds)
}

// begin finds the first event of partitions that nobody has read, when there are many offsets that it might lie above.
func (l *Leader) begin(ctx context.Context, bounds []Confirmed) error {
	fresh := make(map[source]uint64)
	for _, b := range bounds {
		s := source{b.Log, b.Partition}
		if _, known := l.next[s]; !known && b.Offset > uint64(l.job.cfg.RangeOffsets) {
			fresh[s] = b.Offset
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	// What is confirmed is stored, so where no row is found below the bound there never will be one.
	if err := l.store.first(ctx, fresh); err != nil {
		return fmt.Errorf("look for the first events: %w", err)
	}
	for s, first := range fresh {
		l.next[s] = first
	}
	return nil
}

// tell publishes how the leadership goes.
func (l *Leader) tell(lag uint64, trouble string) {
	l.mu.Lock()
	_, facts := l.graph.Len()
	bytes := l.graph.Bytes()
	l.mu.Unlock()
	m := l.job.metrics
	m.lag.Store(lag)
	m.facts.Store(int64(facts))
	m.bytes.Store(bytes)
	l.job.say(status{generation: l.gen.ID, leads: true, epoch: l.epoch, facts: facts, lag: lag, trouble: trouble})
}
