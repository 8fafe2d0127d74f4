package verify

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/internal/enginetest"
	schema "github.com/millrace/millrace/schema/clickhouse"
)

// A key is cut from an id by the server just as by SplitID.
func TestKeyOfServerAndLedgerAgree(t *testing.T) {
	s := openStore(t)
	for _, c := range []struct {
		run      ledger.RunID
		producer uint16
		seq      uint64
	}{{1, 0, 0}, {1<<48 - 1, ledger.MaxProducers - 1, 1<<48 - 1}, {ledger.NewRunID(), 0x123, 0x456789abcdef}, {1 << 47, 0x800, 1 << 47}} {
		id := ledger.ID(c.run, c.producer, c.seq).String()
		var k uint64
		var of bool
		query := "SELECT " + keySQL + ", " + ofRun + " FROM (SELECT toUUID({id:String}) AS event_id)"
		err := s.conn().QueryRow(s.with(within(t), clickhouse.Parameters{"id": id, "run": runParameter(c.run)}), query).Scan(&k, &of)
		if err != nil || key(k) != keyOf(c.producer, c.seq) || key(k).producer() != c.producer || key(k).seq() != c.seq || !of {
			t.Errorf("%s: key %#x, want %#x; of the run: %v; %v", id, k, keyOf(c.producer, c.seq), of, err)
		}
		for _, other := range []string{id[:14] + "4" + id[15:], id[:19] + "9" + id[20:]} {
			err := s.conn().QueryRow(s.with(within(t), clickhouse.Parameters{"id": other, "run": runParameter(c.run ^ 1)}), query).Scan(&k, &of)
			if err != nil || key(k)&malformed == 0 || of {
				t.Errorf("%s: key %#x is not marked, or of another run: %v; %v", other, k, of, err)
			}
		}
	}
}

func TestCountFollowsPartsAndDeletes(t *testing.T) {
	s := openStore(t)
	w := newWorld(t, s, usual)
	other := newWorld(t, s, usual)
	since := epoch.Add(-25 * time.Hour)
	count := func(want uint64) {
		t.Helper()
		for _, w := range []*world{w, w, other} { // the second time nothing is new, the third time everything
			n, err := s.Count(within(t), w.run, since)
			if w == other {
				want = validAll
			}
			if err != nil || n != want {
				t.Errorf("count %d, want %d; %v", n, want, err)
			}
		}
	}
	count(validAll)
	w.exec("INSERT INTO EVENTS SELECT * REPLACE (ts + toIntervalMonth(2) AS ts) FROM EVENTS WHERE event_id IN (EV(0, 1), EV(0, 2))") // another partition
	count(validAll + 2)
	w.exec("OPTIMIZE TABLE EVENTS FINAL")
	count(validAll + 2)
	w.exec("DELETE FROM EVENTS WHERE event_id IN (EV(0, 1), EV(1, 5))")
	count(validAll - 1)
	w.exec("ALTER TABLE EVENTS DELETE WHERE event_id = EV(0, 2)")
	count(validAll - 3)

	s.byPart = false
	count(validAll - 3)
	s.byPart = true

	done, cancel := context.WithCancel(within(t))
	cancel()
	if _, err := s.Count(done, w.run, since); !errors.Is(err, context.Canceled) {
		t.Errorf("count for nobody: %v", err)
	}
}

func TestWait(t *testing.T) {
	s := openStore(t)
	w := newWorld(t, s, usual)
	h := ledger.Header{Started: epoch, MaxLate: 86_400_000}
	var looks []uint64
	rows, drained, err := s.Wait(within(t), w.run, &h, validAll, time.Hour, func(n uint64) { looks = append(looks, n) })
	if err != nil || rows != validAll || !drained || len(looks) != 2 {
		t.Errorf("all there: %d rows, drained %v, looks %v, %v", rows, drained, looks, err)
	}
	// One row is missing at first, and comes while Wait waits.
	looks = nil
	w.exec("DELETE FROM EVENTS WHERE event_id = EV(0, 1)")
	rows, drained, err = s.Wait(within(t), w.run, &h, validAll, time.Hour, func(n uint64) {
		if looks = append(looks, n); len(looks) == 2 {
			w.exec("INSERT INTO EVENTS SELECT * FROM EVENTS WHERE event_id = EV(0, 2)")
		}
	})
	if err != nil || rows != validAll || !drained || fmt.Sprint(looks) != fmt.Sprint([]uint64{validAll - 1, validAll - 1, validAll, validAll}) {
		t.Errorf("one late: %d rows, drained %v, looks %v, %v", rows, drained, looks, err)
	}
	rows, drained, err = s.Wait(within(t), w.run, &h, validAll+1, time.Second, nil)
	if err != nil || rows != validAll || !drained {
		t.Errorf("one never comes: %d rows, drained %v, %v", rows, drained, err)
	}
	ctx, cancel := context.WithCancel(within(t))
	rows, drained, err = s.Wait(ctx, w.run, &h, validAll+1, time.Hour, func(uint64) { cancel() })
	if !errors.Is(err, context.Canceled) || rows != validAll || drained {
		t.Errorf("given up: %d rows, drained %v, %v", rows, drained, err)
	}
}

