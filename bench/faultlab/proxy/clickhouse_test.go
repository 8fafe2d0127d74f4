package proxy

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/millrace/millrace/internal/enginetest"
)

// connect makes a client of one connection at a time, and counts how often it dials.
func connect(t testing.TB, addr string) (driver.Conn, *atomic.Int64) {
	t.Helper()
	dials := new(atomic.Int64)
	c, err := clickhouse.Open(&clickhouse.Options{
		Addr: []string{addr}, MaxOpenConns: 1, MaxIdleConns: 1, ReadTimeout: patience,
		DialContext: func(ctx context.Context, addr string) (net.Conn, error) {
			dials.Add(1)
			var d net.Dialer
			return d.DialContext(ctx, "tcp", addr)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, dials
}

const insertRows = 20_000

// insert sends one block.
func insert(t testing.TB, c driver.Conn, round int) error {
	t.Helper()
	b, err := c.PrepareBatch(within(t), "INSERT INTO t (round, n)")
	if err != nil {
		return err
	}
	for n := range insertRows {
		if err := b.Append(uint32(round), uint64(n)*0x9e3779b97f4a7c15); err != nil {
			return err
		}
	}
	return b.Send()
}

// ClickHouse survives fifty broken connections, and what it keeps is what each fault says.
func TestClickHouseSurvives(t *testing.T) {
	e := enginetest.ClickHouse(t)
	p := start(t, e.TCP, false)
	direct, dials := connect(t, e.TCP)
	ctx := within(t)
	if err := direct.Exec(ctx, "CREATE TABLE t (round UInt32, n UInt64) ENGINE = MergeTree ORDER BY (round, n)"); err != nil {
		t.Fatal(err)
	}
	through, _ := connect(t, p.Addr())
	rows := func(round int) (n uint64) {
		if err := direct.QueryRow(ctx, "SELECT count() FROM t WHERE round = ?", round).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	begin := time.Now()
	for round := range 50 {
		if err := through.Ping(ctx); err != nil {
			t.Fatalf("round %d: the client does not find back: %v", round, err)
		}
		var f Fault
		want := uint64(0)
		switch round % 5 {
		case 0: // within the block of data: nothing else is as long
			f = Fault{Kind: Cut, After: 5000 + int64(round)*1234}
		case 1: // within the query
			f = Fault{Kind: Cut, After: int64(20 + round)}
		case 2: // within the answer to the query, before there is data
			f = Fault{Kind: Cut, After: int64(1 + round%7), Direction: ToClient}
		default:
			f, want = Fault{Kind: DropReply, MinRequest: 5000}, insertRows
		}
		shot := p.Arm(f)
		err := insert(t, through, round)
		if err == nil {
			t.Errorf("round %d: the insert was answered", round)
		}
		what := fired(t, shot)
		until(t, "upstream's side ends", func() bool { return p.Stats().Open == 0 })
		if n := rows(round); n != want {
			t.Errorf("round %d, %s: %d rows, want %d; the client saw %v", round, what, n, want, err)
		}
		if f.Kind == DropReply && !strings.HasPrefix(what, "dropped the reply of ") {
			t.Error(what)
		}
	}
	t.Logf("50 faults in %v", time.Since(begin))
	if err := insert(t, through, 1000); err != nil || rows(1000) != insertRows {
		t.Errorf("after all: %v, %d rows", err, rows(1000))
	}
	// The connection past the proxy is still the first: the process is, too.
	if n := dials.Load(); n != 1 {
		t.Errorf("the direct connection was opened %d times: ClickHouse died", n)
	}
	if s := p.Stats(); s.Faults[Cut] != 30 || s.Faults[DropReply] != 20 || s.Undrained != 0 {
		t.Errorf("%+v", s)
	}
}
