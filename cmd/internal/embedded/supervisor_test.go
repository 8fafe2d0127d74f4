package embedded

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/cmd/internal/datadir"
)

// running is a supervisor under test.
type running struct {
	*Supervisor
	cancel context.CancelFunc
	result chan error
	log    *logBuffer
	lock   string
}

func run(t *testing.T, role string, change func(*Config)) *running {
	t.Helper()
	r := &running{result: make(chan error, 1), log: &logBuffer{grew: make(chan struct{}, 1)}, lock: filepath.Join(t.TempDir(), "LOCK")}
	cfg := roleConfig(role, r.lock)
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg, slog.New(slog.NewTextHandler(r.log, nil)), metrics.NewSet())
	if err != nil {
		t.Fatal(err)
	}
	r.Supervisor = s
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() { r.result <- s.Run(ctx) }()
	t.Cleanup(cancel)
	return r
}

func (r *running) waitReady(t *testing.T) {
	t.Helper()
	select {
	case <-r.Ready():
	case err := <-r.result:
		t.Fatalf("not ready: %v\n%s", err, r.log)
	}
}

// held says whether a child holds its lock now.
func held(t *testing.T, path string) bool {
	t.Helper()
	l, err := datadir.Acquire(t.Context(), path, 0, slog.New(slog.DiscardHandler))
	if errors.Is(err, datadir.ErrLocked) {
		return true
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	return false
}

func TestChildRunsAndStops(t *testing.T) {
	r := run(t, "good", nil)
	r.waitReady(t)
	if got := r.Addrs()["engine"]; got != "127.0.0.1:1" {
		t.Errorf("address %q", got)
	}
	if !r.Up() || !held(t, r.lock) {
		t.Error("ready but not running")
	}
	if sid, err := sessionOf(r.PID()); err != nil || sid != r.PID() {
		t.Errorf("session %d of child %d, %v: want its own", sid, r.PID(), err)
	}
	r.cancel()
	if err := <-r.result; err != nil {
		t.Fatal(err)
	}
	if r.Up() || r.PID() != 0 || held(t, r.lock) {
		t.Error("still running after Run")
	}
	for _, want := range []string{
		`level=WARN msg="structured line" component=engine n=7`,
		`level=INFO msg="plain line" component=engine`,
		`level=INFO msg="stopped gracefully" component=engine`,
	} {
		if !strings.Contains(r.log.String(), want) {
			t.Errorf("log lacks %q:\n%s", want, r.log)
		}
	}
}

func TestChildIgnoresSignals(t *testing.T) {
	r := run(t, "good", nil)
	r.waitReady(t)
	pid := r.PID()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if err := syscall.Kill(pid, sig); err != nil {
			t.Fatal(err)
		}
	}
	r.cancel()
	if err := <-r.result; err != nil {
		t.Fatalf("a signal reached the child: %v", err)
	}
	if r.Restarts() != 0 || !strings.Contains(r.log.String(), "stopped gracefully") {
		t.Errorf("restarts %d, log:\n%s", r.Restarts(), r.log)
	}
}

func TestKilledChildIsRestarted(t *testing.T) {
	r := run(t, "good", nil)
	r.waitReady(t)
	for n := uint64(1); n <= 2; n++ {
		first := r.PID()
		if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		r.log.wait(t, func() bool { return r.Restarts() == n && r.Up() && r.PID() != first })
	}
	if !strings.Contains(r.log.String(), "signal: killed") {
		t.Errorf("the log does not say how the child ended:\n%s", r.log)
	}
	r.cancel()
	if err := <-r.result; err != nil {
		t.Fatal(err)
	}
}

func TestFirstStartFails(t *testing.T) {
	r := run(t, "broken", nil)
	err := <-r.result
	if err == nil || !strings.Contains(err.Error(), "port 1 is in use") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("error %v, want the exit status and the child's last line", err)
	}
	r = run(t, "good", func(c *Config) { c.Executable = filepath.Join(t.TempDir(), "none") })
	if err := <-r.result; !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestNeverReady(t *testing.T) {
	r := run(t, "silent", func(c *Config) { c.ReadyTimeout = time.Millisecond })
	if err := <-r.result; err == nil || !strings.Contains(err.Error(), "not ready after 1ms") {
		t.Errorf("error %v", err)
	}
	if held(t, r.lock) {
		t.Error("the child was left running")
	}
	// A start that is given up is a clean stop, not a failure.
	r = run(t, "silent", nil)
	r.cancel()
	if err := <-r.result; err != nil {
		t.Error(err)
	}
}

