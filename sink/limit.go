package sink

import "sync/atomic"

// blockLimit makes the blocks of a partition smaller while ClickHouse lacks the memory for them. A block that was announced keeps its size; those cut later
// are smaller. Safe for concurrent use; the zero value is ready.
type blockLimit struct {
	halvings atomic.Int32 // how often blocks are halved
	taken    atomic.Int32 // INSERTs since the last change
}

const (
	mostHalvings  = 6
	growAfter     = 32   // INSERTs that were taken before blocks grow again by one step
	leastRowLimit = 1000 // a block is never cut below this for memory
)

// tooLarge is called when the server had no memory for an INSERT.
func (l *blockLimit) tooLarge() {
	l.taken.Store(0)
	if l.halvings.Load() < mostHalvings {
		l.halvings.Add(1)
	}
}

// fits is called when the server took an INSERT.
func (l *blockLimit) fits() {
	if l.halvings.Load() > 0 && l.taken.Add(1) >= growAfter {
		l.taken.Store(0)
		l.halvings.Add(-1)
	}
}

// rows is how many rows a block may have at present, of most.
func (l *blockLimit) rows(most int) int {
	return max(most>>l.halvings.Load(), min(most, leastRowLimit))
}

// bytes is the same for bytes of records.
func (l *blockLimit) bytes(most int64) int64 { return max(most>>l.halvings.Load(), 1) }
