package identity

// root is the root of the reach of node i.
func (g *Graph) root(i uint32) uint32 {
	n := g.nodes.at(i)
	for n.reach != i {
		n.reach = g.nodes.at(n.reach).reach
		i = n.reach
		n = g.nodes.at(i)
	}
	return i
}

// unite makes one reach of those of two nodes. What is to be done with either is to be done with both.
func (g *Graph) unite(a, b uint32) {
	a, b = g.root(a), g.root(b)
	if a == b {
		return
	}
	x, y := g.nodes.at(a), g.nodes.at(b)
	x.near, y.near = y.near, x.near
	if x.rank < y.rank {
		a, x, y = b, y, x
	} else if x.rank == y.rank {
		x.rank++
	}
	y.reach = a
	x.flags |= y.flags & (dirty | broken)
	y.flags &^= dirty | broken
}

// mark says that the reach of this root is to be worked out.
func (g *Graph) mark(root uint32) {
	n := g.nodes.at(root)
	if n.flags&dirty == 0 {
		n.flags |= dirty
		g.dirty = append(g.dirty, root)
	}
}

// mend takes what is gone out of a reach, given as all its nodes, and works out which reaches remain. It returns the nodes that remain, in the same memory.
func (g *Graph) mend(ids []uint32) []uint32 {
	left, dead := ids[:0], g.edges[:0]
	var nodes []uint32
	for _, i := range ids {
		n := g.nodes.at(i)
		if n.flags&gone == 0 {
			left = append(left, i)
			continue
		}
		nodes = append(nodes, i)
		for j := n.facts; j != 0; {
			f := g.facts.at(j)
			if f.a == i || g.nodes.at(f.a).flags&gone == 0 { // in two lists of what is gone: once
				dead = append(dead, j)
			}
			j = f.after(i)
		}
	}
	for _, i := range left {
		n := g.nodes.at(i)
		n.reach, n.near, n.rank = i, i, 0
		g.unlink(i, n)
	}
	for _, j := range dead {
		if last := g.facts.at(j).last; last != 0 {
			g.lasts.give(last)
		}
		g.facts.give(j)
	}
	for _, i := range nodes {
		g.nodes.give(i)
	}
	g.edges = dead[:0]
	for _, i := range left {
		for j := g.nodes.at(i).facts; j != 0; {
			f := g.facts.at(j)
			if f.a == i && f.b != 0 {
				g.unite(i, f.b)
			}
			j = f.after(i)
		}
	}
	return left
}

// unlink takes the facts that are gone out of the list of node i.
func (g *Graph) unlink(i uint32, n *node) {
	at := &n.facts
	for *at != 0 {
		f := g.facts.at(*at)
		next := &f.nextB
		if f.a == i {
			next = &f.nextA
		}
		if f.flags&gone != 0 {
			*at = *next
		} else {
			at = next
		}
	}
}
