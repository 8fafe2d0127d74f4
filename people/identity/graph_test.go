package identity_test

import (
	"cmp"
	"runtime"
	"slices"
	"testing"

	"github.com/millrace/millrace/people/identity"
)

// identified is the fact that the user n identified on a device of his own.
func identified(n int) identity.Fact {
	at := identity.Place{TS: int64(n), Offset: uint64(n), EventID: [16]byte{byte(n), byte(n >> 8), byte(n >> 16)}}
	return identity.Fact{Project: 1, AH: scatter(2 * n), BH: scatter(2*n + 1), Kind: identity.Identify, First: at, Last: at}
}

// scatter is a permutation of 64 bits, as hashes are.
func scatter(n int) uint64 {
	x := uint64(n+1<<40) * 0x9e3779b97f4a7c15
	x = (x ^ x>>31) * 0xbf58476d1ce4e5b9
	return x ^ x>>29
}

func TestUnknownIDs(t *testing.T) {
	g := identity.New(10)
	k := identity.Key{Project: 3, H: 42}
	g.Remove(k)
	if s := g.Settle(); len(s.Persons) > 0 || len(s.Refused) > 0 || s.Largest != 0 {
		t.Errorf("an empty graph settles to %+v", s)
	}
	if p, m := g.Person(k), g.Members(k); p != 42 || !slices.Equal(m, []uint64{42}) {
		t.Errorf("an unknown id is of person %d with members %d", p, m)
	}
	if f := g.Facts(k); f != nil {
		t.Errorf("facts of an unknown id are %v", f)
	}
	for k := range g.All {
		t.Errorf("an empty graph has %v", k)
	}
}

func TestProjectsApart(t *testing.T) {
	g := identity.New(10)
	f := identified(1)
	g.Add(f)
	other := f
	other.Project, other.AH = 2, f.AH+1
	g.Add(other)
	g.Settle()
	if got := g.Person(identity.Key{Project: 1, H: f.BH}); got != f.AH {
		t.Errorf("person in project 1 is %d, want %d", got, f.AH)
	}
	if got := g.Person(identity.Key{Project: 2, H: f.BH}); got != f.AH+1 {
		t.Errorf("person in project 2 is %d, want %d", got, f.AH+1)
	}
	if got := g.Person(identity.Key{Project: 3, H: f.BH}); got != f.BH {
		t.Errorf("person in project 3 is %d, want %d", got, f.BH)
	}
}

func TestFactAboutItself(t *testing.T) {
	for kind := identity.Identify; kind <= identity.Unmerge; kind++ {
		g := identity.New(10)
		g.Add(identity.Fact{Project: 1, AH: 5, BH: 5, Kind: kind})
		s := g.Settle()
		if want := []identity.Assignment{{Project: 1, UserH: 5, PersonH: 5, Was: 5}}; !slices.Equal(s.Persons, want) || s.Largest != 1 {
			t.Errorf("%s of an id and itself settles to %+v", kind, s)
		}
		if f := g.Facts(identity.Key{Project: 1, H: 5}); len(f) != 1 || f[0].BH != 0 {
			t.Errorf("%s of an id and itself is %+v", kind, f)
		}
	}
}

func TestUnknownKindIsABug(t *testing.T) {
	for _, kind := range []identity.Kind{0, 5, 255} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a fact of kind %d is taken", kind)
				}
			}()
			identity.New(10).Add(identity.Fact{Project: 1, AH: 1, BH: 2, Kind: kind})
		}()
	}
}

// TestAddAlwaysSettles shows that a repeat has its reach returned, as somebody needs who writes everything again over a writer that is behind.
func TestAddAlwaysSettles(t *testing.T) {
	g := identity.New(10)
	for n := range 3 {
		g.Add(identified(n))
	}
	g.Settle()
	f := identified(1)
	g.Add(f)
	got := slices.SortedFunc(slices.Values(g.Settle().Persons), func(x, y identity.Assignment) int { return cmp.Compare(x.UserH, y.UserH) })
	want := []identity.Assignment{{Project: 1, UserH: f.AH, PersonH: f.AH, Was: f.AH}, {Project: 1, UserH: f.BH, PersonH: f.AH, Was: f.AH}}
	slices.SortFunc(want, func(x, y identity.Assignment) int { return cmp.Compare(x.UserH, y.UserH) })
	if !slices.Equal(got, want) {
		t.Errorf("a repeat settles\n%v, want\n%v", got, want)
	}
	if again := g.Settle().Persons; len(again) > 0 {
		t.Errorf("nothing settles %v", again)
	}
}

// TestRepeatsAreToldOnce shows that after Prime the first repeat of a fact has its reach returned, and a later one only if it changes what holds.
func TestRepeatsAreToldOnce(t *testing.T) {
	g := identity.New(10)
	f := identified(1)
	g.Add(f)
	g.Prime()
	for n, want := range []int{2, 0, 0} {
		f.Last.Offset++ // as each page says it
		g.Add(f)
		if got := len(g.Settle().Persons); got != want {
			t.Errorf("repeat %d returns %d ids, want %d", n, got, want)
		}
	}
	f.First.TS--
	g.Add(f)
	if got := len(g.Settle().Persons); got != 2 {
		t.Errorf("an earlier one returns %d ids, want 2", got)
	}
	undone := identity.Fact{Project: f.Project, AH: f.AH, BH: f.BH, Kind: identity.Unmerge, First: f.Last, Last: f.Last}
	for n, want := range []int{2, 0, 2} {
		if n == 2 {
			undone.Last.TS++
		}
		g.Add(undone)
		if got := len(g.Settle().Persons); got != want {
			t.Errorf("unmerge %d returns %d ids, want %d", n, got, want)
		}
	}
}

