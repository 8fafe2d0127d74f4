package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// loginTimeout is what a client has for its Hello, and for the headers of a request.
	loginTimeout = 10 * time.Second
	// dialTimeout is for the engine, which listens on this machine.
	dialTimeout = 5 * time.Second
	// lingerTimeout is how long what a client still sends is taken after the last was sent to it.
	lingerTimeout = 250 * time.Millisecond
	// drainTimeout is what requests that run have left when Run's context has ended.
	drainTimeout = 2 * time.Second
)

// Below max_connections of the engine, so that it never has to turn one of ours away.
const (
	maxNative = 160
	maxHTTP   = 80
)

// Config says where the relay listens, and whom it lets in.
type Config struct {
	Native   string   // host:port that clients connect to with the native protocol
	HTTP     string   // host:port that clients connect to with HTTP
	Accounts Accounts // who may log in; the same as in the engine's users file
}

// Engine is where the engine listens.
type Engine struct {
	Native string // host:port
	HTTP   string // host:port
	// DatabaseExists asks the engine. An error means that it could not be asked.
	DatabaseExists func(ctx context.Context, name string) (bool, error)
}

// Relay accepts connections and hands them on. Listen comes before Run, and EngineEnded may be called while it runs.
type Relay struct {
	cfg    Config
	log    *slog.Logger
	engine Engine // from Run on
	native *net.TCPListener
	http   *net.TCPListener
	slots  chan struct{} // one for each native connection

	sessions sync.WaitGroup // native connections
	requests sync.WaitGroup // connections to the engine over HTTP

	mu       sync.Mutex
	open     map[*net.TCPConn]bool // connections to the engine; true: native
	stopping bool                  // Run's context has ended: no more are opened
}

var errStopping = errors.New("the engine is stopping")

// New allocates a relay.
func New(cfg Config, log *slog.Logger) *Relay {
	return &Relay{cfg: cfg, log: log, slots: make(chan struct{}, maxNative), open: map[*net.TCPConn]bool{}}
}

// Listen takes the ports. Connections wait until Run.
func (r *Relay) Listen() error {
	var err error
	if r.native, err = listen(r.cfg.Native); err != nil {
		return err
	}
	if r.http, err = listen(r.cfg.HTTP); err != nil {
		return errors.Join(err, r.native.Close())
	}
	return nil
}

func listen(addr string) (*net.TCPListener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

// Close gives the ports back when Run was never called.
func (r *Relay) Close() error { return errors.Join(r.native.Close(), r.http.Close()) }

// Run serves until ctx ends, or until a port cannot be served any more, which is an error. Then it refuses new connections and tells the engine that no more will come on those that there are; it returns when the engine
// has closed them, or EngineEnded was called. Requests over HTTP that run have a moment to end.
func (r *Relay) Run(ctx context.Context, engine Engine) error {
	r.engine = engine
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	proxy := r.newProxy()
	var wg sync.WaitGroup
	var nativeErr, httpErr error
	stop := context.AfterFunc(ctx, func() { _ = r.native.Close() })
	defer stop()
	wg.Go(func() {
		defer cancel()
		nativeErr = r.acceptNative()
	})
	wg.Go(func() {
		defer cancel()
		httpErr = proxy.server.Serve(r.http)
	})
	<-ctx.Done()
	r.endSessions()
	drain, done := context.WithTimeout(context.Background(), drainTimeout)
	defer done()
	if proxy.server.Shutdown(drain) != nil {
		_ = proxy.server.Close()
	}
	wg.Wait()
	r.sessions.Wait()
	r.requests.Wait()
	if errors.Is(httpErr, http.ErrServerClosed) {
		httpErr = nil
	}
	return errors.Join(nativeErr, httpErr)
}

// acceptNative starts the connections, until the listener is closed.
func (r *Relay) acceptNative() error {
	for {
		client, err := r.native.AcceptTCP()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			// Such as too many open files: it passes, and ending would help nobody.
			r.log.Warn("a connection was not accepted", "err", err)
			time.Sleep(10 * time.Millisecond)
			continue
		}
		select {
		case r.slots <- struct{}{}:
			r.sessions.Go(func() {
				defer func() { <-r.slots }()
				r.serveNative(client)
			})
		default:
			r.sessions.Go(func() {
				refuse(client, tooManyConnections, fmt.Sprintf("%d connections are open already, which is the most", maxNative))
			})
		}
	}
}

// dialEngine connects a session with the engine. It fails when Run's context has ended.
func (r *Relay) dialEngine() (*net.TCPConn, error) {
	c, err := net.DialTimeout("tcp", r.engine.Native, dialTimeout)
	if err != nil {
		return nil, err
	}
	engine := c.(*net.TCPConn)
	return engine, r.register(engine, true)
}

// register has the connection closed with the others. It fails when no more are opened, and has closed it then.
func (r *Relay) register(engine *net.TCPConn, native bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopping {
		return errors.Join(errStopping, engine.Close())
	}
	r.open[engine] = native
	if !native {
		r.requests.Add(1)
	}
	return nil
}

func (r *Relay) closeEngine(engine *net.TCPConn) {
	r.mu.Lock()
	delete(r.open, engine)
	r.mu.Unlock()
	_ = engine.Close()
}

// endSessions tells the engine that no more will come, so that it need not wait for clients that are idle.
func (r *Relay) endSessions() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopping = true
	for engine, native := range r.open {
		if native {
			_ = engine.CloseWrite()
		}
	}
}

// EngineEnded ends what is left of the connections to the engine, after what is on its way, for Run to return: an engine that has ended in this process leaves
// some of its own side open.
func (r *Relay) EngineEnded() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for engine := range r.open {
		_ = engine.SetReadDeadline(time.Now().Add(lingerTimeout))
	}
}
