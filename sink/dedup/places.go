package dedup

import "math/bits"

// places is a table of references to rows, probed linearly and at most half full. A reference is the row's slot plus one, so that 0 is an empty place, and
// above it, in the bits that slots do not need, the low bits of the hash: they spare most looks at rows of other ids, each of which is a cache miss.
type places struct {
	refs     []uint32
	slotBits uint // of slot plus one
}

func makePlaces(rows int) places {
	return places{refs: make([]uint32, 2*rows), slotBits: uint(bits.Len(uint(rows)))}
}

// home is where the search for a hash begins. It goes by the high bits, so the number of places need not be a power of two.
func (p *places) home(h uint64) int {
	hi, _ := bits.Mul64(h, uint64(len(p.refs)))
	return int(hi)
}

// after is the place behind at.
func (p *places) after(at int) int {
	if at++; at < len(p.refs) {
		return at
	}
	return 0
}

// distance is how many steps of after lead from one place to another.
func (p *places) distance(from, to int) int {
	if to >= from {
		return to - from
	}
	return to - from + len(p.refs)
}

func (p *places) put(at int, h uint64, slot int) {
	p.refs[at] = uint32(h)<<p.slotBits | uint32(slot+1)
}

// slot returns the slot that a place refers to; false when that row has another hash.
func (p *places) slot(at int, h uint64) (int, bool) {
	return p.slotAt(at), (p.refs[at]^uint32(h)<<p.slotBits)>>p.slotBits == 0
}

func (p *places) slotAt(at int) int { return int(p.refs[at]&(1<<p.slotBits-1)) - 1 }
