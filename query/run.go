package query

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// answerTimeout is how long requests have for their answer after their queries have ended.
const answerTimeout = 2 * time.Second

// Run serves connections from ln, which it closes, until ctx ends. Then it accepts nothing more, waits for at most DrainTimeout, ends the queries that still run, whose
// clients are told to ask again, and returns; the error then counts them. It returns early when ln fails for good. All goroutines have ended when it returns. Run is called once.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	defer s.Close()
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: s.cfg.HeaderTimeout,
		ReadTimeout:       s.cfg.BodyTimeout,
		IdleTimeout:       s.cfg.IdleTimeout,
		MaxHeaderBytes:    int(s.cfg.MaxHeaderBytes),
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		// WriteTimeout would count a query's own time; every write has its own deadline instead.
	}
	served := make(chan error, 1)
	go func() {
		served <- server.Serve(&bounded{Listener: ln, most: int64(s.cfg.MaxConnections), refused: s.gauges.connectionRefused})
	}()
	select {
	case err := <-served:
		return errors.Join(fmt.Errorf("query: serve: %w", err), server.Close())
	case <-ctx.Done():
	}
	err := s.drain(server)
	if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("query: serve: %w", ended))
	}
	return err
}

// drain waits for answers in three steps: until they are given by themselves, until those whose queries were ended are given, until the rest is cut off.
func (s *Server) drain(server *http.Server) error {
	if within(s.cfg.DrainTimeout, server.Shutdown) == nil {
		return nil
	}
	left := s.Running()
	s.log.Warn("stop: ending what is left", "queries", left, "waited", s.cfg.DrainTimeout)
	s.stop()
	err := within(s.patience.end+answerTimeout, server.Shutdown)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	if err != nil {
		err = fmt.Errorf("query: shut down: %w", err)
	}
	if left > 0 {
		err = errors.Join(err, fmt.Errorf("query: drain: %d queries were still running after %v (query.drain_timeout) and were ended", left, s.cfg.DrainTimeout))
	}
	return err
}

func within(limit time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return f(ctx)
}

// bounded is a listener with so many connections open at once; what comes beyond is closed unanswered, since an answer would cost what is to be saved.
type bounded struct {
	net.Listener
	most    int64
	refused func()
	open    atomic.Int64
}

// Accept returns the next connection that may be open.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if b.open.Add(1) <= b.most {
			return &boundedConn{Conn: c, gone: sync.OnceFunc(func() { b.open.Add(-1) })}, nil
		}
		b.open.Add(-1)
		b.refused()
		_ = c.Close() // nothing was written to it
	}
}

type boundedConn struct {
	net.Conn
	gone func()
}

// Close gives the place back.
func (c *boundedConn) Close() error {
	c.gone()
	return c.Conn.Close()
}
