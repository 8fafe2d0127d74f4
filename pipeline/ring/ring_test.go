package ring

import (
	"strings"
	"testing"
)

func TestBounds(t *testing.T) {
	r := New[string](3, 100)
	if entries, bytes := r.Cap(); entries != 4 || bytes != 100 {
		t.Fatalf("Cap() = %d, %d; want 4, 100", entries, bytes)
	}
	for _, step := range []struct {
		bytes int64
		want  bool
	}{{60, true}, {41, false}, {40, true}, {1, false}, {0, true}, {0, true}, {0, false}} {
		if got := r.TryReserve(step.bytes); got != step.want {
			t.Fatalf("TryReserve(%d) = %v with %d entries and %d bytes", step.bytes, got, r.Entries(), r.Bytes())
		}
	}
	r.Release(40)
	r.Push("a")
	if v, ok := r.Pop(); !ok || v != "a" {
		t.Fatalf("Pop() = %q, %v", v, ok)
	}
	// The slot is free again, the bytes are not until Free.
	if r.Entries() != 2 || r.Bytes() != 60 || r.TryReserve(41) || !r.TryReserve(40) {
		t.Fatalf("after Pop: %d entries, %d bytes", r.Entries(), r.Bytes())
	}
	r.Free(60)
	if !r.TryReserve(60) {
		t.Fatalf("after Free: %d entries, %d bytes", r.Entries(), r.Bytes())
	}
}

func TestLargerThanTheRingIsRefused(t *testing.T) {
	r := New[int](1, 10)
	if r.TryReserve(11) || r.TryReserve(1<<62) {
		t.Error("a reservation larger than the ring was given")
	}
}

func TestBrokenContractPanics(t *testing.T) {
	for name, breach := range map[string]func(r *Ring[int]){
		"push without a reservation": func(r *Ring[int]) {
			for range 3 {
				r.Push(1)
			}
		},
		"free twice":          func(r *Ring[int]) { r.TryReserve(5); r.Push(1); r.Pop(); r.Free(5); r.Free(5) },
		"release of nothing":  func(r *Ring[int]) { r.Release(0) },
		"negative size":       func(r *Ring[int]) { r.TryReserve(-1) },
		"release of too much": func(r *Ring[int]) { r.TryReserve(5); r.Release(6) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if p, _ := recover().(string); !strings.HasPrefix(p, "BUG: ") {
					t.Errorf("recovered %q, want a BUG", p)
				}
			}()
			breach(New[int](2, 100))
		})
	}
}

func TestPopForgetsTheValue(t *testing.T) {
	r := New[*int](1, 0)
	r.TryReserve(0)
	r.Push(new(int))
	r.Pop()
	if r.slots[0].value != nil {
		t.Error("the popped value is still referenced")
	}
}

func TestCloseHonoursReservations(t *testing.T) {
	r := New[int](4, 10)
	r.TryReserve(1)
	r.TryReserve(1)
	r.Close()
	if r.TryReserve(0) {
		t.Error("a reservation was given after Close")
	}
	if !r.Park() {
		t.Fatal("Park refused although nothing is queued")
	}
	r.Push(7)
	<-r.Ready()
	r.Unpark()
	if v, ok := r.Pop(); !ok || v != 7 || r.Ended() {
		t.Fatalf("Pop() = %d, %v; ended %v", v, ok, r.Ended())
	}
	if !r.Park() {
		t.Fatal("Park refused although a reservation is out")
	}
	r.Release(1) // the last one: the consumer must learn of the end
	<-r.Ready()
	r.Unpark()
	if !r.Ended() || r.Park() {
		t.Error("the end was not seen")
	}
}

func TestAllocatesNothing(t *testing.T) {
	r := New[*int](8, 1000)
	v := new(int)
	if n := testing.AllocsPerRun(1000, func() {
		if r.TryReserve(10) {
			r.Push(v)
		}
		if _, ok := r.Pop(); !ok {
			t.Fatal("empty")
		}
		r.Free(10)
		if r.Park() {
			r.Unpark()
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkUncontended(b *testing.B) {
	r := New[*int](1024, 1<<30)
	v := new(int)
	b.ReportAllocs()
	for b.Loop() {
		r.TryReserve(100)
		r.Push(v)
		r.Pop()
		r.Free(100)
	}
}

// BenchmarkProducers has all producers and the consumer at work; a producer that is refused tries again.
func BenchmarkProducers(b *testing.B) {
	r := New[*int](1024, 1<<30)
	v := new(int)
	done := make(chan struct{})
	go func() {
		defer close(done)
		consume(r, func(*int) { r.Free(100) })
	}()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			for !r.TryReserve(100) {
				yield()
			}
			r.Push(v)
		}
	})
	r.Close()
	<-done
}
