package custom

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/enginetest"
)

const (
	daySpan    = 24 * time.Hour
	minuteSpan = time.Minute
)

// built returns a builder that holds the complete build of a metric, and that build.
func (w *world) held(m *Metrics, d Definition) (*builder, *record) {
	w.t.Helper()
	r := w.build(d.Name)
	b := w.builder(m, d)
	if err := b.takeOver(within(w.t), &r); err != nil {
		w.t.Fatal(err)
	}
	return b, &r
}

func (w *world) events(table string) uint64 {
	w.t.Helper()
	return w.number("SELECT assumeNotNull(sum(n)) FROM {db}." + table)
}

// A piece that is sent again changes nothing, whoever sends it and whatever became of the server.
func TestRepeatedPieceChangesNothing(t *testing.T) {
	w := newWorldOn(t, enginetest.ClickHouse(t))
	w.history(400)
	m, sales := w.metrics(), parseOne(t, salesYAML)
	w.apply(m, sales)
	b, r := w.held(m, sales)
	days, err := b.days(within(t), r)
	if err != nil || len(days) != 3*daysOfPart {
		t.Fatalf("%d days, %v", len(days), err)
	}
	before := w.events(r.table())
	again := func() {
		t.Helper()
		for _, d := range days {
			if err := b.persist(within(t), func() error { return b.insertPiece(within(t), r, d, piece{1, 0}, 0) }); err != nil {
				t.Fatal(err)
			}
			if err := b.fillDay(within(t), r, d); err != nil {
				t.Fatal(err)
			}
		}
		if n := w.events(r.table()); n != before {
			t.Errorf("%d events, want %d", n, before)
		}
		w.mustHaveSales()
	}
	again()
	w.engine.Stop()
	w.engine.Start()
	again()
	w.engine.Kill()
	w.engine.Start()
	again()
	// One block for each piece, so none is stored by half: as many parts came into being as there are pieces.
	if n := w.number("SELECT count() FROM {db}." + r.table() + " WHERE _fill > 1"); n != 0 {
		t.Errorf("%d rows are of other pieces", n)
	}
	// It is the token that holds a piece back: under another one it counts.
	if err := b.insertPiece(within(t), r, days[0], piece{1, 0}, 3); err != nil {
		t.Fatal(err)
	}
	if n := w.events(r.table()); n <= before {
		t.Errorf("%d events after a piece came again under another token, before %d: something else holds it back", n, before)
	}
}

// A process that is not the holder any longer adds nothing, under whatever token.
func TestOnlyTheHolderAdds(t *testing.T) {
	w := newWorld(t)
	w.history(300)
	m, sales := w.metrics(), parseOne(t, salesYAML)
	w.apply(m, sales)
	old, r := w.held(m, sales)
	stale := *r
	_, now := w.held(m, sales)
	days, err := old.days(within(t), r)
	if err != nil {
		t.Fatal(err)
	}
	before := w.events(r.table())
	if err := old.insertPiece(within(t), &stale, days[0], piece{1, 0}, 7); err != nil {
		t.Fatal(err)
	}
	if n := w.events(r.table()); n != before {
		t.Errorf("the former holder has added %d events", n-before)
	}
	if err := old.write(within(t), &stale); !errors.Is(err, ErrTaken) {
		t.Errorf("the former holder writes: %v", err)
	}
	if err := old.book.held(within(t), &stale); !errors.Is(err, ErrTaken) {
		t.Errorf("the former holder is told: %v", err)
	}
	if err := old.takeOver(within(t), now); err != nil {
		t.Errorf("taken back: %v", err)
	}
}

