package pipeline

import (
	"testing"

	"pgregory.net/rapid"
)

// recordAt names a record by chunk and place.
type recordAt struct{ chunk, place int }

func (sp span) list(index map[*chunk]int) (all []recordAt) {
	sp.each(func(c *chunk, skip, count int) {
		for i := range count {
			all = append(all, recordAt{index[c], skip + i})
		}
	})
	return all
}

// TestHalves cuts spans down to single records: every record turns up once and in order, and no half names a chunk that it has no record of.
func TestHalves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		index := make(map[*chunk]int)
		var whole span
		var want []recordAt
		for i, n := range rapid.SliceOfN(rapid.IntRange(1, 7), 1, 6).Draw(t, "chunks") {
			c := &chunk{records: n}
			index[c] = i
			whole.chunks = append(whole.chunks, c)
			whole.n += n
			for j := range n {
				want = append(want, recordAt{i, j})
			}
		}
		var got []recordAt
		var cut func(sp span)
		cut = func(sp span) {
			if len(sp.list(index)) != sp.n {
				t.Fatalf("a span of %d records lists %v", sp.n, sp.list(index))
			}
			sp.each(func(_ *chunk, _, count int) {
				if count < 1 {
					t.Fatalf("a span names a chunk without a record: %v", sp.list(index))
				}
			})
			if sp.n == 1 {
				got = append(got, sp.list(index)...)
				return
			}
			left, right := sp.halves()
			if left.n == 0 || right.n == 0 || left.n+right.n != sp.n {
				t.Fatalf("%d records were cut into %d and %d", sp.n, left.n, right.n)
			}
			cut(left)
			cut(right)
		}
		cut(whole)
		if len(got) != len(want) {
			t.Fatalf("%d records, want %d", len(got), len(want))
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("record %d is %v, want %v", i, got[i], want[i])
			}
		}
	})
}

func TestQueue(t *testing.T) {
	var q queue
	a, b := &chunk{size: 3}, &chunk{size: 4}
	q.push(a)
	q.push(b)
	if q.size != 7 || q.pop() != a || q.size != 4 || q.pop() != b || q.head != nil || q.size != 0 {
		t.Errorf("%+v", q)
	}
	q.push(a)
	if q.pop() != a || q.tail != nil {
		t.Errorf("%+v", q)
	}
}
