package pipeline

import (
	"log/slog"
	"sync"
	"time"
)

// logEvery is the least time between two lines of one kind.
const logEvery = 10 * time.Second

// throttle logs what may happen a thousand times a second: the first of a kind at once, then one line per logEvery with the number left out.
type throttle struct {
	log   *slog.Logger
	mu    sync.Mutex
	kinds map[string]*throttled
}

type throttled struct {
	last       time.Time
	suppressed int
}

func newThrottle(log *slog.Logger) *throttle {
	return &throttle{log: log, kinds: make(map[string]*throttled)}
}

// warn logs msg, which is also its kind and therefore constant.
func (t *throttle) warn(msg string, args ...any) {
	now := time.Now()
	t.mu.Lock()
	k := t.kinds[msg]
	if k == nil {
		k = new(throttled)
		t.kinds[msg] = k
	}
	if !k.last.IsZero() && now.Sub(k.last) < logEvery {
		k.suppressed++
		t.mu.Unlock()
		return
	}
	suppressed := k.suppressed
	k.last, k.suppressed = now, 0
	t.mu.Unlock()
	if suppressed > 0 {
		args = append(args, "suppressed", suppressed)
	}
	t.log.Warn(msg, args...)
}
