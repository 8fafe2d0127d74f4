package stack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// drainTimeout bounds the wait for what a dead process has left in its pipes.
	drainTimeout = time.Second
	readyLook    = 20 * time.Millisecond
	readyTimeout = time.Second // of one look
)

// life is one life of a process.
type life struct {
	cmd     *exec.Cmd
	pipe    *os.File      // of an engine: its end is the order to stop; nil for a server
	ready   chan struct{} // of an engine: closed when it said so
	exited  chan struct{} // closed when the process is gone; publishes err
	err     error         // how it ended; nil for exit status 0
	planned atomic.Bool   // the lab ends this life, or has told the process to end itself; published before the signal is sent
}

// begin starts a process; its output goes to log, which stays the caller's.
func begin(spec *Spec, log *os.File) (*life, error) {
	l := &life{cmd: exec.Command(spec.Path, spec.Args...), exited: make(chan struct{})}
	l.cmd.Env = append(CleanEnv(), spec.Env...)
	l.cmd.Stdout, l.cmd.Stderr = log, log
	l.cmd.SysProcAttr = childAttr()
	l.cmd.WaitDelay = drainTimeout
	if !spec.Engine {
		if err := l.cmd.Start(); err != nil {
			return nil, err
		}
		go l.wait(nil)
		return l, nil
	}
	lifeR, lifeW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	readyR, readyW, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, lifeR.Close(), lifeW.Close())
	}
	l.pipe, l.ready = lifeW, make(chan struct{})
	l.cmd.ExtraFiles = []*os.File{lifeR, readyW} // fd 3, fd 4
	err = l.cmd.Start()
	// The child's ends are the child's alone from here on: only so does its end show as end of file.
	if err = errors.Join(err, lifeR.Close(), readyW.Close()); err != nil {
		return nil, errors.Join(err, lifeW.Close(), readyR.Close())
	}
	go l.wait(readyR)
	return l, nil
}

// wait joins everything of this life.
func (l *life) wait(ready *os.File) {
	heard := make(chan struct{})
	if ready == nil {
		close(heard)
	} else {
		go func() {
			defer close(heard)
			if _, err := bufio.NewReader(ready).ReadString('\n'); err == nil {
				close(l.ready)
			}
		}()
	}
	l.err = l.cmd.Wait()
	if ready != nil {
		_ = ready.SetReadDeadline(time.Now()) // whoever inherited the other end does not matter
		<-heard
		_ = errors.Join(ready.Close(), l.close())
	}
	close(l.exited)
}

// close tells an engine to stop. It may be called more than once.
func (l *life) close() error {
	if l.pipe == nil {
		return nil
	}
	if err := l.pipe.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

func (l *life) pid() int { return l.cmd.Process.Pid }

// signal fails only when the process is gone, which its exit tells.
func (l *life) signal(sig syscall.Signal) { _ = l.cmd.Process.Signal(sig) }

// ended puts the end of the life into words.
func (l *life) ended() string {
	if l.err == nil {
		return "exit status 0"
	}
	return l.err.Error()
}

// await waits until the process is ready.
func (l *life) await(ctx context.Context, spec *Spec) error {
	ctx, cancel := context.WithTimeout(ctx, spec.ReadyTimeout)
	defer cancel()
	look := time.NewTicker(readyLook)
	defer look.Stop()
	for {
		select {
		case <-l.ready: // nil for a server
			return nil
		case <-l.exited:
			return fmt.Errorf("%s ended before it was ready (%s): see %s", spec.Name, l.ended(), spec.Log)
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready after %v: see %s: %w", spec.Name, spec.ReadyTimeout, spec.Log, context.Cause(ctx))
		case <-look.C:
			if !spec.Engine && answers(ctx, spec.ReadyURL) {
				return nil
			}
		}
	}
}

// Once is a client that opens a connection per request: a server that is killed leaves none behind.
var Once = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: readyTimeout}

func answers(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := Once.Do(req)
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
}

// CleanEnv is the environment of the lab without the settings of the program, which would reach processes whose configuration is the lab's to give.
func CleanEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MILLRACE_") })
}
