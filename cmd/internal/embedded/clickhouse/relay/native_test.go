package relay

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
)

func TestBytesGoBothWays(t *testing.T) {
	r := start(t)
	client, engine := r.connect(t)
	write(t, client, []byte("a question"))
	if got := read(t, engine, 10); got != "a question" {
		t.Errorf("the engine read %q", got)
	}
	// More than all buffers on the way hold.
	long := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
	var wg sync.WaitGroup
	wg.Go(func() { write(t, engine, long) })
	wg.Go(func() { write(t, client, long) })
	wg.Go(func() {
		if got := read(t, engine, len(long)); got != string(long) {
			t.Error("the engine read something else")
		}
	})
	if got := read(t, client, len(long)); got != string(long) {
		t.Error("the client read something else")
	}
	wg.Wait()
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, client); got != "" {
		t.Errorf("at the end the client read %q", got)
	}
}

// Whatever comes right behind the Hello, in any pieces, arrives at the engine in order, once.
func TestWhatIsSentAheadArrives(t *testing.T) {
	for revision, addendum := range map[int][]byte{
		revisionQuotaKey - 1:         nil,
		revisionQuotaKey:             []byte("\x03key"),
		revisionChunks:               []byte("\x00\x0anotchunked\x0anotchunked"),
		revisionParallelReplicas:     []byte("\x00\x0anotchunked\x0anotchunked\x07"),
		revisionParallelReplicas + 9: []byte("\x00\x0anotchunked\x0anotchunked\x81\x01"),
	} {
		r := start(t)
		hello := greeting("ann", "secret", "there", revision)
		all := append(append(bytes.Clone(hello), addendum...), "and a question"...)
		for _, cut := range []int{0, 1, len(hello) - 1, len(hello), len(hello) + 1, len(all)} {
			client := dial(t, r.cfg.Native)
			write(t, client, all[:cut])
			write(t, client, all[cut:])
			if err := client.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			engine := r.next(t)
			if got := readAll(t, engine); got != string(all) {
				t.Errorf("revision %d, cut at %d: the engine read %q, want %q", revision, cut, got, all)
			}
		}
	}
}

