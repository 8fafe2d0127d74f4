package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"
)

const frozenLook = 5 * time.Millisecond

// Freeze stops the process from running (SIGSTOP), as a machine that hangs: its connections are open and nobody answers. It returns when all its threads have stopped.
func (p *Process) Freeze(ctx context.Context) error {
	p.op.Lock()
	defer p.op.Unlock()
	l := p.current()
	if l == nil || !l.alive() {
		return fmt.Errorf("%s %w", p.spec.Name, ErrDown)
	}
	l.signal(syscall.SIGSTOP)
	return p.frozen(ctx, l)
}

// Frozen waits until the process has frozen itself, as a failpoint told it to.
func (p *Process) Frozen(ctx context.Context) error {
	l := p.current()
	if l == nil {
		return fmt.Errorf("%s %w", p.spec.Name, ErrDown)
	}
	return p.frozen(ctx, l)
}

// Thaw lets a frozen process run on (SIGCONT).
func (p *Process) Thaw() {
	if l := p.current(); l != nil {
		l.signal(syscall.SIGCONT)
	}
}

func (p *Process) frozen(ctx context.Context, l *life) error {
	look := time.NewTicker(frozenLook)
	defer look.Stop()
	for {
		stopped, err := isStopped(l.pid())
		if err != nil || stopped {
			return err
		}
		select {
		case <-l.exited:
			return fmt.Errorf("%s ended instead of freezing (%s)", p.spec.Name, l.ended())
		case <-ctx.Done():
			return fmt.Errorf("%s does not freeze: %w", p.spec.Name, context.Cause(ctx))
		case <-look.C:
		}
	}
}

// isStopped reads proc_pid_stat(5): the state stands behind the name, which is in parentheses and may hold any byte.
func isStopped(pid int) (bool, error) {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat("/proc/self/stat"); err != nil {
			return false, errors.New("whether a process is frozen can be seen on Linux only")
		}
		return false, nil // it is gone, which its exit tells
	}
	if err != nil {
		return false, err
	}
	end := bytes.LastIndexByte(line, ')')
	return end >= 0 && end+2 < len(line) && line[end+2] == 'T', nil
}
