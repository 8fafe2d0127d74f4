package pipeline

// queue holds the chunks of one partition that were popped off the ring and wait for the batch in flight, in order. The shard's own.
type queue struct {
	head, tail *chunk
	size       int // bytes in a batch
}

func (q *queue) push(c *chunk) {
	c.next = nil
	if q.tail == nil {
		q.head = c
	} else {
		q.tail.next = c
	}
	q.tail = c
	q.size += c.size
}

// pop takes the head off. The queue must not be empty.
func (q *queue) pop() *chunk {
	c := q.head
	q.head, c.next = c.next, nil
	if q.head == nil {
		q.tail = nil
	}
	q.size -= c.size
	return c
}

// span is consecutive records of chunks of one partition: n of them, without the first skip of the first chunk.
type span struct {
	chunks  []*chunk
	skip, n int
}

// each calls fn for each chunk with the records of it that are in the span: count of them, after the first skip. fn may let the chunk go.
func (sp span) each(fn func(c *chunk, skip, count int)) {
	skip, n := sp.skip, sp.n
	for _, c := range sp.chunks {
		count := min(c.records-skip, n)
		n -= count
		fn(c, skip, count)
		skip = 0
	}
}

// halves cuts a span of two or more records in two.
func (sp span) halves() (left, right span) {
	half := sp.n / 2
	left, right = span{sp.chunks, sp.skip, half}, span{nil, 0, sp.n - half}
	at := 0 // records of the span before chunk i
	for i, c := range sp.chunks {
		skip := 0
		if i == 0 {
			skip = sp.skip
		}
		count := c.records - skip
		if at+count > half {
			right.chunks, right.skip = sp.chunks[i:], skip+half-at
			left.chunks = sp.chunks[:i+1]
			if at == half {
				left.chunks = sp.chunks[:i]
			}
			return left, right
		}
		at += count
	}
	panic("BUG: span without its records")
}
