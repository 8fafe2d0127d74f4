package query

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/schema"
)

// asked is a query that was sent and not answered yet.
type asked struct {
	id     string // in full
	leave  context.CancelFunc
	ended  chan struct{} // closed when reply and err are there
	reply  reply
	err    error
	client *world
}

// ask sends an endless query with an id of its own and returns when ClickHouse runs it.
func (w *world) ask(key string, project uint32) *asked {
	w.t.Helper()
	id := schema.NewUUIDv7(time.Now().UnixMilli())
	a := &asked{id: queryID(project, id), ended: make(chan struct{}), client: w}
	var ctx context.Context
	ctx, a.leave = context.WithTimeout(context.Background(), patienceInTests)
	go func() {
		defer close(a.ended)
		a.reply, a.err = w.send(ctx, "POST", "/v1/query/sql?query_id="+id.String(), key, sqlText(endless, nil))
	}()
	w.t.Cleanup(func() {
		a.leave()
		<-a.ended
	})
	await(w.t, "the query runs", func() bool { return strings.Contains(w.processes(), a.id) })
	return a
}

// answer waits for the answer.
func (a *asked) answer() reply {
	a.client.t.Helper()
	<-a.ended
	if a.err != nil {
		a.client.t.Fatal(a.err)
	}
	return a.reply
}

