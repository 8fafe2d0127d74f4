package broker

import "sync"

const (
	keepBuffers     = 32
	keepBufferBytes = 16 << 20
)

// bufferList keeps request buffers for reuse. A buffer comes back only when its exchange has ended well: after an error the
// connection may still be writing it, and it is left to the garbage collector.
type bufferList struct {
	mu   sync.Mutex
	free [][]byte
}

func (l *bufferList) get(size int) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.free) - 1; i >= 0; i-- {
		if b := l.free[i]; cap(b) >= size {
			last := len(l.free) - 1
			l.free[i] = l.free[last]
			l.free[last] = nil
			l.free = l.free[:last]
			return b[:0]
		}
	}
	return make([]byte, 0, size)
}

func (l *bufferList) put(b []byte) {
	if cap(b) > keepBufferBytes {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.free) == keepBuffers {
		// The oldest goes: a list full of small buffers must learn larger sizes.
		copy(l.free, l.free[1:])
		l.free = l.free[:keepBuffers-1]
	}
	l.free = append(l.free, b)
}