// A server that dies notes tokens of rows that it then does not have.
func TestRowsWhoseTokenIsKnownAreSentAgain(t *testing.T) {
	w := newWorld(t)
	w.history(300)
	m, sales := w.metrics(), parseOne(t, salesYAML)
	w.apply(m, sales)
	b, r := w.held(m, sales)
	w.exec("ALTER TABLE {db}." + r.table() + " DELETE WHERE toDate(hour) = '2026-09-11'") // tokens stay
	days, err := b.days(within(t), r)
	if err != nil {
		t.Fatal(err)
	}
	lost := days[daysOfPart+1]
	if lost.name() != "2026-09-11" {
		t.Fatalf("day %s", lost.name())
	}
	if err := b.insertPiece(within(t), r, lost, piece{1, 0}, 0); err != nil {
		t.Fatal(err)
	}
	if in, err := b.pieces(within(t), r, lost); err != nil || len(in) != 0 {
		t.Fatalf("the token does not bite: %v, %v", in, err)
	}
	if err := b.fillDay(within(t), r, lost); err != nil {
		t.Fatal(err)
	}
	w.mustHaveSales()
}

// Days with too many keys are added in pieces. The server is killed again and again, and so is whoever applies.
func TestBackfillInPiecesThroughKills(t *testing.T) {
	w := newWorldOn(t, enginetest.ClickHouse(t))
	w.history(500)
	sales := parseOne(t, salesYAML)
	var cancel context.CancelFunc
	sent, kills := 0, 0
	run := func() error {
		m := w.metrics()
		m.pace.keys = 18
		var ctx context.Context
		ctx, cancel = context.WithCancel(within(t))
		defer cancel()
		m.step = func(s step) {
			if s != stepPiece {
				return
			}
			switch sent++; {
			case sent%13 == 5 && kills < 3:
				kills++
				w.engine.Kill()
				w.engine.Start()
			case sent%17 == 0 && sent < 60:
				cancel()
			}
		}
		_, err := m.Apply(ctx, sales, nil)
		return err
	}
	cancelled := 0
	for {
		err := run()
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) || cancelled > 10 {
			t.Fatal(err)
		}
		cancelled++
	}
	t.Logf("%d pieces were sent", sent)
	if kills != 3 || cancelled < 2 {
		t.Errorf("%d kills, cancelled %d times in %d pieces: too few", kills, cancelled, sent)
	}
	w.mustHaveSales()
	r := w.build("sales")
	if r.build != 1 {
		t.Errorf("build %d, want the first", r.build)
	}
	if n := w.number("SELECT uniqExact(_fill) FROM {db}." + r.table() + " WHERE _fill > 1"); n < 4 {
		t.Errorf("%d different pieces: the limit does not bite", n)
	}
	// Keys that fit into no piece are an error, not a loop.
	b, held := w.held(w.metrics(), sales)
	b.pace.keys = 1
	w.exec("ALTER TABLE {db}." + r.table() + " DELETE WHERE toDate(hour) = '2026-09-11'")
	days, err := b.days(within(t), held)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.fillPiece(within(t), held, days[daysOfPart+1], piece{mostPieces, 3}, map[int]bool{}); err != nil && !strings.Contains(err.Error(), "choose fewer dimensions") {
		t.Error(err)
	}
	if err := b.sendPiece(within(t), held, days[daysOfPart+1], piece{1, 0}); !errors.Is(err, errTooMuch) {
		t.Errorf("more keys than an INSERT may hold: %v", err)
	}
}

