package sink

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/millrace/millrace/internal/enginetest"
)

// retries counts every request to broker or ClickHouse that failed and was made again.
const retries = "millrace_sink_retries_total"

// A server that hangs takes the block in and does not answer. Sent again, the block is known by its token.
func TestServerThatHangs(t *testing.T) {
	l := newLab(t, 1)
	cfg := testConfig()
	cfg.InsertTimeout = time.Second
	r := l.start(cfg, t.TempDir())
	l.produce("events", 0, plainBodies(0, 10)...)
	l.committed("events", 0, 10) // connected
	l.engine.Pause()
	l.produce("events", 0, plainBodies(100, 10)...)
	l.until(func() bool { return r.counter(retries) > 0 }, func() string { return "no insert fails" })
	l.engine.Resume()
	l.committed("events", 0, 20)
	l.eachOnce(0, 20)
}

// kill -9 of ClickHouse, again and again while records flow. Blocks are cut by rows, so what is sent again is the same.
func TestClickHouseIsKilledUnderLoad(t *testing.T) {
	l := newLab(t, 2)
	cfg := testConfig()
	cfg.BlockRows = 50
	cfg.BlockAge = time.Minute
	r := l.start(cfg, t.TempDir())
	const rounds, each = 3, 500
	for i := range rounds {
		for p := range int32(2) {
			l.produce("events", p, plainBodies(10_000*i+1000*int(p), each)...)
		}
		failed := r.counter(retries)
		l.engine.Kill()
		l.until(func() bool { return r.counter(retries) > failed || l.allCommitted(2, int64((i+1)*each)) }, func() string { return "the kill is not noticed" })
		l.engine.Start()
	}
	for p := range int32(2) {
		l.committed("events", p, rounds*each)
		l.eachOnce(int(p), rounds*each)
	}
	if r.counter(retries) == 0 {
		t.Error("no kill was noticed")
	}
}

func (l *lab) allCommitted(partitions int32, want int64) bool {
	for p := range partitions {
		offsets, err := l.client.FetchOffsets(l.t.Context(), DefaultConfig().Group, "events", []int32{p})
		if err != nil || offsets[p].Offset != want {
			return false
		}
	}
	return true
}

// The partition is taken away while an INSERT hangs: the old owner gives up within its session, the new one stores the same block, and the old INSERT,
// when the server wakes up, changes nothing.
func TestRevokedWhileTheServerHangs(t *testing.T) {
	l := newLab(t, 1, kfake.GroupMinSessionTimeout(time.Second))
	cfg := testConfig()
	cfg.SessionTimeout = 3 * time.Second // one second of grace
	cfg.BlockRows = 50
	a := l.start(cfg, t.TempDir())
	l.produce("events", 0, plainBodies(0, 50)...)
	l.committed("events", 0, 50)
	l.engine.Pause()
	l.produce("events", 0, plainBodies(100, 50)...)
	l.until(func() bool { return a.counter("millrace_consumer_oldest_unflushed_age_seconds") > 0 }, func() string { return "nothing is under way" })
	b := l.start(cfg, t.TempDir())
	l.until(func() bool { return b.counter("millrace_sink_generations_total") == 1 }, func() string { return "the group does not turn" })
	l.engine.Resume()
	l.committed("events", 0, 100)
	l.eachOnce(0, 100)
}

// kill -9 of the broker: its process is another one afterwards, with the same records and offsets.
func TestBrokerIsKilled(t *testing.T) {
	l := newLab(t, 1)
	e := enginetest.Broker(t, 2)
	l.client = newClient(t, []string{e.Broker})
	cfg := testConfig()
	r := l.start(cfg, t.TempDir())
	for i := range 3 {
		producer := newClient(t, []string{e.Broker}) // with no connection to the process that was killed, whose end would leave doubts
		for p := range int32(2) {
			produce(t, producer, "events", p, plainBodies(10_000*i+1000*int(p), 100)...)
		}
		l.committed("events", 0, int64(100*(i+1)))
		l.committed("events", 1, int64(100*(i+1)))
		errs := func() (n float64) {
			for _, class := range []string{"retriable", "ambiguous"} {
				n += r.counter(fmt.Sprintf(`millrace_sink_fetch_errors_total{class=%q}`, class))
			}
			return n
		}
		before := errs() + r.counter("millrace_sink_generations_total")
		e.Kill()
		l.until(func() bool {
			return errs()+r.counter("millrace_sink_generations_total") > before || strings.Contains(r.logs.String(), "join the group")
		}, func() string { return "the kill is not noticed" })
		e.Start()
	}
	produce(t, newClient(t, []string{e.Broker}), "events", 0, plainBodies(90_000, 1)...)
	l.committed("events", 0, 301)
	l.eachOnce(0, 301)
	l.eachOnce(1, 300)
	if detail, err := r.Check(t.Context()); err != nil {
		t.Errorf("Check: %q, %v", detail, err)
	}
}
