package ingest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/millrace/millrace/schema"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// fasthttp keeps one goroutine for the process that refreshes the Date header.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

// testKey opens project 7, otherKey project 8; queryKey may not send events.
const (
	testKey  = "mr_test_key"
	otherKey = "mr_other_key"
	queryKey = "mr_query_key"
)

type keys map[string]Key

func (k keys) Lookup(key []byte) (Key, bool) {
	found, ok := k[string(key)]
	return found, ok
}

// recorder is the Submitter of the tests: it copies what it is given, gives every event an id, and then does what the test asks for.
type recorder struct {
	mu      sync.Mutex
	batches []*schema.Batch
	then    func(ctx context.Context, b *schema.Batch) error
}

func (r *recorder) Submit(ctx context.Context, b *schema.Batch) error {
	seen := *b
	seen.Buf, seen.Events = bytes.Clone(b.Buf), slices.Clone(b.Events)
	seen.UserAgent, seen.Traceparent, seen.IdempotencyKey = bytes.Clone(b.UserAgent), bytes.Clone(b.Traceparent), bytes.Clone(b.IdempotencyKey)
	r.mu.Lock()
	r.batches = append(r.batches, &seen)
	then := r.then
	r.mu.Unlock()
	for i := range b.Events {
		e := &b.Events[i]
		e.ID = schema.UUID{0: byte(i + 1), 15: 1}
		e.Quarantined = e.Refused()
	}
	if then != nil {
		return then(ctx, b)
	}
	return nil
}

// validate gives every event an id.
func (r *recorder) validate(b *schema.Batch) {
	b.Durability = schema.NotStored
	for i := range b.Events {
		b.Events[i].ID = schema.UUID{0: byte(i + 1), 15: 1}
	}
}

// on sets what Submit does after it has recorded a batch.
func (r *recorder) on(then func(ctx context.Context, b *schema.Batch) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.then = then
}

// last is the newest batch that was submitted, nil when none was.
func (r *recorder) last() *schema.Batch {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.batches) == 0 {
		return nil
	}
	return r.batches[len(r.batches)-1]
}

// count is the number of batches that were submitted.
func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.batches)
}

// door is a running server.
type door struct {
	*Server
	t    testing.TB
	sub  *recorder
	addr string
	set  *metrics.Set
	log  *bytes.Buffer // read it only after stop
	stop func() error
}

// open starts a server on a loopback port. It is stopped with the test, which fails if something was left behind, unless the test stops it itself.
func open(t testing.TB, change func(*Config, *schema.Limits, *Deps)) *door {
	t.Helper()
	d := &door{t: t, sub: &recorder{}, set: metrics.NewSet(), log: new(bytes.Buffer)}
	cfg, limits := DefaultConfig(), schema.DefaultLimits()
	deps := Deps{
		Submitter: d.sub, Validate: d.sub.validate,
		Keys:    keys{testKey: {ID: "k-test", Project: 7, Name: "shop"}, otherKey: {ID: "k-other", Project: 8, Name: "blog"}, queryKey: {ID: "k-query", Project: 7, Name: "reports", Forbidden: true}},
		Health:  func(bool) (int, []byte) { return http.StatusOK, []byte("ready\n") },
		Log:     slog.New(slog.NewJSONHandler(d.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Metrics: d.set,
	}
	if change != nil {
		change(&cfg, &limits, &deps)
	}
	var err error
	if d.Server, err = New(cfg, limits, deps); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.addr = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx, ln) }()
	d.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := d.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return d
}

// answer is a response with its body read.
type answer struct {
	status int
	close  bool // the server said Connection: close
	header http.Header
	body   string
	json   map[string]any // nil when the body is no object
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.body) }

func (a answer) code() string {
	s, _ := a.json["code"].(string)
	return s
}

// do sends one request on a connection of its own. headers are pairs.
func (d *door) do(method, path, body string, headers ...string) answer {
	d.t.Helper()
	req, err := http.NewRequest(method, "http://"+d.addr+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	tr := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	res, err := (&http.Client{Transport: tr, Timeout: 20 * time.Second}).Do(req)
	if err != nil {
		d.t.Fatalf("%s %s: %v", method, path, err)
	}
	return readAnswer(d.t, res)
}

func readAnswer(t testing.TB, res *http.Response) answer {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		t.Fatal(err)
	}
	a := answer{status: res.StatusCode, close: res.Close, header: res.Header, body: string(body)}
	_ = json.Unmarshal(body, &a.json)
	return a
}

// post sends a body with the test's key.
func (d *door) post(path, body string, headers ...string) answer {
	d.t.Helper()
	return d.do(http.MethodPost, path, body, append([]string{"Authorization", "Bearer " + testKey}, headers...)...)
}

// raw opens a connection for a test that writes HTTP by hand.
func (d *door) raw() *rawConn {
	d.t.Helper()
	c, err := net.Dial("tcp", d.addr)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		d.t.Fatal(err)
	}
	return &rawConn{Conn: c, t: d.t, r: bufio.NewReader(c)}
}

