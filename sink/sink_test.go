package sink

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/schema"
)

// A poison record among good ones: the good ones are stored, the poison goes to quarantine, before its offset is confirmed, and comes back as a row.
func TestPoisonRecordGoesToQuarantineAlone(t *testing.T) {
	l := newLab(t, 1)
	good := plainBodies(0, 20)
	poison := broker.AppendRecordBody(nil, []byte("7:u"), []byte(`{"v":1,"event":`), broker.Header{Key: schema.HeaderIndex, Value: []byte{1, 2, 3}})
	huge := broker.AppendRecordBody(nil, []byte("8:u"), []byte(strings.Repeat("x", 100_000)))
	bodies := append([][]byte{}, good[:10]...)
	bodies = append(bodies, poison, huge)
	bodies = append(bodies, good[10:]...)
	l.produce("events", 0, bodies...)
	r := l.start(testConfig(), t.TempDir())
	l.committed("events", 0, 22)
	l.committed("quarantine", 0, 2)
	l.waitFor("20", "SELECT count() FROM events")
	rows := l.query("SELECT project_id, stage, reason, length(payload), left(payload, 10), empty(detail), size, truncated, from_record, _log, _partition, toUnixTimestamp64Milli(at) >= %d FROM quarantine ORDER BY project_id", producedAt)
	want := fmt.Sprintf(`[[7 sink invalid_record 15 {"v":1,"ev 0 15 false %[1]d/0/10 %[2]d 0 1] [8 sink invalid_record 65536 xxxxxxxxxx 0 100000 true %[1]d/0/11 %[2]d 0 1]]`, eventsLog, quarantineLog)
	if got := fmt.Sprint(rows); got != want {
		t.Errorf("quarantine\n%s\nwant\n%s", got, want)
	}
	if n := r.counter("millrace_sink_rejected_records_total"); n != 2 {
		t.Errorf("%v records rejected", n)
	}
}

// The quarantine topic away: the block with the poison is not confirmed, and nothing is lost.
func TestPoisonRecordWaitsForTheQuarantineTopic(t *testing.T) {
	l := newLab(t, 1)
	l.produce("events", 0, append(plainBodies(0, 5), broker.AppendRecordBody(nil, nil, []byte("poison")))...)
	refused := make(chan struct{}, 100)
	var open bool
	l.cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		l.cluster.KeepControl()
		if open {
			return nil, nil, false
		}
		if len(refused) == 3 {
			open = true
		}
		refused <- struct{}{}
		res := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, t := range req.(*kmsg.ProduceRequest).Topics {
			for _, p := range t.Partitions {
				res.Topics = append(res.Topics, kmsg.ProduceResponseTopic{Topic: t.Topic, Partitions: []kmsg.ProduceResponseTopicPartition{{Partition: p.Partition, ErrorCode: 19}}})
			}
		}
		return res, nil, true
	})
	r := l.start(testConfig(), t.TempDir())
	for range 3 {
		<-refused
	}
	l.committed("events", 0, 6)
	l.waitFor("1", "SELECT count() FROM quarantine WHERE payload = 'poison'")
	l.eachOnce(0, 5)
	if n := r.counter(`millrace_sink_reject_errors_total{class="retriable"}`); n < 3 {
		t.Errorf("%v refused produces counted", n)
	}
}

func TestTwoSinksShareThePartitions(t *testing.T) {
	l := newLab(t, 4)
	cfg := testConfig()
	a := l.start(cfg, t.TempDir())
	l.until(func() bool { return a.counter("millrace_sink_partitions") == 5 }, func() string { return "the first sink has not all partitions" })
	b := l.start(cfg, t.TempDir())
	both := func() string {
		return fmt.Sprintf("partitions of the two sinks: %v, %v", a.counter("millrace_sink_partitions"), b.counter("millrace_sink_partitions"))
	}
	l.until(func() bool {
		n, m := a.counter("millrace_sink_partitions"), b.counter("millrace_sink_partitions")
		return n > 0 && m > 0 && n+m == 5
	}, both)
	for i := range 10 {
		for p := range int32(4) {
			l.produce("events", p, plainBodies(i*1000+int(p)*100, 50)...)
		}
	}
	l.waitFor("2000", "SELECT count() FROM events")
	for p := range int32(4) {
		l.committed("events", p, 500)
		l.eachOnce(int(p), 500)
	}
	if n, m := a.counter(`millrace_sink_insert_rows_total{table="events"}`), b.counter(`millrace_sink_insert_rows_total{table="events"}`); n == 0 || m == 0 || n+m != 2000 {
		t.Errorf("rows by sink: %v and %v", n, m)
	}
	// One goes: the other has everything, at once.
	a.stop()
	l.until(func() bool { return b.counter("millrace_sink_partitions") == 5 }, both)
	l.produce("events", 0, plainBodies(50_000, 7)...)
	l.committed("events", 0, 507)
	l.eachOnce(0, 507)
}

