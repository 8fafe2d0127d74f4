package sink

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/schema"
)

// realisticSet is a record set of n events of some 900 bytes, of a thousand users, with the variety that dictionaries meet.
func realisticSet(tb testing.TB, n int, revenue bool) []byte {
	var set []byte
	var bodies [][]byte
	for i := range n {
		e := fullEvent(i % 1000)
		e.texts[schema.FieldEvent] = []string{"Order Completed", "Product Viewed", "$pageview", "Cart Opened"}[i%4]
		e.texts[schema.FieldDistinctID] = fmt.Sprintf("user-%d", i*7919%1000)
		e.texts[schema.FieldAnonymousID] = fmt.Sprintf("0192b6c1-7d2e-7a3b-9c1f-%012d", i*7919%1000)
		e.texts[schema.FieldPagePath] = fmt.Sprintf("/products/%d", i*31%300)
		e.texts[schema.FieldCity] = []string{"Köln", "Paris", "Wien", "Graz", "Bern"}[i%5]
		e.texts[schema.FieldIP] = fmt.Sprintf("203.0.113.%d", i%250)
		delete(e.texts, schema.FieldPreviousID)
		delete(e.texts, schema.FieldGroupID)
		delete(e.texts, schema.FieldCausationID)
		e.properties = `{"order_id":"o-77120","currency":"EUR","coupon":null,"items":[{"sku":"A-1","name":"Boots size M","qty":2,"price":39.5},{"sku":"B-7","name":"Sneaker","qty":1,"price":50.95}],"note":"Leave it at the back door, please"}`
		if revenue {
			e.properties = `{"revenue":129.95,` + e.properties[1:]
		}
		e.traits = ""
		if bodies = append(bodies, e.body()); len(bodies) == 500 || i == n-1 {
			set = append(set, batchOf(tb, int64(i+1-len(bodies)), e.ReceivedAt, bodies...)...)
			bodies = bodies[:0]
		}
	}
	return set
}

func benchCutter(rows int) *cutter {
	cfg := DefaultConfig()
	cfg.BlockRows = rows
	l := newEventLoader(newPromotions())
	c := &cutter{cfg: &cfg, limit: &blockLimit{}, builder: builder{loader: l, spares: l.spares, log: 1, refuse: func(*broker.Record, error, time.Time) refusal { return refusal{} }}}
	c.begin(0)
	return c
}

// BenchmarkDecodeColumns is what the sink does per record between fetch and insert: record batch, index, columns.
func BenchmarkDecodeColumns(b *testing.B) {
	const rows = 50_000
	for _, revenue := range []bool{false, true} {
		b.Run(fmt.Sprintf("revenue=%v", revenue), func(b *testing.B) {
			set := realisticSet(b, rows, revenue)
			c := benchCutter(rows)
			now := time.Now()
			block := func() {
				c.begin(0)
				c.accept(recordSet{records: set})
				if err := c.advance(now); err != nil || c.forming.rows != rows {
					b.Fatal(c.forming.rows, err)
				}
				c.spares.put(c.forming)
			}
			block() // the columns grow to their size
			b.ReportAllocs()
			b.SetBytes(int64(len(set)))
			before := cpuTime(b)
			for b.Loop() {
				block()
			}
			b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N)/rows, "cpu-ns/event")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/event")
			b.ReportMetric(float64(len(set))/rows, "B/event")
		})
	}
}

// BenchmarkRecordBatchDecode is the record batch alone: framing, CRC, offsets.
func BenchmarkRecordBatchDecode(b *testing.B) {
	const rows = 5_000
	set := realisticSet(b, rows, false)
	var reader broker.RecordReader
	var rec broker.Record
	b.ReportAllocs()
	b.SetBytes(int64(len(set)))
	for b.Loop() {
		n := 0
		for reader.Reset(set, 0); reader.Next(&rec); n++ {
		}
		if err := reader.Err(); err != nil || n != rows {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/event")
}

// BenchmarkWriteBlock is the part of the insert that is ours: what goes over the wire.
func BenchmarkWriteBlock(b *testing.B) {
	const rows = 50_000
	c := benchCutter(rows)
	c.accept(recordSet{records: realisticSet(b, rows, false)})
	if err := c.advance(time.Now()); err != nil {
		b.Fatal(err)
	}
	input := c.forming.parts[0].Input()
	w := proto.NewWriter(discard{}, new(proto.Buffer))
	b.ReportAllocs()
	for b.Loop() {
		block := proto.Block{Columns: len(input), Rows: rows}
		if err := block.WriteBlock(w, proto.Version, input); err != nil {
			b.Fatal(err)
		}
		n, err := w.Flush()
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(n)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/event")
}

// cpuTime is what this process has used so far: on a busy machine the only figure worth comparing.
func cpuTime(tb testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