type rawConn struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

// send writes text; an error is no failure, for the server may have hung up.
func (c *rawConn) send(text string) { _, _ = io.WriteString(c.Conn, text) }

// read reads one response.
func (c *rawConn) read() answer {
	c.t.Helper()
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatalf("no response: %v", err)
	}
	return readAnswer(c.t, res)
}

// ended tells whether the server has closed the connection, waiting for that.
func (c *rawConn) ended() bool {
	rest, err := io.ReadAll(c.r)
	return len(rest) == 0 && err == nil
}

// value reads a metric, -1 when there is none of that name.
func (d *door) value(name string) float64 {
	var b bytes.Buffer
	d.set.WritePrometheus(&b)
	for line := range strings.Lines(b.String()) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			var v float64
			if _, err := fmt.Sscan(rest, &v); err != nil {
				d.t.Fatal(err)
			}
			return v
		}
	}
	return -1
}

// Every field of fasthttp.Server that can mean "unlimited" when it is zero is set.
func TestEveryLimitIsSet(t *testing.T) {
	d := open(t, nil)
	// These do not limit, or are bounded by us with an answer of our own: connections per address in accept.go.
	free := map[string]bool{"MaxConnsPerIP": true, "MaxKeepaliveDuration": true, "SleepWhenConcurrencyLimitsExceeded": true}
	v := reflect.ValueOf(d.http).Elem()
	checked := 0
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || free[f.Name] {
			continue
		}
		switch f.Type.Kind() {
		case reflect.Int, reflect.Int64:
			checked++
			if v.Field(i).Int() <= 0 {
				t.Errorf("%s is %d", f.Name, v.Field(i).Int())
			}
		}
	}
	if checked < 8 {
		t.Errorf("only %d limits were found: the test looks at the wrong thing", checked)
	}
	for _, name := range []string{"StreamRequestBody", "SecureErrorLogMessage", "NoDefaultServerHeader", "DisablePreParseMultipartForm"} {
		if !v.FieldByName(name).Bool() {
			t.Errorf("%s is off", name)
		}
	}
}

func TestNewReportsEverything(t *testing.T) {
	cfg := Config{Listen: "nowhere"}
	_, err := New(cfg, schema.Limits{}, Deps{})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"ingest.listen", "ingest.max_body_bytes", "ingest.max_decompressed_bytes", "ingest.max_ratio", "ingest.max_events", "ingest.header_timeout", "ingest.body_timeout",
		"ingest.write_timeout", "ingest.idle_timeout", "ingest.drain_timeout", "ingest.min_body_bytes_per_second", "ingest.max_header_bytes", "ingest.max_connections:",
		"ingest.max_connections_per_ip", "ingest.max_requests_per_connection", "ingest.max_concurrent_requests", "ingest.max_unauthenticated_bodies",
		"ingest.max_unauthenticated_bytes", "limits.max_event_bytes", "submitter",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not reported in:\n%v", want, err)
		}
	}
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
	small := DefaultConfig()
	small.MaxInflightBytes = small.MaxBodyBytes
	if err := small.Validate(); err == nil || !strings.Contains(err.Error(), "ingest.max_inflight_bytes") {
		t.Errorf("a budget that no large request fits: %v", err)
	}
}

