package sink

import (
	"math/rand/v2"
	"time"
)

// backoff is the pause between attempts: it doubles from least to most, and each pause is shortened by up to half at random, so that workers that
// failed together do not come back together. The zero value with both bounds set is ready.
type backoff struct {
	least, most time.Duration
	attempts    int
}

// next returns the pause before the next attempt.
func (b *backoff) next() time.Duration {
	d := b.most
	if b.attempts < 32 {
		d = min(b.least<<b.attempts, b.most)
		if d <= 0 {
			d = b.most
		}
	}
	b.attempts++
	return d - rand.N(d/2+1)
}

// reset is for after a success.
func (b *backoff) reset() { b.attempts = 0 }

// logEvery bounds how often one worker says that the same thing still fails.
const logEvery = 10 * time.Second

// reminder tells when a repeated failure is worth a log line: the first time, and then every logEvery.
type reminder struct{ last time.Time }

func (r *reminder) due(now time.Time) bool {
	if !r.last.IsZero() && now.Sub(r.last) < logEvery {
		return false
	}
	r.last = now
	return true
}
