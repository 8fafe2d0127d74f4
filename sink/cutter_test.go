package sink

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"testing"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/schema"
)

var testNow = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func testCutter(cfg Config) *cutter {
	l := newEventLoader(newPromotions())
	c := &cutter{cfg: &cfg, limit: &blockLimit{}, builder: builder{loader: l, spares: l.spares, log: 3, partition: 5, refuse: func(rec *broker.Record, why error, now time.Time) refusal {
		return newRefusal(3, 5, rec, why, now)
	}}}
	c.begin(100)
	return c
}

// plainSet is one batch of n plain events from offset on.
func plainSet(t testing.TB, offset int64, n int) []byte {
	var bodies [][]byte
	for i := range n {
		e := plainEvent(i, testNow.UnixMilli())
		bodies = append(bodies, e.body())
	}
	return batchOf(t, offset, testNow.UnixMilli(), bodies...)
}

func TestBlockIsCutByRows(t *testing.T) {
	cfg := DefaultConfig()
	cfg.BlockRows = 4
	c := testCutter(cfg)
	c.accept(recordSet{records: plainSet(t, 98, 12), from: 100})
	var got []string
	for c.reading {
		if err := c.advance(testNow); err != nil {
			t.Fatal(err)
		}
		cut, _ := c.due(testNow)
		if full := c.full(); full != cut {
			t.Fatalf("full %v, due %v", full, cut)
		}
		if !cut {
			break
		}
		b := c.cut()
		got = append(got, fmt.Sprintf("%d-%d %d, %d rows", b.first, b.next-1, b.parts[0].Month(), b.rows))
	}
	want := []string{"100-103 202611, 4 rows", "104-107 202611, 4 rows"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("blocks %q, want %q", got, want)
	}
	if b := c.forming; b.first != 108 || b.next != 110 || b.rows != 2 || c.nextOffset() != 110 {
		t.Errorf("forming %d–%d with %d rows, next fetch at %d", b.first, b.next, b.rows, c.nextOffset())
	}
}

func TestBlockIsCutByBytes(t *testing.T) {
	cfg := DefaultConfig()
	_, value, _ := new(plainEvent(0, testNow.UnixMilli())).record()
	cfg.BlockBytes = int64(3*len(value) - 1)
	c := testCutter(cfg)
	c.accept(recordSet{records: plainSet(t, 100, 10), from: 100})
	if err := c.advance(testNow); err != nil {
		t.Fatal(err)
	}
	if b := c.cut(); b.rows != 3 || b.bytes != int64(3*len(value)) {
		t.Errorf("%d rows, %d bytes", b.rows, b.bytes)
	}
}

