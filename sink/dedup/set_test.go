package dedup

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// plain is the definition, word for word: every row that was ever added, and a search through the last keep.
type plain struct {
	keep   int
	window int64
	newest int64
	all    []row
}

func (p *plain) last() []row { return p.all[max(0, len(p.all)-p.keep):] }

func (p *plain) look(id [16]byte, received int64) Verdict {
	if received < p.newest-p.window {
		return Late
	}
	for _, r := range p.last() {
		if r.id == id && r.received >= p.newest-p.window {
			return Repeat
		}
	}
	return Fresh
}

func (p *plain) add(id [16]byte, received int64) {
	p.newest = max(p.newest, received)
	p.all = append(p.all, row{id, received})
}

// since sees rows from position on, of those among the last keep.
func (p *plain) since(id [16]byte, position int) bool {
	for _, r := range p.all[max(position, len(p.all)-p.keep, 0):] {
		if r.id == id {
			return true
		}
	}
	return false
}

// restore is a set as a new owner of the partition makes it.
func (p *plain) restore() *Set {
	s := New(3, time.Hour)
	s.Add(idOf(1), 5) // something to forget
	s.Reset(p.keep, time.Duration(p.window)*time.Millisecond, p.newest)
	for _, r := range p.last() {
		s.Add(r.id, r.received)
	}
	return s
}

func idOf(n int) (id [16]byte) {
	binary.LittleEndian.PutUint64(id[4:], uint64(n))
	return id
}

// check fails unless every reference can be found from its home, none is there twice, and no row of use has lost its own.
func check(t interface {
	Fatalf(string, ...any)
	Helper()
}, s *Set,
) {
	t.Helper()
	seen := map[int]bool{}
	for at, ref := range s.places.refs {
		if ref == 0 {
			continue
		}
		slot := s.places.slotAt(at)
		if slot < 0 || slot >= s.count || seen[slot] {
			t.Fatalf("place %d refers to slot %d of %d, twice: %v", at, slot, s.count, seen[slot])
		}
		seen[slot] = true
		h := s.hash(&s.rows[slot].id)
		if _, ok := s.places.slot(at, h); !ok {
			t.Fatalf("place %d has another hash than its row", at)
		}
		for p := s.places.home(h); p != at; p = s.places.after(p) {
			if s.places.refs[p] == 0 {
				t.Fatalf("place %d is not found from its home: %d is empty", at, p)
			}
		}
	}
	for slot := range s.count {
		dominated := false
		for other := range s.count {
			dominated = dominated || s.rows[other].id == s.rows[slot].id && s.position(other) > s.position(slot) && s.rows[other].received >= s.rows[slot].received
		}
		if seen[slot] == dominated {
			t.Fatalf("slot %d: referred to: %v, dominated: %v", slot, seen[slot], dominated)
		}
	}
}

func TestSetIsTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		model := &plain{keep: rapid.IntRange(0, 40).Draw(t, "keep"), window: rapid.Int64Range(0, 60).Draw(t, "window")}
		set := New(model.keep, time.Duration(model.window)*time.Millisecond)
		heir := model.restore()
		id := rapid.Custom(func(t *rapid.T) [16]byte { return idOf(rapid.IntRange(0, 25).Draw(t, "id")) })
		clock := int64(100)
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				check(t, set)
				check(t, heir)
				if set.Newest() != model.newest || heir.Newest() != model.newest || set.Len() != len(model.last()) || heir.Len() != set.Len() || set.Position() != uint64(len(model.all)) {
					t.Fatalf("newest %d, heir's %d, want %d; len %d, heir's %d; position %d of %d", set.Newest(), heir.Newest(), model.newest, set.Len(), heir.Len(), set.Position(), len(model.all))
				}
			},
			"row": func(t *rapid.T) {
				clock += rapid.Int64Range(-30, 40).Draw(t, "step")
				x, received := id.Draw(t, "id"), max(1, clock-rapid.Int64Range(0, 100).Draw(t, "lag"))
				want := model.look(x, received)
				if a, b := set.Look(x, received), heir.Look(x, received); a != want || b != want {
					t.Fatalf("look(%v, %d) = %v, heir's %v, want %v", x, received, a, b, want)
				}
				position := rapid.IntRange(max(0, len(model.all)-model.keep), len(model.all)).Draw(t, "position")
				wantSince := model.since(x, position)
				if a, b := set.Since(x, uint64(position)), heir.Since(x, uint64(position)-uint64(len(model.all))+heir.Position()); a != wantSince || b != wantSince {
					t.Fatalf("since(%v, %d) = %v, heir's %v, want %v", x, position, a, b, wantSince)
				}
				// A late row may be stored; sometimes a repeat is added too, which no caller does and the definition allows.
				if want == Fresh || want == Late && rapid.Bool().Draw(t, "stored") || rapid.IntRange(0, 9).Draw(t, "odd") == 0 {
					model.add(x, received)
					set.Add(x, received)
					heir.Add(x, received)
				}
			},
			"restore": func(*rapid.T) {
				heir = model.restore()
				if want := 1 + uint64(len(model.last())); heir.Position() != want {
					t.Fatalf("position %d after a restore, want %d", heir.Position(), want)
				}
			},
		})
	})
}

