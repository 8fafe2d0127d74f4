package sink

import (
	"fmt"
	"testing"
)

// Blocks are halved as long as the server has no memory for them, not below a floor, and grow again step by step.
func TestBlockLimit(t *testing.T) {
	var l blockLimit
	got := []int{l.rows(100_000)}
	for range 8 {
		l.tooLarge()
		got = append(got, l.rows(100_000))
	}
	if want := "[100000 50000 25000 12500 6250 3125 1562 1562 1562]"; fmt.Sprint(got) != want {
		t.Errorf("rows %v, want %s", got, want)
	}
	if l.rows(500) != 500 || l.rows(5000) != leastRowLimit || l.bytes(64<<20) != 1<<20 {
		t.Errorf("small blocks: %d and %d rows, %d bytes", l.rows(500), l.rows(5000), l.bytes(64<<20))
	}
	for range growAfter - 1 {
		l.fits()
	}
	if l.rows(100_000) != 1562 {
		t.Error("grown too early")
	}
	for range mostHalvings * growAfter {
		l.fits()
	}
	if l.rows(100_000) != 100_000 {
		t.Errorf("%d rows after everything was taken for a while", l.rows(100_000))
	}
}

func TestCutterKeepsToTheLimit(t *testing.T) {
	cfg := DefaultConfig()
	cfg.BlockRows = 4000
	c := testCutter(cfg)
	c.limit.tooLarge()
	c.accept(recordSet{records: plainSet(t, 100, 3000), from: 100})
	if err := c.advance(testNow); err != nil {
		t.Fatal(err)
	}
	if b := c.cut(); b.rows != 2000 {
		t.Errorf("a block of %d rows, want 2000", b.rows)
	}
}
