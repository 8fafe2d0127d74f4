package identity_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/millrace/millrace/people/identity"
)

// seedsVariable names the environment variable that says how many random streams are compared.
const seedsVariable = "MILLRACE_TEST_SEEDS"

const (
	usualSeeds = 200
	mostSeeds  = 1_000_000
	// controlSeeds are those that each planted mistake has to show in at least once.
	controlSeeds = 200
)

func seeds(t *testing.T) uint64 {
	t.Helper()
	text, ok := os.LookupEnv(seedsVariable)
	if !ok {
		return usualSeeds
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n < 1 || n > mostSeeds {
		t.Fatalf("environment variable %s is %q: it must be a number from 1 to %d, or not be set, which means %d", seedsVariable, text, mostSeeds, usualSeeds)
	}
	return n
}

// stream is a random list of facts among few ids, in random order and everything at least twice, and how it is handed over.
type stream struct {
	rng      *rand.Rand
	maxIDs   int
	projects int
	ids      []uint64
	names    []string
	facts    []identity.Fact
	span     int     // of the places that facts have
	settle   float64 // how likely it is after a fact
	remove   float64
}

var shapes = []func(s *stream, i int) (a, b int){
	func(s *stream, _ int) (int, int) { return s.rng.IntN(len(s.ids)), s.rng.IntN(len(s.ids)) },              // anything
	func(s *stream, i int) (int, int) { return i % len(s.ids), (i + 1) % len(s.ids) },                        // a chain that closes
	func(s *stream, i int) (int, int) { return i % len(s.ids), 0 },                                           // one device, many users
	func(s *stream, i int) (int, int) { return 0, i % len(s.ids) },                                           // one user, many devices
	func(s *stream, _ int) (int, int) { return s.rng.IntN(len(s.ids)), s.rng.IntN((len(s.ids) + 1) / 2) },    // some devices that are shared
	func(s *stream, _ int) (int, int) { x := s.rng.IntN(len(s.ids)) &^ 1; return x, min(x+1, len(s.ids)-1) }, // pairs, over and over
}

func newStream(seed uint64) *stream {
	rng := rand.New(rand.NewPCG(seed, 0x1d))
	s := &stream{rng: rng, projects: 1 + rng.IntN(3), span: []int{1, 4, 12}[rng.IntN(3)], maxIDs: []int{1, 2, 3, 4, 6, 1000, 1000, 1000}[rng.IntN(8)]}
	s.settle = []float64{0, 0.05, 0.3, 1}[rng.IntN(4)]
	s.remove = []float64{0, 0, 0.03, 0.15}[rng.IntN(4)]
	hashes := rng.IntN(2) == 0
	for i := range 2 + rng.IntN([]int{5, 10, 25}[rng.IntN(3)]) {
		s.names = append(s.names, fmt.Sprintf("user-%d", i))
		if hashes {
			s.ids = append(s.ids, rng.Uint64())
		} else {
			s.ids = append(s.ids, uint64(i+1))
		}
	}
	s.fill(1 + rng.IntN(40))
	s.facts = append(s.facts, s.facts...)
	rng.Shuffle(len(s.facts), func(i, j int) { s.facts[i], s.facts[j] = s.facts[j], s.facts[i] })
	return s
}

// fill makes facts, by n events or as the table has them.
func (s *stream) fill(n int) {
	shape := shapes[s.rng.IntN(len(shapes))]
	weights := [][]identity.Kind{
		{identity.Identify},
		{identity.Identify, identity.Identify, identity.Alias, identity.Merge, identity.Unmerge},
		{identity.Merge, identity.Unmerge, identity.Identify},
		{identity.Identify, identity.Identify, identity.Identify, identity.Unmerge, identity.Alias},
	}[s.rng.IntN(4)]
	events := s.rng.IntN(2) == 0
	for i := range n {
		a, b := shape(s, i)
		kind, project := weights[s.rng.IntN(len(weights))], 1+uint32(s.rng.IntN(s.projects))
		if events {
			s.event(kind, project, s.names[a], s.names[b])
			continue
		}
		f := identity.Fact{Project: project, AH: s.ids[a], BH: s.ids[b], Kind: kind, First: s.place()}
		if a == b {
			f.BH, f.Kind = 0, identity.Identify
		}
		f.Last = f.First
		if s.rng.IntN(3) == 0 {
			if p := s.place(); p.Compare(f.First) > 0 {
				f.Last = p
			}
		}
		s.facts = append(s.facts, f)
	}
}

func (s *stream) event(kind identity.Kind, project uint32, a, b string) {
	e := identity.Event{Project: project, Type: kind.String(), DistinctID: a, PreviousID: b, Place: s.place()}
	if kind == identity.Identify {
		e.AnonymousID = b
		if s.rng.IntN(3) == 0 { // two edges of one place
			e.UserID = s.names[s.rng.IntN(len(s.names))]
		}
	}
	for _, edge := range identity.Read(e) {
		s.facts = append(s.facts, edge.Fact())
	}
}

// place is one of few, so that facts are often equal in the first members of it, and at times in all.
func (s *stream) place() identity.Place {
	return identity.Place{
		TS: int64(s.rng.IntN(s.span)), Log: uint16(s.rng.IntN(2)), Partition: uint16(s.rng.IntN(2)), Offset: uint64(s.rng.IntN(2)), EventID: [16]byte{15: byte(s.rng.IntN(2))},
	}
}

// run hands the stream to a graph and compares.
func (s *stream) run(c *comparison) error {
	for i, f := range s.facts {
		c.add(f)
		if s.rng.Float64() < s.remove {
			k := identity.Key{Project: f.Project, H: f.AH}
			if s.rng.IntN(2) == 0 {
				k = identity.Key{Project: 1 + uint32(s.rng.IntN(s.projects)), H: s.ids[s.rng.IntN(len(s.ids))]}
			}
			c.remove(k)
		}
		if s.rng.Float64() < s.settle {
			if err := c.settle(); err != nil {
				return fmt.Errorf("after fact %d of %d: %w", i+1, len(s.facts), err)
			}
		}
	}
	for range 2 { // the second has nothing to do
		if err := c.settle(); err != nil {
			return fmt.Errorf("after all facts: %w", err)
		}
	}
	return nil
}

// TestGraph compares graphs with the oracle, on random streams.
func TestGraph(t *testing.T) {
	var settles, unchanged, refusals, parts, removes int
	n := seeds(t)
	for seed := range n {
		s := newStream(seed)
		c := compare(identity.New(s.maxIDs), s.maxIDs, none)
		if err := s.run(c); err != nil {
			t.Fatalf("seed %d, at most %d ids: %v", seed, s.maxIDs, err)
		}
		settles, unchanged, refusals, parts = settles+c.settles, unchanged+c.unchanged, refusals+c.refusals, parts+c.parts
		if s.remove > 0 {
			removes++
		}
	}
	t.Logf("%d streams, %d with removals; %d settles of %d reaches, %d ids unchanged in them, %d edges refused", n, removes, settles, parts, unchanged, refusals)
	if n >= usualSeeds && (unchanged == 0 || refusals == 0 || removes == 0) {
		t.Error("the streams leave out what they are for")
	}
}

// TestGraphOfManyIDs is the same with more ids than fit one page and a few growths of the indexes.
func TestGraphOfManyIDs(t *testing.T) {
	s := &stream{rng: rand.New(rand.NewPCG(1, 2)), projects: 2, maxIDs: 50, span: 1000}
	for i := range 12_000 {
		s.ids = append(s.ids, s.rng.Uint64())
		s.names = append(s.names, strconv.Itoa(i))
	}
	for i := range 9000 {
		f := identity.Fact{Project: 1 + uint32(i%2), AH: s.ids[s.rng.IntN(len(s.ids))], BH: s.ids[s.rng.IntN(len(s.ids))], Kind: 1 + identity.Kind(s.rng.IntN(4)), First: s.place()}
		if f.AH == f.BH {
			continue
		}
		f.Last = s.place()
		if f.Last.Compare(f.First) < 0 {
			f.First, f.Last = f.Last, f.First
		}
		s.facts = append(s.facts, f)
	}
	c := compare(identity.New(s.maxIDs), s.maxIDs, none)
	third := len(s.facts) / 3
	for part := range 4 {
		for _, f := range s.facts[part%3*third : part%3*third+third] {
			c.add(f)
		}
		if err := c.settle(); err != nil {
			t.Fatalf("part %d: %v", part, err)
		}
		for range 8 {
			c.remove(identity.Key{Project: 1 + uint32(s.rng.IntN(2)), H: s.ids[s.rng.IntN(len(s.ids))]})
		}
		if err := c.settle(); err != nil {
			t.Fatalf("part %d, after removals: %v", part, err)
		}
	}
}
