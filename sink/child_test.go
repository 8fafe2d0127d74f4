package sink

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/broker"
)

// childEnv makes this test program a sink of its own process, which can be killed.
const childEnv = "MILLRACE_SINK_TEST_CHILD"

// child is what the process needs to know.
type child struct {
	Config     Config
	Broker     []string
	ClickHouse string
	DataDir    string
}

func childMain() {
	var c child
	if err := json.Unmarshal([]byte(os.Getenv(childEnv)), &c); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	cfg := broker.DefaultConfig()
	cfg.Addresses = c.Broker
	client, err := broker.New(cfg)
	if err == nil {
		var s *Sink
		s, err = New(c.Config, Deps{
			Broker: client, Events: Topic{Name: "events", Log: eventsLog}, Quarantine: Topic{Name: "quarantine", Log: quarantineLog},
			ClickHouse: tablesAt(c.ClickHouse), DataDir: c.DataDir, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)), Metrics: metrics.NewSet(),
		})
		if err == nil {
			err = s.Run(context.Background())
		}
	}
	fmt.Fprintln(os.Stderr, "sink ended:", err)
	os.Exit(1)
}

// startChild runs a sink in a process of its own.
func (l *lab) startChild(cfg Config, dataDir string) *exec.Cmd {
	l.t.Helper()
	text, err := json.Marshal(child{Config: cfg, Broker: l.cluster.ListenAddrs(), ClickHouse: l.tables.Addresses[0], DataDir: dataDir})
	if err != nil {
		l.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	logs := &logBuffer{}
	cmd.Stderr = logs
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		_ = cmd.Process.Kill() // gone already, as a rule
		_ = cmd.Wait()
		if l.t.Failed() {
			l.t.Logf("log of the process:\n%s", logs)
		}
	})
	return cmd
}

// A sink that is killed between INSERT and commit inserts the same block again after its restart, and ClickHouse knows it by its token.
func TestKillBetweenInsertAndCommit(t *testing.T) {
	l := newLab(t, 1)
	const rows = 500
	l.produce("events", 0, plainBodies(0, rows)...)
	cfg := testConfig()
	cfg.BlockRows = 100 // so that both cuts are the same, whatever the age
	cfg.SessionTimeout = patience
	var killed atomic.Bool
	reached := make(chan struct{})
	reach := sync.OnceFunc(func() { close(reached) })
	l.onCommit(func(offset int64) bool {
		if killed.Load() || offset < 200 {
			return false
		}
		reach()
		return true
	})
	dir := t.TempDir()
	child := l.startChild(cfg, dir)
	<-reached
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed
	killed.Store(true)
	l.waitFor("200", "SELECT count() FROM events")
	l.committed("events", 0, 100)

	// The new process must not wait for the session of the killed one to end: that is as long as this test's patience.
	cfg.SessionTimeout = DefaultConfig().SessionTimeout
	l.start(cfg, dir)
	l.committed("events", 0, rows)
	l.eachOnce(0, rows)
	if n := l.query("SELECT value FROM system.events WHERE event = 'DuplicatedInsertedBlocks'"); len(n) != 1 || n[0][0] == "0" {
		t.Errorf("blocks dropped by their token: %v, want one", n)
	}
}
