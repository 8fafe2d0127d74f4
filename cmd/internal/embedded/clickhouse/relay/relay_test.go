package relay

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// engine is a server that is none: a test plays its part on each connection.
type engine struct {
	native, http net.Listener
	accepted     chan *net.TCPConn // native
}

// running is a relay before an engine.
type running struct {
	*engine
	relay  *Relay
	cfg    Config
	stop   context.CancelFunc
	result chan error
	asked  []string // databases
	mu     sync.Mutex
}

func start(t testing.TB) *running {
	t.Helper()
	e := &engine{native: listenAny(t), http: listenAny(t), accepted: make(chan *net.TCPConn, maxNative)}
	go func() {
		defer close(e.accepted)
		for {
			c, err := e.native.Accept()
			if err != nil {
				return
			}
			e.accepted <- c.(*net.TCPConn)
		}
	}()
	r := &running{engine: e, result: make(chan error, 1)}
	r.cfg = Config{Native: freeAddr(t), HTTP: freeAddr(t), Accounts: Accounts{
		"default": {AnyPassword: true},
		"ann":     {PasswordHash: sha256.Sum256([]byte("secret"))},
	}}
	r.relay = New(r.cfg, slog.New(slog.DiscardHandler))
	if err := r.relay.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	go func() {
		r.result <- r.relay.Run(ctx, Engine{Native: e.native.Addr().String(), HTTP: e.http.Addr().String(), DatabaseExists: r.databaseExists})
	}()
	t.Cleanup(func() {
		cancel()
		_ = errors.Join(e.native.Close(), e.http.Close())
		for c := range e.accepted {
			_ = c.Close()
		}
		if err := <-r.result; err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *running) databaseExists(_ context.Context, name string) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, name)
	if name == "unanswered" {
		return false, errors.New("no answer")
	}
	return name == "there", nil
}

func listenAny(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// freeAddr was free a moment ago.
func freeAddr(t testing.TB) string {
	t.Helper()
	l := listenAny(t)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

// dial connects with a deadline for everything.
func dial(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// reset ends a connection as a client does that crashes.
func reset(t testing.TB, c *net.TCPConn) {
	t.Helper()
	if err := errors.Join(c.SetLinger(0), c.Close()); err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

// readAll reads to the end, which must be one in order.
func readAll(t testing.TB, c net.Conn) string {
	t.Helper()
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("after %q: %v", b, err)
	}
	return string(b)
}

func read(t testing.TB, c net.Conn, n int) string {
	t.Helper()
	b := make([]byte, n)
	if k, err := io.ReadFull(c, b); err != nil {
		t.Fatalf("after %q: %v", b[:k], err)
	}
	return string(b)
}

// next is the engine's side of the next native connection.
func (r *running) next(t testing.TB) *net.TCPConn {
	t.Helper()
	select {
	case c := <-r.accepted:
		t.Cleanup(func() { _ = c.Close() })
		if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		return c
	case <-time.After(time.Minute):
		t.Fatal("nobody connected to the engine")
		return nil
	}
}

// greeting is the Hello of a client, as ch-go writes it.
func greeting(user, password, database string, revision int) []byte {
	var b proto.Buffer
	proto.ClientHello{Name: "test", Major: 1, Minor: 2, ProtocolVersion: revision, Database: database, User: user, Password: password}.Encode(&b)
	return b.Buf
}

// connect logs in and returns both sides.
func (r *running) connect(t testing.TB) (client, engine *net.TCPConn) {
	t.Helper()
	client = dial(t, r.cfg.Native)
	hello := greeting("default", "", "", revisionQuotaKey-1)
	write(t, client, hello)
	engine = r.next(t)
	if got := read(t, engine, len(hello)); got != string(hello) {
		t.Fatalf("the engine read %q, want %q", got, hello)
	}
	return client, engine
}

// exception reads what a client is refused with.
func exception(t testing.TB, c net.Conn) proto.Exception {
	t.Helper()
	r := proto.NewReader(bufio.NewReader(c))
	code, err := r.UVarInt()
	if err != nil || proto.ServerCode(code) != proto.ServerCodeException {
		t.Fatalf("packet %d, %v, want an exception", code, err)
	}
	var e proto.Exception
	if err := e.DecodeAware(r, 0); err != nil {
		t.Fatal(err)
	}
	if rest, err := r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Fatalf("after the exception: %x, %v", rest, err)
	}
	return e
}

// Ports that are taken are told before anything else is done.
func TestPortInUse(t *testing.T) {
	taken := listenAny(t)
	defer taken.Close() //nolint:errcheck // test listener
	free := freeAddr(t)
	for _, cfg := range []Config{{Native: taken.Addr().String(), HTTP: free}, {Native: free, HTTP: taken.Addr().String()}} {
		if err := New(cfg, slog.New(slog.DiscardHandler)).Listen(); err == nil {
			t.Errorf("%+v: both ports were taken", cfg)
		}
	}
	l, err := net.Listen("tcp", free)
	if err != nil {
		t.Fatal("the other port was not given back", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// A stop tells the engine that nobody will ask any more, and hands on what it says last.
func TestStop(t *testing.T) {
	r := start(t)
	client, engine := r.connect(t)
	r.stop()
	if got := readAll(t, engine); got != "" {
		t.Errorf("the engine read %q", got)
	}
	write(t, engine, []byte("stopping"))
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, client); got != "stopping" {
		t.Errorf("the client read %q", got)
	}
	if err := <-r.result; err != nil {
		t.Error(err)
	}
	r.result <- nil
	if c, err := net.Dial("tcp", r.cfg.Native); err == nil {
		t.Error("the port is open after Run", c.Close())
	}
}

// An engine that has ended, but keeps its side of a connection open, holds nobody up; what it said before is heard.
func TestStopWithoutTheEnginesEnd(t *testing.T) {
	r := start(t)
	client, engine := r.connect(t)
	write(t, engine, []byte("the last words"))
	r.stop()
	if got := readAll(t, engine); got != "" {
		t.Errorf("the engine read %q", got)
	}
	r.relay.EngineEnded()
	if got := readAll(t, client); got != "the last words" {
		t.Errorf("the client read %q", got)
	}
	if err := <-r.result; err != nil {
		t.Error(err)
	}
	r.result <- nil
}

// The engine may go while a client is about to send the rest of its login: neither waits for the other.
func TestEngineEndsDuringALogin(t *testing.T) {
	for range 4 {
		r := start(t)
		client := dial(t, r.cfg.Native)
		hello := greeting("default", "", "", revisionParallelReplicas)
		write(t, client, hello)
		engine := r.next(t)
		read(t, engine, len(hello))
		if err := engine.Close(); err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, client); got != "" {
			t.Errorf("the client read %q", got)
		}
		r.stop()
		if err := <-r.result; err != nil {
			t.Error(err)
		}
		r.result <- nil
	}
}
