package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/test/process"
)

func asExit(err error, target **exec.ExitError) bool { return errors.As(err, target) }

// load posts batches from several clients until stopped and remembers which ids were acknowledged.
type load struct {
	mu    sync.Mutex
	acked []string
	wg    sync.WaitGroup
	stop  context.CancelFunc
}

func startLoad(s *server, tag string, clients int) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{stop: cancel}
	for c := range clients {
		l.wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				var body strings.Builder
				var ids []string
				body.WriteString(`{"batch":[`)
				for i := range 20 {
					id := fmt.Sprintf("%s-%d-%d-%d", tag, c, n, i)
					ids = append(ids, id)
					if i > 0 {
						body.WriteByte(',')
					}
					fmt.Fprintf(&body, `{"type":"track","event":"Load","userId":"user-%d","messageId":"%s","properties":{"id":"%s"}}`, (c*7+n+i)%50, id, id)
				}
				body.WriteString(`]}`)
				a, err := s.tryPost("/v1/batch", []byte(body.String()))
				if err != nil || a.Status != http.StatusOK {
					continue // not acknowledged: no promise was made
				}
				l.mu.Lock()
				l.acked = append(l.acked, ids...)
				l.mu.Unlock()
			}
		})
	}
	return l
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// finish stops the clients and returns the acknowledged ids.
func (l *load) finish() []string {
	l.stop()
	l.wg.Wait()
	return l.acked
}

