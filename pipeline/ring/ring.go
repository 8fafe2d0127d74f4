package ring

import (
	"fmt"
	"math/bits"
	"sync/atomic"
)

// Bounds of what New takes. Both counts share one word, see Ring.state.
const (
	MaxEntries = 1 << 22
	MaxBytes   = 1<<bytesBits - 1
)

// The parts of Ring.state: bytes in the low 40 bits, entries in the next 23, closed in the highest.
const (
	bytesBits = 40
	bytesMask = 1<<bytesBits - 1
	oneEntry  = 1 << bytesBits
	closedBit = 1 << 63
)

// cacheLine is the distance that keeps two words from sharing a cache line; two lines, because processors fetch lines in pairs.
const cacheLine = 128

// Ring is the queue. Make it with New. The contract is in the package comment.
type Ring[T any] struct {
	slots    []slot[T]
	mask     uint64
	maxBytes int64
	ready    chan struct{}

	_ [cacheLine]byte
	// state is what is reserved or queued: entries, bytes and whether the ring is closed, in one word so that a reservation is one step. An
	// addition publishes nothing but the numbers; a subtraction by Pop says that the popped slot is free, see Pop.
	state atomic.Uint64
	_     [cacheLine]byte
	// tail is the number of pushes begun. Adding to it makes slot tail&mask the adder's own until it publishes.
	tail atomic.Uint64
	_    [cacheLine]byte
	// parked is 1 while the consumer waits, or is about to. Whoever takes it back to 0 owes the consumer a token.
	parked atomic.Uint32
	_      [cacheLine]byte
	// head is the number of values popped. The consumer's own.
	head uint64
}

// slot is one place of the ring. Slots are not padded: a producer that takes the next slot while another fills this one costs a cache miss per push,
// and a push is per request, while padded slots would cost four times the memory.
type slot[T any] struct {
	// seq says whose turn the slot is. pos: free for the push with number pos. pos+1: holds the value of that push; the store publishes
	// value to the consumer. pos+len(slots): popped, free for the push of the next lap; the store publishes that value is no longer read.
	seq   atomic.Uint64
	value T
}

// New returns an empty ring for at least entries values (the next power of two, at most MaxEntries) of together at most maxBytes bytes.
func New[T any](entries int, maxBytes int64) *Ring[T] {
	if entries < 1 || entries > MaxEntries || maxBytes < 0 || maxBytes > MaxBytes {
		panic(fmt.Sprintf("BUG: ring of %d entries and %d bytes", entries, maxBytes))
	}
	n := uint64(1) << bits.Len64(uint64(entries)-1)
	r := &Ring[T]{slots: make([]slot[T], n), mask: n - 1, maxBytes: maxBytes, ready: make(chan struct{}, 1)}
	for i := range r.slots {
		r.slots[i].seq.Store(uint64(i))
	}
	return r
}

// TryReserve takes one slot and the bytes, or refuses. It never blocks. A reservation must be followed by one Push or one Release.
func (r *Ring[T]) TryReserve(bytes int64) bool {
	if bytes < 0 {
		panic("BUG: reservation of a negative size")
	}
	for {
		s := r.state.Load()
		if s&closedBit != 0 || s>>bytesBits >= uint64(len(r.slots)) || bytes > r.maxBytes-int64(s&bytesMask) {
			return false
		}
		if r.state.CompareAndSwap(s, s+oneEntry+uint64(bytes)) {
			return true
		}
	}
}

// Release gives a reservation back unused.
func (r *Ring[T]) Release(bytes int64) {
	s := r.subtract(oneEntry + uint64(bytes))
	if s&closedBit != 0 {
		r.wake() // it may have been the last that Ended waits for
	}
}

// Push puts v in the queue. The caller must hold a reservation and gives it up. It never blocks.
func (r *Ring[T]) Push(v T) {
	pos := r.claim()
	r.publish(pos, v)
	r.wake()
}

