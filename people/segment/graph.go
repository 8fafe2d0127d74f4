package segment

import (
	"slices"
	"strings"
)

// order sorts definitions of one project so that each comes behind those it refers to. loop is a way from a segment back to itself, nil when there is none; the definitions
// that lie on one or refer to one are left out then. Names that are not declared are not looked at.
func order(all []Definition) (sorted []Definition, loop []string) {
	byName := map[string]Definition{}
	for _, d := range all {
		byName[d.Name] = d
	}
	const (
		open = iota + 1
		done
		lost
	)
	state := map[string]int{}
	var way []string
	var visit func(name string) bool
	visit = func(name string) bool {
		d, ok := byName[name]
		switch {
		case !ok, state[name] == done:
			return true
		case state[name] == lost:
			return false
		case state[name] == open:
			if loop == nil {
				loop = append(slices.Clone(way[slices.Index(way, name):]), name)
			}
			return false
		}
		state[name] = open
		way = append(way, name)
		ok = true
		for _, other := range d.Segments() {
			ok = visit(other) && ok
		}
		way = way[:len(way)-1]
		if !ok {
			state[name] = lost
			return false
		}
		state[name] = done
		sorted = append(sorted, d)
		return true
	}
	for _, d := range all {
		visit(d.Name)
	}
	return sorted, loop
}

// shown is a loop as people read it.
func shown(loop []string) string { return strings.Join(loop, " → ") }

// users are the names of the segments that refer to name, sorted.
func users(all []Definition, name string) (names []string) {
	for _, d := range all {
		if d.Name != name && slices.Contains(d.Segments(), name) {
			names = append(names, d.Name)
		}
	}
	slices.Sort(names)
	return names
}
