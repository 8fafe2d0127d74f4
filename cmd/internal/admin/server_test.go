package admin

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metrics"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server runs a Server until the test ends and returns its address.
func server(t *testing.T, opts Options) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	s := New(opts)
	go func() { done <- s.Run(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return ln.Addr().String()
}

func options() Options {
	h := NewHealth(Check{Name: "broker", Func: ok("here")})
	h.SetState(Serving)
	return Options{Health: h, Level: new(slog.LevelVar), Log: slog.New(slog.DiscardHandler)}
}

func ask(t *testing.T, method, url, body string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text), resp.Header
}

func TestRoutes(t *testing.T) {
	opts := options()
	base := "http://" + server(t, opts)
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string // the answer begins with it
	}{
		{"GET", "/", "", 200, "millrace "},
		{"GET", "/livez", "", 200, "ok\n"},
		{"GET", "/healthz", "", 200, "ok\n"},
		{"GET", "/health", "", 200, "ok\n"},
		{"HEAD", "/livez", "", 200, ""},
		{"GET", "/readyz", "", 200, "ready\n"},
		{"GET", "/readyz?verbose", "", 200, "[+] broker ok: here\n"},
		{"GET", "/log/level", "", 200, "info\n"},
		{"PUT", "/log/level", " debug\n", 200, "debug\n"},
		{"PUT", "/log/level", "loud", 400, `"loud" is not a level`},
		{"PUT", "/log/level", strings.Repeat("x", 1000), 400, "send the level"},
		{"GET", "/log/level", "", 200, "debug\n"},
		{"POST", "/log/level", "info", 405, ""},
		{"GET", "/debug/pprof/", "", 200, "<html>"},
		{"GET", "/debug/pprof/goroutine?debug=1", "", 200, "goroutine profile:"},
		{"GET", "/nothing", "", 404, ""},
	} {
		status, body, _ := ask(t, c.method, base+c.path, c.body)
		if status != c.status || !strings.HasPrefix(body, c.want) {
			t.Errorf("%s %s: %d %.100q, want %d %q", c.method, c.path, status, body, c.status, c.want)
		}
	}
	if opts.Level.Level() != slog.LevelDebug {
		t.Errorf("level %v", opts.Level.Level())
	}
	opts.Health.SetState(Draining)
	if status, body, _ := ask(t, "GET", base+"/readyz", ""); status != 503 || body != "not ready: draining\n" {
		t.Errorf("draining: %d %q", status, body)
	}
}

func TestMetrics(t *testing.T) {
	opts := options()
	one, two := metrics.NewSet(), metrics.NewSet()
	one.NewCounter(`millrace_test_total{kind="a"}`).Add(3)
	two.NewPrometheusHistogram("millrace_test_seconds").Update(0.5)
	opts.Sets = []*metrics.Set{one, two}
	_, body, header := ask(t, "GET", "http://"+server(t, opts)+"/metrics", "")
	for _, want := range []string{
		"# TYPE millrace_test_total counter\nmillrace_test_total{kind=\"a\"} 3\n",
		"# TYPE millrace_test_seconds histogram\n", `millrace_test_seconds_bucket{le="+Inf"} 1`,
		"millrace_build_info{version=\"0.1.0-dev\"", "go_goroutines ", "process_resident_memory_bytes ",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing in\n%.2000s", want, body)
		}
	}
	if got := header.Get("Content-Type"); got != "text/plain; version=0.0.4; charset=utf-8" {
		t.Errorf("content type %q", got)
	}
}

// TestLocalOnly: what changes or shows the inside of the process is not for other machines, nor for web pages open on this one.
func TestLocalOnly(t *testing.T) {
	s := New(options())
	for _, c := range []struct {
		peer, host, path string
		status           int
	}{
		{"127.0.0.1:5", "127.0.0.1:7081", "/log/level", 200},
		{"[::1]:5", "localhost:7081", "/log/level", 200},
		{"[::ffff:127.0.0.1]:5", "[::1]:7081", "/debug/pprof/cmdline", 200},
		{"127.0.0.1:5", "127.0.0.1", "/log/level", 200},
		{"10.1.2.3:5", "127.0.0.1:7081", "/log/level", 403},
		{"10.1.2.3:5", "10.0.0.1:7081", "/debug/pprof/heap", 403},
		{"", "127.0.0.1:7081", "/debug/pprof/", 403},
		{"127.0.0.1:5", "evil.example:7081", "/debug/pprof/heap", 403},
		{"10.1.2.3:5", "millrace.internal:7081", "/metrics", 200},
		{"10.1.2.3:5", "millrace.internal:7081", "/readyz", 200},
	} {
		r := httptest.NewRequest("GET", c.path, nil)
		r.RemoteAddr, r.Host = c.peer, c.host
		w := httptest.NewRecorder()
		s.http.Handler.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%+v: %d %s", c, w.Code, w.Body)
		}
	}
}

func TestServerHasEveryLimit(t *testing.T) {
	h := New(options()).http
	if h.ReadHeaderTimeout <= 0 || h.ReadTimeout <= 0 || h.WriteTimeout <= 0 || h.IdleTimeout <= 0 || h.MaxHeaderBytes <= 0 {
		t.Errorf("a limit is missing: %+v", h)
	}
}

// TestRunEndsWithAnAnswerUnderWay: a profile of a minute must not hold a shutdown up.
func TestRunEndsWithAnAnswerUnderWay(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	s := New(options())
	s.http.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(started)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, ln) }()
	asked := make(chan error, 1)
	go func() {
		req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), "GET", "http://"+ln.Addr().String()+"/", nil)
		if err == nil {
			var resp *http.Response
			if resp, err = http.DefaultClient.Do(req); err == nil {
				err = resp.Body.Close()
			}
		}
		asked <- err
	}()
	<-started
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := <-asked; err == nil {
		t.Error("the answer was not cut off")
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestRunReportsABrokenListener(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if err := New(options()).Run(t.Context(), ln); err == nil || !strings.HasPrefix(err.Error(), "admin: serve: ") {
		t.Errorf("got %v", err)
	}
}

func TestValidate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	for _, listen := range []string{"", "7081", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:65536"} {
		err := Config{Listen: listen}.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), "admin.listen: ") {
			t.Errorf("%q: %v", listen, err)
		}
	}
}
