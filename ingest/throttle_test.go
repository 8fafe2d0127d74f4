package ingest

import (
	"testing"
	"time"
)

func TestThrottle(t *testing.T) {
	var th throttle
	now := time.Unix(1000, 0)
	if n, ok := th.allow(now); !ok || n != 0 {
		t.Errorf("first line: %d, %v", n, ok)
	}
	for range 5 {
		if _, ok := th.allow(now.Add(999 * time.Millisecond)); ok {
			t.Error("a second line within the interval")
		}
	}
	if n, ok := th.allow(now.Add(time.Second)); !ok || n != 5 {
		t.Errorf("next line: %d suppressed, %v", n, ok)
	}
}