// claim, publish and wake are the steps of Push, apart so that tests can run the steps of several producers in any order.

func (r *Ring[T]) claim() uint64 { return r.tail.Add(1) - 1 }

func (r *Ring[T]) publish(pos uint64, v T) {
	s := &r.slots[pos&r.mask]
	// The reservation guarantees that the slot is free: see DESIGN.md.
	if s.seq.Load() != pos {
		panic("BUG: push without a reservation")
	}
	s.value = v
	s.seq.Store(pos + 1)
}

func (r *Ring[T]) wake() {
	// Only the one who takes parked from 1 to 0 sends. The load before it keeps the common case, a busy consumer, to a read.
	if r.parked.Load() == 0 || !r.parked.CompareAndSwap(1, 0) {
		return
	}
	select {
	case r.ready <- struct{}{}:
	default: // a token of an earlier parking is still there and does as well
	}
}

// Pop takes the next value. ok is false when there is none, or when the push that is next has begun and not ended yet. For the consumer only.
func (r *Ring[T]) Pop() (v T, ok bool) {
	s := &r.slots[r.head&r.mask]
	if s.seq.Load() != r.head+1 {
		return v, false
	}
	var none T
	v, s.value = s.value, none
	s.seq.Store(r.head + uint64(len(r.slots)))
	r.head++
	r.subtract(oneEntry) // after the store: a reservation that sees the lower count finds the slot free
	return v, true
}

// Free takes the bytes of popped values out of the bound. For the consumer only.
func (r *Ring[T]) Free(bytes int64) { r.subtract(uint64(bytes)) }

// subtract lowers the counts and returns the new state.
func (r *Ring[T]) subtract(n uint64) uint64 {
	s := r.state.Add(-n)
	// A borrow out of the bytes or the entries shows as a count beyond its bound.
	if int64(s&bytesMask) > r.maxBytes || (s&^closedBit)>>bytesBits > uint64(len(r.slots)) {
		panic("BUG: more was given back than was reserved")
	}
	return s
}

// Park says that the consumer will wait. False: there is something to do, do not wait. True: wait for Ready, then Unpark. For the consumer only.
func (r *Ring[T]) Park() bool {
	// First the announcement, then the look. A producer does it the other way round: first its value, then a look for the announcement. So at least
	// one of them sees the other.
	r.announce()
	if r.pending() {
		r.parked.Store(0)
		return false
	}
	return true
}

// announce and pending are the steps of Park, apart for the same reason as those of Push.

func (r *Ring[T]) announce() { r.parked.Store(1) }

func (r *Ring[T]) pending() bool {
	return r.slots[r.head&r.mask].seq.Load() == r.head+1 || r.Ended()
}

// Unpark says that the consumer is awake again, whatever woke it. For the consumer only.
func (r *Ring[T]) Unpark() { r.parked.Store(0) }

// Ready has a token when a parked consumer has something to look at.
func (r *Ring[T]) Ready() <-chan struct{} { return r.ready }

// Close refuses all further reservations. What was reserved can still be pushed, what was pushed can still be popped. It may be called again.
func (r *Ring[T]) Close() {
	r.state.Or(closedBit)
	r.wake()
}

// Ended tells that the ring is closed and that nothing is queued or reserved. For the consumer only.
func (r *Ring[T]) Ended() bool {
	s := r.state.Load()
	return s&closedBit != 0 && (s&^closedBit)>>bytesBits == 0
}

// Entries is how many slots are reserved or filled.
func (r *Ring[T]) Entries() int { return int((r.state.Load() &^ closedBit) >> bytesBits) }

// Bytes is how many bytes are reserved, queued or popped and not freed.
func (r *Ring[T]) Bytes() int64 { return int64(r.state.Load() & bytesMask) }

// Cap returns the bounds.
func (r *Ring[T]) Cap() (entries int, bytes int64) { return len(r.slots), r.maxBytes }
