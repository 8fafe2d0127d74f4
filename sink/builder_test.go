package sink

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/sink/dedup"
)

// arrived is a record of an event that arrived so long after testNow.
func arrived(n int, after time.Duration) []byte {
	e := plainEvent(n, testNow.UnixMilli())
	e.ID = idOf(n)
	e.ReceivedAt = testNow.Add(after).UnixMilli()
	return e.body()
}

func idOf(n int) schema.UUID { return schema.UUID{15: byte(n), 6: 0x70, 8: 0x80} }

// idCutter looks for repeats; table answers what the table is asked.
func idCutter(table func(ids [][16]byte, below int64) (map[[16]byte]bool, error)) *cutter {
	cfg := DefaultConfig()
	c := testCutter(cfg)
	c.ids = dedup.New(1000, time.Hour)
	c.ask = table
	c.begin(100)
	return c
}

func nobodyAsks(t *testing.T) func([][16]byte, int64) (map[[16]byte]bool, error) {
	return func(ids [][16]byte, below int64) (map[[16]byte]bool, error) {
		t.Errorf("the table was asked for %d ids below %d", len(ids), below)
		return nil, nil
	}
}

func rowsOf(b *block) (offsets []int64) {
	for _, p := range b.parts {
		for i := range p.Rows() {
			offsets = append(offsets, p.Row(i).Offset)
		}
	}
	return offsets
}

// An id that comes again has no row, in the same block, in the next, and whatever its other fields say; its offset is covered all the same.
func TestRepeatsHaveNoRow(t *testing.T) {
	c := idCutter(nobodyAsks(t))
	c.accept(recordSet{records: batchOf(t, 100, 0, arrived(1, 0), arrived(2, 0), arrived(1, time.Second)), from: 100})
	if err := c.advance(testNow); err != nil {
		t.Fatal(err)
	}
	first := c.cut()
	c.settled = first
	c.accept(recordSet{records: batchOf(t, 103, 0, arrived(2, 2*time.Second), arrived(3, 2*time.Second)), from: 103})
	if err := c.advance(testNow); err != nil {
		t.Fatal(err)
	}
	second := c.cut()
	if got := fmt.Sprint(rowsOf(first), first.repeats, first.next, rowsOf(second), second.repeats, second.next); got != "[100 101] 1 103 [104] 1 105" {
		t.Errorf("rows, repeats and ends: %s", got)
	}
	if first.hash == second.hash || first.hash == 0 || first.arrived != testNow.UnixMilli() || second.arrived != testNow.Add(2*time.Second).UnixMilli() {
		t.Errorf("hashes %x and %x, newest arrivals %d and %d", first.hash, second.hash, first.arrived, second.arrived)
	}
}

// Records older than the window: the table is asked once per record set, for the rows that are surely in it; rows that may not be in it yet are remembered.
func TestOldRecordsAreLookedUp(t *testing.T) {
	var asked []string
	stored := map[int]bool{11: true}
	c := idCutter(func(ids [][16]byte, below int64) (map[[16]byte]bool, error) {
		asked = append(asked, fmt.Sprintf("%d below %d", len(ids), below))
		found := map[[16]byte]bool{}
		for n := range stored {
			if id := idOf(n); slices.Contains(ids, [16]byte(id)) {
				found[id] = true
			}
		}
		return found, nil
	})
	const old = -2 * time.Hour
	c.accept(recordSet{records: batchOf(t, 100, 0, arrived(1, 0), arrived(10, old)), from: 100})
	if err := c.advance(testNow); err != nil {
		t.Fatal(err)
	}
	first := c.cut() // on its way, not stored
	c.settled = first
	// 10 again: in the block on its way. 11: in the table. 12: nowhere, then in this block.
	c.accept(recordSet{records: batchOf(t, 102, 0, arrived(10, old), arrived(11, old), arrived(12, old), arrived(2, 0), arrived(12, old), arrived(13, old)), from: 102})
	if err := c.advance(testNow); err != nil {
		t.Fatal(err)
	}
	second := c.cut()
	if got := fmt.Sprint(rowsOf(first), rowsOf(second), second.repeats); got != "[100 101] [104 105 107] 3" {
		t.Errorf("rows and repeats: %s", got)
	}
	if got := fmt.Sprint(asked); got != "[1 below 100 4 below 100]" {
		t.Errorf("asked for %s", got)
	}
}

// A record set that a cut divides: what was asked before the cut holds after it, although the block before it is stored by then.
func TestAnswersOutliveTheCut(t *testing.T) {
	asked := 0
	c := idCutter(func([][16]byte, int64) (map[[16]byte]bool, error) {
		asked++
		return nil, nil
	})
	c.cfg.BlockRows = 3
	const old = -2 * time.Hour
	c.accept(recordSet{records: batchOf(t, 100, 0, arrived(1, 0), arrived(10, old), arrived(11, old), arrived(10, old), arrived(11, old), arrived(12, old)), from: 100})
	if err := c.advance(testNow); err != nil {
		t.Fatal(err)
	}
	first := c.cut()
	c.settled = nil // it has been stored
	if err := c.advance(testNow); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(rowsOf(first), rowsOf(c.forming), asked); got != "[100 101 102] [105] 1" {
		t.Errorf("rows, and how often the table was asked: %s", got)
	}
}