// A stop lets requests in flight finish, tells their clients not to come back, and closes what is idle.
func TestDrain(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	d := open(t, nil)
	d.sub.on(func(context.Context, *schema.Batch) error {
		entered <- struct{}{}
		<-release
		return nil
	})
	idle := d.raw()
	idle.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
	if a := idle.read(); a.status != 200 {
		t.Fatal(a)
	}
	unused := d.raw()
	busy := d.raw()
	busy.send("POST /v1/track HTTP/1.1\r\nHost: x\r\nX-Write-Key: " + testKey + "\r\nContent-Length: 13\r\n\r\n{\"event\":\"e\"}")
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- d.stop() }()
	if !idle.ended() {
		t.Error("the idle connection got bytes instead of an end")
	}
	if rest, err := io.ReadAll(unused.r); err != nil {
		t.Errorf("the unused connection ended with %q, %v", rest, err)
	}
	if c, err := net.Dial("tcp", d.addr); err == nil {
		_ = c.Close()
		t.Error("connections are still accepted")
	}
	select {
	case err := <-stopped:
		t.Fatalf("Run returned %v with a request in flight", err)
	default:
	}
	close(release)
	a := busy.read()
	if a.status != 200 || !a.close {
		t.Errorf("the request in flight was answered %v, closing %v", a, a.close)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// A stop does not wait for ever: requests that do not finish are cancelled, answered, and counted in the error.
func TestDrainIsBounded(t *testing.T) {
	entered := make(chan struct{})
	d := open(t, func(c *Config, _ *schema.Limits, _ *Deps) { c.DrainTimeout = 50 * time.Millisecond })
	d.sub.on(func(ctx context.Context, _ *schema.Batch) error {
		close(entered)
		<-ctx.Done()
		return ctx.Err()
	})
	busy := d.raw()
	busy.send("POST /v1/track HTTP/1.1\r\nHost: x\r\nX-Write-Key: " + testKey + "\r\nContent-Length: 13\r\n\r\n{\"event\":\"e\"}")
	<-entered
	err := d.stop()
	if err == nil || !strings.Contains(err.Error(), "1 requests") || !strings.Contains(err.Error(), "ingest.drain_timeout") {
		t.Errorf("Run: %v", err)
	}
	if a := busy.read(); a.status != 503 || a.code() != "overloaded" {
		t.Errorf("the cancelled request was answered %v", a)
	}
	d.stop = func() error { return nil }
}

// Clients who never finish sending hold a stop up no longer than that, and nothing of theirs is missing.
func TestDrainCutsOffSenders(t *testing.T) {
	d := open(t, func(c *Config, _ *schema.Limits, _ *Deps) { c.DrainTimeout = 50 * time.Millisecond })
	conn := d.raw()
	conn.send(postHead + "Content-Length: 500000\r\n\r\n" + strings.Repeat(" ", 9000))
	eventually(t, "the body is being read", func() bool { return d.inflight.Load() == 1 })
	if err := d.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if d.sub.count() != 0 || d.inflight.Load() != 0 || d.conns.count() != 0 {
		t.Errorf("%d submitted, %d requests and %d connections left", d.sub.count(), d.inflight.Load(), d.conns.count())
	}
}

// Connections beyond the limits are answered and closed; the others go on.
func TestConnectionLimits(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Config)
		status int
		code   string
		metric string
	}{
		{"total", func(c *Config) { c.MaxConnections = 2 }, 503, "overloaded", "total"},
		{"per address", func(c *Config) { c.MaxConnectionsPerIP = 2 }, 429, "rate_limited", "per_ip"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := open(t, func(cfg *Config, _ *schema.Limits, _ *Deps) { c.change(cfg) })
			held := []*rawConn{d.raw(), d.raw()}
			for _, h := range held {
				h.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
				h.read() // it is counted now
			}
			extra := d.raw()
			a := extra.read()
			if a.status != c.status || a.code() != c.code || a.header.Get("Retry-After") == "" || a.header.Get("X-Request-Id") != a.json["request_id"] || !extra.ended() {
				t.Errorf("one too many: %v %v", a, a.header)
			}
			if n := d.value(`millrace_ingest_connections_refused_total{reason="` + c.metric + `"}`); n != 1 {
				t.Errorf("refused counter is %v", n)
			}
			held[0].send("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			if held[0].read(); !held[0].ended() {
				t.Error("the connection did not close")
			}
			// Its place is free once the server has noticed; a dial that comes too early is refused again.
			for a.status = 0; a.status != 200; {
				next := d.raw()
				next.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
				a = next.read()
			}
		})
	}
}

func TestRequestsPerConnection(t *testing.T) {
	d := open(t, func(c *Config, _ *schema.Limits, _ *Deps) { c.MaxRequestsPerConnection = 2 })
	c := d.raw()
	c.send(strings.Repeat("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", 3))
	if a := c.read(); a.close {
		t.Errorf("first answer: %v", a.header)
	}
	if a := c.read(); !a.close {
		t.Errorf("second answer: %v", a.header)
	}
	if rest, _ := io.ReadAll(c.r); len(rest) != 0 {
		t.Errorf("a third answer: %q", rest)
	}
}

// failing is a listener whose Accept fails a few times, as when file descriptors run out.
type failing struct {
	net.Listener
	mu   sync.Mutex
	left int
}

func (f *failing) Accept() (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left > 0 {
		f.left--
		return nil, fmt.Errorf("accept: too many open files")
	}
	return f.Listener.Accept()
}

func TestAcceptErrorsPass(t *testing.T) {
	sub := &recorder{}
	s, err := New(DefaultConfig(), schema.DefaultLimits(), Deps{Submitter: sub, Validate: func(*schema.Batch) {}, Keys: keys{}, Health: func(bool) (int, []byte) { return 200, nil }, Log: slog.New(slog.DiscardHandler), Metrics: metrics.NewSet()})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &failing{Listener: ln, left: 3}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, f) }()
	d := &door{t: t, addr: ln.Addr().String()}
	if a := d.do("GET", "/livez", ""); a.status != 200 {
		t.Error(a)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestRunEndsWhenTheListenerDoes(t *testing.T) {
	s, err := New(DefaultConfig(), schema.DefaultLimits(), Deps{Submitter: &recorder{}, Validate: func(*schema.Batch) {}, Keys: keys{}, Health: func(bool) (int, []byte) { return 200, nil }, Log: slog.New(slog.DiscardHandler), Metrics: metrics.NewSet()})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	if err := s.Run(context.Background(), ln); err == nil || !strings.Contains(err.Error(), "accept") {
		t.Errorf("Run on a closed listener: %v", err)
	}
}