// A topic that has nothing new after a restart has no lag, though nothing is committed by then.
func TestNoLagAfterARestart(t *testing.T) {
	l := newLab(t, 1)
	cfg := testConfig()
	r := l.start(cfg, t.TempDir())
	l.produce("events", 0, plainBodies(0, 10)...)
	l.committed("events", 0, 10)
	r.stop()
	r = l.start(cfg, t.TempDir())
	r.loading(2)
	if lag := r.counter(`millrace_consumer_lag_records{topic="events",partition="0"}`); lag != 0 {
		t.Errorf("lag %v", lag)
	}
	for _, p := range r.Status().Partitions {
		if p.Topic == "events" && (p.Committed != 10 || p.End != 10 || p.Lag != 0) {
			t.Errorf("status %+v", p)
		}
	}
}

func TestClickHouseAwayLosesNothing(t *testing.T) {
	l := newLab(t, 2)
	cfg := testConfig()
	r := l.start(cfg, t.TempDir())
	l.produce("events", 0, plainBodies(0, 100)...)
	l.committed("events", 0, 100)
	l.engine.Kill()
	for p := range int32(2) {
		l.produce("events", p, plainBodies(1000*int(p+1), 300)...)
	}
	l.until(func() bool { return r.counter(retries) >= 3 }, func() string { return "no insert fails while ClickHouse is away" })
	if age := r.counter("millrace_consumer_oldest_unflushed_age_seconds"); age <= 0 {
		t.Errorf("oldest unflushed age %v while nothing is stored", age)
	}
	if lag := r.counter(`millrace_consumer_lag_records{topic="events",partition="1"}`); lag != 300 {
		t.Errorf("lag %v", lag)
	}
	l.engine.Start()
	l.committed("events", 0, 400)
	l.committed("events", 1, 300)
	l.eachOnce(0, 400)
	l.eachOnce(1, 300)
	l.until(func() bool { return r.counter("millrace_consumer_oldest_unflushed_age_seconds") == 0 }, func() string { return "something is held for ever" })
	if detail, err := r.Check(t.Context()); err != nil || !strings.Contains(detail, "3 partitions, 0 records behind") {
		t.Errorf("Check: %q, %v", detail, err)
	}
}

// A table that does not fit is nobody's row: the block waits, the reason is told, and it goes on by itself after the cure.
func TestMissingColumnIsNobodysRow(t *testing.T) {
	l := newLab(t, 1)
	l.query("ALTER TABLE events RENAME COLUMN lib TO libx")
	cfg := testConfig()
	r := l.start(cfg, t.TempDir())
	l.produce("events", 0, plainBodies(0, 10)...)
	l.until(func() bool { return r.counter(`millrace_sink_insert_errors_total{class="schema"}`) > 0 }, func() string { return "no error of class schema" })
	l.query("ALTER TABLE events RENAME COLUMN libx TO lib")
	l.committed("events", 0, 10)
	l.eachOnce(0, 10)
	if log := r.logs.String(); !strings.Contains(log, "millrace migrate up") || !strings.Contains(log, "level=ERROR") {
		t.Error("the log does not name the cure")
	}
}

