package retry

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff is the pause between attempts: it doubles from Least to Most, and each pause is shortened by up to half at random, so that workers that
// failed together do not come back together. The zero value with both bounds set is ready.
type Backoff struct {
	Least, Most time.Duration
	attempts    int
}

// Next returns the pause before the next attempt.
func (b *Backoff) Next() time.Duration {
	d := b.Most
	if b.Least <= b.Most>>b.attempts { // not Least<<attempts <= Most: that would overflow
		d = b.Least << b.attempts
	}
	b.attempts++
	return d - rand.N(d/2+1)
}

// Attempts is how many pauses there were since the last Reset.
func (b *Backoff) Attempts() int { return b.attempts }

// Reset is for after a success.
func (b *Backoff) Reset() { b.attempts = 0 }

// Every is how often a Reminder is due while a failure lasts.
const Every = 10 * time.Second

// Reminder tells when a failure that goes on is worth a log line: the first time, and then once in Every. The zero value is ready.
type Reminder struct{ last time.Time }

// Due tells whether now is such a time, and counts from it if so.
func (r *Reminder) Due(now time.Time) bool {
	if !r.last.IsZero() && now.Sub(r.last) < Every {
		return false
	}
	r.last = now
	return true
}

// Pause returns when d has passed or ctx has ended.
func Pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