func TestCancel(t *testing.T) {
	w := startWorld(t, nil)
	gone := func(t *testing.T, a *asked) {
		t.Helper()
		await(t, "the query is gone from the engine", func() bool { return !strings.Contains(w.processes(), a.id) })
		await(t, "its slot is free", func() bool { return w.server.Running() == 0 })
	}

	t.Run("the client goes away", func(t *testing.T) {
		a := w.ask(ourKey, 1)
		a.leave()
		<-a.ended
		if !errors.Is(a.err, context.Canceled) {
			t.Fatalf("%v, %v", a.reply, a.err)
		}
		gone(t, a)
		await(t, "it is counted", func() bool {
			return w.counter(`millrace_query_requests_total{question="sql",code="client_gone"}`) == "1"
		})
	})

	t.Run("the client resets its connection", func(t *testing.T) {
		id := schema.NewUUIDv7(time.Now().UnixMilli())
		c, err := net.Dial("tcp", w.front.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close() //nolint:errcheck // closed below
		body := sqlText(endless, nil)
		req, err := http.NewRequest("POST", "/v1/query/sql?query_id="+id.String(), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "query"
		req.SetBasicAuth(ourKey, "")
		if err := req.Write(c); err != nil {
			t.Fatal(err)
		}
		await(t, "the query runs", func() bool { return strings.Contains(w.processes(), id.String()) })
		if err := errors.Join(c.(*net.TCPConn).SetLinger(0), c.Close()); err != nil {
			t.Fatal(err)
		}
		gone(t, &asked{id: id.String()})
	})

	t.Run("somebody of the project cancels", func(t *testing.T) {
		for _, short := range []bool{false, true} {
			a := w.ask(ourKey, 1)
			id := a.id
			if short {
				_, id, _ = strings.Cut(id, "-")
			}
			r := w.do("DELETE", "/v1/query/"+id, ourKey, "")
			if d := r.document(t); r.status != http.StatusOK || d["query_id"] != a.id || d["cancelled"] != true {
				t.Errorf("%s", r)
			}
			a.answer().mustBe(t, codeQueryCancelled)
			gone(t, a)
			w.do("DELETE", "/v1/query/"+id, ourKey, "").mustBe(t, codeUnknownQuery)
		}
	})

	t.Run("another process cancels", func(t *testing.T) {
		other := frontOf(t, w.engine, nil)
		a := w.ask(ourKey, 1)
		if r := other.do("DELETE", "/v1/query/"+a.id, ourKey, ""); r.status != http.StatusOK {
			t.Errorf("%s", r)
		}
		a.answer().mustBe(t, codeQueryCancelled)
		gone(t, a)
	})

	t.Run("another project cannot", func(t *testing.T) {
		other := frontOf(t, w.engine, nil)
		a := w.ask(ourKey, 1)
		_, uuid, _ := strings.Cut(a.id, "-")
		for _, from := range []*world{w, other} {
			for _, id := range []string{a.id, uuid, "2-" + uuid} {
				from.do("DELETE", "/v1/query/"+id, theirKey, "").mustBe(t, codeUnknownQuery)
			}
		}
		// Nor by an id that names its own project: the accounts differ.
		if found, err := w.server.engine.kill(t.Context(), w.server.deps.ClickHouse.URLs[0], a.id, 2); found || err != nil {
			t.Errorf("kill as project 2: %v, %v", found, err)
		}
		if !strings.Contains(w.processes(), a.id) {
			t.Fatal("the query is gone")
		}
		r := w.do("POST", "/v1/query/sql?query_id="+uuid, ourKey, sqlText("SELECT 1", nil))
		r.mustBe(t, codeQueryExists)
		other.do("POST", "/v1/query/sql?query_id="+uuid, ourKey, sqlText("SELECT 1", nil)).mustBe(t, codeQueryExists)
		a.leave()
		gone(t, a)
	})
}

// runWorld is frontOf with a server that runs by itself. stop ends it, and ran has what Run returned.
func runWorld(t *testing.T, w *world, drain time.Duration) (running *world, stop context.CancelFunc, ran <-chan error) {
	t.Helper()
	running = frontOf(t, w.engine, func(c *Config, _ *Deps) { c.DrainTimeout = drain })
	running.front.Close()
	ln := listen(t)
	running.front.URL = "http://" + ln.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	result := make(chan error, 1)
	go func() { result <- running.server.Run(ctx, ln) }()
	return running, stop, result
}

func TestStop(t *testing.T) {
	shared := startWorld(t, nil)

	t.Run("with a query that does not end", func(t *testing.T) {
		w, stop, ran := runWorld(t, shared, 50*time.Millisecond)
		if got := w.sql("SELECT 1").rows(t); got != "[[1]]" {
			t.Fatal(got)
		}
		a := w.ask(ourKey, 1)
		stop()
		a.answer().mustBe(t, codeOverloaded, "stopping")
		if err := <-ran; err == nil || !strings.Contains(err.Error(), "1 queries were still running") {
			t.Errorf("Run: %v", err)
		}
		await(t, "the query is gone", func() bool { return w.processes() == "" })
		if c, err := net.Dial("tcp", strings.TrimPrefix(w.front.URL, "http://")); err == nil {
			t.Error("the port is still open", c.Close())
		}
	})

	t.Run("with a query that ends by itself", func(t *testing.T) {
		w, stop, ran := runWorld(t, shared, patienceInTests)
		answered := make(chan reply, 1)
		go func() {
			r, err := w.send(context.Background(), "POST", "/v1/query/sql", ourKey, sqlText("SELECT sleep(1)", nil))
			if err != nil {
				t.Error(err)
			}
			answered <- r
		}()
		await(t, "the query runs", func() bool { return w.processes() != "" })
		stop()
		if r := <-answered; r.rows(t) != "[[0]]" {
			t.Errorf("%s", r)
		}
		if err := <-ran; err != nil {
			t.Errorf("Run: %v", err)
		}
	})

	t.Run("when the listener fails", func(t *testing.T) {
		s := offline(t, nil)
		ln := listen(t)
		if err := ln.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.Run(context.Background(), ln); err == nil || !strings.Contains(err.Error(), "query: serve") {
			t.Errorf("Run: %v", err)
		}
	})
}

// TestConnectionsAreBounded opens one connection more than may be.
func TestConnectionsAreBounded(t *testing.T) {
	s := offline(t, func(c *Config, _ *Deps) { c.MaxConnections = 2 })
	ln := listen(t)
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx, ln) }()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SetDeadline(time.Now().Add(patienceInTests)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	served := func(c net.Conn) bool {
		if _, err := io.WriteString(c, "GET /nothing HTTP/1.1\r\nHost: query\r\n\r\n"); err != nil {
			return false
		}
		n, err := c.Read(make([]byte, 12))
		return n == 12 && err == nil
	}
	first, second := dial(), dial()
	if !served(first) || !served(second) {
		t.Fatal("two connections may be open")
	}
	if third := dial(); served(third) {
		t.Error("a third connection was served", third.Close())
	} else if err := third.Close(); err != nil {
		t.Error(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	await(t, "its place is free", func() bool {
		c := dial()
		defer c.Close() //nolint:errcheck // test connection
		return served(c)
	})
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	stop()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	var b bytes.Buffer
	s.deps.Metrics.WritePrometheus(&b)
	if strings.Contains(b.String(), "millrace_query_connections_refused_total 0") {
		t.Error("nothing was counted as refused")
	}
}

// TestEngineHangs: its process is stopped, so that neither the query's own limit nor KILL QUERY ends anything.
func TestEngineHangs(t *testing.T) {
	w := startWorld(t, nil)
	w.server.patience = patience{overdue: 50 * time.Millisecond, end: 200 * time.Millisecond, kill: 100 * time.Millisecond, again: 20 * time.Millisecond}
	w.engine.Pause()
	start := time.Now()
	w.do("POST", "/v1/query/sql?timeout_ms=100", ourKey, sqlText("SELECT 1", nil)).mustBe(t, codeEngineUnavailable)
	w.do("DELETE", "/v1/query/0198f3c2-5d3e-7c61-9b0e-2f6a1d4c8e55", ourKey, "").mustBe(t, codeEngineUnavailable)
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
	var asking sync.WaitGroup
	ctx, leave := context.WithCancel(context.Background())
	asking.Go(func() {
		if _, err := w.send(ctx, "POST", "/v1/query/sql", ourKey, sqlText("SELECT 1", nil)); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	await(t, "it was sent", func() bool { return w.server.Running() == 1 })
	leave()
	asking.Wait()
	await(t, "a client who has gone holds no slot", func() bool { return w.server.Running() == 0 })
	w.engine.Resume()
	await(t, "the engine answers again", func() bool { return w.sql("SELECT 1").status == http.StatusOK })
}

// TestSlowBody sends the beginning of a body and no more.
func TestSlowBody(t *testing.T) {
	s := offline(t, func(c *Config, _ *Deps) { c.BodyTimeout = 100 * time.Millisecond })
	ln := listen(t)
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx, ln) }()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(patienceInTests)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "POST /v1/query/sql HTTP/1.1\r\nHost: query\r\nX-Write-Key: "+ourKey+"\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close(), c.Close()); err != nil {
		t.Error(err)
	}
	reply{resp.StatusCode, resp.Header, body}.mustBe(t, codeTimeout, "query.body_timeout")
	stop()
	if err := <-ran; err != nil {
		t.Error(err)
	}
}
