package ingest

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/schema"
)

// event is a body of exactly n bytes.
func event(n int) string {
	const frame = `{"event":"e","properties":{"x":""}}`
	return strings.Replace(frame, `""`, `"`+strings.Repeat("x", n-len(frame))+`"`, 1)
}

func chunkedBody(body string, size int) string {
	var b strings.Builder
	for len(body) > 0 {
		n := min(size, len(body))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	b.WriteString("0\r\n\r\n")
	return b.String()
}

const postHead = "POST /v1/track HTTP/1.1\r\nHost: x\r\nX-Write-Key: " + testKey + "\r\n"

// Bodies of every length around the sizes where buffers grow arrive whole, in one piece or in chunks.
func TestBodySizes(t *testing.T) {
	const limit = 100_000
	d := open(t, func(c *Config, _ *schema.Limits, _ *Deps) { c.MaxBodyBytes = limit })
	for _, n := range []int{36, 500, 4095, 4096, 8191, 8192, 8193, 8194, 16383, 16384, 16385, 32768, 65535, 65536, 65537, limit - 1, limit} {
		want := event(n)
		for name, text := range map[string]string{
			"length":  fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", postHead, n, want),
			"chunks":  postHead + "Transfer-Encoding: chunked\r\n\r\n" + chunkedBody(want, 1000),
			"a chunk": postHead + "Transfer-Encoding: chunked\r\n\r\n" + chunkedBody(want, n),
		} {
			conn := d.raw()
			conn.send(text + "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
			if a := conn.read(); a.status != 200 || string(d.sub.last().Buf[:n]) != want {
				t.Errorf("%d bytes, %s: %v", n, name, a)
			}
			if a := conn.read(); a.status != 200 {
				t.Errorf("%d bytes, %s: the next request: %v", n, name, a)
			}
		}
	}
	if used := d.bodies.used.Load(); used != 0 {
		t.Errorf("%d bytes are still charged", used)
	}
}

// A body too large is refused before it is read, and the client, who is still sending, can read why.
func TestBodyTooLarge(t *testing.T) {
	const limit = 100_000
	d := open(t, func(c *Config, _ *schema.Limits, _ *Deps) { c.MaxBodyBytes = limit })
	for _, n := range []int{limit + 1, 10 << 20} {
		conn := d.raw()
		conn.send(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", postHead, n, event(n)))
		if a := conn.read(); a.status != 413 || a.code() != "too_large" {
			t.Errorf("%d bytes: %v", n, a)
		}
	}
	conn := d.raw()
	conn.send(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", postHead, 1<<40, strings.Repeat("x", 8<<10)))
	if a := conn.read(); a.status != 413 || !a.close {
		t.Errorf("a declared length: %v", a)
	}
	conn = d.raw()
	conn.send(postHead + "Transfer-Encoding: chunked\r\n\r\n" + chunkedBody(event(4<<20), 3000))
	if a := conn.read(); a.status != 413 || a.code() != "too_large" || !a.close {
		t.Errorf("chunks: %v", a)
	}
	if d.sub.count() != 0 {
		t.Error("something was submitted")
	}
}

// A refusal for the key comes before the body, and a small body that is left unread does not cost the connection.
func TestRefusedWithoutTheBody(t *testing.T) {
	d := open(t, nil)
	conn := d.raw()
	for range 3 {
		conn.send(fmt.Sprintf("POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", 100_000, event(100_000)))
		if a := conn.read(); a.status != 401 || a.close {
			t.Fatal(a)
		}
	}
	conn = d.raw()
	conn.send(fmt.Sprintf("POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", 4<<20, event(4<<20)))
	if a := conn.read(); a.status != 401 || !a.close {
		t.Error(a)
	}
}

func TestExpectContinue(t *testing.T) {
	d := open(t, func(c *Config, _ *schema.Limits, _ *Deps) { c.MaxBodyBytes = 100_000 })
	body := event(50_000)
	conn := d.raw()
	conn.send(fmt.Sprintf("%sContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", postHead, len(body)))
	if line, err := conn.r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("%q, %v", line, err)
	}
	if line, err := conn.r.ReadString('\n'); err != nil || line != "\r\n" {
		t.Fatalf("%q, %v", line, err)
	}
	conn.send(body)
	if a := conn.read(); a.status != 200 {
		t.Error(a)
	}
	for _, c := range []struct {
		name, head, code string
		status           int
	}{
		{"too large", fmt.Sprintf("%sContent-Length: %d\r\n", postHead, 100_001), "too_large", 413},
		{"unauthorised", "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n", "invalid_key", 401},
		{"unknown path", "POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n", "unknown_route", 404},
		{"encoding", postHead + "Content-Length: 5\r\nContent-Encoding: compress\r\n", "unsupported_encoding", 415},
	} {
		conn := d.raw()
		conn.send(c.head + "Expect: 100-continue\r\n\r\n")
		a := conn.read()
		if a.status != c.status || a.code() != c.code || !a.close {
			t.Errorf("%s: %v", c.name, a)
		}
		checkProblem(t, a)
	}
	if d.sub.count() != 1 {
		t.Errorf("%d requests were submitted", d.sub.count())
	}
	if d.value(`millrace_ingest_requests_total{route="/v1/track",code="too_large"}`) != 1 || d.value(`millrace_ingest_requests_total{route="/v1/track",code="ok"}`) != 1 {
		t.Error("not counted once each")
	}
}

// A client that stops sending, or sends too slowly, is answered 408 and cut off.
func TestSlowBody(t *testing.T) {
	d := open(t, func(c *Config, _ *schema.Limits, _ *Deps) { c.BodyTimeout = 150 * time.Millisecond })
	for _, c := range []struct{ name, text string }{
		{"nothing", postHead + "Content-Length: 50\r\n\r\n"},
		{"part of a small body", postHead + "Content-Length: 5000\r\n\r\n{"},
		{"part of a large body", postHead + "Content-Length: 500000\r\n\r\n" + strings.Repeat(" ", 9000)},
		{"no chunk", postHead + "Transfer-Encoding: chunked\r\n\r\n"},
		{"part of a chunk", postHead + "Transfer-Encoding: chunked\r\n\r\nff\r\nabc"},
		{"no last chunk", postHead + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"},
		{"no end of the trailer", postHead + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"},
	} {
		conn := d.raw()
		conn.send(c.text)
		a := conn.read()
		if a.status != 408 || a.code() != "timeout" || !a.close || !conn.ended() {
			t.Errorf("%s: %v", c.name, a)
		}
		checkProblem(t, a)
	}
	if used := d.bodies.used.Load(); used != 0 || d.sub.count() != 0 {
		t.Errorf("%d bytes are still charged, %d submitted", used, d.sub.count())
	}
}

// The deadline of a body moves with what has arrived, by its minimum rate and no further.
func TestPace(t *testing.T) {
	d := open(t, func(c *Config, l *schema.Limits, _ *Deps) {
		c.BodyTimeout, c.MinBodyBytesPerSecond, l.MaxEventBytes = 500*time.Millisecond, 1<<20, 16<<20
	})
	// 8 MiB earn 8 s at 1 MiB/s: a pause longer than BodyTimeout is forgiven. The pause is the server's own: it waits until the client has seen
	// two other connections time out.
	body := event(9 << 20)
	conn := d.raw()
	conn.send(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", postHead, len(body), body[:8<<20]))
	for range 2 {
		slow := d.raw()
		slow.send(postHead + "Content-Length: 500000\r\n\r\n" + strings.Repeat(" ", 9000))
		if a := slow.read(); a.status != 408 {
			t.Error(a)
		}
	}
	conn.send(body[8<<20:])
	if a := conn.read(); a.status != 200 {
		t.Error(a)
	}
}

// A client that hangs up in the middle of a body leaves nothing behind.
func TestClientHangsUp(t *testing.T) {
	d := open(t, nil)
	for _, text := range []string{
		postHead + "Content-Length: 500000\r\n\r\n" + strings.Repeat(" ", 9000),
		postHead + "Transfer-Encoding: chunked\r\n\r\nff\r\nabc",
		postHead + "Content-Length: 50\r\n\r\n{",
		"POST /v1/tr",
	} {
		conn := d.raw()
		conn.send(text)
		if err := conn.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(conn.r)
		if err != nil || len(rest) > 0 && !strings.Contains(string(rest), "invalid_framing") {
			t.Errorf("%.60q: %q, %v", text, rest, err)
		}
	}
	if d.sub.count() != 0 || d.bodies.used.Load() != 0 || d.inflight.Load() != 0 {
		t.Errorf("%d submitted, %d bytes and %d requests in flight", d.sub.count(), d.bodies.used.Load(), d.inflight.Load())
	}
}

// When memory or places run out, requests are refused at once in a form that clients retry.
func TestBudgets(t *testing.T) {
	here := netip.MustParseAddr("127.0.0.1")
	body := event(1000)
	guestBody := `{"writeKey":"` + testKey + `","x":"` + strings.Repeat("x", 2000) + `"}`
	for _, c := range []struct {
		name   string
		fill   func(d *door)
		path   string
		body   string
		key    bool
		status int
		code   string
		says   string
	}{
		{"memory", func(d *door) { d.bodies.take(d.cfg.MaxInflightBytes - 999) }, "/v1/track", body, true, 503, "overloaded", "ingest.max_inflight_bytes"},
		{"requests", func(d *door) { d.inflight.Store(int64(d.cfg.MaxConcurrentRequests)) }, "/v1/track", body, true, 503, "overloaded", "ingest.max_concurrent_requests"},
		{"guests", func(d *door) {
			for range d.cfg.MaxUnauthenticatedBodies {
				d.guests.enter(here)
			}
		}, "/v1/track", guestBody, false, 429, "rate_limited", "ingest.max_unauthenticated_bodies"},
		{"guests' memory", func(d *door) {
			d.guests.enter(here)
			d.guests.take(here, d.cfg.MaxUnauthenticatedBytes-1999)
		}, "/v1/track", guestBody, false, 429, "rate_limited", "ingest.max_unauthenticated_bytes"},
		{"a guest too large", func(*door) {}, "/v1/track", `{"writeKey":"` + testKey + `","x":"` + strings.Repeat("x", 20_000) + `"}`, false, 413, "too_large", "ingest.max_unauthenticated_bytes"},
		{"a guest that grows too large", func(*door) {}, "/v1/track", string(gzipBytes(t, []byte(`{"writeKey":"`+testKey+`","x":"`+strings.Repeat("x", 20_000)+`"}`))), false, 413, "too_large", "ingest.max_unauthenticated_bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := open(t, func(cfg *Config, _ *schema.Limits, _ *Deps) { cfg.MaxUnauthenticatedBytes = 16_000 })
			send := func() answer {
				if c.key {
					return d.post(c.path, c.body)
				}
				return d.do("POST", c.path, c.body)
			}
			if c.status != 413 {
				if a := send(); a.status != 200 {
					t.Fatalf("with room: %v", a)
				}
			}
			c.fill(d)
			a := send()
			if a.status != c.status || a.code() != c.code || !strings.Contains(a.body, c.says) {
				t.Errorf("%v", a)
			}
			checkProblem(t, a)
			if c.status != 413 {
				checkRetryAfter(t, a)
			}
			// Requests that show their key in the header are not held up by guests.
			if !c.key {
				if a := d.post(c.path, c.body); a.status != 200 {
					t.Errorf("with the key in the header: %v", a)
				}
			}
		})
	}
}

func TestGuestsLeaveNothingBehind(t *testing.T) {
	d := open(t, nil)
	for _, body := range []string{`{"writeKey":"` + testKey + `"}`, `{"writeKey":"nobody"}`, `{`, string(gzipBytes(t, []byte(`{}`)))} {
		d.do("POST", "/v1/track", body)
	}
	d.guests.mu.Lock()
	defer d.guests.mu.Unlock()
	if len(d.guests.held) != 0 || d.bodies.used.Load() != 0 {
		t.Errorf("still held: %v, %d bytes", d.guests.held, d.bodies.used.Load())
	}
}

func TestSource(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"192.0.2.1", "192.0.2.1"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
		{"fe80::1%eth0", "fe80::"},
	} {
		if got := source(netip.MustParseAddr(c.in)); got.String() != c.want {
			t.Errorf("source(%s) = %v, want %s", c.in, got, c.want)
		}
	}
	if source(netip.Addr{}).IsValid() {
		t.Error("no address became one")
	}
}

// Clients that declare the largest body and then stall hold no more than what they sent, rounded up, and nobody is refused for them.
func TestDeclaredLengthCostsNothing(t *testing.T) {
	d := open(t, nil)
	const n = 100
	conns := make([]*rawConn, n)
	for i := range conns {
		conns[i] = d.raw()
		conns[i].send(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", postHead, d.cfg.MaxBodyBytes, strings.Repeat(" ", 9000)))
	}
	eventually(t, "all bodies are being read", func() bool { return d.inflight.Load() == n && d.bodies.used.Load() >= n*9000 })
	if used := d.bodies.used.Load(); used > n*firstRoom {
		t.Errorf("%d bytes are charged for %d bodies of 9000 bytes", used, n)
	}
	if a := d.post("/v1/track", event(50)); a.status != 200 {
		t.Error(a)
	}
	for _, c := range conns {
		_ = c.Close()
	}
	eventually(t, "all is given back", func() bool { return d.inflight.Load() == 0 && d.bodies.used.Load() == 0 })
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick, limit := time.NewTicker(time.Millisecond), time.After(10*time.Second)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("never true: %s", what)
		}
	}
}
