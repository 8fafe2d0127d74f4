package identity_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/millrace/millrace/people/identity"
)

// graph is what is compared with the oracle: a Graph, or one that a mistake is planted in.
type graph interface {
	Add(identity.Fact)
	Remove(identity.Key)
	Settle() identity.Settled
	Person(identity.Key) uint64
	Members(identity.Key) []uint64
	Facts(identity.Key) []identity.Fact
	All(yield func(identity.Key, uint64) bool)
	Len() (ids, facts int)
}

// comparison does everything to a graph and remembers it, and compares after each Settle.
type comparison struct {
	graph   graph
	maxIDs  int
	mistake mistake

	arrived                             []identity.Fact
	seen                                map[identity.Key]bool         // every id that was ever named
	touched                             map[identity.Key]bool         // ids whose reaches the next Settle is to work out
	table                               map[identity.Key]uint64       // persons as somebody has them who writes down what Settle returns
	refused                             map[statement]identity.Reason // as of the last Settle
	settles, unchanged, refusals, parts int                           // what has been seen, so that tests can tell that they test something
}

func compare(g graph, maxIDs int, m mistake) *comparison {
	return &comparison{
		graph: g, maxIDs: maxIDs, mistake: m,
		seen: map[identity.Key]bool{}, touched: map[identity.Key]bool{}, table: map[identity.Key]uint64{}, refused: map[statement]identity.Reason{},
	}
}

func (c *comparison) add(f identity.Fact) {
	c.graph.Add(f)
	c.arrived = append(c.arrived, f)
	for _, h := range [...]uint64{f.AH, f.BH} {
		if h != 0 {
			k := identity.Key{Project: f.Project, H: h}
			c.seen[k], c.touched[k] = true, true
		}
	}
}

func (c *comparison) remove(k identity.Key) {
	before := judge(c.arrived, c.maxIDs, none)
	c.graph.Remove(k)
	for other, reach := range before.reach {
		if reach == before.reach[k] {
			c.touched[other] = true
		}
	}
	delete(c.touched, k)
	delete(c.table, k)
	c.arrived = slices.DeleteFunc(c.arrived, func(f identity.Fact) bool {
		return f.Project == k.Project && (f.AH == k.H || f.BH == k.H)
	})
	maps.DeleteFunc(c.refused, func(s statement, _ identity.Reason) bool {
		return s.project == k.Project && (s.a == k.H || s.b == k.H)
	})
}

// settle settles, and returns what is not as the oracle has it.
func (c *comparison) settle() error {
	settled := c.graph.Settle()
	w := judge(c.arrived, c.maxIDs, c.mistake)
	c.settles++
	reaches := map[int]bool{}
	for k := range c.touched {
		if reach, ok := w.reach[k]; ok {
			reaches[reach] = true
		} else {
			w.person[k], w.members[k] = k.H, []uint64{k.H} // no fact names it any longer
		}
	}
	c.parts += len(reaches)
	var want []identity.Assignment
	for k, person := range w.person {
		if reaches[w.reach[k]] || c.touched[k] {
			was, ok := c.table[k]
			if !ok {
				was = k.H
			}
			if was == person {
				c.unchanged++
			}
			want = append(want, identity.Assignment{Project: k.Project, UserH: k.H, PersonH: person, Was: was})
		}
	}
	byID := func(x, y identity.Assignment) int {
		return cmp.Or(cmp.Compare(x.Project, y.Project), cmp.Compare(x.UserH, y.UserH))
	}
	slices.SortFunc(want, byID)
	got := slices.SortedFunc(slices.Values(settled.Persons), byID)
	if !slices.Equal(got, want) {
		return fmt.Errorf("settle returned the persons\n%v, want\n%v", got, want)
	}
	for _, a := range settled.Persons {
		c.table[identity.Key{Project: a.Project, H: a.UserH}] = a.PersonH
	}
	clear(c.touched)

	if err := c.compareRefusals(settled.Refused, w); err != nil {
		return err
	}
	if len(w.reach) > 0 && settled.Largest != w.largest || len(w.reach) == 0 && settled.Largest != 0 {
		return fmt.Errorf("largest is %d, want %d", settled.Largest, w.largest)
	}
	return c.compareState(w)
}

func (c *comparison) compareRefusals(got []identity.Refusal, w *world) error {
	want := map[statement]identity.Reason{}
	for s, reason := range w.refused {
		if c.refused[s] != reason {
			want[s] = reason
		}
	}
	c.refused = w.refused
	c.refusals += len(want)
	if len(got) != len(want) {
		return fmt.Errorf("refused is %v, want %v", got, want)
	}
	for _, r := range got {
		s := statementOf(r.Fact)
		if want[s] != r.Reason || r.Fact != w.facts[s] {
			return fmt.Errorf("%+v is refused, want %v", r, want)
		}
	}
	return nil
}

func (c *comparison) compareState(w *world) error {
	all := map[identity.Key]uint64{}
	for k, person := range c.graph.All {
		all[k] = person
	}
	byFirst := func(x, y identity.Fact) int {
		return cmp.Or(x.First.Compare(y.First), cmp.Compare(x.AH, y.AH), cmp.Compare(x.BH, y.BH), cmp.Compare(x.Kind, y.Kind))
	}
	facts := map[identity.Key][]identity.Fact{}
	for _, f := range w.facts {
		for _, h := range [...]uint64{f.AH, f.BH} {
			if h != 0 {
				k := identity.Key{Project: f.Project, H: h}
				facts[k] = append(facts[k], f)
			}
		}
	}
	for k := range c.seen {
		person, members := k.H, []uint64{k.H}
		if p, ok := w.person[k]; ok {
			person, members = p, w.members[k]
		}
		if got := c.graph.Person(k); got != person {
			return fmt.Errorf("person of %v is %d, want %d", k, got, person)
		}
		if got := slices.Sorted(slices.Values(c.graph.Members(k))); !slices.Equal(got, members) {
			return fmt.Errorf("members of %v are %d, want %d", k, got, members)
		}
		if got, ok := c.table[k]; ok && got != person {
			return fmt.Errorf("who writes down what settle returns has person %d for %v, want %d", got, k, person)
		} else if !ok && person != k.H {
			return fmt.Errorf("settle has never returned %v, whose person is %d", k, person)
		}
		if got, ok := all[k]; ok != (person != k.H) || ok && got != person {
			return fmt.Errorf("all has person %d for %v (%t), want %d", got, k, ok, person)
		}
		delete(all, k)
		got, want := c.graph.Facts(k), facts[k]
		if !slices.IsSortedFunc(got, func(x, y identity.Fact) int { return x.First.Compare(y.First) }) {
			return fmt.Errorf("facts of %v are not in order: %v", k, got)
		}
		slices.SortFunc(got, byFirst)
		slices.SortFunc(want, byFirst)
		if !slices.Equal(got, want) {
			return fmt.Errorf("facts of %v are\n%v, want\n%v", k, got, want)
		}
	}
	if len(all) > 0 {
		return fmt.Errorf("all has ids that nobody named: %v", all)
	}
	if ids, n := c.graph.Len(); ids != len(w.reach) || n != len(w.facts) {
		return fmt.Errorf("length is %d ids and %d facts, want %d and %d", ids, n, len(w.reach), len(w.facts))
	}
	return nil
}
