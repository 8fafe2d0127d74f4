package identity

import (
	"fmt"
	"math/rand/v2"
)

// Graph holds facts, and the persons that follow from them as of the last Settle. Add, Remove and Settle need it alone; the methods that only look may run at
// the same time as each other.
type Graph struct {
	maxIDs uint32
	seed   uint64 // of the indexes, so that nobody can choose ids that collide in them

	nodes  pages[node]
	facts  pages[fact]
	lasts  pages[Place]
	byID   index
	byPair index

	telling uint8    // told, once Prime was called
	dirty   []uint32 // a node of each reach that is to be worked out; more than one is harmless
	sizes   []int    // number of persons by number of ids
	scratch
}

// node is an id.
type node struct {
	h       uint64
	project uint32
	facts   uint32 // the first of a list of those that name it
	reach   uint32 // parent in the union-find of reaches; itself: root
	near    uint32 // next id of the reach, in a ring
	person  uint32 // id that its person goes by; within settle, parent in a union-find
	next    uint32 // next id of the person, in a ring
	size    uint32 // ids of the person; counts where person is the node itself
	rank    uint8  // in the union-find of reaches
	flags   uint8
}

const (
	used   = 1 << iota // the item exists
	told               // of a fact: it was added since Prime, so a repeat that changes nothing is none
	gone               // it was removed, and is out of its index; settle takes it out of lists and rings
	dirty              // at the root of a reach: to be worked out
	broken             // at the root of a reach: something in it is gone, so it may have come apart
	known              // the id is of a known user
	holds              // within settle, at the root of a cluster: it holds a known user
)

// fact is a Fact between two nodes, and an item of both their lists.
type fact struct {
	a, b         uint32 // b 0: it names one id
	nextA, nextB uint32
	last         uint32 // place of the last event, 0 when it is the first
	log          uint16
	partition    uint16
	kind         Kind
	refused      Reason
	flags        uint8
	revoked      bool // within settle: the pair has no edge
	ts           int64
	offset       uint64
	event        [16]byte
}

// New returns an empty graph in which no person has more than maxIDs ids, which is at least 1.
func New(maxIDs int) *Graph {
	return &Graph{
		maxIDs: uint32(min(max(maxIDs, 1), 1<<31)), seed: rand.Uint64(),
		byID: index{slots: make([]slot, leastSlots)}, byPair: index{slots: make([]slot, leastSlots)},
	}
}

// Add adds a fact, or widens what is known of it to the earlier first and the later last place. The next Settle works its reach out anew, also when nothing is new; but once Prime was called
// only the first time that it is told: SDKs say who a visitor is on each page. The sides of a merge or unmerge may come in any order; a fact about an id and itself is taken as one about the id alone.
func (g *Graph) Add(f Fact) {
	if f.Kind < Identify || f.Kind > Unmerge {
		panic(fmt.Sprintf("BUG: a fact about ids of the unknown kind %d", f.Kind))
	}
	if f.AH == f.BH {
		f.BH = 0
	}
	if f.Kind >= Merge && f.BH != 0 && f.AH > f.BH {
		f.AH, f.BH = f.BH, f.AH
	}
	a, b := g.node(f.Project, f.AH), uint32(0)
	if f.BH != 0 {
		b = g.node(f.Project, f.BH)
	}
	if i := g.find(a, b, f.Kind); i != 0 {
		known := g.facts.at(i)
		first, last := g.first(known), g.last(known)
		if f.First.Compare(first) < 0 {
			first = f.First
		}
		if f.Last.Compare(last) > 0 {
			last = f.Last
		}
		// Of identify and alias the last place decides nothing.
		same := first == g.first(known) && (f.Kind < Merge || last == g.last(known))
		g.setPlaces(known, first, last)
		if same && known.flags&told != 0 {
			return
		}
		known.flags |= g.telling
	} else {
		g.link(a, b, f)
		if b != 0 {
			g.unite(a, b)
		}
	}
	g.mark(g.root(a))
}

