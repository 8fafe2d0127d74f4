package enrich

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/schema"
)

// visits remembers when people did something last, so that events without a session get one. Its memory is allocated once. People are spread over buckets by the hash of project and
// distinct id; whoever in a bucket was heard of longest ago makes room for somebody new.
type visits struct {
	seed    maphash.Seed
	timeout int64 // milliseconds
	buckets []visitBucket
	mask    uint64
	locks   [visitLocks]struct {
		sync.Mutex
		_ [56]byte // a cache line each
	}
	entries atomic.Int64
	evicted *metrics.Counter
}

const (
	visitWays  = 8
	visitLocks = 256
	// sessionsEach is how many sessions of somebody are remembered: the one that goes on, and one that events come late for.
	sessionsEach = 2
	// maxSession is the longest session: the day in its id stands for it.
	maxSession = 24 * time.Hour
)

// visitBucket keeps the keys together, since most of the time only they are looked at.
type visitBucket struct {
	keys     [visitWays]uint64
	heard    [visitWays]int64 // when, in Unix milliseconds of arrival; 0: the place is free
	sessions [visitWays][sessionsEach]visit
}

// visit is one session. first and last are the times of its events so far, in Unix milliseconds.
type visit struct {
	id          schema.UUID // zero: none
	first, last int64
}

func newVisits(timeout time.Duration, entries int) *visits {
	n := powerOfTwo(entries) / visitWays
	return &visits{evicted: new(metrics.Counter), seed: maphash.MakeSeed(), timeout: timeout.Milliseconds(), buckets: make([]visitBucket, n), mask: uint64(n - 1)}
}

// key is who somebody is here.
func (v *visits) key(project uint32, distinctID []byte) uint64 {
	return maphash.Bytes(v.seed, distinctID) + uint64(project)*0x9E3779B97F4A7C15
}

// join returns the session that an event at ts lies in, or no more than the timeout away from, and makes it as long as that. ok is false when there is none.
func (v *visits) join(key uint64, ts, arrived int64) (id schema.UUID, ok bool) {
	lock := &v.locks[key&v.mask%visitLocks]
	lock.Lock()
	defer lock.Unlock()
	return v.joinLocked(key, ts, arrived)
}

func (v *visits) joinLocked(key uint64, ts, arrived int64) (id schema.UUID, ok bool) {
	b := &v.buckets[key&v.mask]
	for i := range b.keys {
		if b.keys[i] != key || b.heard[i] == 0 {
			continue
		}
		b.heard[i] = max(b.heard[i], arrived)
		var nearest *visit
		least := v.timeout
		for j := range b.sessions[i] {
			s := &b.sessions[i][j]
			if s.id == (schema.UUID{}) || max(s.last, ts)-min(s.first, ts) > maxSession.Milliseconds() {
				continue
			}
			if away := max(s.first-ts, ts-s.last, 0); away <= least {
				nearest, least = s, away
			}
		}
		if nearest == nil {
			return id, false
		}
		nearest.first, nearest.last = min(nearest.first, ts), max(nearest.last, ts)
		return nearest.id, true
	}
	return id, false
}

// begin remembers a session that begins at ts, unless somebody else has begun one meanwhile, and returns the one that counts.
func (v *visits) begin(key uint64, ts, arrived int64, id schema.UUID) schema.UUID {
	lock := &v.locks[key&v.mask%visitLocks]
	lock.Lock()
	defer lock.Unlock()
	if other, ok := v.joinLocked(key, ts, arrived); ok {
		return other
	}
	b := &v.buckets[key&v.mask]
	i := v.placeLocked(b, key, arrived)
	// The session that ended earlier makes room; an empty one has ended at 0.
	older := &b.sessions[i][0]
	for j := range b.sessions[i] {
		if s := &b.sessions[i][j]; s.last < older.last || s.id == (schema.UUID{}) {
			older = s
		}
	}
	*older = visit{id: id, first: ts, last: ts}
	return id
}

// placeLocked returns the place of key in its bucket, one that was made free if need be.
func (v *visits) placeLocked(b *visitBucket, key uint64, arrived int64) int {
	longest := 0
	for i := range b.keys {
		if b.heard[i] != 0 && b.keys[i] == key {
			return i
		}
		if b.heard[i] < b.heard[longest] {
			longest = i
		}
	}
	switch was := b.heard[longest]; {
	case was == 0:
		v.entries.Add(1)
	case arrived-was <= v.timeout:
		v.evicted.Inc() // whose session may go on
	}
	b.keys[longest], b.heard[longest], b.sessions[longest] = key, max(arrived, 1), [sessionsEach]visit{}
	return longest
}