// Another generation owns the partition: the commit is refused, the block is dropped here and stored there, where its token is known already.
func TestFencedCommitDropsTheBlock(t *testing.T) {
	l := newLab(t, 1)
	const rows = 50
	l.produce("events", 0, plainBodies(0, rows)...)
	fenced := false
	l.cluster.ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
		if fenced {
			return nil, nil, false
		}
		fenced = true
		res := req.ResponseKind().(*kmsg.OffsetCommitResponse)
		for _, t := range req.(*kmsg.OffsetCommitRequest).Topics {
			rt := kmsg.OffsetCommitResponseTopic{Topic: t.Topic}
			for _, p := range t.Partitions {
				rt.Partitions = append(rt.Partitions, kmsg.OffsetCommitResponseTopicPartition{Partition: p.Partition, ErrorCode: 22})
			}
			res.Topics = append(res.Topics, rt)
		}
		return res, nil, true
	})
	cfg := testConfig()
	cfg.BlockRows = rows
	r := l.start(cfg, t.TempDir())
	l.committed("events", 0, rows)
	l.eachOnce(0, rows)
	if n := r.counter(`millrace_sink_commit_errors_total{class="fenced"}`); n != 1 {
		t.Errorf("%v commits fenced", n)
	}
	if n := r.counter("millrace_sink_generations_total"); n != 2 {
		t.Errorf("%v generations, want a second one", n)
	}
}

// Partitions move between brokers while records flow.
func TestLeadersMove(t *testing.T) {
	l := newLab(t, 3, kfake.NumBrokers(3))
	r := l.start(testConfig(), t.TempDir())
	const rounds, each = 6, 20
	for i := range rounds {
		for p := range int32(3) {
			l.produce("events", p, plainBodies(i*1000+int(p)*100, each)...)
		}
		for p := range int32(3) {
			l.committed("events", p, int64((i+1)*each)) // from the new leader, the first time apart
			if err := l.cluster.MoveTopicPartition("events", p, (l.cluster.LeaderFor("events", p)+1)%3); err != nil {
				t.Fatal(err)
			}
		}
	}
	for p := range int32(3) {
		l.eachOnce(int(p), rounds*each)
	}
	if n := r.counter(`millrace_sink_fetch_errors_total{class="retriable"}`); n == 0 {
		t.Error("no fetch met a broker that had lost its partition")
	}
}

func TestCheckBeforeTheFirstGeneration(t *testing.T) {
	s := &Sink{cfg: DefaultConfig()}
	if _, err := s.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "millrace-sink") {
		t.Errorf("Check before joining: %v", err)
	}
	words := "broker unreachable"
	s.last.Store(&words)
	if _, err := s.Check(t.Context()); err == nil || !strings.Contains(err.Error(), words) {
		t.Errorf("Check after a failed join: %v", err)
	}
}

// A partition that cannot go on for a while is told; a short trouble is not.
func TestCheckTellsOfALongTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Sink{cfg: DefaultConfig(), metrics: newMetrics(metrics.NewSet(), eventsTable)}
		s.joined.Store(&broker.Generation{GroupID: "g", ID: 3})
		stats := s.metrics.assign(broker.TopicPartition{Topic: "events", Partition: 2})
		stats.highWatermark.Store(15)
		stats.confirmed.Store(10)
		stats.failing("insert into events: refused")
		<-time.After(troubleAfter)
		if detail, err := s.Check(t.Context()); err != nil || detail != "group g generation 3, 1 partitions, 5 records behind" {
			t.Errorf("Check: %q, %v", detail, err)
		}
		<-time.After(time.Second)
		stats.failing("insert into events: refused again") // the first failure counts
		if _, err := s.Check(t.Context()); err == nil || err.Error() != "events partition 2: insert into events: refused again (for 6s)" {
			t.Errorf("Check: %v", err)
		}
		stats.fine()
		if _, err := s.Check(t.Context()); err != nil {
			t.Errorf("Check afterwards: %v", err)
		}
	})
}

// One fetch per broker carries all of its partitions.
func TestOneFetchCarriesAllPartitions(t *testing.T) {
	l := newLab(t, 4)
	asked := make(chan int, 1000)
	l.cluster.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		l.cluster.KeepControl()
		n := 0
		for _, t := range req.(*kmsg.FetchRequest).Topics {
			n += len(t.Partitions)
		}
		select {
		case asked <- n:
		default: // the test has seen enough
		}
		return nil, nil, false
	})
	l.start(testConfig(), t.TempDir()).loading(5)
	taken := len(asked) + 2 // fetches from before the last takeover was over
	for whole := 0; whole < taken+3; {
		select {
		case n := <-asked:
			if whole++; n != 5 && whole > taken {
				t.Errorf("a fetch of an idle sink asks for %d partitions of 5", n)
			}
		case <-time.After(patience):
			t.Fatal("no fetches")
		}
	}
}
