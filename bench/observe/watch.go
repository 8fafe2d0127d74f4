package observe

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Watch takes samples of a run. It is for one goroutine.
type Watch struct {
	processes  []*watched
	metricsURL string
	problems   []string
}

// watched is what is remembered of a process between samples.
type watched struct {
	Process
	started uint64 // tells it from a later process of the same id
	last    Usage
	seen    bool
	ended   bool
}

// NewWatch watches processes and the metrics at the URL; an empty one stands for no metrics. It reads nothing yet.
func NewWatch(processes []Process, metricsURL string) *Watch {
	w := &Watch{metricsURL: metricsURL}
	for _, p := range processes {
		w.processes = append(w.processes, &watched{Process: p})
	}
	return w
}

// Sample reads everything; at is what its field At says. What cannot be read is missing from the sample and told by Problems: nothing here is worth ending a run for. A
// process that ended stays missing. CPU times never fall from one sample to the next. It takes at most about a second, when the metrics do not answer.
func (w *Watch) Sample(ctx context.Context, at time.Duration) Sample {
	s := Sample{At: at.Seconds(), Processes: make(map[string]Usage, len(w.processes))}
	for _, p := range w.processes {
		if p.ended {
			continue
		}
		u, err := p.read()
		if err != nil {
			p.ended = errors.Is(err, ErrEnded)
			w.problem(err)
			continue
		}
		s.Processes[p.Name] = u
	}
	if w.metricsURL == "" {
		return s
	}
	series, err := Scrape(ctx, w.metricsURL)
	if err != nil {
		w.problem(err)
		return s
	}
	s.Gauges = Gauges(series)
	return s
}

// Problems returns what could not be read, each message once, at most 100 of them.
func (w *Watch) Problems() []string { return slices.Clone(w.problems) }

func (w *Watch) problem(err error) {
	const most = 100
	if text := err.Error(); len(w.problems) < most && !slices.Contains(w.problems, text) {
		w.problems = append(w.problems, text)
	}
}

func (p *watched) read() (Usage, error) {
	u, started, err := readUsage(p.Process)
	if err != nil {
		return Usage{}, err
	}
	if p.seen && started != p.started {
		return Usage{}, &endedError{p.Process}
	}
	// A descendant that the kernel gave another parent takes its time with it.
	u.User, u.System = max(u.User, p.last.User), max(u.System, p.last.System)
	p.started, p.last, p.seen = started, u, true
	return u, nil
}

// endedError is for a process whose id another one has now.
type endedError struct{ Process }

func (e *endedError) Error() string { return "process " + e.Name + ": " + ErrEnded.Error() }
func (e *endedError) Unwrap() error { return ErrEnded }
