package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// Supervisor keeps one child running. Its methods are safe for concurrent use; Run is called once.
type Supervisor struct {
	cfg      Config
	log      *slog.Logger
	restarts *metrics.Counter
	ready    chan struct{} // closed at the first ready line

	mu    sync.Mutex
	pid   int  // 0 while no child runs
	up    bool // the running child has said that it is ready
	addrs map[string]string
}

// New checks cfg and allocates; nothing runs yet. Metrics of the child are registered in set.
func New(cfg Config, log *slog.Logger, set *metrics.Set) (*Supervisor, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Supervisor{cfg: cfg, log: log.With("component", cfg.Name), ready: make(chan struct{})}
	s.restarts = set.NewCounter(fmt.Sprintf("millrace_child_restarts_total{child=%q}", cfg.Name))
	set.NewGauge(fmt.Sprintf("millrace_child_up{child=%q}", cfg.Name), func() float64 {
		if s.Up() {
			return 1
		}
		return 0
	})
	return s, nil
}

// Run starts the child, keeps it running until ctx ends, then stops it and returns when it is gone.
//
// A child that ends before it was ever ready is not restarted: its configuration or its machine is at fault, and the error
// carries its last log lines. Later ends are logged, and the child starts again after a pause that doubles. Run returns nil
// when the child stopped by itself in time and without an error.
func (s *Supervisor) Run(ctx context.Context) error {
	pause := s.cfg.BackoffMin
	for {
		started := time.Now()
		err := s.runOnce(ctx)
		s.setProcess(0)
		switch {
		case ctx.Err() != nil && err != nil:
			return fmt.Errorf("child %s: %w", s.cfg.Name, err)
		case ctx.Err() != nil:
			return nil
		case !s.wasReady():
			return fmt.Errorf("child %s: not ready: %w", s.cfg.Name, err)
		}
		if time.Since(started) > s.cfg.BackoffMax {
			pause = s.cfg.BackoffMin
		}
		s.log.Error("child ended, it will be restarted", "err", err, "after", pause)
		if !sleep(ctx, pause) {
			return nil
		}
		pause = min(2*pause, s.cfg.BackoffMax)
		s.restarts.Inc()
	}
}

// Ready returns a channel that is closed when the child has become ready for the first time.
func (s *Supervisor) Ready() <-chan struct{} { return s.ready }

// Up says whether a child runs now that has said it is ready.
func (s *Supervisor) Up() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.up
}

// Addrs returns the addresses (name to host:port) of the last ready line; empty before the first.
func (s *Supervisor) Addrs() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.addrs)
}

// PID returns the process id of the running child, or 0.
func (s *Supervisor) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pid
}

// Restarts returns how often the child was started again.
func (s *Supervisor) Restarts() uint64 { return s.restarts.Get() }

// runOnce is one life of the child. It returns when the process is gone, with how it ended; nil only after ctx ended and
// the child stopped cleanly.
func (s *Supervisor) runOnce(ctx context.Context) error {
	p, err := startProcess(&s.cfg, &forwarder{log: s.log})
	if err != nil {
		return err
	}
	s.setProcess(p.cmd.Process.Pid)
	timer := time.NewTimer(s.cfg.ReadyTimeout)
	defer timer.Stop()
	select {
	case line := <-p.ready:
		s.setReady(line)
	case <-p.exited:
		return ended(p)
	case <-ctx.Done():
		return p.stop(s.cfg.KillGrace)
	case <-timer.C:
		p.kill()
		return fmt.Errorf("not ready after %v, killed:\n  %s", s.cfg.ReadyTimeout, p.out.last())
	}
	select {
	case <-p.exited:
		return ended(p)
	case <-ctx.Done():
		return p.stop(s.cfg.KillGrace)
	}
}

func ended(p *process) error {
	err := p.err
	if err == nil {
		err = errors.New("ended unasked with exit status 0")
	}
	if last := p.out.last(); last != "" {
		return fmt.Errorf("%w:\n  %s", err, last)
	}
	return err
}

func (s *Supervisor) setProcess(pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pid, s.up = pid, false
}

func (s *Supervisor) setReady(line readyLine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.up, s.addrs = true, line.Addrs
	if !s.wasReady() {
		close(s.ready)
	}
	s.log.Info("child is ready", "pid", s.pid, "addrs", line.Addrs)
}

func (s *Supervisor) wasReady() bool {
	select {
	case <-s.ready:
		return true
	default:
		return false
	}
}

// sleep waits for d and says whether ctx still lives.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