// checkStored waits until every id is in ClickHouse and returns how many rows are stored in all.
func checkStored(t *testing.T, s *server, acked []string) int {
	t.Helper()
	want := map[string]bool{}
	for _, id := range acked {
		want[id] = true
	}
	missing := 0
	deadline := time.Now().Add(40 * time.Second)
	for {
		rows, err := s.trySQL("SELECT DISTINCT JSONExtractString(props, 'id') AS id FROM millrace.events")
		if err == nil {
			stored := map[string]bool{}
			for _, row := range rows {
				stored[row["id"].(string)] = true
			}
			missing = 0
			for id := range want {
				if !stored[id] {
					missing++
				}
			}
			if missing == 0 {
				return s.count("SELECT count() FROM millrace.events")
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d acknowledged events are not in ClickHouse", missing, len(want))
		}
	}
}

func TestRestartKeepsData(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	for i := range 10 {
		s.post("/v1/track", []byte(`{"event":"Keep","userId":"u`+strconv.Itoa(i)+`"}`))
	}
	s.waitRows("events", 10)
	if code := s.stop(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	s = start(t, dir)
	s.waitRows("events", 10)
	s.post("/v1/track", []byte(`{"event":"Keep","userId":"after"}`))
	s.waitRows("events", 11)
}

func TestSIGTERMUnderLoadLosesNothing(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	l := startLoad(s, "a", 4)
	eventually(t, 20*time.Second, "load", func() bool { return l.count() > 2000 })
	code := s.stop()
	acked := l.finish()
	if code != 0 {
		t.Errorf("exit code %d after SIGTERM under load", code)
	}
	s = start(t, dir)
	rows := checkStored(t, s, acked)
	t.Logf("%d acknowledged, %d rows", len(acked), rows)
	if distinct := s.count("SELECT uniqExact(_partition, _offset) FROM millrace.events"); distinct != rows {
		t.Errorf("%d rows of %d records: a clean stop must not leave repeats", rows, distinct)
	}
}

func TestKillNineOfTheWholeTreeUnderLoadLosesNothing(t *testing.T) {
	dir := t.TempDir()
	var acked []string
	for round := range 3 {
		s := start(t, dir)
		l := startLoad(s, strconv.Itoa(round), 4)
		eventually(t, 20*time.Second, "load", func() bool { return l.count() > 1000 })
		if n := len(process.Descendants(s.cmd.Process.Pid)); n < 2 {
			t.Fatalf("round %d: %d child processes, the engines must die too", round, n)
		}
		s.kill()
		acked = append(acked, l.finish()...)
	}
	s := start(t, dir)
	rows := checkStored(t, s, acked)
	t.Logf("%d acknowledged over 3 kills, %d rows", len(acked), rows)
	if records := s.count("SELECT uniqExact(_partition, _offset) FROM millrace.events"); records != rows {
		t.Errorf("%d rows of %d records", rows, records)
	}
}

// TestExternalEngines runs a second millrace on the engines of the first: two settings, nothing else.
func TestExternalEngines(t *testing.T) {
	first := start(t, t.TempDir())
	second := start(t, t.TempDir(), "--broker.addresses="+first.ports["broker"], "--clickhouse.addresses="+first.ports["clickhouse_tcp"], "--role=ingest",
		"--broker.allow-relaxed-durability=true")
	if second.ports["ingest"] == first.ports["ingest"] {
		t.Fatal("both listen on one port")
	}
	if n := len(process.Descendants(second.cmd.Process.Pid)); n != 0 {
		t.Errorf("%d engines were started although both addresses are set", n)
	}
	if a := second.post("/v1/track", []byte(`{"event":"Elsewhere","userId":"u"}`)); a.Status != http.StatusOK {
		t.Fatalf("%d %s", a.Status, a.Raw)
	}
	first.waitRows("events", 1)
	if code := second.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestServersThatStartAtOnceDoNotShareAPort starts three servers in the same moment.
func TestServersThatStartAtOnceDoNotShareAPort(t *testing.T) {
	var servers []*server
	for range 3 {
		servers = append(servers, launch(t, t.TempDir()))
	}
	used := map[string]bool{}
	for _, s := range servers {
		s.waitReady()
		for name, address := range s.ports {
			if used[address] {
				t.Errorf("%s %s is used twice", name, address)
			}
			used[address] = true
		}
	}
}

// TestBrokerAwayIs503 freezes the broker: within ack_timeout the door answers 503, and what it then says it has accepted is stored.
func TestBrokerAwayIs503(t *testing.T) {
	s := start(t, t.TempDir())
	if a := s.post("/v1/track", []byte(`{"event":"Before","userId":"u","properties":{"id":"before"}}`)); a.Status != http.StatusOK {
		t.Fatalf("%d %s", a.Status, a.Raw)
	}
	broker := engine(t, s, "broker")
	signal(t, broker, syscall.SIGSTOP)
	begun := time.Now()
	a := s.post("/v1/track", []byte(`{"event":"Away","userId":"u","properties":{"id":"away"}}`))
	if a.Status != http.StatusServiceUnavailable || a.Code != "broker_unavailable" || a.Header.Get("Retry-After") == "" {
		t.Errorf("broker frozen: %d %s", a.Status, a.Raw)
	}
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("refused only after %v", took)
	}
	signal(t, broker, syscall.SIGCONT)
	eventually(t, 20*time.Second, "accepted again", func() bool {
		a, err := s.tryPost("/v1/track", []byte(`{"event":"After","userId":"u","properties":{"id":"after"}}`))
		return err == nil && a.Status == http.StatusOK
	})
	checkStored(t, s, []string{"before", "after"})
}

// TestEnginesAreRestarted kills each embedded engine under load: it comes back by itself, and nothing that was acknowledged is lost.
func TestEnginesAreRestarted(t *testing.T) {
	s := start(t, t.TempDir())
	l := startLoad(s, "r", 2)
	for i, name := range []string{"broker", "clickhouse"} {
		eventually(t, 20*time.Second, "load", func() bool { return l.count() > 500*(i+1) })
		before := engine(t, s, name)
		signal(t, before, syscall.SIGKILL)
		eventually(t, 20*time.Second, name+" restarted", func() bool {
			return strings.Count(s.log.String(), "child is ready") >= 3+i && engine(t, s, name) != before
		})
		acked := l.count()
		eventually(t, 20*time.Second, "load goes on", func() bool { return l.count() > acked })
	}
	acked := l.finish()
	rows := checkStored(t, s, acked)
	t.Logf("%d acknowledged, %d rows", len(acked), rows)
}

// TestNothingOutlivesAKilledServer kills the server alone: its engines stop by themselves, and the next start takes over the same ports and data.
func TestNothingOutlivesAKilledServer(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	if a := s.post("/v1/track", []byte(`{"event":"Kept","userId":"u"}`)); a.Status != http.StatusOK {
		t.Fatalf("%d %s", a.Status, a.Raw)
	}
	children, ports := process.Descendants(s.cmd.Process.Pid), s.ports
	if len(children) < 2 {
		t.Fatalf("%d child processes", len(children))
	}
	signal(t, s.cmd.Process.Pid, syscall.SIGKILL)
	next := start(t, dir)
	for _, pid := range children {
		if running(pid) {
			t.Errorf("process %d outlived its server", pid)
		}
	}
	for name, address := range ports {
		if next.ports[name] != address {
			t.Errorf("%s was at %s, is at %s", name, address, next.ports[name])
		}
	}
	next.waitRows("events", 1)
}
