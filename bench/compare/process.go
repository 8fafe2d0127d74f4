package compare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"syscall"
	"time"
)

const (
	// stopTimeout is what a child has from SIGTERM to SIGKILL.
	stopTimeout = 5 * time.Second
	// pipeTimeout bounds the reading of what a dead child has left in its pipes: a process that it left behind may hold them open.
	pipeTimeout = time.Second
	// lookInterval is the time between two looks whether a child is ready.
	lookInterval = 20 * time.Millisecond
	lookTimeout  = time.Second
)

// process is a child with a process group of its own.
type process struct {
	name   string
	cmd    *exec.Cmd
	output *tail
	ready  chan []string
	exited chan struct{} // closed when it is gone and its output is read; publishes err
	err    error
}

// startProcess starts a child on the given processor, -1 for those of this process; the caller must stop it.
func startProcess(name string, command, env []string, cpu int) (*process, error) {
	p := &process{name: name, output: new(tail), ready: make(chan []string, 1), exited: make(chan struct{})}
	p.cmd = exec.Command(command[0], command[1:]...)
	p.cmd.Env = append(cleanEnv(), env...)
	p.cmd.Stdout = io.MultiWriter(&lines{ready: p.ready}, p.output)
	p.cmd.Stderr = p.output
	p.cmd.WaitDelay = pipeTimeout
	p.cmd.SysProcAttr = childAttr()
	err := onProcessor(cpu, p.cmd.Start)
	if p.cmd.Process == nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	if err != nil { // it runs, but this process is not back where it was
		p.stop()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// pid is the child's id, which is also its group's.
func (p *process) pid() int { return p.cmd.Process.Pid }

// check is an error with the end of its output when the child is gone.
func (p *process) check() error {
	select {
	case <-p.exited:
		return fmt.Errorf("%s has ended (%s)%s", p.name, ended(p.err), p.said())
	default:
		return nil
	}
}

func ended(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// said quotes the output.
func (p *process) said() string {
	if text := p.output.String(); text != "" {
		return ":\n" + text
	}
	return ", without a word"
}

// await waits until the child is ready, in one of the ways that Target.Command names, and returns the words of the ready line if there was one.
func (p *process) await(ctx context.Context, t *Target, limit time.Duration) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	look := time.NewTicker(lookInterval)
	defer look.Stop()
	said := p.ready
	if t.ReadyURL != "" {
		said = nil
	}
	for {
		select {
		case words := <-said:
			return words, nil
		case <-p.exited:
			return nil, p.check()
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return nil, fmt.Errorf("%s is not ready after %v (it prints no ready line, and %s)%s", p.name, limit, t.silence(), p.said())
			}
			return nil, ctx.Err()
		case <-look.C:
			if t.answers(ctx) {
				return nil, nil
			}
		}
	}
}

func (t *Target) silence() string {
	switch {
	case t.ReadyURL != "":
		return t.ReadyURL + " does not answer 200"
	case t.URL != "":
		return t.URL + " takes no connections"
	}
	return "has no URL to look at"
}

// answers tells whether the target can be used, by ReadyURL or by its port.
func (t *Target) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if t.ReadyURL == "" {
		address, err := t.address()
		if t.URL == "" || err != nil {
			return false
		}
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		return err == nil && conn.Close() == nil
	}
	status, err := get(ctx, t.ReadyURL, func(io.Reader) error { return nil })
	return err == nil && status == http.StatusOK
}

// get asks once, on a connection of its own, and has the answer read.
func get(ctx context.Context, url string, read func(io.Reader) error) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, errors.Join(read(res.Body), res.Body.Close())
}

// stop asks the child to end, kills it when it does not, and with it whatever it has left in its group. It returns when the child is gone.
func (p *process) stop() {
	p.signal(syscall.SIGTERM)
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
	}
	p.signal(syscall.SIGKILL)
	<-p.exited
}

// signal goes to the child's whole group, which outlives the child while anybody is in it. That there is none is no error.
func (p *process) signal(sig syscall.Signal) { _ = syscall.Kill(-p.pid(), sig) }
