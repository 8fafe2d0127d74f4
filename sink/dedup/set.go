package dedup

import (
	"fmt"
	"hash/maphash"
	"time"
)

// Verdict is what a Set knows about a row.
type Verdict uint8

// The verdicts.
const (
	Fresh  Verdict = iota // its id is not in the set
	Repeat                // its id is in the set
	Late                  // it is too old for the set to tell
)

// String returns the verdict in lower case.
func (v Verdict) String() string {
	switch v {
	case Fresh:
		return "fresh"
	case Repeat:
		return "repeat"
	case Late:
		return "late"
	}
	return fmt.Sprintf("verdict %d", uint8(v))
}

// MaxKeep is the most rows that a Set can keep: places are numbered with 32 bits, and there are twice as many as rows.
const MaxKeep = 1 << 30

// firstRows is the capacity that a Set starts with.
const firstRows = 256

// Set is the ids of the rows that were added last. Times of arrival are Unix milliseconds.
type Set struct {
	keep   int
	window int64 // milliseconds
	newest int64

	seed  maphash.Seed
	rows  []row // a ring once it has keep rows, until then a list with room behind it
	count int   // rows[:count] are in use
	next  int   // where the next row goes
	added uint64

	places places
}

type row struct {
	id       [16]byte
	received int64
}

// New returns an empty set of the last keep rows, 0 to MaxKeep, within window, 0 or more. It takes no memory to speak of before rows are added.
func New(keep int, window time.Duration) *Set {
	s := &Set{seed: maphash.MakeSeed()}
	s.Reset(keep, window, 0)
	return s
}

// Reset empties the set. newest is the latest arrival of all rows that had been added to the set which is to be restored, whether they are added again
// or not; 0: none. Positions go on from where they were.
func (s *Set) Reset(keep int, window time.Duration, newest int64) {
	if keep < 0 || keep > MaxKeep || window < 0 {
		panic(fmt.Sprintf("BUG: dedup: %d rows within %v", keep, window))
	}
	s.keep, s.window, s.newest = keep, window.Milliseconds(), newest
	s.count, s.next = 0, 0
	if len(s.rows) > keep {
		s.rows, s.places = nil, places{}
	}
	clear(s.places.refs)
}

// Look tells what the set knows about a row that is not added yet. It changes nothing.
func (s *Set) Look(id [16]byte, received int64) Verdict {
	oldest := s.newest - s.window
	if received < oldest {
		return Late
	}
	if s.count == 0 {
		return Fresh
	}
	h := s.hash(&id)
	for at := s.places.home(h); s.places.refs[at] != 0; at = s.places.after(at) {
		if slot, ok := s.places.slot(at, h); ok && s.rows[slot].received >= oldest && s.rows[slot].id == id {
			return Repeat
		}
	}
	return Fresh
}

// Add keeps a row, whatever Look says of it; the oldest one leaves when there are keep.
func (s *Set) Add(id [16]byte, received int64) {
	s.newest = max(s.newest, received)
	s.added++
	if s.keep == 0 {
		return
	}
	switch {
	case s.count == s.keep:
		s.evict()
	case s.count == len(s.rows):
		s.grow()
	}
	s.rows[s.next] = row{id, received}
	s.refer(s.next)
	s.count = min(s.count+1, s.keep)
	s.next++
	if s.next == s.keep {
		s.next = 0
	}
}

// Position counts the rows that were ever added: it is the position of the next one.
func (s *Set) Position() uint64 { return s.added }

// Since tells whether a row of this id was added at position or later, whenever it had arrived. Rows that have left are not seen: keep has to be at least
// the rows added since.
func (s *Set) Since(id [16]byte, position uint64) bool {
	if s.count == 0 || position >= s.added {
		return false
	}
	h := s.hash(&id)
	for at := s.places.home(h); s.places.refs[at] != 0; at = s.places.after(at) {
		if slot, ok := s.places.slot(at, h); ok && s.rows[slot].id == id && s.position(slot) >= position {
			return true
		}
	}
	return false
}

// Keeps tells whether Since sees all rows that were added at position or later.
func (s *Set) Keeps(position uint64) bool { return s.added-position <= uint64(s.count) }

// Newest is the latest arrival of any row so far; 0: none.
func (s *Set) Newest() int64 { return s.newest }

// Len is the number of rows that are kept, those out of the window among them.
func (s *Set) Len() int { return s.count }

// Bytes is the memory that the set holds.
func (s *Set) Bytes() int { return len(s.rows)*24 + len(s.places.refs)*4 }

func (s *Set) hash(id *[16]byte) uint64 { return maphash.Bytes(s.seed, id[:]) }

// position is that of the row at slot.
func (s *Set) position(slot int) uint64 {
	age := s.next - slot
	if age <= 0 {
		age += s.keep // the ring has gone round, else nothing is kept at or behind next
	}
	return s.added - uint64(age)
}

// refer gives the row at slot, which is the newest, a place, and takes the places of those rows of its id that decide nothing beside it.
func (s *Set) refer(slot int) {
	id, received := s.rows[slot].id, s.rows[slot].received
	h := s.hash(&id)
	placed := false
	for at := s.places.home(h); ; {
		if s.places.refs[at] == 0 {
			if !placed {
				s.places.put(at, h, slot)
			}
			return
		}
		old, ok := s.places.slot(at, h)
		switch {
		case !ok || s.rows[old].id != id || s.rows[old].received > received:
			at = s.places.after(at)
		case !placed:
			s.places.put(at, h, slot)
			placed = true
			at = s.places.after(at)
		default:
			s.remove(at) // another reference may have moved to at: look there again
		}
	}
}

// evict takes the place of the row that is overwritten next, if it has one.
func (s *Set) evict() {
	h := s.hash(&s.rows[s.next].id)
	for at := s.places.home(h); s.places.refs[at] != 0; at = s.places.after(at) {
		if slot, ok := s.places.slot(at, h); ok && slot == s.next {
			s.remove(at)
			return
		}
	}
}

// remove empties a place and moves what was put behind it for want of it, so that searches that end at an empty place still find everything.
func (s *Set) remove(hole int) {
	p := &s.places
	for at := p.after(hole); p.refs[at] != 0; at = p.after(at) {
		home := p.home(s.hash(&s.rows[p.slotAt(at)].id))
		// What lies at at may go to the hole unless its home is behind the hole.
		if p.distance(home, at) >= p.distance(hole, at) {
			p.refs[hole] = p.refs[at]
			hole = at
		}
	}
	p.refs[hole] = 0
}

// grow doubles the room. The rows are a list still, because none leaves before there is room for keep.
func (s *Set) grow() {
	rows := make([]row, min(max(firstRows, 2*len(s.rows)), s.keep))
	copy(rows, s.rows)
	old := s.places
	s.rows, s.places = rows, makePlaces(len(rows))
	for at, ref := range old.refs {
		if ref == 0 {
			continue
		}
		slot := old.slotAt(at)
		h := s.hash(&rows[slot].id)
		to := s.places.home(h)
		for s.places.refs[to] != 0 {
			to = s.places.after(to)
		}
		s.places.put(to, h, slot)
	}
}