// A record set of more rows than ids are kept: what has left the memory since the table was asked is asked of the table.
func TestAnswersEndWithTheMemory(t *testing.T) {
	stored := make(map[[16]byte]bool) // of the blocks that were cut
	c := idCutter(func(ids [][16]byte, _ int64) (map[[16]byte]bool, error) {
		found := make(map[[16]byte]bool)
		for _, id := range ids {
			if stored[id] {
				found[id] = true
			}
		}
		return found, nil
	})
	c.cfg.BlockRows = 2
	c.ids = dedup.New(6, time.Hour)
	c.begin(100)
	bodies := [][]byte{arrived(1, 0)}
	for _, n := range []int{10, 11, 12, 13, 14, 15, 16, 17, 18, 10, 11, 18} {
		bodies = append(bodies, arrived(n, -2*time.Hour))
	}
	c.accept(recordSet{records: batchOf(t, 100, 0, bodies...), from: 100})
	var rows []int64
	repeats := 0
	for c.reading {
		if err := c.advance(testNow); err != nil {
			t.Fatal(err)
		}
		b := c.cut()
		rows, repeats = append(rows, rowsOf(b)...), repeats+b.repeats
		for _, p := range b.parts {
			for i := range p.Rows() {
				stored[p.Row(i).ID] = true
			}
		}
	}
	if len(rows) != 10 || repeats != 3 {
		t.Errorf("rows of %v and %d repeats, want ten rows and 3", rows, repeats)
	}
}

// A block is handed over before it is cut: all that is announced of it stands in it by then.
func TestCutOnlyReadsTheBlock(t *testing.T) {
	c := idCutter(nobodyAsks(t))
	c.accept(recordSet{records: batchOf(t, 100, 0, arrived(1, 0), arrived(2, time.Second)), from: 100})
	if err := c.advance(testNow); err != nil {
		t.Fatal(err)
	}
	handed := c.forming.announced()
	if cut := c.cut().announced(); fmt.Sprint(handed) != fmt.Sprint(cut) || cut.Newest != testNow.Add(time.Second).UnixMilli() {
		t.Errorf("handed over %+v, cut %+v", handed, cut)
	}
	if next := c.forming.announced(); next.Newest != testNow.Add(time.Second).UnixMilli() {
		t.Errorf("newest arrival behind a block without rows: %d", next.Newest)
	}
}

func TestUnansweredQuestionEndsTheBlock(t *testing.T) {
	away := errors.New("away")
	c := idCutter(func([][16]byte, int64) (map[[16]byte]bool, error) { return nil, away })
	c.accept(recordSet{records: batchOf(t, 100, 0, arrived(1, 0), arrived(10, -2*time.Hour)), from: 100})
	if err := c.advance(testNow); !errors.Is(err, away) || errors.Is(err, errDamaged) {
		t.Errorf("error %v", err)
	}
}

// Reading a range again makes the same rows, whatever sets it comes in and whatever lies behind it.
func TestBuildIsTheSameBlock(t *testing.T) {
	c := idCutter(nobodyAsks(t))
	bodies := [][]byte{arrived(1, 0), arrived(2, 0), arrived(1, 0), arrived(3, 0), {0}, arrived(4, 0)}
	bodies[4] = broker.AppendRecordBody(nil, []byte("7:u"), []byte("no event"), broker.Header{Key: schema.HeaderIndex, Value: []byte{schema.CodecVersion}})
	c.accept(recordSet{records: batchOf(t, 100, 0, bodies...), from: 100})
	if err := c.advance(testNow); err != nil {
		t.Fatal(err)
	}
	want := c.cut()
	again := idCutter(nobodyAsks(t))
	sets := []recordSet{{batchOf(t, 98, 0, append([][]byte{arrived(8, 0), arrived(9, 0)}, bodies[:2]...)...), 100}, {batchOf(t, 102, 0, append(bodies[2:], arrived(5, 0))...), 102}}
	got, err := again.build(sets, 100, 106, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.hash != want.hash || fmt.Sprint(rowsOf(got)) != fmt.Sprint(rowsOf(want)) || len(got.refused) != 1 || got.next != want.next || got.arrived != want.arrived {
		t.Errorf("rows %v, hash %x; want %v, %x", rowsOf(got), got.hash, rowsOf(want), want.hash)
	}
	some, err := (&builder{loader: again.loader, spares: again.spares, refuse: again.refuse}).build(sets, 100, 106, []int64{101, 102})
	if err != nil || fmt.Sprint(rowsOf(some)) != "[101 102]" {
		t.Errorf("selected %v, %v", rowsOf(some), err)
	}
}