// A client may go at any time, in any way. The engine sees the end of what came and no more of a Hello than all of it, nor of an addendum.
func TestClientsThatGo(t *testing.T) {
	r := start(t)
	hello, addendum := greeting("ann", "secret", "", revisionParallelReplicas), "\x00\x0anotchunked\x0anotchunked\x07"
	all := append(bytes.Clone(hello), addendum...)
	for cut := range len(all) + 1 {
		for _, how := range []string{"end", "reset"} {
			client := dial(t, r.cfg.Native)
			write(t, client, all[:cut])
			if cut < len(hello) {
				if how == "reset" {
					reset(t, client)
				} else if err := client.CloseWrite(); err != nil {
					t.Fatal(err)
				} else {
					_, _ = io.ReadAll(client) // nothing, or that the Hello cannot be read
				}
				continue
			}
			engine := r.next(t)
			if got := read(t, engine, len(hello)); got != string(hello) {
				t.Fatalf("the engine read %q", got)
			}
			if how == "reset" {
				reset(t, client)
			} else if err := client.Close(); err != nil {
				t.Fatal(err)
			}
			want := ""
			if cut == len(all) {
				want = addendum
			}
			if got := readAll(t, engine); got != want && (got != "" || how != "reset") {
				t.Errorf("cut at %d, %s: then the engine read %q, want %q", cut, how, got, want)
			}
			// Its answers are taken, although nobody is there to read them.
			write(t, engine, bytes.Repeat([]byte("x"), 1<<20))
			if err := engine.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	select {
	case <-r.accepted:
		t.Error("somebody without a Hello was connected to the engine")
	default:
	}
}

// A reset in the middle of an answer is for the engine an end in order: all that it writes is taken.
func TestResetWhileTheEngineAnswers(t *testing.T) {
	r := start(t)
	client, engine := r.connect(t)
	half := bytes.Repeat([]byte("x"), 1<<20)
	wrote := make(chan error, 1)
	go func() {
		_, err := engine.Write(half)
		wrote <- err
	}()
	read(t, client, 1000)
	reset(t, client)
	if err := <-wrote; err != nil {
		t.Fatalf("the engine was not read from: %v", err)
	}
	if got := readAll(t, engine); got != "" {
		t.Errorf("the engine read %q", got)
	}
	for range 4 {
		write(t, engine, half)
	}
}

func TestRefusals(t *testing.T) {
	r := start(t)
	for _, c := range []struct {
		name  string
		bytes []byte
		code  proto.Error
		text  string
	}{
		{"no such user", greeting("bob", "", "", 54460), proto.ErrAuthenticationFailed, "bob: Authentication failed"},
		{"no user", greeting("", "", "", 54460), proto.ErrAuthenticationFailed, "Authentication failed"},
		{"wrong password", greeting("ann", "Secret", "", 54460), proto.ErrAuthenticationFailed, "ann: Authentication failed"},
		{"no password", greeting("ann", "", "", 54460), proto.ErrAuthenticationFailed, "ann: Authentication failed"},
		{"the hash for a password", greeting("ann", "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b", "", 54460), proto.ErrAuthenticationFailed, "ann"},
		{"another server", greeting(" INTERSERVER SECRET ", "", "", 54460), proto.ErrAuthenticationFailed, "Authentication failed"},
		{"a key instead of a password", greeting(" SSH KEY AUTHENTICATION default", "", "", 54470), proto.ErrAuthenticationFailed, "Authentication failed"},
		{"wrong password and database", greeting("ann", "", "gone", 54460), proto.ErrAuthenticationFailed, "ann"},
		{"no such database", greeting("ann", "secret", "gone", 54460), proto.ErrUnknownDatabase, "Database gone does not exist"},
		{"no answer about the database", greeting("default", "", "unanswered", 54460), proto.ErrNetworkError, "try again"},
		{"a query first", []byte{1, 0, 0}, proto.ErrUnexpectedPacketFromClient, "expected Hello, got 1"},
		{"TLS", []byte{0x16, 3, 1}, proto.ErrUnexpectedPacketFromClient, "got 22"},
		{"a name of 16 GiB", []byte{0, 0x80, 0x80, 0x80, 0x80, 0x40}, proto.ErrUnexpectedPacketFromClient, "16384 at most"},
		{"a number too long", append([]byte{0, 0}, bytes.Repeat([]byte{0xff}, 12)...), proto.ErrUnexpectedPacketFromClient, "overflow"},
	} {
		client := dial(t, r.cfg.Native)
		write(t, client, c.bytes)
		if e := exception(t, client); e.Code != c.code || !strings.Contains(e.Message, c.text) || !strings.HasPrefix(e.Message, "DB::Exception: ") {
			t.Errorf("%s: code %d, %s", c.name, e.Code, e.Message)
		}
	}
	select {
	case <-r.accepted:
		t.Error("somebody who was refused was connected to the engine")
	default:
	}
	if strings.Join(r.asked, " ") != "gone unanswered" {
		t.Errorf("asked for databases %q", r.asked)
	}
}

func TestHTTPOnTheNativePort(t *testing.T) {
	r := start(t)
	for _, request := range []string{"GET / HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: 8\r\n\r\nSELECT 1"} {
		client := dial(t, r.cfg.Native)
		write(t, client, []byte(request))
		if got := readAll(t, client); !strings.HasPrefix(got, "HTTP/1.0 400 ") || !strings.Contains(got, r.cfg.HTTP) {
			t.Errorf("%q was answered %q", request, got)
		}
	}
}

func TestEngineIsGone(t *testing.T) {
	r := start(t)
	if err := r.native.Close(); err != nil {
		t.Fatal(err)
	}
	client := dial(t, r.cfg.Native)
	write(t, client, greeting("default", "", "", 54400))
	if e := exception(t, client); e.Code != proto.ErrNetworkError {
		t.Errorf("code %d, %s", e.Code, e.Message)
	}
}

func TestOneConnectionTooMany(t *testing.T) {
	r := start(t)
	for range maxNative {
		r.connect(t)
	}
	client := dial(t, r.cfg.Native)
	if e := exception(t, client); e.Code != tooManyConnections || !strings.Contains(e.Message, "160") {
		t.Errorf("code %d, %s", e.Code, e.Message)
	}
}

// What is written anew means the same to ClickHouse, whatever way a client wrote it.
func FuzzHello(f *testing.F) {
	f.Add(greeting("ann", "secret", "there", 54488)[1:])
	f.Add([]byte("\x81\x80\x00x\x01\x02\x80\x01\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := readHello(bufio.NewReader(bytes.NewReader(b)))
		if err != nil {
			return
		}
		again := h.append(nil)
		var theirs proto.ClientHello
		r := proto.NewReader(bytes.NewReader(again[1:]))
		if h.major > 1<<31 || h.minor > 1<<31 || h.revision > 1<<31 {
			return // ch-go has no room for them
		}
		if err := theirs.Decode(r); err != nil || theirs.User != h.user || theirs.Password != h.password || theirs.Database != h.database || uint64(theirs.ProtocolVersion) != h.revision {
			t.Fatalf("%+v was read as %+v, %v", h, theirs, err)
		}
		if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
			t.Fatalf("%+v was written with something behind it", h)
		}
		if h2, err := readHello(bufio.NewReader(bytes.NewReader(again[1:]))); err != nil || h2 != h {
			t.Fatalf("%+v became %+v, %v", h, h2, err)
		}
	})
}

// BenchmarkRelay measures what a byte costs that goes through, beside what it costs to write and read it: ns/MB of CPU time of this process.
func BenchmarkRelay(b *testing.B) {
	const chunk = 1 << 20
	block := make([]byte, chunk)
	for _, way := range []string{"direct", "relayed"} {
		b.Run(way, func(b *testing.B) {
			r := start(b)
			var client, engine net.Conn
			if way == "relayed" {
				c, e := r.connect(b)
				_, _ = c.SetDeadline(time.Time{}), e.SetDeadline(time.Time{})
				client, engine = c, e
			} else {
				c, err := net.Dial("tcp", r.native.Addr().String())
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close() //nolint:errcheck // test connection
				client, engine = c, r.next(b)
				_ = engine.SetDeadline(time.Time{})
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, _ = io.CopyN(io.Discard, onlyReader{engine}, int64(b.N)*chunk)
			}()
			b.SetBytes(chunk)
			before := cpuTime(b)
			b.ResetTimer()
			for range b.N {
				if _, err := client.Write(block); err != nil {
					b.Fatal(err)
				}
			}
			<-done
			b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/MB")
		})
	}
}

// onlyReader hides the ways by which the kernel would move bytes: an engine reads them.
type onlyReader struct{ io.Reader }
