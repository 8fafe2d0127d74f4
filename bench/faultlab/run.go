package faultlab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Errors of the lab.
var (
	ErrFailed  = errors.New("not everything held")
	ErrAborted = errors.New("the lab was stopped")
	ErrUsage   = errors.New("there is no such thing")
)

// Run runs the kinds one after another and reports each. ErrFailed when one did not hold, ErrAborted when ctx ended; any other error means that the lab itself could not
// work.
func Run(ctx context.Context, o Options) ([]*Result, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("faultlab: %w", err)
	}
	kinds, err := o.kinds()
	if err != nil {
		return nil, fmt.Errorf("faultlab: %w", err)
	}
	var all []*Result
	failed := false
	for _, k := range kinds {
		if ctx.Err() != nil {
			break
		}
		n := o.Injections
		if n == 0 {
			n = k.planned(o.Suite)
		}
		r := o.one(ctx, k, fmt.Sprintf("run-%d-%s", o.Seed, k.Name), k.Schedule(o.Seed, n))
		all = append(all, r)
		writeBlock(o.Out, r, o.replay(k, n))
		failed = failed || !r.Pass
	}
	if len(all) > 1 {
		writeTable(o.Out, all)
	}
	switch {
	case ctx.Err() != nil:
		return all, ErrAborted
	case failed:
		return all, ErrFailed
	}
	return all, nil
}

// kinds are those asked for.
func (o *Options) kinds() (kinds []*Kind, err error) {
	if len(o.Only) > 0 {
		kinds, err = find(o.Only)
	} else {
		kinds, err = Kinds(o.Suite)
	}
	if err != nil {
		return nil, err
	}
	if !o.Failpoints {
		for _, k := range kinds {
			if k.Failpoints {
				return nil, fmt.Errorf("%s: %w", k.Name, ErrNoFailpoints)
			}
		}
	}
	return kinds, nil
}

// replay is the command that runs a kind with so many injections again.
func (o *Options) replay(k *Kind, n int) string {
	words := fmt.Sprintf("%s run --seed %d --only %s", o.Replay, o.Seed, k.Name)
	if n != k.Injections {
		words += fmt.Sprintf(" --injections %d", n)
	}
	return words
}

// one is one run of a plan.
func (o *Options) one(ctx context.Context, k *Kind, name string, plan []Injection) *Result {
	return o.run(ctx, k, name, plan, func(ctx context.Context, l *lab, r *Result) error {
		r.Outcomes = l.torment(ctx, plan, l.told, func() bool { return true })
		return nil
	})
}

// run is one run: a stack, what is done to it, a comparison.
func (o *Options) run(ctx context.Context, k *Kind, name string, plan []Injection, do func(ctx context.Context, l *lab, r *Result) error) *Result {
	r := &Result{Kind: k.Name, Describe: k.Describe, Seed: o.Seed, Started: time.Now(), Planned: len(plan), Dir: filepath.Join(o.Dir, name)}
	if err := o.inside(ctx, k, r, plan, do); err != nil && ctx.Err() == nil {
		r.problem("%v", err)
	}
	r.Aborted = ctx.Err() != nil
	r.Recovery = recovery(r.Outcomes)
	r.Seconds = time.Since(r.Started).Seconds()
	r.conclude()
	if err := r.write(r.Dir); err != nil {
		o.Logger.Error("write the result", "error", err)
	}
	if r.Pass && !o.Keep {
		if err := os.RemoveAll(r.Dir); err != nil {
			o.Logger.Warn("remove the directory of a run that held", "error", err)
		}
	}
	return r
}

// inside builds the stack, does what is to be done, and compares.
func (o *Options) inside(ctx context.Context, k *Kind, r *Result, plan []Injection, do func(ctx context.Context, l *lab, r *Result) error) error {
	if err := os.RemoveAll(r.Dir); err != nil {
		return err
	}
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(r.Dir, scheduleFile), plan); err != nil {
		return err
	}
	l, err := openLab(ctx, o, k, r.Dir)
	defer func() {
		l.lives(r)
		r.Problems = append(r.Problems, l.close()...)
	}()
	if err != nil {
		return err
	}
	if k.Prepare != nil {
		if err := k.Prepare(ctx, l); err != nil {
			return err
		}
	}
	if err := l.begin(ctx); err != nil {
		return err
	}
	if err := do(ctx, l, r); err != nil {
		return err
	}
	return l.finish(ctx, r)
}

// told logs what became of an injection.
func (l *lab) told(o *Outcome) {
	l.log.Info("injected", "kind", l.kind.Name, "number", o.Number, "what", o.What, "recovered", time.Duration(o.Seconds*float64(time.Second)).Round(time.Millisecond), "problem", o.Problem)
}

// begin starts the load and waits until the first events are through.
func (l *lab) begin(ctx context.Context) (err error) {
	l.traffic, err = startTraffic(ctx, "http://"+l.links.addr(clientGateway), labKey, filepath.Join(l.dir, ledgerFile), labDatabase, l.o.Seed, l.kind.resend())
	if err != nil {
		return fmt.Errorf("start the load: %w", err)
	}
	warm, cancel := context.WithTimeout(ctx, recoverTimeout)
	defer cancel()
	mark, err := l.motion.ends(warm)
	if err == nil {
		err = l.motion.past(warm, mark)
	}
	if err != nil {
		return fmt.Errorf("the first events do not get through: %w", err)
	}
	return nil
}

// finish ends faults and load, lets everything run, drains and compares.
func (l *lab) finish(ctx context.Context, r *Result) error {
	if ctx.Err() != nil {
		return ErrAborted
	}
	for _, p := range l.processes {
		p.Thaw()
		if err := l.start(ctx, p); err != nil {
			r.problem("%v", err)
		}
	}
	if err := l.traffic.stop(); err != nil {
		r.problem("%v", err)
	}
	if s := l.traffic.summary; s != nil {
		r.Load, r.ErrorKinds = s.Counts, s.ErrorKinds
	}
	l.settle(ctx, r)
	l.counters.read(ctx, l.metrics)
	r.Proof = proof(l.counters.snapshot())
	r.Points = l.points.Counts()
	l.check(ctx, r)
	return nil
}

// lives notes how often processes were started, and what killed them when nobody had told them to die.
func (l *lab) lives(r *Result) {
	r.Starts, r.Unasked = make(map[string]int), make(map[string][]string)
	for name, p := range l.processes {
		r.Starts[name] = p.Starts()
		if deaths := p.Unasked(); len(deaths) > 0 {
			r.Unasked[name] = deaths
		}
	}
}
