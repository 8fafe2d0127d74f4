package ingest

import (
	"net/netip"
	"sync"
	"sync/atomic"
)

// budget bounds bytes held at once. The zero value has no room; set limit first. Safe for concurrent use.
type budget struct {
	limit int64
	used  atomic.Int64
}

// take takes n bytes, all or nothing.
func (b *budget) take(n int64) bool {
	if b.used.Add(n) > b.limit {
		b.used.Add(-n)
		return false
	}
	return true
}

func (b *budget) give(n int64) { b.used.Add(-n) }

// guests bounds the bodies that are read for clients who have not shown a key yet, per address. Safe for concurrent use.
type guests struct {
	bodies int
	bytes  int64

	mu   sync.Mutex
	held map[netip.Addr]guest // only addresses that hold something
}

type guest struct {
	bodies int
	bytes  int64
}

func newGuests(bodies int, bytes int64) *guests {
	return &guests{bodies: bodies, bytes: bytes, held: make(map[netip.Addr]guest)}
}

// enter admits one more body for the address.
func (g *guests) enter(addr netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	held := g.held[addr]
	if held.bodies == g.bodies {
		return false
	}
	held.bodies++
	g.held[addr] = held
	return true
}

// take takes n bytes for a body that was admitted.
func (g *guests) take(addr netip.Addr, n int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	held := g.held[addr]
	if held.bytes+n > g.bytes {
		return false
	}
	held.bytes += n
	g.held[addr] = held
	return true
}

// leave ends a body that was admitted and gives back the bytes it took.
func (g *guests) leave(addr netip.Addr, n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	held := g.held[addr]
	held.bodies--
	held.bytes -= n
	if held.bodies == 0 {
		delete(g.held, addr)
		return
	}
	g.held[addr] = held
}

// source is what limits per address count as one: the address itself, or the /64 of an IPv6 address, which is what one customer has.
func source(addr netip.Addr) netip.Addr {
	if addr.Is4() || !addr.IsValid() {
		return addr
	}
	p, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return addr
	}
	return p.Addr()
}
