package proxy

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// drainTimeout is how long upstream may take to end after its half-close.
	drainTimeout = 2 * time.Second
	// settleTimeout is how long upstream must be silent for a raw answer to be over. It is more than twice the distance in which ClickHouse reports
	// progress, which comes before the answer proper.
	settleTimeout = 250 * time.Millisecond
)

// Reasons why a stream ends. A plain io.EOF is its source's orderly end.
var (
	// errSevered: the connection was ended by the proxy.
	errSevered = errors.New("severed")
	// errWrite: the destination takes nothing more.
	errWrite = errors.New("write")
)

// conn is one connection with both of its sides.
type conn struct {
	proxy            *Proxy
	client, upstream *net.TCPConn
	up, down         stream
	requests         requests // Kafka: sent and not answered

	silent atomic.Pointer[chan struct{}] // while it is there, nothing begins to pass to the client; closed when that is over

	once sync.Once
	done chan struct{} // closed when the connection is severed: the client's side is then closed
}

func newConn(p *Proxy, client, upstream *net.TCPConn) *conn {
	c := &conn{proxy: p, client: client, upstream: upstream, done: make(chan struct{})}
	c.up = stream{conn: c, dir: ToUpstream, src: client, dst: upstream, other: &c.down}
	c.down = stream{conn: c, dir: ToClient, src: upstream, dst: client, other: &c.up}
	return c
}

// run passes bytes on both ways until both have ended, and closes both sides.
func (c *conn) run() {
	pumpUp, pumpDown := c.up.pumpRaw, c.down.pumpRaw
	if c.proxy.options.Kafka {
		pumpUp, pumpDown = c.up.pumpRequests, c.down.pumpAnswers
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		// Where upstream takes nothing more, its last words are still to be passed on: the other stream then comes to its end.
		if err := c.up.run(pumpUp); !errors.Is(err, io.EOF) && !errors.Is(err, errWrite) {
			c.sever()
		}
		_ = c.upstream.CloseWrite() // fails only if upstream is gone
	})
	if err := c.down.run(pumpDown); errors.Is(err, io.EOF) && !c.severed() {
		_ = c.client.CloseWrite() // fails only if the client is gone
	} else {
		c.sever()
		c.drain()
	}
	wg.Wait()
	_ = c.client.Close() // closed already, if severed
	_ = c.upstream.Close()
}

// sever ends the connection: the client gets a reset, and no stream waits any longer. The stream to upstream half-closes its side, the one from upstream
// drains it. When sever returns the client's side is closed. It must not be called from within a read or write.
func (c *conn) sever() {
	c.once.Do(func() {
		reset(c.client)
		now := time.Now()
		_ = c.upstream.SetWriteDeadline(now) // these fail only on what is closed
		_ = c.upstream.SetReadDeadline(now.Add(drainTimeout))
		close(c.done)
	})
}

func (c *conn) severed() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// silence keeps what upstream says from the client until speak is called, or the connection is severed.
func (c *conn) silence() (speak func()) {
	over := make(chan struct{})
	c.silent.Store(&over)
	return func() {
		c.silent.Store(nil)
		close(over)
	}
}

// mayAnswer waits until bytes may pass to the client.
func (c *conn) mayAnswer() error {
	over := c.silent.Load()
	if over == nil {
		return nil
	}
	select {
	case <-*over:
		if c.severed() {
			return errSevered
		}
		return nil
	case <-c.done:
		return errSevered
	}
}

// drain reads what upstream still says, so that closing its side is no reset.
func (c *conn) drain() {
	_ = c.upstream.SetReadDeadline(time.Now().Add(drainTimeout)) // settle may have left a shorter one
	buf := c.proxy.buffers.Get().(*[bufferBytes]byte)
	defer c.proxy.buffers.Put(buf)
	for {
		if _, err := c.upstream.Read(buf[:]); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				c.proxy.undrained.Add(1)
			}
			return
		}
	}
}

// pause waits, and tells whether the connection is still wanted then.
func (c *conn) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.done:
		return false
	}
}
