package people

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/bench/observe"
)

// ErrWrong says that an answer cannot be: figures of the run mean nothing.
var ErrWrong = errors.New("wrong answer")

// run is one Run.
type run struct {
	o      *Options
	lab    *lab
	server *server
	result *Result
}

// Run measures. It blocks until all is done or ctx ends. What it has started has ended when it returns, and what it has made is gone unless Options.Keep, or a process did not live as it
// should: then the error names the folder with its log.
func Run(ctx context.Context, o Options) (result *Result, err error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("people: %w", err)
	}
	defer func() {
		if err != nil {
			result, err = nil, fmt.Errorf("people: %w", err)
		}
	}()
	o = o.withDefaults(time.Now())
	r := &run{o: &o, result: &Result{Version: Version, Started: time.Now(), Seconds: map[string]float64{}, Environment: observe.ReadEnvironment(), Rounds: o.Rounds}}
	for name, version := range o.Versions {
		r.result.Environment.Versions[name] = version
	}
	o.Progress("starting", 0, 0)
	if r.lab, err = openLab(ctx, &o); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.lab.close()) }()
	if r.server, err = openServer(ctx, r.lab.tables()); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.server.db.Close()) }()
	r.result.Server = r.server.version
	for _, phase := range []struct {
		name string
		do   func(context.Context) error
	}{{"load", r.load}, {"job", r.job}, {"dictionary", r.dictionary}, {"view", r.view}, {"segments", r.segments}} {
		begin := time.Now()
		if err := phase.do(ctx); err != nil {
			if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
				err = errors.Join(cause, err)
			}
			return nil, fmt.Errorf("%s: %w", phase.name, err)
		}
		r.result.Seconds[phase.name] = time.Since(begin).Seconds()
	}
	if o.Keep {
		r.note("kept: %s", r.lab.dir)
	}
	return r.result, nil
}

func (r *run) load(ctx context.Context) (err error) {
	if r.result.Data, err = r.server.load(ctx, r.o); err != nil {
		return err
	}
	if r.result.Data.Settled, err = r.server.settle(ctx, r.o); err == nil && !r.result.Data.Settled {
		r.note("ClickHouse still merged %v after the load: the job had to share the machine with it", r.o.SettleTimeout)
	}
	return err
}

// job has persons worked out, by a server or without one, and leaves no server running.
func (r *run) job(ctx context.Context) error {
	err := r.work(ctx)
	if err == nil && r.result.Job.Skipped == "" {
		if err = r.greet(ctx); err == nil {
			r.graph(ctx)
		}
	}
	if err = errors.Join(err, r.lab.stopServer()); err != nil {
		return err
	}
	if r.result.Job.Skipped != "" {
		if err := r.fill(ctx); err != nil {
			return err
		}
	}
	settled, err := r.server.settle(ctx, r.o)
	if err == nil && !settled {
		r.note("ClickHouse still merged %v after the job: what follows had to share the machine with it", r.o.SettleTimeout)
	}
	return err
}

func (r *run) note(format string, args ...any) {
	r.result.Notes = append(r.result.Notes, fmt.Sprintf(format, args...))
}
