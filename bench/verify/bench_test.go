package verify

import (
	"flag"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/millrace/millrace/bench/ledger"
)

var benchRows = flag.Uint64("rows", 500_000, "rows of the run in the benchmarks")

// The benchmarks' events: 32 producers, 100 events per request, about 900 bytes of text per row that does not compress well.
const (
	benchProducers = 32
	benchBatch     = 100
	benchSlots     = 1000
)

// benchNote is text of hexadecimal digits, of which the server can make the same.
const benchNote = "lower(hex(MD5(concat('{\"slot\":', toString(slot)))))"

// bigRun fills the tables with a run that is right, by the server's own hands.
func bigRun(b *testing.B, s *Store) (path string, run ledger.RunID) {
	b.Helper()
	run = ledger.NewRunID()
	path = filepath.Join(b.TempDir(), "ledger")
	perProducer := *benchRows / benchProducers / benchBatch * benchBatch
	started := time.Now().Truncate(time.Second)
	const chunk = 100_000
	for from := uint64(0); from < perProducer*benchProducers; from += chunk {
		// Row number n is event n / 32 of producer n % 32.
		err := s.conn().Exec(s.with(within(b), clickhouse.Parameters{
			"run": runParameter(run), "from": fmt.Sprint(from), "rows": fmt.Sprint(min(chunk, perProducer*benchProducers-from)), "start": fmt.Sprint(started.UnixMilli()),
		}), `INSERT INTO {database:Identifier}.events (project_id, type, event, ts, event_id, user_id, user_h, props, context, _log, _partition, _offset)
			SELECT 1, 'track', concat('Event ', toString(slot % 40)), fromUnixTimestamp64Milli(toInt64({start:UInt64} + intDiv(seq, 100))),
				reinterpret(bitOr(bitShiftLeft(toUInt128(0x8000000000000000 + seq), 64), toUInt128(bitOr(bitShiftLeft({run:UInt64}, 16), 0x8000 + n % 32))), 'UUID'),
				toString(n % 32), cityHash64(slot % 200, n % 32), concat(`+benchNote+`, repeat(toString(slot), 200)), repeat('x', 200), 1, slot % 200 % 12, n
			FROM (SELECT number AS n, intDiv(n, 32) AS seq, seq % 1000 AS slot FROM numbers({from:UInt64}, {rows:UInt64}))`)
		if err != nil {
			b.Fatal(err)
		}
	}
	h := ledger.Header{Run: run.String(), Started: started, Producers: make([][]ledger.Slot, benchProducers)}
	for p := range h.Producers {
		h.Producers[p] = make([]ledger.Slot, benchSlots)
	}
	rows, err := s.conn().Query(s.with(within(b), nil), `SELECT toUInt32(n % 32) AS p, slot, `+ledger.PayloadHashSQL+` FROM
		(SELECT n, slot, 'track' AS type, concat('Event ', toString(slot % 40)) AS event, '' AS name, toString(n % 32) AS user_id, '' AS anonymous_id, '' AS group_id, '' AS previous_id,
			concat(`+benchNote+`, repeat(toString(slot), 200)) AS props, repeat('x', 200) AS context, '' AS traits
		FROM (SELECT number AS n, intDiv(n, 32) % 1000 AS slot FROM numbers(32000)))`)
	if err != nil {
		b.Fatal(err)
	}
	for rows.Next() {
		var p uint32
		var slot uint16
		var hash uint64
		if err := rows.Scan(&p, &slot, &hash); err != nil {
			b.Fatal(err)
		}
		h.Producers[p][slot] = ledger.Slot{Hash: hash, User: uint32(slot % 200)}
	}
	if err := rows.Err(); err != nil {
		b.Fatal(err)
	}
	book, err := ledger.Create(path, h)
	if err != nil {
		b.Fatal(err)
	}
	for seq := uint64(0); seq < perProducer; seq += benchBatch {
		for p := range uint16(benchProducers) {
			if err := book.Append(&ledger.Entry{Producer: p, Seq: seq, Events: benchBatch, Stamp: started.UnixMilli() + int64(seq/benchBatch), Status: 200}); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := book.Close(); err != nil {
		b.Fatal(err)
	}
	return path, run
}

func BenchmarkVerify(b *testing.B) {
	s := openStore(b)
	path, _ := bigRun(b, s)
	var v *ledger.Verdict
	for b.Loop() {
		r, err := ledger.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		if v, err = Verify(within(b), r, s, nil); err != nil {
			b.Fatal(err)
		}
		_ = r.Close()
		if !v.Pass() {
			b.Fatal(v.Text())
		}
	}
	b.ReportMetric(float64(v.Sent)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(memoryOf(b, s, "toUnixTimestamp64Milli"), "server-MiB")
}

// memoryOf is the most that the server took for a query with this text.
func memoryOf(b *testing.B, s *Store, text string) float64 {
	b.Helper()
	if err := s.conn().Exec(within(b), "SYSTEM FLUSH LOGS"); err != nil {
		b.Fatal(err)
	}
	var most uint64
	err := s.conn().QueryRow(s.with(within(b), clickhouse.Parameters{"text": "%" + text + "%"}), "SELECT max(memory_usage) FROM system.query_log WHERE query LIKE {text:String} AND type = 'QueryFinish'").Scan(&most)
	if err != nil {
		b.Fatal(err)
	}
	return float64(most) / (1 << 20)
}

func BenchmarkCount(b *testing.B) {
	s := openStore(b)
	_, run := bigRun(b, s)
	since := time.Now().Add(-24 * time.Hour)
	for _, mode := range []struct {
		name   string
		byPart bool
	}{{"new parts", true}, {"known parts", true}, {"whole table", false}} {
		b.Run(mode.name, func(b *testing.B) {
			s.byPart = mode.byPart
			for b.Loop() {
				if mode.name == "new parts" {
					s.counts = nil
				}
				n, err := s.Count(within(b), run, since)
				if err != nil || n < *benchRows*9/10 {
					b.Fatalf("%d rows, %v", n, err)
				}
			}
		})
	}
}
