package load

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/scenario"
)

const accepted = ok + "Content-Length: 42\r\n\r\n" + `{"accepted":5,"rejected":0,"results":[]  }`

// raw is a server that does with its connections what a test wants.
type raw struct {
	net.Listener
	connections atomic.Int64
	requests    atomic.Int64
}

// newRaw serves each connection with serve, which gets the number of the connection, from 1, and a function that reads the next request; nil is the end.
func newRaw(t *testing.T, serve func(n int, c *net.TCPConn, next func() *request)) *raw {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &raw{Listener: l}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n := int(s.connections.Add(1))
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				in := bufio.NewReader(c)
				serve(n, c.(*net.TCPConn), func() *request {
					r, err := http.ReadRequest(in)
					if err != nil {
						return nil
					}
					seen, err := decode(r)
					if err != nil {
						return nil
					}
					s.requests.Add(1)
					return &seen
				})
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return s
}

func (s *raw) url() string { return "http://" + s.Addr().String() }

// TestBrokenAnswers: what happens to a connection under a request leaves the outcome open, is named by its kind, and the next request goes on with new numbers
// on a new connection.
func TestBrokenAnswers(t *testing.T) {
	for _, c := range []struct {
		name, kind string
		status     uint16
		serve      func(c *net.TCPConn)
	}{
		{name: "closed", kind: kindEOF, serve: func(*net.TCPConn) {}},
		{name: "half an answer", kind: kindEOF, serve: func(c *net.TCPConn) { _, _ = io.WriteString(c, accepted[:60]) }},
		{name: "reset", kind: kindReset, serve: func(c *net.TCPConn) { _ = c.SetLinger(0) }},
		{name: "reset in the middle", kind: kindReset, serve: func(c *net.TCPConn) {
			_, _ = io.WriteString(c, accepted[:60])
			_ = c.SetLinger(0)
		}},
		{name: "garbage", kind: kindBadAnswer, serve: func(c *net.TCPConn) { _, _ = io.WriteString(c, "220 mail.example ESMTP\r\n") }},
		{name: "another answer", kind: kindBadAnswer, status: 200, serve: func(c *net.TCPConn) { _, _ = io.WriteString(c, ok+"\r\nhello") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, func(s *scenario.Scenario) { s.Load.Connections = 1 })
			var broken atomic.Int64
			target := newRaw(t, func(n int, conn *net.TCPConn, next func() *request) {
				for i := 0; next() != nil; i++ {
					if n <= 3 && i == 5 {
						broken.Add(1)
						c.serve(conn)
						return
					}
					_, _ = io.WriteString(conn, accepted)
				}
			})
			s := l.mustRun(t, target.url())
			if s.Counts.Requests != 200 || s.Counts.Errors != 3 || s.ErrorKinds[c.kind] != 3 || s.Counts.Unknown != 15 || s.Counts.Accepted != 985 || s.Counts.Dropped != 0 {
				t.Fatalf("%+v, kinds %v", s.Counts, s.ErrorKinds)
			}
			if timed := uint64(200 - 3); c.status == 0 && s.Latency.Count != timed || c.status != 0 && s.Latency.Count != 200 {
				t.Fatalf("%d latencies: only answers take time", s.Latency.Count)
			}
			for _, e := range l.entries {
				if (e.Answer == ledger.Unknown) != (e.Status == c.status && e.Status != 200 || e.Status == 200 && c.status == 200 && e.Seq%30 == 25 && e.Seq < 90) {
					t.Fatalf("%+v", e)
				}
			}
			if target.connections.Load() != 4 || target.requests.Load() != 200 || broken.Load() != 3 {
				t.Fatalf("%d connections, %d requests, %d broken", target.connections.Load(), target.requests.Load(), broken.Load())
			}
		})
	}
}

// TestTimeout: a request without an answer fails after the timeout, which is its latency.
func TestTimeout(t *testing.T) {
	l := newLab(t, func(s *scenario.Scenario) {
		s.Load.Connections, s.Load.Timeout = 2, 100*time.Millisecond
		s.Load.Stages[0].Rate = 500
	})
	target := newRaw(t, func(n int, conn *net.TCPConn, next func() *request) {
		for next() != nil {
			if n == 1 {
				next() // which comes when the client has given up
				return
			}
			_, _ = io.WriteString(conn, accepted)
		}
	})
	s := l.mustRun(t, target.url())
	if s.Counts.Requests != 20 || s.ErrorKinds[kindTimeout] != 1 || s.Counts.Unknown != 5 || s.Latency.Count != 20 || s.Service.Max < 100 || s.Service.P90 > 90 {
		t.Fatalf("%+v, kinds %v, service %+v", s.Counts, s.ErrorKinds, s.Service)
	}
}

