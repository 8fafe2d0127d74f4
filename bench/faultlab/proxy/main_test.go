package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait for a condition; what is waited for takes a tenth of it.
const patience = 30 * time.Second

// start runs a proxy until the test ends.
func start(t testing.TB, upstream string, kafka bool) *Proxy {
	t.Helper()
	p, err := New(Options{Name: "link", Upstream: upstream, Kafka: kafka})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if s := p.Stats(); s.Open != 0 || s.Problem != "" {
			t.Errorf("after Run: %+v", s)
		}
	})
	return p
}

// until waits for a condition.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

// fired waits for a shot and returns what it did.
func fired(t testing.TB, s *Shot) string {
	t.Helper()
	select {
	case <-s.Fired():
	case <-time.After(patience):
		t.Fatalf("%v has not fired", s.fault.Kind)
	}
	return s.What()
}

// silent checks that a shot has not fired.
func silent(t testing.TB, s *Shot) {
	t.Helper()
	select {
	case <-s.Fired():
		t.Errorf("fired: %s", s.What())
	default:
	}
}

// wantReset checks how a client's connection ended.
func wantReset(t testing.TB, err error) {
	t.Helper()
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("the client sees %v, want a reset", err)
	}
}

// dial connects to the proxy. Everything on the connection must be over before patience ends.
func dial(t testing.TB, p *Proxy) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// server is an upstream that answers requests: 8 hexadecimal digits for the length of the request's rest, 8 for the length of the answer wanted. It keeps what
// each connection said and how it ended.
type server struct {
	listener net.Listener
	wg       sync.WaitGroup
	mu       sync.Mutex
	conns    []net.Conn
	ends     []ending
	heard    int64 // bytes, over all connections
	answered int
	swallow  bool // takes everything and answers nothing
	deaf     bool // does not end connections that were half-closed by their client
}

// ending is the end of a connection as upstream sees it.
type ending struct {
	bytes int64
	err   error // io.EOF, or io.ErrUnexpectedEOF in the midst of a request
}

const headBytes = 16

func head(request, answer int) []byte { return fmt.Appendf(nil, "%08x%08x", request-headBytes, answer) }

// message is a request of so many bytes for an answer of so many.
func message(request, answer int) []byte {
	b := append(head(request, answer), make([]byte, request-headBytes)...)
	for i := headBytes; i < len(b); i++ {
		b[i] = byte(i * 7)
	}
	return b
}

func newServer(t testing.TB) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{listener: l}
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, c)
			s.mu.Unlock()
			s.wg.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(s.stop)
	return s
}

// stop ends the server and all its connections.
func (s *server) stop() {
	_ = s.listener.Close()
	s.mu.Lock()
	for _, c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

func (s *server) serve(c net.Conn) {
	in := &counted{server: s, conn: c}
	s.mu.Lock()
	swallow := s.swallow
	s.mu.Unlock()
	err := func() error {
		if swallow {
			_, err := io.Copy(io.Discard, in)
			return errors.Join(err, io.EOF)
		}
		for {
			var h [headBytes]byte
			if _, err := io.ReadFull(in, h[:]); err != nil {
				return err
			}
			var request, answer int
			if _, err := fmt.Sscanf(string(h[:]), "%08x%08x", &request, &answer); err != nil {
				return err
			}
			if _, err := io.CopyN(io.Discard, in, int64(request)); err != nil {
				if errors.Is(err, io.EOF) {
					err = io.ErrUnexpectedEOF
				}
				return err
			}
			s.mu.Lock()
			s.answered++
			s.mu.Unlock()
			if _, err := c.Write(make([]byte, answer)); err != nil {
				return err
			}
		}
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends = append(s.ends, ending{in.n, err})
	if !s.deaf {
		_ = c.Close()
	}
}

type counted struct {
	server *server
	conn   net.Conn
	n      int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.conn.Read(b)
	c.n += int64(n)
	c.server.mu.Lock()
	c.server.heard += int64(n)
	c.server.mu.Unlock()
	return n, err
}

func (s *server) set(flag *bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*flag = true
}

func (s *server) counts() (heard int64, answered, ended int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heard, s.answered, len(s.ends)
}

// end waits for the end of the i-th connection that ended.
func (s *server) end(t testing.TB, i int) ending {
	t.Helper()
	until(t, "upstream sees the end", func() bool { _, _, n := s.counts(); return n > i })
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ends[i]
}

// exchange is a request with its answer.
func exchange(c net.Conn, request, answer int) error {
	if _, err := c.Write(message(request, answer)); err != nil {
		return err
	}
	_, err := io.CopyN(io.Discard, c, int64(answer))
	return err
}

func mustExchange(t testing.TB, c net.Conn, request, answer int) {
	t.Helper()
	if err := exchange(c, request, answer); err != nil {
		t.Fatalf("request of %d bytes for %d: %v", request, answer, err)
	}
}

// visit is one exchange on a connection of its own, which may fail already when it is opened.
func visit(p *Proxy) error {
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // test connection
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	return exchange(c, 20, 20)
}
