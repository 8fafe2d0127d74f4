package ring

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// model is a plain queue with the same contract. The ring is driven in single atomic steps, in any order that real goroutines could produce.
type model struct {
	ring     *Ring[int]
	slots    int
	maxBytes int64

	reserved []int64 // sizes of reservations not yet used
	begun    []push  // claimed, not yet published
	owed     int     // published, or given up after Close, and not yet woken
	queue    []push  // by number; those not published yet hold the rest back
	popped   []int64 // sizes not yet freed
	closed   bool
	pushes   uint64
	pops     uint64

	announced, parked bool // the consumer: between the steps of Park; waiting
	refused           int
	wokenBy           int
}

type push struct {
	pos       uint64
	value     int
	size      int64
	published bool
}

func (m *model) entries() int { return len(m.reserved) + len(m.queue) }

func (m *model) bytes() (n int64) {
	for _, size := range m.reserved {
		n += size
	}
	for _, p := range m.queue {
		n += p.size
	}
	for _, size := range m.popped {
		n += size
	}
	return n
}

func take[E any](t *rapid.T, s *[]E) (E, bool) {
	var none E
	if len(*s) == 0 {
		return none, false
	}
	i := rapid.IntRange(0, len(*s)-1).Draw(t, "which")
	e := (*s)[i]
	*s = slices.Delete(*s, i, i+1)
	return e, true
}

func (m *model) reserve(t *rapid.T) {
	size := rapid.Int64Range(0, m.maxBytes+1).Draw(t, "size")
	want := !m.closed && m.entries() < m.slots && m.bytes()+size <= m.maxBytes
	if got := m.ring.TryReserve(size); got != want {
		t.Fatalf("TryReserve(%d) = %v with %d entries and %d bytes, closed %v", size, got, m.entries(), m.bytes(), m.closed)
	}
	if want {
		m.reserved = append(m.reserved, size)
	} else {
		m.refused++
	}
}

func (m *model) release(t *rapid.T) {
	if size, ok := take(t, &m.reserved); ok {
		m.ring.Release(size) // its wake-up is part of it, and only makes the schedule kinder when closed
	}
}

func (m *model) claim(t *rapid.T) {
	size, ok := take(t, &m.reserved)
	if !ok {
		return
	}
	p := push{pos: m.ring.claim(), value: int(m.pushes) + 1000, size: size}
	if p.pos != m.pushes {
		t.Fatalf("push number %d, want %d", p.pos, m.pushes)
	}
	m.pushes++
	m.begun = append(m.begun, p)
	m.queue = append(m.queue, p)
}

func (m *model) publish(t *rapid.T) {
	p, ok := take(t, &m.begun)
	if !ok {
		return
	}
	m.ring.publish(p.pos, p.value)
	m.queue[p.pos-m.pops].published = true
	m.owed++
}

func (m *model) wake(*rapid.T) {
	if m.owed > 0 {
		m.owed--
		m.ring.wake()
	}
}

func (m *model) consumerAwake() bool { return !m.parked && !m.announced }

func (m *model) pop(t *rapid.T) {
	if !m.consumerAwake() {
		return
	}
	v, ok := m.ring.Pop()
	want := len(m.queue) > 0 && m.queue[0].published
	if ok != want || ok && v != m.queue[0].value {
		t.Fatalf("Pop() = %d, %v; queue %v", v, ok, m.queue)
	}
	if ok {
		m.popped = append(m.popped, m.queue[0].size)
		m.queue = m.queue[1:]
		m.pops++
	}
}

func (m *model) free(t *rapid.T) {
	if size, ok := take(t, &m.popped); ok && m.consumerAwake() {
		m.ring.Free(size)
	} else if ok {
		m.popped = append(m.popped, size)
	}
}

func (m *model) announce(*rapid.T) {
	if m.consumerAwake() {
		m.announced = true
		m.ring.announce()
	}
}

func (m *model) look(*rapid.T) {
	if !m.announced {
		return
	}
	m.announced = false
	if m.ring.pending() {
		m.ring.Unpark()
		return
	}
	m.parked = true
}

func (m *model) receive(*rapid.T) {
	if !m.parked {
		return
	}
	select {
	case <-m.ring.Ready():
		m.parked = false
		m.wokenBy++
		m.ring.Unpark()
	default:
	}
}

// interrupt is another event waking the consumer.
func (m *model) interrupt(*rapid.T) {
	if m.parked {
		m.parked = false
		m.ring.Unpark()
	}
}

func (m *model) close(t *rapid.T) {
	if rapid.IntRange(0, 9).Draw(t, "close") == 0 {
		m.closed = true
		m.ring.Close()
	}
}

func (m *model) check(t *rapid.T) {
	if got, want := m.ring.Entries(), m.entries(); got != want {
		t.Fatalf("%d entries, want %d", got, want)
	}
	if got, want := m.ring.Bytes(), m.bytes(); got != want {
		t.Fatalf("%d bytes, want %d", got, want)
	}
	ended := m.closed && m.entries() == 0
	if got := m.ring.Ended(); got != ended {
		t.Fatalf("Ended() = %v with %d entries, closed %v", got, m.entries(), m.closed)
	}
	// The consumer waits, nobody is about to wake it, no token: then there must be nothing to do.
	todo := ended || len(m.queue) > 0 && m.queue[0].published
	if m.parked && todo && m.owed == 0 && len(m.ring.ready) == 0 {
		t.Fatalf("the wake-up was lost: queue %v, closed %v", m.queue, m.closed)
	}
}

func TestModel(t *testing.T) {
	var refused, woken int
	schedule := func(t *rapid.T) {
		entries := rapid.IntRange(1, 5).Draw(t, "entries")
		maxBytes := rapid.Int64Range(0, 40).Draw(t, "maxBytes")
		m := &model{ring: New[int](entries, maxBytes), maxBytes: maxBytes}
		m.slots, _ = m.ring.Cap()
		t.Repeat(map[string]func(*rapid.T){
			"reserve": m.reserve, "reserve2": m.reserve, "release": m.release, "claim": m.claim, "claim2": m.claim, "publish": m.publish, "wake": m.wake,
			"pop": m.pop, "pop2": m.pop, "free": m.free, "announce": m.announce, "look": m.look, "receive": m.receive, "interrupt": m.interrupt,
			"close": m.close, "": m.check,
		})
		refused += m.refused
		woken += m.wokenBy
	}
	for range 20 { // a hundred schedules each, some hundred milliseconds together
		rapid.Check(t, schedule)
	}
	if refused == 0 || woken == 0 {
		t.Errorf("the schedules never met a full ring (%d) or a wake-up (%d)", refused, woken)
	}
}
