package broker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/cmd/internal/embedded"
	"go.uber.org/goleak"
)

// childEnv makes this test binary a child process, with the configuration as its value.
const childEnv = "MILLRACE_TEST_BROKER_CHILD"

func TestMain(m *testing.M) {
	if config := os.Getenv(childEnv); config != "" {
		if err := childMain(config); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func childMain(config string) error {
	life, err := embedded.ChildLife()
	if err != nil {
		return err
	}
	var cfg Config
	if err := json.Unmarshal([]byte(config), &cfg); err != nil {
		return err
	}
	return ChildMain(cfg, life, embedded.ChildLogger())
}

func testConfig(t testing.TB) Config {
	t.Helper()
	return Config{
		Dir: t.TempDir() + "/broker", Port: freePort(t), Partitions: 2, Topics: []string{"events", "quarantine"},
		MaxBytes: 64 << 20, KeepRecords: 10, MaxMessageBytes: 4 << 20, TrimInterval: time.Hour, LockWait: 200 * time.Millisecond,
	}
}

// freePort is needed because the port must be the same after a restart.
func freePort(t testing.TB) int {
	t.Helper()
	ports, err := embedded.PickPorts(0)
	if err != nil {
		t.Fatal(err)
	}
	return ports[0]
}

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// process is a child process.
type process struct {
	t      testing.TB
	cmd    *exec.Cmd
	life   *os.File
	ready  *os.File
	output *lockedBuffer
	done   chan struct{} // closed when the process has ended
	err    error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func startProcess(t testing.TB, cfg Config) *process {
	t.Helper()
	config, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	lifeR, lifeW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	readyR, readyW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.Command(os.Args[0]), life: lifeW, ready: readyR, output: &lockedBuffer{}, done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), childEnv+"="+string(config))
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	p.cmd.ExtraFiles = []*os.File{lifeR, readyW}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = lifeR.Close(), readyW.Close()
	go func() {
		defer close(p.done)
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(func() { p.kill(); _ = p.ready.Close() })
	return p
}

// awaitReady returns the address of the ready line, or "" if the process ended before.
func (p *process) awaitReady() string {
	p.t.Helper()
	line, err := bufio.NewReader(p.ready).ReadString('\n')
	if errors.Is(err, io.EOF) {
		<-p.done
		return ""
	}
	var ready struct{ Addrs map[string]string }
	if err := errors.Join(err, json.Unmarshal([]byte(line), &ready)); err != nil {
		p.t.Fatalf("ready line %q: %v\n%s", line, err, p.output)
	}
	return ready.Addrs["broker"]
}

// kill is kill -9.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
	_ = p.life.Close()
}

// stop ends the life pipe.
func (p *process) stop() error {
	_ = p.life.Close()
	<-p.done
	return p.err
}

// inProcess runs the broker in this process and returns its address and its end.
func inProcess(t testing.TB, cfg Config) (addr string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- Run(ctx, cfg, testLog(t), func(addr string) error { ready <- addr; return nil })
	}()
	var once sync.Once
	var err error
	stop = func() error {
		once.Do(func() { cancel(); err = <-ended })
		return err
	}
	t.Cleanup(func() { _ = stop() })
	select {
	case addr = <-ready:
	case err := <-ended:
		ended <- err
		t.Fatal(err)
	}
	return addr, stop
}

func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func jsonLog(w io.Writer) *slog.Logger { return slog.New(slog.NewJSONHandler(w, nil)) }

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSuffix(string(b), "\n"))
	return len(b), nil
}

func newClient(t testing.TB, addr string) *broker.Client {
	t.Helper()
	cfg := broker.DefaultConfig()
	cfg.Addresses = []string{addr}
	c, err := broker.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// produce sends a batch of n records of size bytes and returns its base offset.
func produce(t testing.TB, c *broker.Client, topic string, partition int32, n, size int) int64 {
	t.Helper()
	var b broker.BatchBuilder
	for i := range n {
		b.Append(broker.AppendRecordBody(nil, fmt.Append(nil, "k", i), make([]byte, size)), int64(i))
	}
	r, err := c.Produce(within(t), 0, 10*time.Second, []broker.PartitionBatch{{Topic: topic, Partition: partition, Records: b.Seal(broker.NoProducerID, -1)}})
	if err != nil || r[0].Err != nil {
		t.Fatal(err, r)
	}
	return r[0].BaseOffset
}

func commit(t testing.TB, c *broker.Client, group, topic string, partition int32, offset int64, metadata string) {
	t.Helper()
	outcome, err := c.CommitOffsets(within(t), broker.OffsetCommit{
		Group: group, Generation: -1,
		Offsets: []broker.PartitionOffset{{Topic: topic, Partition: partition, Offset: offset, Metadata: metadata}},
	})
	if err != nil || outcome[broker.TopicPartition{Topic: topic, Partition: partition}] != nil {
		t.Fatal(err, outcome)
	}
}

func offsets(t testing.TB, c *broker.Client, topic string, partition int32) broker.OffsetRange {
	t.Helper()
	r, err := c.ListOffsets(within(t), topic, []int32{partition})
	if err != nil {
		t.Fatal(err)
	}
	return r[partition]
}

// dialable tells whether somebody listens.
func dialable(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}
