package ingest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/millrace/millrace/schema"
	"github.com/valyala/fasthttp"
)

// Run serves connections from ln, which it closes, until ctx ends. Then it stops accepting, lets the requests in flight finish (each answer says
// Connection: close), waits for at most DrainTimeout, cuts off what is left and returns; the error then counts the requests whose Submit had to be cancelled. It returns early when ln fails for good. All
// goroutines have ended when it returns, provided that Submit returns when its context ends. Run is called once.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	var cancel context.CancelFunc
	s.ctx, cancel = context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()

	var serving sync.WaitGroup // connections
	accepting := make(chan error, 1)
	go func() { accepting <- s.accept(ctx, ln, &serving) }()

	var failed error
	select {
	case <-ctx.Done():
		s.draining.Store(true)
		_ = ln.Close() // only to end Accept
		failed = <-accepting
	case failed = <-accepting:
		s.draining.Store(true)
		_ = ln.Close()
	}
	s.conns.each((*conn).drain)

	ended := make(chan struct{})
	go func() {
		serving.Wait()
		close(ended)
	}()
	return errors.Join(failed, s.finish(ended, cancel))
}

// cutTimeout is how long requests that were cut off have for their answer.
const cutTimeout = time.Second

// finish waits for the connections in three steps: until they end by themselves, until those whose Submit was cancelled have answered, until those that were
// closed have noticed.
func (s *Server) finish(ended <-chan struct{}, cancel context.CancelFunc) error {
	if wait(ended, s.cfg.DrainTimeout) {
		return nil
	}
	left, connections := s.submitting.Load(), s.conns.count()
	s.log.Warn("stop: cutting off what is left", "requests", left, "connections", connections, "waited", s.cfg.DrainTimeout)
	cancel()
	if !wait(ended, cutTimeout) {
		s.conns.each((*conn).abort)
		<-ended
	}
	if left == 0 {
		return nil // clients who were still sending: nothing of theirs was taken
	}
	return fmt.Errorf("ingest: drain: %d requests were still without an outcome after %v (ingest.drain_timeout) and were told to retry", left, s.cfg.DrainTimeout)
}

func wait(ended <-chan struct{}, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-ended:
		return true
	case <-timer.C:
		return false
	}
}

// Pauses of an Accept that fails, as when the process is out of file descriptors.
const (
	acceptPause    = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// accept gives each connection its goroutine. Errors of Accept are waited out: the usual ones pass when other connections close.
func (s *Server) accept(ctx context.Context, ln net.Listener, serving *sync.WaitGroup) error {
	pause := acceptPause
	for {
		nc, err := ln.Accept()
		if err == nil {
			pause = acceptPause
			s.open(nc, serving)
			continue
		}
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("ingest: accept: %w", err)
		}
		if n, ok := s.logAccept.allow(time.Now()); ok {
			s.log.Warn("cannot accept connections; trying again", "error", err, "suppressed", n)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		pause = min(2*pause, maxAcceptPause)
	}
}

// open serves a connection on a goroutine of its own, or refuses it.
func (s *Server) open(nc net.Conn, serving *sync.WaitGroup) {
	c := &conn{Conn: nc}
	if tcp, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		c.addr = tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	if why, ok := s.conns.add(c, s.cfg.MaxConnections, s.cfg.MaxConnectionsPerIP); !ok {
		s.turnAway(nc, why)
		return
	}
	if tcp, ok := nc.(*net.TCPConn); ok {
		_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: keepAlivePeriod, Interval: keepAlivePeriod / 3, Count: 3}) // a service to ourselves only
	}
	serving.Go(func() {
		defer s.conns.remove(c)
		defer func() {
			if p := recover(); p != nil {
				s.panicked(p, nil)
				c.abort()
			}
		}()
		// Its error has been answered where there was anyone to answer, and it names the client's fault.
		_ = s.http.ServeConn(c)
	})
}

// turnAway answers a connection that is one too many. It must not block: the answer fits the empty send buffer of a new connection or is lost.
func (s *Server) turnAway(nc net.Conn, why int) {
	s.gauges.refused[why].Inc()
	c := codeOverloaded
	detail := fmt.Sprintf("the gateway has %d connections open (limit ingest.max_connections): retry, or raise the limit", s.cfg.MaxConnections)
	if why == refusedPerIP {
		c = codeRateLimited
		detail = fmt.Sprintf("%d connections are open from this address (limit ingest.max_connections_per_ip): reuse connections, or raise the limit", s.cfg.MaxConnectionsPerIP)
	}
	now := time.Now()
	id := schema.NewUUIDv7(now.UnixMilli()).AppendText(nil)
	body := append(appendProblem(nil, c.String(), codes[c].title, codes[c].status, detail, id), '}')
	answer := fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: %s\r\nX-Request-Id: %s\r\nRetry-After: %s\r\nContent-Length: %d\r\n\r\n",
		codes[c].status, fasthttp.StatusMessage(codes[c].status), problemType, id, strconv.Itoa(c.retryAfter()), len(body))
	_ = nc.SetWriteDeadline(now.Add(10 * time.Millisecond))
	_, _ = nc.Write(append(answer, body...))
	_ = nc.Close()
}