func TestSince(t *testing.T) {
	h := ledger.Header{Started: time.UnixMilli(1_000_000_000_123), MaxLate: 3_600_000}
	if got, want := Since(&h), time.UnixMilli(1_000_000_000_123-25*3_600_000); !got.Equal(want) || millis(got) != "999910000.123" {
		t.Errorf("since %v (%s), want %v", got, millis(got), want)
	}
	h = ledger.Header{Started: h.Started, Producers: [][]ledger.Slot{{{Late: 5}, {Late: 3_600_000}}, {{Late: 7}}}}
	if got, want := Since(&h), time.UnixMilli(1_000_000_000_123-25*3_600_000); !got.Equal(want) {
		t.Errorf("by the slots: since %v, want %v", got, want)
	}
}

func TestOpenStoreSaysWhatIsMissing(t *testing.T) {
	cfg := schema.DefaultConfig()
	cfg.Addresses, cfg.Database = []string{enginetest.ClickHouse(t).TCP}, "empty_1"
	_, err := OpenStore(within(t), cfg)
	if err == nil || !strings.Contains(err.Error(), "look for table empty_1.events") || !strings.Contains(err.Error(), "clickhouse.database") {
		t.Errorf("error %v", err)
	}
}

// An ended context ends a query that runs long, and the server lives.
func TestVerifyEndsWithItsContext(t *testing.T) {
	s := openStore(t)
	w := newWorld(t, s, usual)
	r, err := ledger.Open(w.path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // read only
	ctx, cancel := context.WithCancel(within(t))
	st, err := s.open(ctx, w.run, "SELECT toUInt64(number) FROM system.numbers WHERE {run:UInt64} > 0", func(uint64) {}, scanKey)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	for err == nil {
		err = st.next()
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("stream of an ended context: %v", err)
	}
	st.close()
	if _, err := Verify(ctx, r, s, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("verify with an ended context: %v", err)
	}
	// One that is closed early.
	if st, err = s.open(within(t), w.run, "SELECT toUInt64(number) FROM system.numbers WHERE {run:UInt64} > 0", func(uint64) {}, scanKey); err != nil {
		t.Fatal(err)
	}
	st.close()
	var running uint64
	if err := s.conn().QueryRow(s.with(within(t), nil), "SELECT count() FROM system.processes WHERE query LIKE '%system.numbers%' AND query NOT LIKE '%processes%'").Scan(&running); err != nil || running != 0 {
		t.Errorf("%d queries still run, %v", running, err)
	}
	w.expect(w.verify(), nil)
}

// Rows beyond the end of a ledger that was cut off are unrecorded; what it does hold is judged as ever.
func TestTornLedger(t *testing.T) {
	s := openStore(t)
	w := newWorld(t, s, usual)
	w.cut(1) // the closing mark
	v := w.verify()
	w.expect(v, nil)
	if v.Complete || v.Unrecorded != 0 || v.Sent != producers*total || v.Pass() {
		t.Errorf("without its mark:\n%s", v.Text())
	}
	// The last block, of producer 2, is gone: everything of that producer.
	r, err := ledger.Open(w.path)
	if err != nil {
		t.Fatal(err)
	}
	torn := r.Torn()
	_ = r.Close()
	w.cut(torn + 1)
	w.exec("INSERT INTO EVENTS SELECT * REPLACE (EV(2, 10) AS event_id) FROM (SELECT * FROM EVENTS WHERE event_id = EV(2, 9))") // the number of a repeat is never used
	w.exec("INSERT INTO EVENTS SELECT * REPLACE (EV(9, 1) AS event_id) FROM (SELECT * FROM EVENTS WHERE event_id = EV(2, 9))")
	w.exec("DELETE FROM EVENTS WHERE event_id = EV(1, 83)")
	v = w.verify()
	w.expect(v, map[string]string{"lost": "1: producer 1: 83", "invented": "2: producer 2: 10; producer 9: 1"})
	if v.Unrecorded != valid || v.Sent != 2*total || v.Rows != validAll+1 {
		t.Errorf("without producer 2:\n%s", v.Text())
	}
}

// Repeats that lie beyond the end of a torn ledger may have been sent: a second row of their originals, with another time, is no fault.
func TestTornLedgerBeforeARepeat(t *testing.T) {
	s := openStore(t)
	w := newWorld(t, s, usual)
	short := filepath.Join(t.TempDir(), "ledger")
	r, err := ledger.Open(w.path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // read only
	book, err := ledger.Create(short, *r.Header())
	if err != nil {
		t.Fatal(err)
	}
	for p := range uint16(producers) {
		for e, err := range r.Entries(p) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Seq < 14 { // 16 repeats 11
				if err := book.Append(e); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if err := book.Close(); err != nil {
		t.Fatal(err)
	}
	w.path = short
	w.cut(1)
	w.exec("INSERT INTO EVENTS SELECT * REPLACE (ts + toIntervalMillisecond(700) AS ts) FROM (SELECT * FROM EVENTS WHERE event_id IN (EV(0, 11), EV(0, 12)))")
	v := w.verify()
	w.expect(v, map[string]string{"duplicated": "1: producer 0: 12", "corrupted": "1: producer 0: 12"})
	if v.Unrecorded != producers*(valid-12)+1 {
		t.Errorf("unrecorded:\n%s", v.Text())
	}
}