func TestBlockIsCutByAge(t *testing.T) {
	cfg := DefaultConfig()
	cfg.BlockAge = time.Second
	c := testCutter(cfg)
	if cut, at := c.due(testNow); cut || !at.IsZero() {
		t.Errorf("an empty block is due: %v at %v", cut, at)
	}
	for i := range 3 {
		// Later records do not make the block younger.
		c.accept(recordSet{records: plainSet(t, int64(100+i), 1), from: int64(100 + i)})
		if err := c.advance(testNow.Add(time.Duration(i) * 400 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
	if cut, at := c.due(testNow.Add(999 * time.Millisecond)); cut || !at.Equal(testNow.Add(time.Second)) {
		t.Errorf("due at %v, already %v", at, cut)
	}
	if cut, _ := c.due(testNow.Add(time.Second)); !cut {
		t.Error("not due after a second")
	}
}

func TestBlockIsSplitByMonthInUTC(t *testing.T) {
	c := testCutter(DefaultConfig())
	var bodies [][]byte
	for _, ts := range []string{"2026-10-31T23:59:59.999Z", "2026-11-01T00:00:00.000Z", "2026-10-01T00:00:00.000Z", "2026-12-31T23:59:59.999Z", "2027-01-01T00:00:00.000Z"} {
		ms, ok := schema.ParseTime([]byte(ts))
		if !ok {
			t.Fatal(ts)
		}
		e := plainEvent(0, ms)
		bodies = append(bodies, e.body())
	}
	c.accept(recordSet{records: batchOf(t, 100, 0, bodies...), from: 100})
	if err := c.advance(testNow); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range c.forming.parts {
		got = append(got, fmt.Sprintf("%d:%d", p.Month(), p.Rows()))
	}
	want := "[202610:2 202611:1 202612:1 202701:1]"
	if fmt.Sprint(got) != want {
		t.Errorf("parts %s, want %s", fmt.Sprint(got), want)
	}
}

func TestBlockOfManyMonthsIsCut(t *testing.T) {
	c := testCutter(DefaultConfig())
	var bodies [][]byte
	for i := range 100 {
		e := plainEvent(i, testNow.AddDate(0, -i, 0).UnixMilli())
		bodies = append(bodies, e.body())
	}
	c.accept(recordSet{records: batchOf(t, 100, 0, bodies...), from: 100})
	rows := 0
	for {
		if err := c.advance(testNow); err != nil {
			t.Fatal(err)
		}
		if len(c.forming.parts) > maxParts+1 {
			t.Fatalf("%d parts in one block", len(c.forming.parts))
		}
		if !c.full() {
			break
		}
		b := c.cut()
		rows += b.rows
		c.spares.put(b)
	}
	if rows += c.forming.rows; rows != 100 {
		t.Errorf("%d rows of 100", rows)
	}
	if len(c.spares.free) > keepSpares {
		t.Errorf("%d columns kept", len(c.spares.free))
	}
}

func TestUnreadableRecordIsRefusedAlone(t *testing.T) {
	c := testCutter(DefaultConfig())
	good := plainEvent(1, testNow.UnixMilli())
	key, value, ix := good.record()
	bad := [][]byte{
		broker.AppendRecordBody(nil, []byte("7:u"), []byte(`{"v":1,"nonsense"`)),
		broker.AppendRecordBody(nil, key, value[1:], broker.Header{Key: schema.HeaderIndex, Value: ix}),
		broker.AppendRecordBody(nil, []byte("9:u"), value, broker.Header{Key: schema.HeaderIndex, Value: []byte{9, 9}}),
		broker.AppendRecordBody(nil, nil, nil),
	}
	bodies := [][]byte{good.body()}
	for _, b := range bad {
		bodies = append(bodies, b, good.body())
	}
	c.accept(recordSet{records: batchOf(t, 100, testNow.UnixMilli(), bodies...), from: 100})
	if err := c.advance(testNow); err != nil {
		t.Fatal(err)
	}
	b := c.forming
	if b.rows != len(bad)+1 || len(b.refused) != len(bad) || b.next != int64(100+len(bodies)) {
		t.Fatalf("%d rows, %d refused, next %d", b.rows, len(b.refused), b.next)
	}
	for i, key := range []string{"7", "1", "9", "0"} {
		if string(b.refused[i].key) != key {
			t.Errorf("refused %d has key %q, want %q", i, b.refused[i].key, key)
		}
	}
}

func TestDamagedBatchStopsBehindTheGoodOnes(t *testing.T) {
	c := testCutter(DefaultConfig())
	set := append(plainSet(t, 100, 3), plainSet(t, 103, 3)...)
	set[len(set)-1] ^= 1
	c.accept(recordSet{records: set, from: 100})
	if err := c.advance(testNow); err == nil {
		t.Fatal("a wrong checksum went unnoticed")
	}
	if c.reading || c.forming.rows != 3 || c.nextOffset() != 103 {
		t.Errorf("reading %v, %d rows, next %d", c.reading, c.forming.rows, c.nextOffset())
	}
}

// Offsets that hold no record, as transactions of other programs leave behind, must be confirmed too, or the lag would never reach 0.
func TestOffsetsWithoutRecordsAreHeld(t *testing.T) {
	c := testCutter(DefaultConfig())
	set := plainSet(t, 100, 2)
	set[21], set[22] = 0, 0x20 // attributes: a control batch
	binary.BigEndian.PutUint32(set[17:], crc32.Checksum(set[21:], crc32.MakeTable(crc32.Castagnoli)))
	c.accept(recordSet{records: set, from: 100})
	if err := c.advance(testNow); err != nil {
		t.Fatal(err)
	}
	if b := c.forming; !b.held() || b.rows != 0 || b.next != 102 {
		t.Errorf("held %v, %d rows, next %d", b.held(), b.rows, b.next)
	}
	if cut, at := c.due(testNow.Add(DefaultConfig().BlockAge)); !cut {
		t.Errorf("never due: %v", at)
	}
}

func TestSetWithoutAWholeBatchStarves(t *testing.T) {
	c := testCutter(DefaultConfig())
	set := plainSet(t, 100, 3)
	c.accept(recordSet{records: set[:len(set)-1], from: 100})
	if err := c.advance(testNow); err != nil || !c.starved() || c.nextOffset() != 100 || c.forming.held() {
		t.Errorf("%v, starved %v, next %d, held %v", err, c.starved(), c.nextOffset(), c.forming.held())
	}
	c.accept(recordSet{records: append(set, set[:20]...), from: 100})
	if err := c.advance(testNow); err != nil || c.starved() || c.nextOffset() != 103 {
		t.Errorf("%v, starved %v, next %d", err, c.starved(), c.nextOffset())
	}
}