// TestConnectionClose: a server that ends its connections in an orderly way causes no errors.
func TestConnectionClose(t *testing.T) {
	l := newLab(t, func(s *scenario.Scenario) { s.Load.Connections = 2 })
	target := newRaw(t, func(_ int, conn *net.TCPConn, next func() *request) {
		for range 9 {
			if next() == nil {
				return
			}
			_, _ = io.WriteString(conn, accepted)
		}
		next()
		_, _ = io.WriteString(conn, strings.Replace(accepted, "\r\n", "\r\nConnection: close\r\n", 1))
	})
	s := l.mustRun(t, target.url())
	if s.Counts.Errors != 0 || s.Counts.Accepted != 1000 || target.connections.Load() < 20 || target.connections.Load() > 22 {
		t.Fatalf("%+v, kinds %v, %d connections", s.Counts, s.ErrorKinds, target.connections.Load())
	}
}

// TestUnaskedAnswer: what follows an answer is not taken for the next one.
func TestUnaskedAnswer(t *testing.T) {
	l := newLab(t, func(s *scenario.Scenario) { s.Load.Connections = 1; s.Load.Stages[0].Rate = 250 })
	target := newRaw(t, func(n int, conn *net.TCPConn, next func() *request) {
		for next() != nil {
			answer := accepted
			if n == 1 {
				answer += strings.Replace(accepted, "200", "500", 1)
			}
			_, _ = io.WriteString(conn, answer)
		}
	})
	s := l.mustRun(t, target.url())
	if s.Counts.Errors != 0 || s.Counts.Accepted != 50 || target.connections.Load() != 2 {
		t.Fatalf("%+v, kinds %v, %d connections", s.Counts, s.ErrorKinds, target.connections.Load())
	}
}

// TestIdleConnectionReplaced: a connection that the server closed while it was idle is not used for a request.
func TestIdleConnectionReplaced(t *testing.T) {
	// Five requests in the first 10 ms, one 1.5 s later.
	l := newLab(t, func(s *scenario.Scenario) {
		s.Load.Connections = 1
		s.Load.Stages = []scenario.Stage{{Duration: 10 * time.Millisecond, Rate: 2500}, {Duration: 1500 * time.Millisecond}, {Duration: 10 * time.Millisecond, Rate: 500}}
	})
	target := newRaw(t, func(n int, conn *net.TCPConn, next func() *request) {
		for i := 0; next() != nil; i++ {
			_, _ = io.WriteString(conn, accepted)
			if n == 1 && i == 4 {
				return
			}
		}
	})
	s := l.mustRun(t, target.url())
	if s.Counts.Errors != 0 || s.Counts.Accepted != 30 || target.connections.Load() != 2 {
		t.Fatalf("%+v, kinds %v, %d connections", s.Counts, s.ErrorKinds, target.connections.Load())
	}
}

// TestEarlyRefusal: a server that refuses a body before it has read it is heard, although the rest of the body cannot be written.
func TestEarlyRefusal(t *testing.T) {
	l := newLab(t, func(s *scenario.Scenario) {
		s.Load.Connections, s.Load.Batch, s.Events.Bytes, s.Events.PoolBytes = 1, 400, 20_000, 1<<20
		s.Load.Stages[0].Rate = 400 * 50
	})
	target := newRaw(t, func(_ int, conn *net.TCPConn, _ func() *request) {
		var some [1000]byte
		if _, err := io.ReadFull(conn, some[:]); err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
		_ = conn.CloseWrite()
		_, _ = io.CopyN(io.Discard, conn, 100_000)
	})
	s := l.mustRun(t, target.url())
	if s.Counts.Requests != 10 || s.ErrorKinds["413"] != 10 || s.Counts.Rejected != 4000 {
		t.Fatalf("%+v, kinds %v", s.Counts, s.ErrorKinds)
	}
}

// TestNoServer: a run that cannot begin says so.
func TestNoServer(t *testing.T) {
	l := newLab(t, nil)
	target := newRaw(t, nil)
	_ = target.Close()
	if s, err := l.run(t.Context(), target.url()); err == nil || s != nil || !strings.Contains(err.Error(), "connection refused") {
		t.Fatalf("error %v, summary %+v", err, s)
	}
}

// TestServerGoes: without a server requests fail as refused, at the pace of the back-off, take no numbers, and the run ends on time.
func TestServerGoes(t *testing.T) {
	l := newLab(t, func(s *scenario.Scenario) { s.Load.DropAfter = 50 * time.Millisecond })
	self := make(chan *raw, 1)
	target := newRaw(t, func(_ int, conn *net.TCPConn, next func() *request) {
		for i := 0; next() != nil; i++ {
			if i == 5 {
				s := <-self
				_ = s.Close()
				self <- s
				return
			}
			_, _ = io.WriteString(conn, accepted)
		}
	})
	self <- target
	s := l.mustRun(t, target.url())
	c := s.Counts
	if s.ErrorKinds[kindRefused] == 0 || s.ErrorKinds[kindRefused] > 40 || c.Dropped == 0 || c.Requests+c.Dropped != 200 || c.Sent != 5*(c.Requests-s.ErrorKinds[kindRefused]) || s.Seconds > 5 {
		t.Fatalf("%+v in %v s, kinds %v", c, s.Seconds, s.ErrorKinds)
	}
}
