package demo

// queue is a heap: what comes first by before is taken first. The order must be total, or it is not known what comes out.
type queue[T any] struct {
	items  []T
	before func(a, b *T) bool
}

func (q *queue[T]) len() int { return len(q.items) }

// first is the item that pop takes, valid until the next change.
func (q *queue[T]) first() *T { return &q.items[0] }

func (q *queue[T]) push(item T) {
	q.items = append(q.items, item)
	for i := len(q.items) - 1; i > 0; {
		above := (i - 1) / 2
		if !q.before(&q.items[i], &q.items[above]) {
			return
		}
		q.items[i], q.items[above] = q.items[above], q.items[i]
		i = above
	}
}

func (q *queue[T]) pop() T {
	item := q.items[0]
	last := len(q.items) - 1
	q.items[0] = q.items[last]
	var none T
	q.items[last] = none // what it points to may go
	q.items = q.items[:last]
	for i := 0; ; {
		next := 2*i + 1
		if next >= last {
			return item
		}
		if right := next + 1; right < last && q.before(&q.items[right], &q.items[next]) {
			next = right
		}
		if !q.before(&q.items[next], &q.items[i]) {
			return item
		}
		q.items[i], q.items[next] = q.items[next], q.items[i]
		i = next
	}
}
