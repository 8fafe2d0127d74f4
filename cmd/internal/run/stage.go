package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"
)

// Errors of Group.Run.
var (
	// ErrEnded reports a stage whose Run returned without an error and without being asked to.
	ErrEnded = errors.New("ended by itself")
	// ErrLeftRunning reports a stage that did not stop in time.
	ErrLeftRunning = errors.New("left running")
)

// cancelGrace is what a stage has to return after its Drain ran out of time and its context has ended.
const cancelGrace = time.Second

// Stage is one part of the program.
type Stage struct {
	// Name is a short word for logs and errors.
	Name string
	// Start prepares the stage, after all stages before it are ready. It may block until ctx ends, and cleans up after itself when it
	// fails. May be nil.
	Start func(ctx context.Context) error
	// Run does the work until ctx ends, or until Drain is done, and returns after everything it started has ended. An error of ctx
	// itself is no failure. May be nil for a stage that only has something to stop.
	Run func(ctx context.Context) error
	// Ready is called when Run has been started, and returns what is closed when the next stage may start. Nil means at once.
	Ready func() <-chan struct{}
	// Drain finishes what the stage holds and takes nothing new, until ctx ends; what it could not finish is its error. The context of
	// Run ends when it returns. May be nil; then stopping begins with the end of that context.
	Drain func(ctx context.Context) error
	// Left says what is still to do while the stage stops, such as "12345 events". It is called from another goroutine. May be nil.
	Left func() string
	// StopTimeout bounds Drain, and without one the return of Run.
	StopTimeout time.Duration
}

// task is a stage that has been started.
type task struct {
	Stage
	log    *slog.Logger
	cancel context.CancelFunc // ends the context of Run
	done   chan struct{}      // closed when Run has returned; that publishes err
	err    error
}

// spawn begins Run. Its context keeps the values of ctx and does not end with it: stages end in order. ended is called when Run returns.
func (s Stage) spawn(ctx context.Context, log *slog.Logger, ended func(*task)) *task {
	t := &task{Stage: s, log: log, done: make(chan struct{})}
	ctx, t.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		err := error(nil)
		if s.Run == nil {
			<-ctx.Done()
		} else {
			err = guard(log, s.Run, ctx)
		}
		if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))) {
			err = nil
		}
		t.err = err
		close(t.done)
		ended(t)
	}()
	return t
}

// stop ends the task and returns what went wrong with it from its start on.
func (t *task) stop() error {
	began := time.Now()
	t.log.Info("stopping", "timeout", t.StopTimeout)
	watched := make(chan struct{})
	stopWatching := make(chan struct{})
	go func() {
		defer close(watched)
		t.watch(began, stopWatching)
	}()
	err := t.end()
	close(stopWatching)
	<-watched
	took := time.Since(began)
	if err != nil {
		t.log.Error("stopped with something left behind", "took", took, "error", err)
	} else {
		t.log.Info("stopped", "took", took)
	}
	return err
}

func (t *task) end() error {
	early := t.ended()
	var drainErr error
	wait := t.StopTimeout
	if t.Drain != nil && !early {
		drainErr = t.drain()
		wait = cancelGrace
	}
	t.cancel()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-t.done:
	case <-timer.C:
		// Both may be true, and an end is worth more.
		if !t.ended() {
			return errors.Join(drainErr, fmt.Errorf("%w: it did not end in %v", ErrLeftRunning, wait))
		}
	}
	if early && t.err == nil {
		return errors.Join(drainErr, ErrEnded)
	}
	return errors.Join(drainErr, t.err)
}

// drain calls Drain and leaves it behind when it does not come back although its context has ended.
func (t *task) drain() error {
	ctx, cancel := context.WithTimeout(context.Background(), t.StopTimeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- guard(t.log, t.Drain, ctx) }()
	timer := time.NewTimer(t.StopTimeout + cancelGrace)
	defer timer.Stop()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("drain: %w", err)
		}
		return nil
	case <-timer.C:
		return fmt.Errorf("drain: %w: it did not return in %v", ErrLeftRunning, t.StopTimeout+cancelGrace)
	}
}

func (t *task) ended() bool {
	select {
	case <-t.done:
		return true
	default:
		return false
	}
}

// watch logs once a second what is left, so that whoever waits sees it move.
func (t *task) watch(began time.Time, stop <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			attrs := []any{"for", time.Since(began)}
			if t.Left != nil {
				attrs = append(attrs, "left", t.Left())
			}
			t.log.Info("still stopping", attrs...)
		}
	}
}

// guard calls f and makes an error of a panic.
func guard(log *slog.Logger, f func(context.Context) error, ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			log.Error("BUG: panic", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("BUG: panic: %v", p)
		}
	}()
	return f(ctx)
}
