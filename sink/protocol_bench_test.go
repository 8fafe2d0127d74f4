package sink

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/sink/dedup"
	"github.com/millrace/millrace/sink/exact"
)

// serverCPU is the CPU time that ClickHouse has spent on queries and merges, in microseconds.
func (l *lab) serverCPU() float64 {
	rows := l.query("SELECT sum(value) FROM system.events WHERE event IN ('UserTimeMicroseconds', 'SystemTimeMicroseconds')")
	us, err := strconv.ParseFloat(rows[0][0], 64)
	if err != nil {
		l.t.Fatal(err)
	}
	return us
}

// BenchmarkProtocol loads the same records with the whole protocol and with commits alone, in turn, and reports the medians of the CPU time per row: of
// the sink, and of ClickHouse. Run it with -benchtime 1x.
func BenchmarkProtocol(b *testing.B) {
	const rounds, batches, each = 9, 8, 5000 // little enough for the broker to keep all of it when it has been read
	l := newLab(b, 1)
	e := enginetest.Broker(b, 2)
	l.client = newClient(b, []string{e.Broker})
	for i := range batches {
		bodies := make([][]byte, each)
		for j := range bodies {
			event := fullEvent((i*each + j) % 100_000)
			bodies[j] = event.body()
		}
		for len(bodies) > 0 {
			n := min(len(bodies), 500)
			produce(b, l.client, "events", int32(i%2), bodies[:n]...)
			bodies = bodies[n:]
		}
	}
	const rows = batches * each
	for range b.N {
		sinkCPU, serverCPU := map[string][]float64{}, map[string][]float64{}
		for round := range rounds {
			for _, how := range []string{"commits", "protocol"} {
				l.query("TRUNCATE TABLE events")
				cfg := DefaultConfig()
				cfg.Group = fmt.Sprintf("%s-%d", how, round)
				without := map[string]bool{}
				if how == "commits" {
					without = map[string]bool{"intent": true, "token": true, "verify": true, "ids": true}
				}
				before, server := cpuTime(b), l.serverCPU()
				r := l.startWithout(cfg, b.TempDir(), without)
				l.until(func() bool { return l.query("SELECT count() FROM events")[0][0] == strconv.Itoa(rows) }, func() string {
					return fmt.Sprintf("%s: %v rows, %v repeats dropped, %+v", how, l.query("SELECT count() FROM events"), r.counter("millrace_dedup_dropped_total"), r.Status())
				})
				r.stop()
				sinkCPU[how] = append(sinkCPU[how], float64((cpuTime(b)-before).Microseconds())/rows)
				serverCPU[how] = append(serverCPU[how], (l.serverCPU()-server)/rows)
			}
		}
		for how, us := range sinkCPU {
			slices.Sort(us)
			slices.Sort(serverCPU[how])
			b.ReportMetric(us[len(us)/2], how+"-sink-µs/row")
			b.ReportMetric(serverCPU[how][rounds/2], how+"-server-µs/row")
		}
	}
}

// BenchmarkRestore fills the memory for ids from a table of 2,000,000 rows of the partition and as many of another one.
func BenchmarkRestore(b *testing.B) {
	const ids = 2_000_000
	l := newLab(b, 1)
	const chunk = 200_000
	for i := range 2 * ids / chunk {
		l.query("INSERT INTO events (project_id, event, ts, event_id, distinct_id, user_h, lag_ms, _log, _partition, _offset) "+
			"SELECT 1, 'e' || toString(number %% 40), toDateTime64('2026-11-01 00:00:00', 3, 'UTC') + number / 600, generateUUIDv4(), toString(number %% 5000), cityHash64(toString(number %% 5000)), 3, %d, %d, number "+
			"FROM numbers(%d, %d)", eventsLog, i%2, i/2*chunk, chunk)
	}
	d, err := newDialer(l.tables, time.Minute)
	if err != nil {
		b.Fatal(err)
	}
	t := tables{conn: conn{dialer: d}, topic: newTopics(Topic{Name: "events", Log: eventsLog}, Topic{Name: "quarantine", Log: quarantineLog}, newPromotions())["events"]}
	b.ResetTimer()
	for range b.N {
		set := dedup.New(ids, time.Hour)
		if err := t.restore(context.Background(), set, ids, exact.IDs{Keep: ids, Window: time.Hour}, -1); err != nil {
			b.Fatal(err)
		}
		if set.Len() != ids {
			b.Fatalf("%d ids", set.Len())
		}
		b.ReportMetric(float64(set.Bytes())/(1<<20), "MiB")
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.Sys)/(1<<20), "MiB-process")
	}
	t.conn.close()
}