// The pieces of a day have different numbers, and each event belongs to one of those that a division ends with.
func TestPiecesDivideADay(t *testing.T) {
	seen := map[int]piece{}
	var walk func(p piece)
	walk = func(p piece) {
		if before, ok := seen[p.number()]; ok || p.number() < 1 || p.number() > 65535 {
			t.Fatalf("%v and %v have number %d", before, p, p.number())
		}
		seen[p.number()] = p
		if p.parts >= mostPieces {
			return
		}
		for hash := range 4 * mostPieces {
			in, halves := hash%p.parts == p.part, 0
			for _, h := range p.halves() {
				if hash%h.parts == h.part {
					halves++
				}
			}
			if in && halves != 1 || !in && halves != 0 {
				t.Fatalf("hash %d of %v is in %d of its halves", hash, p, halves)
			}
		}
		for _, h := range p.halves() {
			walk(h)
		}
	}
	walk(piece{1, 0})
	if len(seen) != 2*mostPieces-1 {
		t.Errorf("%d pieces", len(seen))
	}
	if (piece{1, 0}).begun(map[int]bool{1: true}) || !(piece{1, 0}).begun(map[int]bool{(piece{8, 5}).number(): true}) || (piece{4, 2}).begun(map[int]bool{(piece{8, 5}).number(): true}) {
		t.Error("begun")
	}
}

// A piece reads its day and no more.
func TestPieceReadsItsDayOnly(t *testing.T) {
	w := newWorld(t)
	w.exec("INSERT INTO {db}.events (project_id, event, ts, lag_ms, event_id, user_h, _log, _partition, _offset) SELECT 1 + number % 2, 'Buy', toDateTime64('2026-08-01 00:00:00', 3, 'UTC') + toIntervalSecond(number * 8), 0, generateUUIDv4(), number % 999, 1, 0, number FROM numbers(300000)")
	d := parseOne(t, "  - {name: x, events: [Buy], interval: hour}")
	b := w.builder(w.metrics(), d)
	r := &record{name: "x", build: 1, boundary: boundary{log: 1, offsets: []uint64{1 << 40}}}
	days, err := b.days(within(t), r)
	if err != nil || len(days) < 27 {
		t.Fatalf("%d days, %v", len(days), err)
	}
	var database, table string
	var parts, rows, marks uint64
	if err := b.query(within(t), "EXPLAIN ESTIMATE "+b.rollup.selection(1, w.db.Database()+".events", b.of(r, days[10], piece{1, 0})...), nil, nil, func() {}, &database, &table, &parts, &rows, &marks); err != nil {
		t.Fatal(err)
	}
	// Of each of two projects the granules at both ends of the day.
	if limit := days[10].events + 2*8192*2; rows == 0 || rows > limit {
		t.Errorf("a day of %d events reads %d rows, want %d at most", days[10].events, rows, limit)
	}
}

// Days beyond the TTL are left out, the rest is as without one; and the table's TTL is one that the auditor understands.
func TestKeep(t *testing.T) {
	w := newWorld(t)
	w.exec("INSERT INTO {db}.events (project_id, event, ts, lag_ms, event_id, _log, _partition, _offset) SELECT 1, 'Buy', now64(3) - toIntervalDay(number), 0, generateUUIDv4(), 1, 0, number FROM numbers(20)")
	ctx := within(t)
	if err := w.produce(ctx, 0, 20); err != nil {
		t.Fatal(err)
	}
	w.parts[0].produced, w.parts[0].stored = 20, 20
	if err := w.commit(ctx, 0, 20, 20); err != nil {
		t.Fatal(err)
	}
	for _, interval := range []string{"minute", "hour", "day"} {
		t.Run(interval, func(t *testing.T) {
			name := "by_" + interval
			w.apply(w.metrics(), parseOne(t, fmt.Sprintf("  - {name: %s, interval: %s, keep: 10d}", name, interval)))
			r := w.build(name)
			// The tenth day may be gone by the hour.
			if n := w.events(r.table()); n < 9 || n > 11 {
				t.Errorf("%d events are kept, want 10", n)
			}
			if r.days > 11 {
				t.Errorf("%d days were looked at", r.days)
			}
			if n := w.number("SELECT countIf(match(engine_full, ' TTL .*\\\\+ toIntervalDay\\\\(10\\\\) SETTINGS')) FROM system.tables WHERE database = '{db}' AND name = '" + r.table() + "'"); n != 1 {
				t.Error("the table has no TTL of the form that is understood")
			}
		})
	}
}
