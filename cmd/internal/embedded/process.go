package embedded

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// drainTimeout bounds the reading of what a dead child has left in its pipes: a process that it left behind may hold them
// open.
const drainTimeout = time.Second

// process is one life of the child: from its start to the end of its last goroutine.
type process struct {
	cmd    *exec.Cmd
	life   *os.File // write end; closing it stops the child
	out    *forwarder
	ready  chan readyLine // at most one value
	exited chan struct{}  // closed when the process is gone and all is joined; publishes err
	err    error          // how it ended: nil for exit status 0
}

// startProcess starts the child; the caller must stop or kill it and wait for exited.
func startProcess(cfg *Config, out *forwarder) (*process, error) {
	path, err := cfg.executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(path, cfg.Args...), out: out, ready: make(chan readyLine, 1), exited: make(chan struct{})}
	var pipes [3]struct{ r, w *os.File } // life, ready, output
	for i := range pipes {
		if pipes[i].r, pipes[i].w, err = os.Pipe(); err != nil {
			for _, made := range pipes[:i] {
				err = errors.Join(err, made.r.Close(), made.w.Close())
			}
			return nil, fmt.Errorf("make pipe: %w", err)
		}
	}
	life, ready, output := pipes[0], pipes[1], pipes[2]
	p.life = life.w
	p.cmd.Env = cfg.Env
	p.cmd.Stdout, p.cmd.Stderr = output.w, output.w
	p.cmd.ExtraFiles = []*os.File{life.r, ready.w} // fd 3, fd 4
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = p.cmd.Start()
	// The child's ends are the child's alone from here on: only so does its end show as end of file.
	err = errors.Join(err, life.r.Close(), ready.w.Close(), output.w.Close())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start: %w", err), life.w.Close(), ready.r.Close(), output.r.Close())
	}
	go p.wait(ready.r, output.r)
	return p, nil
}

// wait owns the read ends and joins their readers.
func (p *process) wait(ready, output *os.File) {
	var readers sync.WaitGroup
	readers.Go(func() { p.readReady(ready) })
	readers.Go(func() { p.out.run(output) })
	p.err = p.cmd.Wait()
	deadline := time.Now().Add(drainTimeout)
	for _, f := range []*os.File{ready, output} {
		_ = f.SetReadDeadline(deadline)
	}
	readers.Wait()
	_ = errors.Join(ready.Close(), output.Close(), p.closeLife())
	close(p.exited)
}

func (p *process) readReady(r io.Reader) {
	line, err := bufio.NewReader(r).ReadBytes('\n')
	if err != nil {
		return // it ended first; that is reported by its exit
	}
	var ready readyLine
	if json.Unmarshal(line, &ready) == nil {
		p.ready <- ready
	}
}

// stop asks the child to end and waits. After StopTimeout and grace it kills it, which is an error: the child's own watchdog
// should have done so.
func (p *process) stop(grace time.Duration) error {
	_ = p.closeLife()
	timer := time.NewTimer(StopTimeout + grace)
	defer timer.Stop()
	select {
	case <-p.exited:
		if p.err != nil {
			return fmt.Errorf("stopped badly: %w:\n  %s", p.err, p.out.last())
		}
		return nil
	case <-timer.C:
		p.kill()
		return fmt.Errorf("did not stop within %v and was killed", StopTimeout+grace)
	}
}

// kill ends the child at once and waits.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // fails only when it is gone already
	<-p.exited
}

// closeLife may be called more than once and from more than one goroutine.
func (p *process) closeLife() error {
	if err := p.life.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}
