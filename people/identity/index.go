package identity

import "math/bits"

// index finds the numbers of items by a hash of what is in them: open addressing with linear probing, at most three quarters full. The hash is beside the
// number, so that items are looked at only when they are the right ones, near enough, and growing looks at none.
type index struct {
	slots []slot
	n     int
}

type slot struct {
	item uint32 // 0: empty
	hash uint32
}

const leastSlots = 16

// home is where the search for a hash begins. Its order is that of the hashes, so growing goes through the memory of both tables once, in order.
func (x *index) home(hash uint32) int { return int(uint64(hash) * uint64(len(x.slots)) >> 32) }

func (x *index) next(at int) int {
	if at++; at < len(x.slots) {
		return at
	}
	return 0
}

// insert adds an item that is not there.
func (x *index) insert(hash, item uint32) {
	if x.n >= len(x.slots)/4*3 {
		old := x.slots
		x.slots = make([]slot, max(leastSlots, len(old)+len(old)/2))
		for _, s := range old {
			if s.item != 0 {
				x.place(s)
			}
		}
	}
	x.place(slot{item: item, hash: hash})
	x.n++
}

func (x *index) place(s slot) {
	at := x.home(s.hash)
	for x.slots[at].item != 0 {
		at = x.next(at)
	}
	x.slots[at] = s
}

// remove takes an item out. Those after it move up where they may, so that no gap cuts an item off from where its search begins.
func (x *index) remove(hash, item uint32) {
	gap := x.home(hash)
	for x.slots[gap].item != item {
		if x.slots[gap].item == 0 {
			panic("BUG: an item of an identity graph is not in its index")
		}
		gap = x.next(gap)
	}
	for at := x.next(gap); x.slots[at].item != 0; at = x.next(at) {
		if home := x.home(x.slots[at].hash); x.distance(home, at) >= x.distance(gap, at) {
			x.slots[gap] = x.slots[at]
			gap = at
		}
	}
	x.slots[gap] = slot{}
	x.n--
}

// distance is how many steps it is from one slot to another.
func (x *index) distance(from, to int) int {
	if to < from {
		to += len(x.slots)
	}
	return to - from
}

func (x *index) bytes() int64 { return 8 * int64(len(x.slots)) }

// mix is a hash of two numbers: the halves of their product, folded.
func mix(seed, a, b uint64) uint32 {
	high, low := bits.Mul64(a^seed, b^0x9e3779b97f4a7c15)
	return uint32((high ^ low) >> 32)
}
