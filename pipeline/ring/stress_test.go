package ring

import (
	"runtime"
	"sync"
	"testing"
)

func yield() { runtime.Gosched() }

// consume is the consumer's loop as the package comment gives it.
func consume[T any](r *Ring[T], each func(T)) {
	for {
		for v, ok := r.Pop(); ok; v, ok = r.Pop() {
			each(v)
		}
		if r.Ended() {
			return
		}
		if !r.Park() {
			continue
		}
		<-r.Ready()
		r.Unpark()
	}
}

type item struct{ producer, n int }

// TestStress is for the race detector and different numbers of processors: all that is pushed arrives once, in order per producer, whatever is
// refused or given back in between, and the consumer always learns of the end.
func TestStress(t *testing.T) {
	const (
		producers = 8
		perEach   = 4000
		size      = 10
	)
	for _, entries := range []int{1, 2, 64} {
		r := New[item](entries, int64(entries)*size)
		var wg sync.WaitGroup
		for p := range producers {
			wg.Go(func() {
				for n := range perEach {
					for tries := 0; ; tries++ {
						if !r.TryReserve(size) {
							yield()
							continue
						}
						if tries == 0 && n%7 == 0 {
							r.Release(size)
							continue
						}
						break
					}
					r.Push(item{p, n})
				}
			})
		}
		go func() {
			wg.Wait()
			r.Close()
		}()
		var next [producers]int
		consume(r, func(i item) {
			if i.n != next[i.producer] {
				t.Errorf("producer %d: got %d, want %d", i.producer, i.n, next[i.producer])
			}
			next[i.producer] = i.n + 1
			if b := r.Bytes(); b > int64(entries)*size {
				t.Errorf("%d bytes in a ring of %d", b, entries*size)
			}
			r.Free(size)
		})
		for p, n := range next {
			if n != perEach {
				t.Errorf("%d slots: %d of %d values of producer %d arrived", entries, n, perEach, p)
			}
		}
		if r.Entries() != 0 || r.Bytes() != 0 {
			t.Errorf("%d entries and %d bytes are left", r.Entries(), r.Bytes())
		}
		wg.Wait()
	}
}
