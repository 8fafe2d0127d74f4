package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// ErrDown says that a process does not run.
var ErrDown = errors.New("does not run")

// restartPause is between an unplanned death and the next start, as a service manager would have it.
const restartPause = 200 * time.Millisecond

// Process is one process over all its lives. Its methods are safe for concurrent use; commands wait for each other, so one that is given while the process is being started
// again takes effect when it is ready.
type Process struct {
	spec Spec
	log  *os.File
	died chan *life // to the supervisor; roomy enough that no exit waits

	op sync.Mutex // held by a command from beginning to end

	mu       sync.Mutex // guards what follows
	life     *life      // nil: does not run
	starts   int
	unasked  []string // how it died without being told to
	watchers sync.WaitGroup
}

// New prepares a process and starts nothing.
func New(spec Spec) (*Process, error) {
	if err := spec.validate(); err != nil {
		return nil, err
	}
	spec.setDefaults()
	log, err := os.OpenFile(spec.Log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("%s: log: %w", spec.Name, err)
	}
	return &Process{spec: spec, log: log, died: make(chan *life, 16)}, nil
}

// Name is that of the Spec.
func (p *Process) Name() string { return p.spec.Name }

// Run starts the process again whenever it has died without being told to, until ctx ends; then it stops it and returns how that went. It is called once, and nothing may be
// called after it has returned but the counters.
func (p *Process) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			err := p.Stop()
			if errors.Is(err, ErrDown) {
				err = nil
			}
			p.watchers.Wait()
			return errors.Join(err, p.log.Close())
		case l := <-p.died:
			p.revive(ctx, l)
		}
	}
}

// revive starts the process again after an unplanned death.
func (p *Process) revive(ctx context.Context, l *life) {
	p.op.Lock()
	defer p.op.Unlock()
	if p.current() != l {
		return // a command has seen it already
	}
	p.mu.Lock()
	p.life = nil
	p.unasked = append(p.unasked, l.ended())
	p.mu.Unlock()
	pause := time.NewTimer(restartPause)
	defer pause.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		if err := p.start(ctx); err == nil {
			return
		}
		pause.Reset(restartPause) // it may need what is down just now
	}
}

// Start starts the process and returns when it is ready. One that ends before it is ready is started again until Spec.ReadyTimeout is over: what it needs may be down
// just now.
func (p *Process) Start(ctx context.Context) error {
	p.op.Lock()
	defer p.op.Unlock()
	if p.current() != nil {
		return fmt.Errorf("%s runs already", p.spec.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, p.spec.ReadyTimeout)
	defer cancel()
	pause := time.NewTicker(restartPause)
	defer pause.Stop()
	for {
		err := p.start(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-pause.C:
		}
	}
}

// start is one attempt. op is held.
func (p *Process) start(ctx context.Context) error {
	l, err := begin(&p.spec, p.log)
	if err != nil {
		return fmt.Errorf("start %s: %w", p.spec.Name, err)
	}
	p.mu.Lock()
	p.life = l
	p.starts++
	p.mu.Unlock()
	if err := l.await(ctx, &p.spec); err != nil {
		l.planned.Store(true)
		l.signal(syscall.SIGKILL)
		<-l.exited
		p.gone(l)
		return err
	}
	p.watchers.Go(func() {
		<-l.exited
		if !l.planned.Load() {
			p.died <- l
		}
	})
	return nil
}

// Kill is kill -9. It returns when the process is gone; ErrDown when it was already.
func (p *Process) Kill() error {
	p.op.Lock()
	defer p.op.Unlock()
	l := p.current()
	if l == nil || !l.alive() {
		return fmt.Errorf("%s %w", p.spec.Name, ErrDown)
	}
	l.planned.Store(true)
	l.signal(syscall.SIGKILL)
	<-l.exited
	p.gone(l)
	return nil
}

// Stop asks the process to end and waits. One that ends with another status than 0 or not in time is an error; it is gone in any case.
func (p *Process) Stop() error {
	p.op.Lock()
	defer p.op.Unlock()
	l := p.current()
	if l == nil || !l.alive() {
		return fmt.Errorf("%s %w", p.spec.Name, ErrDown)
	}
	l.planned.Store(true)
	l.signal(syscall.SIGCONT) // a frozen one hears nothing
	if p.spec.Engine {
		_ = l.close() // the pipe's end is all that is meant
	} else {
		l.signal(syscall.SIGTERM)
	}
	timer := time.NewTimer(p.spec.StopTimeout)
	defer timer.Stop()
	var err error
	select {
	case <-l.exited:
		if l.err != nil {
			err = fmt.Errorf("%s stopped badly (%w): see %s", p.spec.Name, l.err, p.spec.Log)
		}
	case <-timer.C:
		l.signal(syscall.SIGKILL)
		<-l.exited
		err = fmt.Errorf("%s did not stop within %v and was killed: see %s", p.spec.Name, p.spec.StopTimeout, p.spec.Log)
	}
	p.gone(l)
	return err
}

// Expect says that the process is about to end itself because the lab told it to, so that its death is no unplanned one. Gone waits for it.
func (p *Process) Expect() {
	if l := p.current(); l != nil {
		l.planned.Store(true)
	}
}

// Gone waits until the process that was expected to die is gone.
func (p *Process) Gone(ctx context.Context) error {
	p.op.Lock()
	defer p.op.Unlock()
	l := p.current()
	if l == nil {
		return nil
	}
	select {
	case <-l.exited:
		p.gone(l)
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s did not end: %w", p.spec.Name, context.Cause(ctx))
	}
}

// PID is that of the present life, 0 when there is none.
func (p *Process) PID() int {
	if l := p.current(); l != nil && l.alive() {
		return l.pid()
	}
	return 0
}

// Starts is how often it was started.
func (p *Process) Starts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.starts
}

// Unasked lists how it died without being told to.
func (p *Process) Unasked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.unasked...)
}

func (p *Process) current() *life {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.life
}

func (p *Process) gone(l *life) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.life == l {
		p.life = nil
	}
}

func (l *life) alive() bool {
	select {
	case <-l.exited:
		return false
	default:
		return true
	}
}
