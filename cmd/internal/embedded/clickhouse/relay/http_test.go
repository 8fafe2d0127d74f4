package relay

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// serve plays the engine over HTTP.
func (r *running) serve(t *testing.T, handler http.HandlerFunc) {
	t.Helper()
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(r.http) }()
	t.Cleanup(func() { _ = server.Close() })
}

func client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

func TestRequestsAndAnswersAreUnchanged(t *testing.T) {
	r := start(t)
	r.serve(t, func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		if req.Method != "POST" || req.RequestURI != "/?query=SELECT%201;&param_x=%2F" || req.Host != "here:8123" || string(body) != "FORMAT TSV" {
			t.Errorf("%s %s at %s: %q", req.Method, req.RequestURI, req.Host, body)
		}
		if req.Header.Get("X-ClickHouse-User") != "ann" || req.Header.Get("Accept-Encoding") != "zstd" || req.Header.Get("X-Forwarded-For") != "" || req.Header.Get("Expect") != "" {
			t.Errorf("headers %v", req.Header)
		}
		w.Header()["X-ClickHouse-Query-Id"] = []string{"7"}
		w.Header().Set("Content-Encoding", "zstd")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "\x00answer")
	})
	c := dial(t, r.cfg.HTTP)
	for range 2 { // on one connection
		write(t, c, []byte("POST /?query=SELECT%201;&param_x=%2F HTTP/1.1\r\nHost: here:8123\r\nX-ClickHouse-User: ann\r\nAccept-Encoding: zstd\r\nTransfer-Encoding: chunked\r\nOrigin: http://localhost:8123\r\n\r\n"+
			"6\r\nFORMAT\r\n4\r\n TSV\r\n0\r\n\r\n"))
		in := bufio.NewReader(c)
		head := ""
		for !strings.HasSuffix(head, "\r\n\r\n") {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatal(head, err)
			}
			head += line
		}
		if !strings.HasPrefix(head, "HTTP/1.1 404 ") || !strings.Contains(head, "\r\nX-Clickhouse-Query-Id: 7\r\n") || !strings.Contains(head, "Content-Encoding: zstd\r\n") {
			t.Errorf("head %q", head)
		}
		if got := read(t, bufferedConn{c, in}, len("\x00answer")); got != "\x00answer" {
			t.Errorf("body %q", got)
		}
	}
}

type bufferedConn struct {
	net.Conn
	in *bufio.Reader
}

func (c bufferedConn) Read(b []byte) (int, error) { return c.in.Read(b) }

func TestPagesOfOthersAreRefused(t *testing.T) {
	r := start(t)
	asked := 0
	r.serve(t, func(http.ResponseWriter, *http.Request) { asked++ })
	for origin, want := range map[string]int{
		"": 200, "http://localhost:3000": 200, "http://127.0.0.1:8123": 200, "http://[::1]:8123": 200, "https://localhost": 200,
		"https://example.com": 403, "http://127.0.0.1.example.com": 403, "http://localhost.example.com": 403, "null": 403, "http://10.0.0.1": 403, "%": 403, "http://localhost@example.com": 403,
	} {
		req, err := http.NewRequest(http.MethodPost, "http://"+r.cfg.HTTP+"/", strings.NewReader("DROP DATABASE millrace"))
		if err != nil {
			t.Fatal(err)
		}
		if origin != "" {
			req.Header.Set("Origin", origin)
		}
		resp, err := client(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != want {
			t.Errorf("origin %q: status %d, want %d", origin, resp.StatusCode, want)
		}
	}
	if asked != 5 {
		t.Errorf("the engine was asked %d times, want 5", asked)
	}
}

// Rows are handed on as they come, and the end of a client ends the request, in order.
func TestClientsThatGoOverHTTP(t *testing.T) {
	r := start(t)
	sent, gone := make(chan struct{}), make(chan error, 1)
	go func() {
		c, err := r.http.Accept()
		if err != nil {
			gone <- err
			return
		}
		defer c.Close() //nolint:errcheck // test connection
		req, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			gone <- err
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nrow\n\r\n")
		<-sent
		// The end of the stream, not a reset, although rows are on their way that nobody has read.
		row := []byte("4\r\nrow\n\r\n")
		for range 1000 {
			if _, err := c.Write(row); err != nil {
				gone <- err
				return
			}
		}
		_, err = io.Copy(io.Discard, c)
		for range 1000 {
			if _, err := c.Write(row); err != nil {
				gone <- err
				return
			}
		}
		gone <- err
	}()
	c := dial(t, r.cfg.HTTP)
	write(t, c, []byte("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\nSELECT 1"))
	in := bufio.NewReader(c)
	for line := ""; line != "row\n"; {
		var err error
		if line, err = in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	reset(t, c)
	close(sent)
	if err := <-gone; err != nil {
		t.Errorf("the engine met %v", err)
	}
}

// The engine answers an INSERT that cannot be before it has come; so does the relay, and a client that sends nothing more holds nobody up.
func TestAnswerBeforeTheRequestHasEnded(t *testing.T) {
	r := start(t)
	r.serve(t, func(w http.ResponseWriter, req *http.Request) {
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		http.Error(w, "no such table", http.StatusNotFound)
	})
	c := dial(t, r.cfg.HTTP)
	write(t, c, []byte("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nINSERT"))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusNotFound || !strings.Contains(string(body), "no such table") {
		t.Errorf("status %d, %q, %v", resp.StatusCode, body, err)
	}
}

// An answer that breaks off breaks off for the client too: it must not look like a whole one.
func TestAnswerThatBreaksOff(t *testing.T) {
	r := start(t)
	r.serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "row\n")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	resp, err := client(t).Post("http://"+r.cfg.HTTP+"/", "text/plain", strings.NewReader("SELECT 1"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	if body, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("a whole answer: %q", body)
	}
}

func TestHTTPWithoutEngine(t *testing.T) {
	r := start(t)
	if err := r.http.Close(); err != nil {
		t.Fatal(err)
	}
	resp, err := client(t).Get("http://" + r.cfg.HTTP + "/ping")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	if resp.StatusCode != http.StatusBadGateway {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestOneRequestTooMany(t *testing.T) {
	r := start(t)
	busy, enough := make(chan struct{}, maxHTTP), make(chan struct{})
	r.serve(t, func(_ http.ResponseWriter, req *http.Request) {
		busy <- struct{}{}
		<-enough
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan struct{}, maxHTTP)
	c := client(t)
	for range maxHTTP {
		go func() {
			defer func() { done <- struct{}{} }()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.cfg.HTTP+"/", nil)
			if err != nil {
				t.Error(err)
				return
			}
			if resp, err := c.Do(req); err == nil {
				_ = resp.Body.Close()
			}
		}()
	}
	for range maxHTTP {
		<-busy
	}
	resp, err := c.Get("http://" + r.cfg.HTTP + "/")
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, headers %v", resp.StatusCode, resp.Header)
	}
	close(enough)
	for range maxHTTP {
		<-done
	}
}

// cpuTime is what this process has used, in nanoseconds.
func cpuTime(tb testing.TB) int64 {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
