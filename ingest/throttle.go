package ingest

import (
	"sync/atomic"
	"time"
)

// throttle lets one log line of a kind through per second and counts the others, which the next line reports. The zero value is ready. Safe for concurrent use.
type throttle struct {
	last       atomic.Int64 // Unix nanoseconds of the last line; the swap gives the right to write the next
	suppressed atomic.Int64
}

const throttleInterval = time.Second

// allow tells whether a line may be written now, and how many were suppressed since the last.
func (t *throttle) allow(now time.Time) (suppressed int64, ok bool) {
	last := t.last.Load()
	if now.UnixNano()-last < int64(throttleInterval) || !t.last.CompareAndSwap(last, now.UnixNano()) {
		t.suppressed.Add(1)
		return 0, false
	}
	return t.suppressed.Swap(0), true
}