func TestSetIsTheDefinitionWhileItGrows(t *testing.T) {
	const keep, window = 3*firstRows + 17, 1000
	rng := rand.New(rand.NewPCG(1, 2))
	model, set := &plain{keep: keep, window: window}, New(keep, window*time.Millisecond)
	counts := map[Verdict]int{}
	for i := range 6 * keep {
		id, received := idOf(rng.IntN(2*keep)), int64(i+1)-rng.Int64N(3*window/2)
		want := model.look(id, received)
		if got := set.Look(id, received); got != want {
			t.Fatalf("row %d: %v, want %v", i, got, want)
		}
		counts[want]++
		if want != Repeat {
			model.add(id, received)
			set.Add(id, received)
		}
		if i%keep == 0 || i == firstRows || i == firstRows+1 {
			check(t, set)
		}
	}
	check(t, set)
	if counts[Fresh] == 0 || counts[Repeat] == 0 || counts[Late] == 0 {
		t.Errorf("verdicts %v: the test lacks a kind", counts)
	}
}

func TestIDThatComesBackForeverCostsOneReference(t *testing.T) {
	const keep = 1000
	s := New(keep, time.Millisecond)
	for i := range int64(5 * keep) {
		s.Add(idOf(int(i%3)), 10*i) // time goes on
		if v := s.Look(idOf(7), 10*i); v != Fresh {
			t.Fatalf("time %d: %v, want fresh", 10*i, v)
		}
		s.Add(idOf(7), 10*i)
		used := 0
		for _, ref := range s.places.refs {
			if ref != 0 {
				used++
			}
		}
		if used > 4 {
			t.Fatalf("time %d: %d references to four ids", 10*i, used)
		}
	}
	if s.Len() != keep {
		t.Errorf("len %d, want %d", s.Len(), keep)
	}
}

func TestMemoryIsBoundedAndKept(t *testing.T) {
	const keep = 100_000
	s := New(keep, time.Hour)
	if s.Bytes() != 0 {
		t.Errorf("%d B before the first row", s.Bytes())
	}
	fill := func() {
		for i := range keep {
			s.Add(idOf(i), 1)
		}
	}
	fill()
	if perID := float64(s.Bytes()) / keep; perID > 40 {
		t.Errorf("%.1f B per id, at most 40", perID)
	}
	n := keep
	if allocs := testing.AllocsPerRun(1000, func() { s.Look(idOf(n), 1); s.Add(idOf(n), 1); n++ }); allocs != 0 {
		t.Errorf("%v allocations per row once full", allocs)
	}
	if allocs := testing.AllocsPerRun(1, func() { s.Reset(keep, time.Hour, 1); fill() }); allocs != 0 {
		t.Errorf("%v allocations to fill it again", allocs)
	}
	s.Reset(keep/2, time.Hour, 1)
	if s.Len() != 0 || s.Bytes() != 0 {
		t.Errorf("%d rows in %d B after a reset to fewer", s.Len(), s.Bytes())
	}
}

func TestNothingIsKeptWithoutRoom(t *testing.T) {
	s := New(0, time.Second)
	s.Add(idOf(1), 5000)
	if v := s.Look(idOf(1), 5000); v != Fresh {
		t.Errorf("%v, want fresh", v)
	}
	if v := s.Look(idOf(1), 3999); v != Late {
		t.Errorf("%v, want late", v)
	}
	if s.Since(idOf(1), 0) || s.Len() != 0 || s.Newest() != 5000 || s.Position() != 1 {
		t.Errorf("len %d, newest %d, position %d", s.Len(), s.Newest(), s.Position())
	}
}

func BenchmarkLookAdd(b *testing.B) {
	const keep = 2_000_000
	s := New(keep, time.Hour)
	rng := rand.New(rand.NewPCG(3, 4))
	id := func() (id [16]byte) {
		binary.LittleEndian.PutUint64(id[:], rng.Uint64())
		binary.LittleEndian.PutUint64(id[8:], rng.Uint64())
		return id
	}
	for range keep {
		s.Add(id(), 1)
	}
	b.ReportAllocs()
	for b.Loop() {
		x := id()
		if s.Look(x, 1) == Fresh {
			s.Add(x, 1)
		}
	}
	b.ReportMetric(float64(s.Bytes())/keep, "B/id")
}

func BenchmarkRestore(b *testing.B) {
	const keep = 2_000_000
	rng := rand.New(rand.NewPCG(3, 4))
	ids := make([][16]byte, keep)
	for i := range ids {
		binary.LittleEndian.PutUint64(ids[i][:], rng.Uint64())
		binary.LittleEndian.PutUint64(ids[i][8:], rng.Uint64())
	}
	for b.Loop() {
		s := New(keep, time.Hour)
		for _, x := range ids {
			s.Add(x, 1)
		}
	}
}
