package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/millrace/millrace/schema"
	"github.com/valyala/fasthttp"
)

// Submitter takes the events of one request.
type Submitter interface {
	// Submit blocks until every event of b has its final outcome, or ctx ends. It borrows b until it returns. nil: the outcomes stand in b.Events and
	// b.Durability. An error says why nothing of the request is acknowledged: one of schema.ErrOverloaded, ErrBrokerUnavailable, ErrStorageFull and
	// ErrBacklog, or ctx's. It is called concurrently.
	Submit(ctx context.Context, b *schema.Batch) error
}

// Deps are what the server needs from others. All are required.
type Deps struct {
	Submitter Submitter
	// Validate decides on every event of b as the Submitter would, and stores nothing. It borrows b until it returns and is called concurrently.
	Validate func(b *schema.Batch)
	Keys     Keyring
	// Health answers /readyz and its aliases: 200 while events can be accepted durably. verbose asks for each dependency. It is called concurrently and must not
	// block.
	Health  func(verbose bool) (status int, body []byte)
	Log     *slog.Logger
	Metrics *metrics.Set
}

// Server is the HTTP door. Make it with New, then Run it once.
type Server struct {
	cfg    Config
	limits schema.Limits
	deps   Deps
	log    *slog.Logger

	http   *fasthttp.Server
	conns  *connTable
	gauges *gauges

	requests sync.Pool // *request
	decoders *decoders

	bodies   budget
	guests   *guests
	inflight atomic.Int64 // requests that are being handled
	// submitting counts the requests that are lent to the Submitter.
	submitting atomic.Int64
	draining   atomic.Bool

	// ctx is the context of every Submit; it ends when a stop has waited long enough. Set by Run before the first connection.
	ctx context.Context

	logRefused, logFailed, logPanic, logAccess, logAccept throttle
}

// New makes a server and registers its metrics; it starts nothing.
func New(cfg Config, limits schema.Limits, deps Deps) (*Server, error) {
	err := errors.Join(cfg.Validate(), limits.Validate())
	switch {
	case deps.Submitter == nil:
		err = errors.Join(err, errors.New("no submitter"))
	case deps.Validate == nil:
		err = errors.Join(err, errors.New("no validation"))
	case deps.Keys == nil:
		err = errors.Join(err, errors.New("no keyring"))
	case deps.Health == nil:
		err = errors.Join(err, errors.New("no health function"))
	case deps.Log == nil:
		err = errors.Join(err, errors.New("no logger"))
	case deps.Metrics == nil:
		err = errors.Join(err, errors.New("no metrics set"))
	}
	if err != nil {
		return nil, fmt.Errorf("ingest: %w", err)
	}
	s := &Server{
		cfg:      cfg,
		limits:   limits,
		deps:     deps,
		log:      deps.Log,
		conns:    newConnTable(),
		guests:   newGuests(cfg.MaxUnauthenticatedBodies, cfg.MaxUnauthenticatedBytes),
		bodies:   budget{limit: cfg.MaxInflightBytes},
		decoders: newDecoders(),
	}
	s.requests.New = func() any { return newRequest(s) }
	s.gauges = newGauges(deps.Metrics, s)
	s.http = s.newHTTP()
	return s, nil
}

const (
	// writeBufferBytes holds a typical answer, so that it leaves in one write.
	writeBufferBytes = 4 << 10
	// keepAlivePeriod finds clients that are gone without a word.
	keepAlivePeriod = 30 * time.Second
)

// newHTTP sets every limit that fasthttp has, also those that matter only when it accepts connections itself. Connections and handlers are bounded before it sees them (accept.go, admit.go), with answers of our own; its
// limit per address stays off, because it would hide our conn from the handler.
func (s *Server) newHTTP() *fasthttp.Server {
	return &fasthttp.Server{
		Handler:       s.handle,
		ErrorHandler:  s.handleBroken,
		ExpectHandler: s.expect,
		HeaderReceived: func(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
			if h.ContentLength() == 0 || h.ContentLength() == noBody {
				return fasthttp.RequestConfig{}
			}
			// The header is here: from now on the body's clock runs.
			return fasthttp.RequestConfig{ReadTimeout: s.cfg.BodyTimeout}
		},
		ConnState: func(c net.Conn, state fasthttp.ConnState) {
			if c, ok := c.(*conn); ok {
				c.setActive(state == fasthttp.StateActive)
			}
		},
		Logger:                       httpLog{s},
		Concurrency:                  s.cfg.MaxConnections,
		MaxRequestsPerConn:           s.cfg.MaxRequestsPerConnection,
		MaxRequestBodySize:           int(s.cfg.MaxBodyBytes),
		ReadBufferSize:               int(s.cfg.MaxHeaderBytes),
		WriteBufferSize:              writeBufferBytes,
		ReadTimeout:                  s.cfg.HeaderTimeout,
		WriteTimeout:                 s.cfg.WriteTimeout,
		IdleTimeout:                  s.cfg.IdleTimeout,
		MaxIdleWorkerDuration:        s.cfg.IdleTimeout,
		TCPKeepalive:                 true,
		TCPKeepalivePeriod:           keepAlivePeriod,
		LazyRequestTime:              true,
		DisablePreParseMultipartForm: true,
		SecureErrorLogMessage:        true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		CloseOnShutdown:              true,
		StreamRequestBody:            true,
	}
}

// httpLog writes what fasthttp has to say, throttled; its messages hold no part of a request (SecureErrorLogMessage).
type httpLog struct{ s *Server }

func (l httpLog) Printf(format string, args ...any) {
	if n, ok := l.s.logFailed.allow(time.Now()); ok {
		l.s.log.Warn("http server", "message", fmt.Sprintf(format, args...), "suppressed", n)
	}
}