// TestRefusedAgain shows that an edge that was refused, undone, and is refused again is returned both times.
func TestRefusedAgain(t *testing.T) {
	g := identity.New(1)
	all := facts(t, []string{"1 identify u", "2 identify v", "3 identify u v", "4 unmerge u v", "5 merge u v"})
	refused := func() (texts []string) {
		for _, r := range g.Settle().Refused {
			texts = append(texts, r.Kind.String()+" "+r.Reason.String())
		}
		slices.Sort(texts)
		return texts
	}
	for _, f := range all[:3] {
		g.Add(f)
	}
	if got := refused(); !slices.Equal(got, []string{"identify two_users"}) {
		t.Errorf("at first %q is refused", got)
	}
	g.Add(all[3])
	if got := refused(); len(got) > 0 {
		t.Errorf("undone, %q is refused", got)
	}
	g.Add(all[4])
	if got := refused(); !slices.Equal(got, []string{"identify two_users", "merge cluster_size"}) {
		t.Errorf("merged again, %q is refused", got)
	}
}

func TestPrime(t *testing.T) {
	for seed := range uint64(20) {
		s := newStream(seed)
		settled, primed := identity.New(s.maxIDs), identity.New(s.maxIDs)
		for _, f := range s.facts {
			settled.Add(f)
			primed.Add(f)
		}
		want, got := settled.Settle(), primed.Prime()
		if got.Persons != nil || got.Largest != want.Largest || len(got.Refused) != len(want.Refused) {
			t.Errorf("seed %d: prime is %+v beside %+v", seed, got, want)
		}
		for k, person := range settled.All {
			if p := primed.Person(k); p != person {
				t.Errorf("seed %d: person of %v is %d, want %d", seed, k, p, person)
			}
		}
		for _, f := range s.facts { // what it was before is known although it was never returned
			primed.Add(f)
		}
		for _, a := range primed.Settle().Persons {
			if a.Was != a.PersonH {
				t.Errorf("seed %d: %+v was another before", seed, a)
			}
		}
	}
}

// TestBetweenSettles shows what the looking methods say after a Remove that has not been settled.
func TestBetweenSettles(t *testing.T) {
	g := identity.New(10)
	for _, f := range facts(t, []string{"1 identify u d", "2 identify u e"}) {
		g.Add(f)
	}
	g.Settle()
	u, d := identity.Key{Project: 1, H: letter(t, "u")}, identity.Key{Project: 1, H: letter(t, "d")}
	g.Remove(u)
	if f := g.Facts(d); len(f) != 0 {
		t.Errorf("facts about a removed id are left: %v", f)
	}
	if got, want := slices.Sorted(slices.Values(g.Members(d))), []uint64{letter(t, "d"), letter(t, "e")}; !slices.Equal(got, want) {
		t.Errorf("members are %d, want %d", got, want)
	}
	if got := g.Person(u); got != u.H {
		t.Errorf("person of a removed id is %d", got)
	}
	if s := g.Settle(); len(s.Persons) != 2 || s.Persons[0].Was != u.H || s.Persons[1].Was != u.H || s.Largest != 0 {
		t.Errorf("settles to %+v, want both others, that were %d, for a last time", s, u.H)
	}
}

// TestRemoveGivesBack shows that what is removed makes room for what comes.
func TestRemoveGivesBack(t *testing.T) {
	g := identity.New(1000)
	var once int64
	for round := range 30 {
		for n := range 5000 {
			f := identified(round*5000 + n)
			f.BH = scatter(-1 - n%50) // shared, so that there are reaches to mend
			f.Last.TS++
			g.Add(f)
		}
		g.Settle()
		for n := range 5000 {
			g.Remove(identity.Key{Project: 1, H: identified(round*5000 + n).AH})
		}
		if s := g.Settle(); s.Largest != 0 {
			t.Fatalf("round %d: the largest of nobody is %d", round, s.Largest)
		}
		if ids, n := g.Len(); ids != 0 || n != 0 {
			t.Fatalf("round %d leaves %d ids and %d facts", round, ids, n)
		}
		switch {
		case round == 1:
			once = g.Bytes()
		case round > 1 && g.Bytes() > once+once/10:
			t.Fatalf("round %d: %d bytes, after the second it was %d", round, g.Bytes(), once)
		}
	}
}

// TestBytes compares what the graph says with what the heap says.
func TestBytes(t *testing.T) {
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	g := identity.New(1000)
	for n := range 300_000 {
		f := identified(n)
		if n%3 == 0 {
			f.Last.TS++
		}
		g.Add(f)
	}
	g.Settle()
	used, said := heap()-before, g.Bytes()
	if said < used*95/100 || said > used*105/100 {
		t.Errorf("the graph says %d bytes, the heap %d", said, used)
	}
	runtime.KeepAlive(g)
}
