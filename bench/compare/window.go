package compare

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/millrace/millrace/bench/generate"
	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/load"
	"github.com/millrace/millrace/bench/observe"
)

// reading is what has been used up to a moment.
type reading struct {
	at        time.Time
	target    observe.Usage
	broker    observe.Usage
	generator float64 // CPU seconds
}

func (s *session) read(t *running) (r reading, err error) {
	if r.target, err = observe.ReadUsage(observe.Process{Name: t.Name, PID: t.pid, Tree: true}); err != nil {
		return r, err
	}
	if s.broker != nil {
		if r.broker, err = observe.ReadUsage(observe.Process{Name: "broker", PID: s.broker.pid(), Tree: true}); err != nil {
			return r, err
		}
	}
	r.generator, err = ownCPU()
	r.at = time.Now()
	return r, err
}

// ownCPU is what this process has used, in seconds.
func ownCPU() (float64, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("read own CPU time: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds(), nil
}

// window loads the target for so long and reads what that cost. Errors of requests are part of the Window; an error says that the target is gone, or nothing could be
// measured, or ctx has ended.
func (s *session) window(ctx context.Context, t *running, pool *generate.Pool, batch int, length time.Duration) (w Window, err error) {
	sc := s.opts.scenario(batch, length)
	runner, err := load.New(load.Options{URL: t.URL, Key: t.Key, Scenario: &sc, Pool: pool, Run: ledger.NewRunID(), ParseAnswers: t.Answers})
	if err != nil {
		return w, fmt.Errorf("target %s: %w", t.Name, err)
	}
	var records uint64
	if t.Topic != "" {
		if records, err = s.records(ctx, t.Topic); err != nil {
			return w, err
		}
	}
	before, err := s.read(t)
	if err != nil {
		return w, s.dead(t, err)
	}
	summary, err := runner.Run(ctx)
	if ctx.Err() != nil {
		return w, context.Cause(ctx)
	}
	if err != nil {
		return w, s.dead(t, fmt.Errorf("target %s: %w", t.Name, err))
	}
	after, err := s.read(t)
	if err != nil {
		return w, s.dead(t, err)
	}
	if err := s.dead(t, nil); err != nil {
		return w, err
	}
	w = Window{
		Batch: batch, Connections: sc.Load.Connections, Target: t.Name, Seconds: after.at.Sub(before.at).Seconds(),
		Requests: summary.Counts.Requests, Errors: summary.Counts.Errors, ErrorKinds: summary.ErrorKinds,
		Accepted: summary.Counts.Accepted, Rejected: summary.Counts.Rejected, Unknown: summary.Counts.Unknown,
		User: after.target.User - before.target.User, System: after.target.System - before.target.System, Resident: after.target.Resident,
		Generator: after.generator - before.generator,
		Broker:    after.broker.User + after.broker.System - before.broker.User - before.broker.System,
		P50:       summary.Service.P50, P99: summary.Service.P99,
	}
	w.Load = (w.Generator + w.Broker) / (w.Seconds * float64(len(s.placement.Load)))
	if summary.Seconds > 0 {
		w.Rate = float64(w.Accepted) / summary.Seconds
	}
	if t.Topic != "" {
		now, err := s.records(ctx, t.Topic)
		if err != nil {
			return w, err
		}
		now -= records
		w.Records = &now
	}
	return w, nil
}

// dead explains an error by the end of a child, which also is an error when nothing else is.
func (s *session) dead(t *running, err error) error {
	if t.process != nil {
		if gone := t.process.check(); gone != nil {
			return gone
		}
	}
	if s.broker != nil {
		if gone := s.broker.check(); gone != nil {
			return gone
		}
	}
	return err
}

// portOf is the number of the port in host:port, where it may stand as a name.
func portOf(address string) (int, error) {
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		return 0, err
	}
	if n, err := strconv.Atoi(text); err == nil {
		return n, nil
	}
	return net.LookupPort("tcp", text)
}