// Remove forgets an id and all facts that name it. The next Settle works out what remains of its reach, and forgets ids that no fact names any longer. The
// graph is then the same as one that the facts were never added to.
func (g *Graph) Remove(k Key) {
	i := g.lookup(k.Project, k.H)
	if i == 0 {
		return
	}
	n := g.nodes.at(i)
	g.byID.remove(g.idHash(n.project, n.h), i)
	n.flags |= gone
	for j := n.facts; j != 0; {
		f := g.facts.at(j)
		if f.flags&gone == 0 {
			g.byPair.remove(g.pairHash(f.a, f.b, f.kind), j)
			f.flags |= gone
		}
		j = f.after(i)
	}
	root := g.root(i)
	g.nodes.at(root).flags |= broken
	g.mark(root)
}

func (g *Graph) idHash(project uint32, h uint64) uint32 { return mix(g.seed, h, uint64(project)) }

func (g *Graph) pairHash(a, b uint32, kind Kind) uint32 {
	return mix(g.seed, uint64(a)<<32|uint64(b), uint64(kind))
}

// lookup is the node of an id, 0 when there is none.
func (g *Graph) lookup(project uint32, h uint64) uint32 {
	hash := g.idHash(project, h)
	for at := g.byID.home(hash); ; at = g.byID.next(at) {
		s := g.byID.slots[at]
		if s.item == 0 {
			return 0
		}
		if s.hash == hash {
			if n := g.nodes.at(s.item); n.h == h && n.project == project {
				return s.item
			}
		}
	}
}

// find is the fact of this kind between two nodes, 0 when there is none.
func (g *Graph) find(a, b uint32, kind Kind) uint32 {
	hash := g.pairHash(a, b, kind)
	for at := g.byPair.home(hash); ; at = g.byPair.next(at) {
		s := g.byPair.slots[at]
		if s.item == 0 {
			return 0
		}
		if s.hash == hash {
			if f := g.facts.at(s.item); f.a == a && f.b == b && f.kind == kind {
				return s.item
			}
		}
	}
}

// node is the node of an id, made when there is none: a reach and a person of its own.
func (g *Graph) node(project uint32, h uint64) uint32 {
	if i := g.lookup(project, h); i != 0 {
		return i
	}
	i := g.nodes.take()
	*g.nodes.at(i) = node{h: h, project: project, reach: i, near: i, person: i, next: i, size: 1, flags: used}
	g.byID.insert(g.idHash(project, h), i)
	g.count(1, 1)
	return i
}

// link stores a fact that is new.
func (g *Graph) link(a, b uint32, f Fact) {
	i := g.facts.take()
	n := g.nodes.at(a)
	stored := fact{a: a, b: b, nextA: n.facts, kind: f.Kind, flags: used | g.telling}
	n.facts = i
	if b != 0 {
		n = g.nodes.at(b)
		stored.nextB = n.facts
		n.facts = i
	}
	g.setPlaces(&stored, f.First, f.Last)
	*g.facts.at(i) = stored
	g.byPair.insert(g.pairHash(a, b, f.Kind), i)
}

// after is the fact that follows f in the list of node i.
func (f *fact) after(i uint32) uint32 {
	if f.a == i {
		return f.nextA
	}
	return f.nextB
}

func (g *Graph) first(f *fact) Place {
	return Place{TS: f.ts, Log: f.log, Partition: f.partition, Offset: f.offset, EventID: f.event}
}

func (g *Graph) last(f *fact) Place {
	if f.last == 0 {
		return g.first(f)
	}
	return *g.lasts.at(f.last)
}

func (g *Graph) setPlaces(f *fact, first, last Place) {
	f.ts, f.log, f.partition, f.offset, f.event = first.TS, first.Log, first.Partition, first.Offset, first.EventID
	if f.last == 0 {
		if first == last {
			return
		}
		f.last = g.lasts.take()
	}
	*g.lasts.at(f.last) = last
}

// count changes how many persons have n ids.
func (g *Graph) count(n uint32, by int) {
	for len(g.sizes) <= int(n) {
		g.sizes = append(g.sizes, 0)
	}
	g.sizes[n] += by
}
