package identity

import (
	"cmp"
	"slices"
)

// gather makes each node of the reach a cluster of its own, finds out who is a known user, and sorts the facts by what becomes of them.
func (g *Graph) gather() {
	for _, i := range g.ids {
		n := g.nodes.at(i)
		n.person, n.next, n.size = i, i, 1
		n.flags &^= known | holds
	}
	g.edges, g.merges, g.undone = g.edges[:0], g.merges[:0], g.undone[:0]
	for _, i := range g.ids {
		for j := g.nodes.at(i).facts; j != 0; {
			f := g.facts.at(j)
			if f.a == i {
				g.sort(j, f)
			}
			j = f.after(i)
		}
	}
}

func (g *Graph) sort(i uint32, f *fact) {
	f.revoked = false
	if f.kind < Merge || f.kind == Merge && f.b == 0 {
		g.nodes.at(f.a).flags |= known | holds
	}
	if f.b == 0 {
		return
	}
	switch f.kind {
	case Merge:
		g.merges = append(g.merges, i)
	case Unmerge:
		g.undone = append(g.undone, i)
	default:
		g.edges = append(g.edges, i)
	}
}

// revoke marks all edges of the pairs that are undone: rule 1.
func (g *Graph) revoke() {
	for _, i := range g.undone {
		u := g.facts.at(i)
		m := g.find(u.a, u.b, Merge)
		if m != 0 && g.last(u).Compare(g.last(g.facts.at(m))) <= 0 {
			continue
		}
		for _, j := range [...]uint32{
			m,
			g.find(u.a, u.b, Identify), g.find(u.b, u.a, Identify),
			g.find(u.a, u.b, Alias), g.find(u.b, u.a, Alias),
		} {
			if j != 0 {
				g.facts.at(j).revoked = true
			}
		}
	}
}

// recognise makes known users of both sides of each merge that was not undone.
func (g *Graph) recognise() {
	for _, i := range g.merges {
		if f := g.facts.at(i); !f.revoked {
			g.nodes.at(f.a).flags |= known | holds
			g.nodes.at(f.b).flags |= known | holds
		}
	}
}

// inOrder drops what is revoked from facts and puts the rest in the order in which it is judged.
func (g *Graph) inOrder(facts []uint32) []uint32 {
	left := facts[:0]
	for _, i := range facts {
		if f := g.facts.at(i); f.revoked {
			f.refused = 0
		} else {
			left = append(left, i)
		}
	}
	if len(left) > 1 {
		slices.SortFunc(left, func(i, j uint32) int {
			x, y := g.facts.at(i), g.facts.at(j)
			if c := cmp.Compare(x.ts, y.ts); c != 0 { // as Place.Compare, which decides the rest
				return c
			}
			if c := g.first(x).Compare(g.first(y)); c != 0 {
				return c
			}
			if c := cmp.Compare(g.nodes.at(x.a).h, g.nodes.at(y.a).h); c != 0 {
				return c
			}
			if c := cmp.Compare(g.nodes.at(x.b).h, g.nodes.at(y.b).h); c != 0 {
				return c
			}
			return cmp.Compare(x.kind, y.kind)
		})
	}
	return left
}

// judge unites the clusters of a fact's sides or refuses it: rules 2 and 3.
func (g *Graph) judge(i uint32, s *Settled) {
	f := g.facts.at(i)
	reason := g.join(f)
	if reason != 0 && reason != f.refused {
		s.Refused = append(s.Refused, Refusal{Fact: g.fact(f), Reason: reason})
	}
	f.refused = reason
}

func (g *Graph) join(f *fact) Reason {
	a, b := g.cluster(f.a), g.cluster(f.b)
	if a == b {
		return 0
	}
	x, y := g.nodes.at(a), g.nodes.at(b)
	if f.kind != Merge && x.flags&y.flags&holds != 0 {
		return TwoUsers
	}
	if uint64(x.size)+uint64(y.size) > uint64(g.maxIDs) {
		return ClusterSize
	}
	if x.size < y.size {
		a, x, y = b, y, x
	}
	y.person = a
	x.size += y.size
	x.next, y.next = y.next, x.next
	x.flags |= y.flags & holds
	return 0
}

// cluster is the root of the cluster of node i, within settle.
func (g *Graph) cluster(i uint32) uint32 {
	n := g.nodes.at(i)
	for n.person != i {
		n.person = g.nodes.at(n.person).person
		i = n.person
		n = g.nodes.at(i)
	}
	return i
}

// name finds the id that each cluster goes by: rule 4.
func (g *Graph) name() {
	g.roots = g.roots[:0]
	for _, i := range g.ids {
		if g.nodes.at(i).person == i {
			g.roots = append(g.roots, i)
		}
	}
	for _, root := range g.roots {
		size := g.nodes.at(root).size
		g.count(size, 1)
		best := root
		for i := g.nodes.at(root).next; i != root; i = g.nodes.at(i).next {
			if g.before(i, best) {
				best = i
			}
		}
		g.nodes.at(best).size = size
		for i := best; ; {
			n := g.nodes.at(i)
			n.person = best
			if i = n.next; i == best {
				break
			}
		}
	}
}

// before tells whether a cluster goes by node i rather than by node j.
func (g *Graph) before(i, j uint32) bool {
	x, y := g.nodes.at(i), g.nodes.at(j)
	if (x.flags^y.flags)&known != 0 {
		return x.flags&known != 0
	}
	return x.h < y.h
}
