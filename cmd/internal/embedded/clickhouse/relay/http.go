package relay

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"
)

const (
	// idleTimeout is how long a client's connection may wait for its next request.
	idleTimeout = time.Minute
	// maxHeaderBytes leaves room for a query in the address, of which ClickHouse takes 1 MiB.
	maxHeaderBytes = 2 << 20
)

// proxy hands requests over HTTP to the engine.
type proxy struct {
	server *http.Server
	slots  chan struct{} // one for each request
	next   http.Handler
}

func (r *Relay) newProxy() *proxy {
	p := &proxy{slots: make(chan struct{}, maxHTTP)}
	dialer := net.Dialer{Timeout: dialTimeout}
	p.next = &httputil.ReverseProxy{
		Rewrite: func(req *httputil.ProxyRequest) {
			req.Out.URL.Scheme, req.Out.URL.Host = "http", r.engine.HTTP
			req.Out.Host = req.In.Host
			req.Out.URL.RawQuery = req.In.URL.RawQuery // as it came, whatever Go thinks of it
			req.Out.Header.Del("Expect")               // what the client waits for, it gets from here
		},
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				c, err := dialer.DialContext(ctx, network, addr)
				if err != nil {
					return nil, err
				}
				return r.track(c.(*net.TCPConn))
			},
			// One connection for each request: the engine sees no second request that does not end.
			DisableKeepAlives:  true,
			DisableCompression: true, // what the client asked for is between it and the engine
		},
		FlushInterval: -1, // progress and rows as they come
		ErrorHandler: func(w http.ResponseWriter, req *http.Request, err error) {
			if req.Context().Err() == nil { // else nobody hears it
				r.log.Debug("a request was not answered", "err", err)
				http.Error(w, "the engine did not answer: "+err.Error(), http.StatusBadGateway)
			}
		},
		ErrorLog: slog.NewLogLogger(r.log.Handler(), slog.LevelDebug),
	}
	p.server = &http.Server{
		Handler:           p,
		ReadHeaderTimeout: loginTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(r.log.Handler(), slog.LevelDebug),
	}
	return p
}

// ServeHTTP answers one request.
func (p *proxy) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if foreign(req) {
		http.Error(w, "this page may not ask: its origin is not this machine", http.StatusForbidden)
		return
	}
	// The engine may answer before it has read all, as it does when there is nothing to insert into. The client hears it at once, even if it sends no more.
	if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
		http.Error(w, err.Error(), http.StatusHTTPVersionNotSupported)
		return
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	default:
		w.Header().Set("Retry-After", "1")
		http.Error(w, fmt.Sprintf("%d requests run already, which is the most: try again", maxHTTP), http.StatusServiceUnavailable)
		return
	}
	p.next.ServeHTTP(w, req)
}

// foreign tells whether a browser sent the request for a page that is not of this machine. Without this, any page that somebody looks at here could ask as the
// account without a password: it would not see the answer, but a statement needs no answer to have its effect.
func foreign(req *http.Request) bool {
	origin := req.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	if err != nil {
		return true
	}
	if ip := net.ParseIP(u.Hostname()); ip != nil {
		return !ip.IsLoopback()
	}
	return u.Hostname() != "localhost"
}

// engineConn is a connection to the engine that is closed in order.
type engineConn struct {
	*net.TCPConn
	relay *Relay
	once  sync.Once
}

// track makes an engineConn, which Run waits for. It fails when Run's context has ended.
func (r *Relay) track(c *net.TCPConn) (net.Conn, error) {
	if err := r.register(c, false); err != nil {
		return nil, err
	}
	return &engineConn{TCPConn: c, relay: r}, nil
}

// Close tells the engine that no more will come, and takes the rest of what it sends.
func (c *engineConn) Close() error {
	c.once.Do(func() {
		_ = c.CloseWrite()
		_ = c.SetDeadline(time.Time{})
		go func() {
			defer c.relay.requests.Done()
			drain(c.TCPConn)
			c.relay.closeEngine(c.TCPConn)
		}()
	})
	return nil
}
