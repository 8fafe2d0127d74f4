package identity

import "slices"

// Person is the person of an id as of the last Settle: the id itself when it is alone or unknown.
func (g *Graph) Person(k Key) uint64 {
	i := g.lookup(k.Project, k.H)
	if i == 0 {
		return k.H
	}
	return g.nodes.at(g.nodes.at(i).person).h
}

// Members returns all ids of the person that k belonged to at the last Settle, k included, in no order. Ids removed since are not among them.
func (g *Graph) Members(k Key) []uint64 {
	start := g.lookup(k.Project, k.H)
	if start == 0 {
		return []uint64{k.H}
	}
	members := make([]uint64, 0, g.nodes.at(g.nodes.at(start).person).size)
	for i := start; ; {
		n := g.nodes.at(i)
		if n.flags&gone == 0 {
			members = append(members, n.h)
		}
		if i = n.next; i == start {
			return members
		}
	}
}

// Facts returns the facts that name an id, the earliest first.
func (g *Graph) Facts(k Key) []Fact {
	i := g.lookup(k.Project, k.H)
	if i == 0 {
		return nil
	}
	var facts []Fact
	for j := g.nodes.at(i).facts; j != 0; {
		f := g.facts.at(j)
		if f.flags&gone == 0 {
			facts = append(facts, g.fact(f))
		}
		j = f.after(i)
	}
	slices.SortFunc(facts, func(x, y Fact) int { return x.First.Compare(y.First) })
	return facts
}

// fact is f as it was added.
func (g *Graph) fact(f *fact) Fact {
	a := g.nodes.at(f.a)
	out := Fact{Project: a.project, AH: a.h, Kind: f.kind, First: g.first(f), Last: g.last(f)}
	if f.b != 0 {
		out.BH = g.nodes.at(f.b).h
	}
	return out
}

// All yields each id whose person, as of the last Settle, is another id, with that person. The graph must not change meanwhile. It is a range function:
//
//	for key, person := range g.All {
func (g *Graph) All(yield func(k Key, person uint64) bool) {
	for i := uint32(1); i < g.nodes.end(); i++ {
		n := g.nodes.at(i)
		if n.flags&(used|gone) == used && n.person != i && !yield(Key{Project: n.project, H: n.h}, g.nodes.at(n.person).h) {
			return
		}
	}
}

// Len is how many ids and facts the graph holds.
func (g *Graph) Len() (ids, facts int) { return g.byID.n, g.byPair.n }

// Bytes is the memory that the graph holds on to.
func (g *Graph) Bytes() int64 {
	return g.nodes.bytes() + g.facts.bytes() + g.lasts.bytes() + g.byID.bytes() + g.byPair.bytes() + 4*int64(cap(g.dirty)) + 8*int64(cap(g.sizes)) + g.scratch.bytes()
}
