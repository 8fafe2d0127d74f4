package sdk

import (
	"sync"
	"testing"
)

// expected is how many rows each scenario has in the end.
var expected = tally{rows: map[id]int{}}

type tally struct {
	mu   sync.Mutex
	rows map[id]int
}

func (e *tally) put(i id, n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rows[i] = n
}

// nothingLater looks at all scenarios again when all are over: what a retry or a slow path brings twice comes late.
func nothingLater(t *testing.T) {
	expected.mu.Lock()
	defer expected.mu.Unlock()
	for i, n := range expected.rows {
		if got := millrace.count(t, "SELECT count() FROM millrace.events WHERE "+i.where()); got != n {
			t.Errorf("%s has %d rows in the end, want %d", i, got, n)
		}
	}
	if len(expected.rows) == 0 {
		t.Error("no scenario has counted its rows")
	}
}
