package generate

import (
	"math"
	"math/rand/v2"
)

// quota picks a share of events. Unlike single draws it holds the share in small pools too: what was picked never strays from it by more than one event.
type quota struct {
	share, debt float64
}

func newQuota(r *rand.Rand, share float64) quota { return quota{share, -r.Float64()} }

// take tells whether the next event is one.
func (q *quota) take(r *rand.Rand) bool {
	q.debt += q.share
	if q.debt <= 0 || r.Float64() >= q.debt {
		return false
	}
	q.debt--
	return true
}

// force counts the next event as one.
func (q *quota) force() { q.debt += q.share - 1 }

// The sizes of events follow a log-normal distribution of this spread, cut at so many times the mean.
const (
	sizeSpread = 0.5
	sizeCut    = 16
	maxSize    = 700 << 10 // below every limit on one event
)

// sizer draws the sizes that events should have and steers their mean: an event cannot be made smaller than what must be in it, and what it was too large is
// taken back from those that follow.
type sizer struct {
	mean, debt, window float64
}

// newSizer steers over a window that is short against the events that will be drawn.
func newSizer(mean int, events int64) sizer {
	return sizer{mean: float64(mean), window: float64(min(max(events/8, 8), 256))}
}

func (z *sizer) draw(r *rand.Rand) int {
	size := z.mean * math.Exp(sizeSpread*r.NormFloat64()-sizeSpread*sizeSpread/2)
	return int(min(size, z.mean*sizeCut, maxSize) - z.debt/z.window)
}

func (z *sizer) done(size int) { z.debt += float64(size) - z.mean }

// late draws how many milliseconds before it was sent an event happened: from a minute to a week, each order of magnitude as often as the next.
func late(r *rand.Rand) int64 {
	const shortest, longest = 60_000, 7 * 24 * 60 * 60_000
	return int64(shortest * math.Pow(longest/shortest, r.Float64()))
}

// mix is a bijection that scatters: the finalizer of splitmix64 (Steele, Lea, Flood 2014).
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

func pick[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

func chance(r *rand.Rand, p float64) bool { return r.Float64() < p }
