package ingest

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// conn is a connection that can be told to end, and that ends politely: when a request was refused before its body was read, the client is still sending, and a plain
// close would answer with a reset that can overtake the refusal. Such a connection is closed for writing first, then read to its end for a while.
type conn struct {
	net.Conn
	addr netip.Addr // of the client; invalid when it has no IP address

	mu       sync.Mutex
	active   bool // a request has begun to arrive and is not answered yet
	draining bool // no further request is wanted
	linger   bool // the client may still be sending
	closed   bool
}

const (
	// lingerTimeout is how long a client may go on sending a body that was refused.
	lingerTimeout = 2 * time.Second
	// lingerBytes is how much of it is read and dropped.
	lingerBytes = 64 << 20
)

// longAgo is a deadline that ends a pending read at once.
var longAgo = time.Unix(1, 0)

// setActive notes that a request begins or has been answered.
func (c *conn) setActive(active bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.active = active
	if active {
		c.linger = false
	}
}

// unread notes that the request's body was not read to its end.
func (c *conn) unread() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.linger = true
}

// SetReadDeadline is the connection's, but that a draining connection does not wait for another request.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining && !c.active {
		t = longAgo
	}
	return c.Conn.SetReadDeadline(t)
}

// drain ends the connection when its current request is answered, or now when there is none. A request that has begun to arrive is read and
// answered.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	if !c.active {
		_ = c.Conn.SetReadDeadline(longAgo) // a connection that cannot is closed already
	}
}

// abort closes the connection under whoever is reading or writing it.
func (c *conn) abort() { _ = c.Conn.Close() }

// Close ends the connection. It blocks for lingerTimeout at most.
func (c *conn) Close() error {
	c.mu.Lock()
	linger := c.linger && !c.closed && !c.draining
	first := !c.closed
	c.closed = true
	c.active = false // drain may end the lingering
	c.mu.Unlock()
	if !first {
		return nil
	}
	if linger {
		c.lingering()
	}
	return c.Conn.Close()
}

func (c *conn) lingering() {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || c.SetReadDeadline(time.Now().Add(lingerTimeout)) != nil {
		return
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(c.Conn, lingerBytes)) // whatever ends it, the connection is closed next
}

// connTable holds the open connections, and counts them per source. Safe for concurrent use.
type connTable struct {
	mu     sync.Mutex
	open   map[*conn]struct{}
	source map[netip.Addr]int // only sources that have one open
}

func newConnTable() *connTable {
	return &connTable{open: make(map[*conn]struct{}), source: make(map[netip.Addr]int)}
}

// add takes a connection in unless that would exceed a limit: of all connections, or of those from one source.
func (t *connTable) add(c *conn, limit, limitPerSource int) (refused int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.open) >= limit {
		return refusedTotal, false
	}
	if c.addr.IsValid() {
		from := source(c.addr)
		if t.source[from] >= limitPerSource {
			return refusedPerIP, false
		}
		t.source[from]++
	}
	t.open[c] = struct{}{}
	return 0, true
}

func (t *connTable) remove(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, c)
	if !c.addr.IsValid() {
		return
	}
	from := source(c.addr)
	if t.source[from]--; t.source[from] == 0 {
		delete(t.source, from)
	}
}

func (t *connTable) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.open)
}

// each calls fn for every open connection. fn must not block.
func (t *connTable) each(fn func(*conn)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.open {
		fn(c)
	}
}
