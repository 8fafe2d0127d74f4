package clickhouse

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
)

// BenchmarkInsert measures the CPU time of the child, which is engine and relay, for a row that is inserted: through the relay, as clients do, and past it. The
// ways take turns, because a machine's speed changes.
func BenchmarkInsert(b *testing.B) {
	e := startReady(b, newConfig(b))
	e.must(b, `CREATE TABLE default.rows (id UInt64, at DateTime64(3, 'UTC'), name LowCardinality(String), props String CODEC(ZSTD(1))) ENGINE = MergeTree ORDER BY id
		SETTINGS non_replicated_deduplication_window = 100`)
	ways := []string{e.Addrs()[AddrTCP], loopback(enginePortsOf(b, e.cfg).EngineTCPPort)}
	const rows = 50_000
	var (
		id    proto.ColUInt64
		at    = new(proto.ColDateTime64).WithPrecision(3)
		name  = new(proto.ColStr).LowCardinality()
		props proto.ColStr
	)
	for i := range rows {
		id.Append(uint64(i))
		at.AppendRaw(proto.DateTime64(1_700_000_000_000 + i))
		name.Append(fmt.Sprintf("event%d", i%20))
		props.Append(fmt.Sprintf(`{"plan":"pro","items":%d,"path":"/a/page/of/the/shop/%d"}`, i%7, i))
	}
	input := proto.Input{{Name: "id", Data: &id}, {Name: "at", Data: at}, {Name: "name", Data: name}, {Name: "props", Data: &props}}
	var clients [2]*ch.Client
	for i, addr := range ways {
		c, err := ch.Dial(b.Context(), ch.Options{Address: addr, Compression: ch.CompressionDisabled})
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close() //nolint:errcheck // the engine is stopped anyway
		clients[i] = c
	}
	var spent [2]int64
	for n := range 2 * b.N {
		way := n % 2
		before := childCPU(b, e.PID())
		if err := clients[way].Do(b.Context(), ch.Query{Body: input.Into("rows"), Input: input}); err != nil {
			b.Fatal(err)
		}
		spent[way] += childCPU(b, e.PID()) - before
	}
	b.ReportMetric(float64(spent[0])/float64(b.N)/rows, "relayed-ns/row")
	b.ReportMetric(float64(spent[1])/float64(b.N)/rows, "direct-ns/row")
}

// childCPU is what a process has used, in nanoseconds. The kernel counts in hundredths of a second.
func childCPU(tb testing.TB, pid int) int64 {
	tb.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		tb.Fatal(err)
	}
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	var ticks int64
	for _, f := range fields[11:13] { // utime, stime
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			tb.Fatal(err)
		}
		ticks += n
	}
	return ticks * 10_000_000
}
