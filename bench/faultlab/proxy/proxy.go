package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// dialTimeout bounds reaching upstream, which is on this machine.
	dialTimeout = 5 * time.Second
	// acceptPause is how long no connection is accepted after the system could not give one, as when there are no more file descriptors.
	acceptPause = 5 * time.Millisecond
)

// Options of a proxy.
type Options struct {
	// Name of the link in errors, e.g. "gateway-broker".
	Name string
	// Upstream is the host:port that connections are passed on to.
	Upstream string
	// Kafka makes the proxy read frames, and replace the addresses of brokers in answers by its own.
	Kafka bool
}

// Proxy is one link. Its methods are safe for concurrent use.
type Proxy struct {
	options  Options
	listener *net.TCPListener
	host     string // of the listener, as answers to Kafka clients name it
	port     int32
	upstream atomic.Pointer[string] // publishes where new connections go
	shots    shots
	buffers  sync.Pool // of *[bufferBytes]byte

	mu    sync.Mutex
	conns map[*conn]struct{}
	ended bool // nothing is added to conns any more

	accepted, open, refused, unreachable, rewritten, malformed, undrained atomic.Int64 // counters for Stats
	passed                                                                [2]atomic.Int64
	faults                                                                [kinds]atomic.Int64
	problem                                                               atomic.Pointer[string]
}

// New makes a proxy that listens on a free port of 127.0.0.1. Clients can connect at once and are served once Run runs; the port is free again when Run
// has returned, so Run must be called, if only with a context that has ended.
func New(o Options) (*Proxy, error) {
	if _, _, err := net.SplitHostPort(o.Upstream); err != nil {
		return nil, fmt.Errorf("proxy %s: upstream %q is not host:port: %w", o.Name, o.Upstream, err)
	}
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("proxy %s: listen: %w", o.Name, err)
	}
	addr := l.Addr().(*net.TCPAddr)
	p := &Proxy{options: o, listener: l, host: addr.IP.String(), port: int32(addr.Port), conns: make(map[*conn]struct{})}
	p.buffers.New = func() any { return new([bufferBytes]byte) }
	p.SetUpstream(o.Upstream)
	return p, nil
}

// Addr is the proxy's own host:port.
func (p *Proxy) Addr() string { return net.JoinHostPort(p.host, strconv.Itoa(int(p.port))) }

// SetUpstream says where connections go that are accepted from now on. Those that are open stay where they are.
func (p *Proxy) SetUpstream(addr string) { p.upstream.Store(&addr) }

// Arm makes a fault happen once, at the next moment that matches, on connections that are open and on new ones. Several may be armed: where more than one
// matches, Latency comes first, then HalfOpen, then Cut or DropReply; of two of one kind the one that was armed first, but all Latencies add up. A fault that
// cannot happen on such a link is a mistake of the program: Arm panics.
func (p *Proxy) Arm(f Fault) *Shot {
	if err := f.check(p.options.Kafka); err != nil {
		panic("BUG: proxy " + p.options.Name + ": " + err.Error())
	}
	f.APIKeys = slices.Clone(f.APIKeys)
	s := &Shot{fault: f, proxy: p, fired: make(chan struct{})}
	p.shots.add(s)
	return s
}

// Run passes connections on until ctx ends. Then it closes the listener and all connections, as a fault would close them, which takes two seconds at most,
// and returns nil when everything has ended. It returns an error when the listener fails. It is called once.
func (p *Proxy) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		<-ctx.Done()
		_ = p.listener.Close() // its only error is that it is closed
		p.severAll()
	})
	err := p.accept(ctx, &wg)
	cancel()
	wg.Wait()
	return err
}

// accept serves the listener until it is closed.
func (p *Proxy) accept(ctx context.Context, wg *sync.WaitGroup) error {
	for {
		client, err := p.listener.AcceptTCP()
		switch {
		case err == nil:
			p.accepted.Add(1)
			p.open.Add(1)
			wg.Go(func() {
				defer p.open.Add(-1)
				p.serve(ctx, client)
			})
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("proxy %s: accept: %w", p.options.Name, err)
		default:
			select {
			case <-ctx.Done():
			case <-time.After(acceptPause):
			}
		}
	}
}

// serve is the life of one connection.
func (p *Proxy) serve(ctx context.Context, client *net.TCPConn) {
	if p.refuses() {
		p.refused.Add(1)
		reset(client)
		return
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	upstream, err := dialer.DialContext(ctx, "tcp", *p.upstream.Load())
	if err != nil {
		p.unreachable.Add(1)
		reset(client)
		return
	}
	c := newConn(p, client, upstream.(*net.TCPConn))
	p.mu.Lock()
	if p.ended {
		c.sever()
	}
	p.conns[c] = struct{}{}
	p.mu.Unlock()
	c.run()
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
}

// refuses tells whether a new connection is to be turned away.
func (p *Proxy) refuses() bool {
	for _, s := range p.shots.all() {
		if s.fault.matches(Refuse, ToUpstream, noKey) && s.covers(time.Now(), func() string {
			return fmt.Sprintf("turned connections away for %v", s.fault.For)
		}) {
			return true
		}
	}
	return false
}

func (p *Proxy) severAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	for c := range p.conns {
		c.sever()
	}
}

// fail counts a frame that cannot be read.
func (p *Proxy) fail(err error) {
	problem := err.Error()
	p.problem.Store(&problem)
	p.malformed.Add(1)
}

// reset closes a connection so that its peer gets a reset. What was written before arrives first, unless the peer does not take it.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0) // fails only on what is closed
	_ = c.Close()
}
