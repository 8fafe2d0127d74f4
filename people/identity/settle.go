package identity

import "slices"

// Assignment is the person of an id. Was is the one that it had at the Settle before, itself when it was none or new.
type Assignment struct {
	Project             uint32
	UserH, PersonH, Was uint64
}

// Refusal is an edge that does not hold, and why.
type Refusal struct {
	Fact
	Reason Reason
}

// Settled is what a Settle has worked out. The slices are the caller's.
type Settled struct {
	// Persons has every id of each reach that was worked out, once, those whose person has not changed included, in no order. Ids that were removed are not in it;
	// ids that no fact names any longer are in it for a last time, as persons of their own.
	Persons []Assignment
	// Refused has the edges that are refused and were not before, or for another reason.
	Refused []Refusal
	// Largest is the number of ids of the largest person in the graph, 0 when there are none.
	Largest int
}

// scratch is what settle works with, kept from reach to reach.
type scratch struct {
	ids    []uint32 // nodes of the reach
	was    []uint64 // their persons before
	edges  []uint32 // facts identify and alias
	merges []uint32
	undone []uint32 // facts unmerge
	roots  []uint32 // of the clusters
}

// mostScratch is how many numbers of each sort stay allocated between calls.
const mostScratch = 1 << 18

func (s *scratch) most() int {
	return max(cap(s.ids), cap(s.was), cap(s.edges), cap(s.merges), cap(s.undone), cap(s.roots))
}

func (s *scratch) bytes() int64 {
	return 4*int64(cap(s.ids)+cap(s.edges)+cap(s.merges)+cap(s.undone)+cap(s.roots)) + 8*int64(cap(s.was))
}

// Settle works out the reaches that facts were added to or ids removed from since the last call.
func (g *Graph) Settle() Settled { return g.settle(true) }

// Prime is Settle without Persons, for when a graph has been filled and All is what matters.
func (g *Graph) Prime() Settled {
	g.telling = told
	return g.settle(false)
}

func (g *Graph) settle(persons bool) Settled {
	var s Settled
	for _, i := range g.dirty {
		if g.nodes.at(i).flags&used == 0 { // it was removed, and settled with the rest of its reach
			continue
		}
		if root := g.root(i); g.nodes.at(root).flags&dirty != 0 {
			g.settleReach(root, &s, persons)
		}
	}
	if cap(g.dirty) > mostScratch {
		g.dirty = nil
	}
	g.dirty = g.dirty[:0]
	if g.scratch.most() > mostScratch {
		g.scratch = scratch{}
	}
	s.Largest = len(g.sizes) - 1
	for s.Largest > 0 && g.sizes[s.Largest] == 0 {
		s.Largest--
	}
	s.Largest = max(s.Largest, 0)
	return s
}

// settleReach works out one reach. When it has come apart it works out the parts together, which is the same: no fact lies between them.
func (g *Graph) settleReach(root uint32, s *Settled, persons bool) {
	n := g.nodes.at(root)
	apart := n.flags&broken != 0
	n.flags &^= dirty | broken
	g.ids = g.ids[:0]
	for i := root; ; {
		n := g.nodes.at(i)
		if n.person == i {
			g.count(n.size, -1)
		}
		g.ids = append(g.ids, i)
		if i = n.near; i == root {
			break
		}
	}
	g.was = g.was[:0]
	if persons {
		s.Persons = slices.Grow(s.Persons, len(g.ids))
		for _, i := range g.ids {
			if n := g.nodes.at(i); n.flags&gone == 0 {
				g.was = append(g.was, g.nodes.at(n.person).h)
			}
		}
	}
	if apart {
		g.ids = g.mend(g.ids)
	}
	g.gather()
	g.revoke()
	g.recognise()
	g.merges = g.inOrder(g.merges)
	for _, i := range g.merges {
		g.judge(i, s)
	}
	g.edges = g.inOrder(g.edges)
	for _, i := range g.edges {
		g.judge(i, s)
	}
	g.name()
	for at, i := range g.ids {
		n := g.nodes.at(i)
		if persons {
			s.Persons = append(s.Persons, Assignment{Project: n.project, UserH: n.h, PersonH: g.nodes.at(n.person).h, Was: g.was[at]})
		}
		if n.facts == 0 { // only what Remove has left behind
			g.count(1, -1)
			g.byID.remove(g.idHash(n.project, n.h), i)
			g.nodes.give(i)
		}
	}
}
