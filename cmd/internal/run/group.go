package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Group is an ordered list of stages. It is not safe for concurrent use.
type Group struct {
	log    *slog.Logger
	stages []Stage
}

// New returns an empty group.
func New(log *slog.Logger) *Group { return &Group{log: log} }

// Add appends a stage: it starts after those added before it and stops before them. It panics when the stage has no name or no
// deadline.
func (g *Group) Add(s Stage) {
	if s.Name == "" || s.StopTimeout <= 0 {
		panic(fmt.Sprintf("BUG: run: stage %q needs a name and a stop timeout", s.Name))
	}
	g.stages = append(g.stages, s)
}

// Run starts the stages, calls ready (may be nil) when all are, waits until ctx ends or a stage does, and stops those that were started.
// It returns nil when ctx ended and every stage stopped cleanly, else all errors, each with its stage's name. Call it once.
func (g *Group) Run(ctx context.Context, ready func()) error {
	ctx, fail := context.WithCancel(ctx)
	defer fail()
	tasks, err := g.start(ctx, fail)
	if err == nil && ctx.Err() == nil && ready != nil {
		ready()
	}
	<-ctx.Done()
	errs := []error{err}
	for i := len(tasks) - 1; i >= 0; i-- {
		if err := tasks[i].stop(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", tasks[i].Name, err))
		}
	}
	return errors.Join(errs...)
}

// start starts the stages until ctx ends, which fail brings about. It returns those that must be stopped.
func (g *Group) start(ctx context.Context, fail context.CancelFunc) ([]*task, error) {
	tasks := make([]*task, 0, len(g.stages))
	ended := func(t *task) {
		// After the end of ctx this is what stopping looks like, and stop reports it.
		if ctx.Err() == nil {
			t.log.Error("stage ended, stopping all", "error", cause(t.err))
		}
		fail()
	}
	for _, s := range g.stages {
		if ctx.Err() != nil {
			break
		}
		began := time.Now()
		log := g.log.With("stage", s.Name)
		if s.Start != nil {
			if err := guard(log, s.Start, ctx); err != nil {
				stopped := ctx.Err() != nil && errors.Is(err, context.Canceled)
				fail()
				if stopped {
					break // asked to stop while starting, which is no failure
				}
				return tasks, fmt.Errorf("%s: start: %w", s.Name, err)
			}
		}
		t := s.spawn(ctx, log, ended)
		tasks = append(tasks, t)
		if s.Ready != nil {
			select {
			case <-s.Ready():
			case <-ctx.Done():
				continue
			}
		}
		log.Info("started", "took", time.Since(began))
	}
	return tasks, nil
}

func cause(err error) error {
	if err == nil {
		return ErrEnded
	}
	return err
}