func TestWatchdogEndsStubbornChild(t *testing.T) {
	r := run(t, "stubborn", nil)
	r.waitReady(t)
	r.cancel()
	err := <-r.result
	if err == nil || !strings.Contains(err.Error(), "stopped badly: signal: killed") {
		t.Errorf("error %v, want that the child's own watchdog killed it", err)
	}
}

func TestBadStopIsAnError(t *testing.T) {
	r := run(t, "bad-stop", nil)
	r.waitReady(t)
	r.cancel()
	if err := <-r.result; err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("error %v", err)
	}
}

// A parent that is killed can close nothing itself: the kernel ends the life pipe.
func TestChildEndsWithKilledParent(t *testing.T) {
	lock := filepath.Join(t.TempDir(), "LOCK")
	cfg := roleConfig("parent", lock)
	reportR, reportW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reportR.Close() //nolint:errcheck // read only
	parent := exec.Command(os.Args[0])
	parent.Env = cfg.Env
	parent.ExtraFiles = []*os.File{reportW}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	if err := reportW.Close(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(reportR).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("parent said %q, %v", line, err)
	}
	if !held(t, lock) {
		t.Fatal("the child does not run: nothing would be proven")
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := parent.Wait(); !errors.As(err, &exit) {
		t.Fatalf("parent ended with %v, want a signal", err)
	}
	l, err := datadir.Acquire(t.Context(), lock, StopTimeout+time.Second, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("the child outlived its parent: %v", err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
}

func TestChildLifeRefusesToBeStartedByHand(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = roleConfig("good", "").Env
	out, err := cmd.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("millrace serve")) {
		t.Errorf("%v: %s", err, out)
	}
}

func TestConfigReportsEveryProblem(t *testing.T) {
	cfg := Config{BackoffMin: time.Second, BackoffMax: time.Millisecond}
	err := cfg.Validate()
	for _, key := range []string{"child.name", "child.ready_timeout", "child.kill_grace", "child.backoff_max"} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%v does not name %s", err, key)
		}
	}
	args, err := SelfArgs("broker", struct{ Port int }{9092})
	if err != nil || strings.Join(args, " ") != `embedded broker --config-json={"Port":9092}` {
		t.Errorf("args %q, %v", args, err)
	}
}

func TestPickPorts(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close() //nolint:errcheck // test listener
	p := busy.Addr().(*net.TCPAddr).Port
	ports, err := PickPorts(p, p+1, 0)
	if err != nil {
		t.Fatal(err)
	}
	// p is busy, and p+1 is somebody's wish.
	if ports[0] < p+2 || ports[0] == ports[1] || ports[2] == 0 {
		t.Errorf("wished %d (busy), %d and any, got %v", p, p+1, ports)
	}
	if ports, err := PickPorts(p, p); err != nil || ports[0] == ports[1] {
		t.Errorf("the same wish twice: %v, %v", ports, err)
	}
}

func TestForwarderCutsLongLines(t *testing.T) {
	var out logBuffer
	f := &forwarder{log: slog.New(slog.NewTextHandler(&out, nil))}
	f.run(strings.NewReader(strings.Repeat("x", 3*maxLineBytes) + "\n\n{broken\n" + `{"level":"Error","message":"m","n":null,"msg":"said","query_id":""}` + "\nend"))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 4 || len(lines[0]) > maxLineBytes+200 {
		t.Fatalf("%d lines", len(lines))
	}
	for i, want := range []string{"msg=xxx", "msg={broken", "level=ERROR msg=said message=m", "msg=end"} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("line %d: %.200s, want %s", i, lines[i], want)
		}
	}
	for range 2 * tailLines {
		f.line([]byte("again"))
	}
	if n := strings.Count(f.last(), "again"); n != tailLines {
		t.Errorf("kept %d lines", n)
	}
}

// logBuffer collects log lines and wakes a waiting test at each.
type logBuffer struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	grew chan struct{}
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case b.grew <- struct{}{}:
	default:
	}
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// wait returns when cond holds, which it checks after each line.
func (b *logBuffer) wait(t *testing.T, cond func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for !cond() {
		select {
		case <-b.grew:
		case <-deadline:
			t.Fatalf("condition not met, log:\n%s", b)
		}
	}
}

func sessionOf(pid int) (int, error) {
	sid, _, errno := syscall.Syscall(syscall.SYS_GETSID, uintptr(pid), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(sid), nil
}
