package enginetest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/schema/clickhouse/access"
)

// readyTimeout is for a machine that does much else.
const readyTimeout = time.Minute

// Engine is a running engine. Its methods are for the test's goroutine and fail the test when they cannot do their work.
type Engine struct {
	Dir    string // its folder
	TCP    string // ClickHouse: host:port of the native protocol
	HTTP   string // ClickHouse: host:port of HTTP
	Broker string // broker: host:port

	tb     testing.TB
	name   string
	config []byte
	proc   *process // nil while it does not run
}

// ClickHouse starts an empty ClickHouse, which ends with the test. The user is "default", without a password.
func ClickHouse(tb testing.TB) *Engine {
	tb.Helper()
	return startClickHouse(tb, dataDir(tb), nil)
}

// ClickHouseFor is ClickHouse with the users of the plan, too.
func ClickHouseFor(tb testing.TB, plan access.Plan) *Engine {
	tb.Helper()
	dir := dataDir(tb)
	text, err := json.Marshal(plan)
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(dir, "access.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		tb.Fatal(err)
	}
	return startClickHouse(tb, dir, map[string]any{"Access": path})
}

func startClickHouse(tb testing.TB, dir string, config map[string]any) *Engine {
	tb.Helper()
	e := &Engine{tb: tb, name: "clickhouse", Dir: dir}
	ports := freePorts(tb, 2)
	e.TCP, e.HTTP = loopback(ports[0]), loopback(ports[1])
	all := map[string]any{"Dir": e.Dir, "TCPPort": ports[0], "HTTPPort": ports[1], "MaxMemoryBytes": 1 << 30, "OpenDictionaries": true}
	maps.Copy(all, config)
	e.start(all)
	return e
}

// Broker starts a broker with the empty topics events and quarantine of so many partitions each, which ends with the test.
func Broker(tb testing.TB, partitions int) *Engine {
	tb.Helper()
	e := &Engine{tb: tb, name: "broker", Dir: dataDir(tb)}
	port := freePorts(tb, 1)[0]
	e.Broker = loopback(port)
	e.start(map[string]any{
		"Dir": e.Dir, "Port": port, "Partitions": partitions, "Topics": []string{"events", "quarantine"},
		"MaxBytes": 256 << 20, "KeepRecords": 100_000, "MaxMessageBytes": 8 << 20,
	})
	return e
}

// Start starts an engine that was killed or stopped, with the same data on the same ports, and returns when it answers.
func (e *Engine) Start() {
	e.tb.Helper()
	if e.proc != nil {
		e.tb.Fatalf("BUG: %s runs already", e.name)
	}
	host, err := buildHost()
	if err != nil {
		e.tb.Fatal(err)
	}
	p, err := startProcess(host, "embedded", e.name, "--config-json="+string(e.config))
	if err != nil {
		e.tb.Fatalf("start %s: %v", e.name, err)
	}
	e.proc = p
	if err := p.waitReady(); err != nil {
		e.tb.Fatalf("start %s: %v\n%s", e.name, err, p.output)
	}
}

// PID is the process that the engine runs in; 0 while it does not run, or when it has ended by itself.
func (e *Engine) PID() int {
	if e.proc == nil {
		return 0
	}
	select {
	case <-e.proc.exited:
		return 0
	default:
		return e.proc.cmd.Process.Pid
	}
}

// Kill is kill -9: the engine can save nothing. It returns when the process is gone.
func (e *Engine) Kill() {
	e.tb.Helper()
	e.signal(syscall.SIGKILL)
	<-e.proc.exited
	e.proc.close()
	e.proc = nil
}

// Pause stops the engine from running, as a machine that hangs: its ports are open and nobody answers. It returns when the
// last thread has stopped.
func (e *Engine) Pause() {
	e.tb.Helper()
	e.signal(syscall.SIGSTOP)
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(e.proc.cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil || !status.Stopped():
			e.tb.Fatalf("pause %s: %v, status %v", e.name, err, status)
		}
		return
	}
}

// Resume ends Pause.
func (e *Engine) Resume() {
	e.tb.Helper()
	e.signal(syscall.SIGCONT)
}

// Stop is a graceful stop. It returns when the process is gone, and fails the test when that was not graceful.
func (e *Engine) Stop() {
	e.tb.Helper()
	p := e.proc
	if p == nil {
		e.tb.Fatalf("BUG: %s does not run", e.name)
	}
	p.close()
	<-p.exited
	e.proc = nil
	if p.err != nil {
		e.tb.Fatalf("stop %s: %v\n%s", e.name, p.err, p.output)
	}
}

// start is the first Start.
func (e *Engine) start(config map[string]any) {
	e.tb.Helper()
	text, err := json.Marshal(config)
	if err != nil {
		e.tb.Fatal(err)
	}
	e.config = text
	e.tb.Cleanup(func() {
		if e.proc == nil {
			return
		}
		if e.tb.Failed() {
			e.tb.Logf("output of %s:\n%s", e.name, e.proc.output)
		}
		e.Kill()
	})
	e.Start()
}

func (e *Engine) signal(sig syscall.Signal) {
	e.tb.Helper()
	if e.proc == nil {
		e.tb.Fatalf("BUG: %s does not run", e.name)
	}
	if err := e.proc.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		e.tb.Fatalf("%v to %s: %v", sig, e.name, err)
	}
}

// process is one life of an engine.
type process struct {
	cmd    *exec.Cmd
	life   *os.File // closing it stops the engine
	ready  *os.File
	output *output
	exited chan struct{} // closed when the process is gone and its output read; publishes err
	err    error
}

func startProcess(path string, args ...string) (*process, error) {
	lifeR, lifeW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	readyR, readyW, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, lifeR.Close(), lifeW.Close())
	}
	p := &process{cmd: exec.Command(path, args...), life: lifeW, ready: readyR, output: &output{}, exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	p.cmd.ExtraFiles = []*os.File{lifeR, readyW}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	p.cmd.WaitDelay = time.Second
	if err := errors.Join(p.cmd.Start(), lifeR.Close(), readyW.Close()); err != nil {
		p.close()
		return nil, err
	}
	go func() {
		defer close(p.exited)
		p.err = p.cmd.Wait()
	}()
	return p, nil
}

// waitReady reads the ready line; the addresses in it are known already.
func (p *process) waitReady() error {
	if err := p.ready.SetReadDeadline(time.Now().Add(readyTimeout)); err != nil {
		return err
	}
	_, err := bufio.NewReader(p.ready).ReadString('\n')
	switch {
	case errors.Is(err, io.EOF):
		<-p.exited
		return fmt.Errorf("ended before it was ready: %w", p.err)
	case err != nil:
		return fmt.Errorf("not ready after %v: %w", readyTimeout, err)
	}
	return nil
}

func (p *process) close() { _ = errors.Join(p.life.Close(), p.ready.Close()) }

// freePorts were free a moment ago.
func freePorts(tb testing.TB, n int) []int {
	tb.Helper()
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", loopback(0))
		if err != nil {
			tb.Fatal(err)
		}
		defer l.Close() //nolint:errcheck // open until all are found, so that they differ
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// output is what an engine printed.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
