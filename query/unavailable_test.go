package query

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/enginetest"
)

func TestEngineUnavailable(t *testing.T) {
	e := startEngine(t)
	dead := listen(t)
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	w := frontOf(t, e, func(_ *Config, d *Deps) {
		d.ClickHouse.URLs = []string{"http://" + dead.Addr().String(), "http://" + e.HTTP}
	})
	wrong := frontOf(t, e, func(_ *Config, d *Deps) {
		d.ClickHouse.Reader = func(uint32) Account { return Account{"p1_reader", "wrong" + accountPassword} }
		d.ClickHouse.Analyst = func(uint32) Account { return Account{"p1_analyst", "wrong" + accountPassword} }
	})
	ping := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), patienceInTests)
		defer cancel()
		return w.server.Ping(ctx)
	}
	pid := w.operator("SELECT displayName(), uptime() >= 0")

	t.Run("the first server is dead", func(t *testing.T) {
		if got := w.sql("SELECT 1").rows(t); got != "[[1]]" {
			t.Error(got)
		}
		if err := ping(); err != nil {
			t.Error(err)
		}
	})
	t.Run("an account is refused", func(t *testing.T) {
		for range 20 {
			r := wrong.sql("SELECT 1")
			r.mustBe(t, codeEngineUnavailable)
			said := strings.ReplaceAll(string(r.body), r.header.Get("X-Request-Id"), "") // any digits may be in it
			for _, never := range []string{"p1_", accountPassword, "516", "assword"} {
				if strings.Contains(said, never) {
					t.Errorf("the answer has %q: %s", never, r)
				}
			}
		}
		r := w.do("POST", "/v1/query/sql", strangeKey, sqlText("SELECT 1", nil))
		r.mustBe(t, codeEngineUnavailable)
		if !strings.Contains(wrong.log.String(), "AUTHENTICATION_FAILED") || strings.Contains(wrong.log.String(), accountPassword) {
			t.Errorf("log: %s", wrong.log)
		}
	})
	t.Run("clients break off", func(t *testing.T) {
		// Refusals and resets over HTTP leave the engine alive.
		for i := range 20 {
			c, err := net.Dial("tcp", e.HTTP)
			if err != nil {
				t.Fatal(err)
			}
			request := "POST /?query=SELECT+sleep(0.5) HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
			if _, err := io.WriteString(c, request[:len(request)-i*3]); err != nil {
				t.Fatal(err)
			}
			if err := c.(*net.TCPConn).SetLinger(0); err != nil {
				t.Fatal(err)
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
	if now := w.operator("SELECT displayName(), uptime() >= 0"); now != pid {
		t.Errorf("the engine was %s and is %s", pid, now)
	}
	t.Run("no server", func(t *testing.T) {
		e.Kill()
		r := w.sql("SELECT 1")
		r.mustBe(t, codeEngineUnavailable)
		if r.header.Get("Retry-After") == "" || strings.Contains(string(r.body), "127.0.0.1") {
			t.Errorf("%v %s", r.header, r)
		}
		w.do("DELETE", "/v1/query/0198f3c2-5d3e-7c61-9b0e-2f6a1d4c8e55", ourKey, "").mustBe(t, codeEngineUnavailable)
		if ping() == nil {
			t.Error("a dead engine answers ping")
		}
		e.Start()
		if got := w.sql("SELECT 1").rows(t); got != "[[1]]" {
			t.Error(got)
		}
	})
}

// cutter passes connections on to a server and breaks off each after so many bytes of answer.
type cutter struct {
	net.Listener
	to    string
	after int64
	done  sync.WaitGroup
}

func startCutter(t *testing.T, to string, after int64) *cutter {
	t.Helper()
	c := &cutter{Listener: listen(t), to: to, after: after}
	c.done.Go(c.run)
	t.Cleanup(func() {
		_ = c.Close()
		c.done.Wait()
	})
	return c
}

func (c *cutter) run() {
	for {
		client, err := c.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", c.to)
		if err != nil {
			_ = client.Close()
			continue
		}
		c.done.Go(func() { _, _ = io.Copy(server, client) })
		c.done.Go(func() {
			_, _ = io.CopyN(client, server, c.after)
			_, _ = client.Close(), server.Close()
		})
	}
}

// TestBrokenResult: what comes from ClickHouse ends too early. The client must notice in every format.
func TestBrokenResult(t *testing.T) {
	e := startEngine(t)
	t.Run("stalled", func(t *testing.T) { stalled(t, e) })
	for f := range numFormats {
		const after = 100_000
		proxy := startCutter(t, e.HTTP, after)
		w := frontOf(t, e, func(_ *Config, d *Deps) { d.ClickHouse.URLs = []string{"http://" + proxy.Addr().String()} })
		ctx, cancel := context.WithTimeout(context.Background(), patienceInTests)
		r, err := w.send(ctx, "POST", "/v1/query/sql", ourKey, sqlText("SELECT number, generateUUIDv4() AS u FROM numbers(20000)", nil), "Accept", formats[f].accept)
		cancel()
		if r.status != http.StatusOK || len(r.body) < after/2 {
			t.Fatalf("format %d: nothing to break off: %v, %d bytes of status %d", f, err, len(r.body), r.status)
		}
		if err == nil {
			t.Errorf("format %d: %d bytes look whole", f, len(r.body))
		}
		if got := w.counter(`millrace_query_requests_total{question="sql",code="broken_off"}`); got != "1" {
			t.Errorf("format %d: broken_off counted: %q\n%s", f, got, w.log)
		}
	}
}

// stalled: ClickHouse stops in the middle of a result, and the client is told so by the end of the connection.
func stalled(t *testing.T, e *enginetest.Engine) {
	hold := listen(t)
	defer hold.Close() //nolint:errcheck // test listener
	var stuck sync.WaitGroup
	ended := make(chan struct{})
	stuck.Go(func() {
		client, err := hold.Accept()
		if err != nil {
			return
		}
		defer client.Close() //nolint:errcheck // test connection
		server, err := net.Dial("tcp", e.HTTP)
		if err != nil {
			t.Error(err)
			return
		}
		defer server.Close() //nolint:errcheck // test connection
		stuck.Go(func() { _, _ = io.Copy(server, client) })
		_, _ = io.CopyN(client, server, 100_000)
		<-ended
	})
	slow := frontOf(t, e, func(c *Config, d *Deps) {
		c.WriteTimeout = 100 * time.Millisecond
		d.ClickHouse.URLs = []string{"http://" + hold.Addr().String()}
	})
	ctx, cancel := context.WithTimeout(context.Background(), patienceInTests)
	defer cancel()
	r, err := slow.send(ctx, "POST", "/v1/query/sql", ourKey, sqlText("SELECT number, generateUUIDv4() FROM numbers(20000)", nil))
	if r.status != http.StatusOK || err == nil || ctx.Err() != nil {
		t.Errorf("%d, %v", r.status, err)
	}
	close(ended)
	stuck.Wait()
}
