package identity_test

import (
	"cmp"
	"slices"

	"github.com/millrace/millrace/people/identity"
)

// mistake is one that is planted in the oracle, so that the comparison is seen to find it.
type mistake string

const (
	none               mistake = ""
	forgetUnmerge      mistake = "unmerge does nothing"
	forgetRemerge      mistake = "a merge after an unmerge does not count"
	identifyRestores   mistake = "an identify or alias after an unmerge counts again"
	unmergeHidesMerge  mistake = "unmerge undoes the merge and leaves identify and alias alone"
	mergesInLine       mistake = "merges wait their turn among the others"
	mergesByLast       mistake = "merges in order of the last event"
	forgetTwoUsers     mistake = "an identify may unite two known users"
	forgetSize         mistake = "no limit of size"
	sizeForMergesOnly  mistake = "the limit of size is for merges only"
	orderOfArrival     mistake = "order of arrival"
	orderOfLast        mistake = "order of the last event"
	orderWithoutIDs    mistake = "ties in order of arrival"
	lowestOfAll        mistake = "a person goes by the lowest id, known or not"
	mergeKnowsFirst    mistake = "a merge makes only its first side a known user"
	aliasKnowsNobody   mistake = "an alias makes nobody a known user"
	undoneKnowsNobody  mistake = "edges that do not hold make nobody a known user"
	undoneMergeKnows   mistake = "a merge that was undone makes known users"
	aloneKnowsNobody   mistake = "an identify of one id makes nobody a known user"
	projectsAreOne     mistake = "ids of other projects are the same ids"
	firstArrivalCounts mistake = "a fact has the places that it came with first"
)

var mistakes = []mistake{
	forgetUnmerge, forgetRemerge, identifyRestores, unmergeHidesMerge, mergesInLine, mergesByLast, forgetTwoUsers, forgetSize, sizeForMergesOnly,
	orderOfArrival, orderOfLast, orderWithoutIDs, lowestOfAll, mergeKnowsFirst, aliasKnowsNobody, undoneKnowsNobody, undoneMergeKnows, aloneKnowsNobody, projectsAreOne,
	firstArrivalCounts,
}

// statement is what makes two facts the same one.
type statement struct {
	project uint32
	a, b    uint64
	kind    identity.Kind
}

func statementOf(f identity.Fact) statement {
	return statement{f.Project, f.AH, f.BH, f.Kind}
}

// pair is two ids in either order.
func pairOf(f identity.Fact) statement {
	return statement{f.Project, min(f.AH, f.BH), max(f.AH, f.BH), 0}
}

// world is everything that follows from a list of facts.
type world struct {
	facts   map[statement]identity.Fact
	members map[identity.Key][]uint64 // of the person of each id, sorted
	person  map[identity.Key]uint64
	reach   map[identity.Key]int
	refused map[statement]identity.Reason
	largest int
}

// judge works the world out from the rules alone, from nothing, with maps and lists. The facts come as they arrived, repeats and all.
func judge(arrived []identity.Fact, maxIDs int, m mistake) *world {
	w := &world{
		facts: map[statement]identity.Fact{}, members: map[identity.Key][]uint64{}, person: map[identity.Key]uint64{}, reach: map[identity.Key]int{},
		refused: map[statement]identity.Reason{},
	}
	var order []statement
	for _, f := range arrived {
		if (f.Kind == identity.Merge || f.Kind == identity.Unmerge) && f.AH > f.BH {
			f.AH, f.BH = f.BH, f.AH
		}
		s := statementOf(f)
		old, ok := w.facts[s]
		if !ok {
			w.facts[s] = f
			order = append(order, s)
			continue
		}
		if m == firstArrivalCounts {
			continue
		}
		if f.First.Compare(old.First) < 0 {
			old.First = f.First
		}
		if f.Last.Compare(old.Last) > 0 {
			old.Last = f.Last
		}
		w.facts[s] = old
	}

	project := func(p uint32) uint32 {
		if m == projectsAreOne {
			return 0
		}
		return p
	}
	sides := func(f identity.Fact) []identity.Key {
		keys := []identity.Key{{Project: project(f.Project), H: f.AH}}
		if f.BH != 0 {
			keys = append(keys, identity.Key{Project: project(f.Project), H: f.BH})
		}
		return keys
	}

	// Rule 1.
	undone := func(f identity.Fact) bool {
		p := pairOf(f)
		u, unmerged := w.facts[statement{p.project, p.a, p.b, identity.Unmerge}]
		g, merged := w.facts[statement{p.project, p.a, p.b, identity.Merge}]
		switch {
		case !unmerged, m == forgetUnmerge:
			return false
		case merged && g.Last.Compare(u.Last) >= 0 && m != forgetRemerge:
			return false
		case m == identifyRestores && f.Kind != identity.Merge && f.Last.Compare(u.Last) > 0:
			return false
		case m == unmergeHidesMerge && f.Kind != identity.Merge:
			return false
		}
		return true
	}

	known := map[identity.Key]bool{}
	clusterOf := map[identity.Key]int{}
	clusters := map[int][]identity.Key{}
	neighbours := map[identity.Key][]identity.Key{}
	for _, s := range order {
		f := w.facts[s]
		keys := sides(f)
		for _, k := range keys {
			if _, ok := clusterOf[k]; !ok {
				clusterOf[k] = len(clusters)
				clusters[len(clusters)] = []identity.Key{k}
			}
			neighbours[k] = append(neighbours[k], keys...)
		}
		if m == undoneKnowsNobody && f.BH != 0 && undone(f) {
			continue
		}
		switch f.Kind {
		case identity.Identify:
			if f.BH != 0 || m != aloneKnowsNobody {
				known[keys[0]] = true
			}
		case identity.Alias:
			if m != aliasKnowsNobody {
				known[keys[0]] = true
			}
		case identity.Merge:
			if f.BH != 0 && undone(f) && m != undoneMergeKnows {
				break
			}
			known[keys[0]] = true
			if m != mergeKnowsFirst {
				known[keys[1]] = true
			}
		}
	}

	// Rules 2 and 3.
	var merges, calls []identity.Fact
	for _, s := range order {
		f := w.facts[s]
		if f.Kind == identity.Unmerge || f.BH == 0 || undone(f) {
			continue
		}
		if f.Kind == identity.Merge && m != mergesInLine {
			merges = append(merges, f)
		} else {
			calls = append(calls, f)
		}
	}
	inOrder := func(x, y identity.Fact) int {
		if m == orderOfArrival {
			return 0
		}
		if m == orderOfLast || m == mergesByLast && x.Kind == identity.Merge {
			x.First, y.First = x.Last, y.Last
		}
		if c := x.First.Compare(y.First); c != 0 || m == orderWithoutIDs {
			return c
		}
		if c := cmp.Compare(x.AH, y.AH); c != 0 {
			return c
		}
		if c := cmp.Compare(x.BH, y.BH); c != 0 {
			return c
		}
		return cmp.Compare(x.Kind, y.Kind)
	}
	slices.SortStableFunc(merges, inOrder)
	slices.SortStableFunc(calls, inOrder)
	for _, f := range append(merges, calls...) {
		keys := sides(f)
		a, b := clusterOf[keys[0]], clusterOf[keys[1]]
		if a == b {
			continue
		}
		user := func(k identity.Key) bool { return known[k] }
		if f.Kind != identity.Merge && slices.ContainsFunc(clusters[a], user) && slices.ContainsFunc(clusters[b], user) && m != forgetTwoUsers {
			w.refused[statementOf(f)] = identity.TwoUsers
			continue
		}
		if len(clusters[a])+len(clusters[b]) > maxIDs && m != forgetSize && (m != sizeForMergesOnly || f.Kind == identity.Merge) {
			w.refused[statementOf(f)] = identity.ClusterSize
			continue
		}
		for _, k := range clusters[b] {
			clusterOf[k] = a
			clusters[a] = append(clusters[a], k)
		}
		delete(clusters, b)
	}

	// Rule 4.
	for _, keys := range clusters {
		var ids, users []uint64
		for _, k := range keys {
			ids = append(ids, k.H)
			if known[k] && m != lowestOfAll {
				users = append(users, k.H)
			}
		}
		slices.Sort(ids)
		person := ids[0]
		if len(users) > 0 {
			person = slices.Min(users)
		}
		for _, k := range keys {
			w.person[k], w.members[k] = person, ids
		}
		w.largest = max(w.largest, len(keys))
	}

	reaches := 0
	for start := range neighbours {
		if _, seen := w.reach[start]; seen {
			continue
		}
		reaches++
		for waiting := []identity.Key{start}; len(waiting) > 0; {
			k := waiting[0]
			waiting = waiting[1:]
			if _, seen := w.reach[k]; !seen {
				w.reach[k] = reaches
				waiting = append(waiting, neighbours[k]...)
			}
		}
	}
	return w
}
