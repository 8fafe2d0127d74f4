package ingest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/millrace/millrace/schema"
)

// Requests never see each other's bytes: many connections pipeline requests with ids of their own, Submit yields in the middle, checks that what it was lent is
// what was sent, and overwrites all of it before it returns, as the next request that gets the same memory will.
func TestNoAliasing(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	submit := submitFunc(func(_ context.Context, b *schema.Batch) error {
		before := bytes.Clone(b.Buf)
		agent := string(b.UserAgent)
		for range 3 {
			// Give way to other requests while this one is borrowed.
			done := make(chan struct{})
			go close(done)
			<-done
		}
		if !bytes.Equal(b.Buf, before) {
			return fmt.Errorf("the body of %s changed while it was lent", agent)
		}
		for i := range b.Events {
			e := &b.Events[i]
			user, event := string(e.Text(schema.FieldUserID).In(b.Buf)), string(e.Text(schema.FieldEvent).In(b.Buf))
			if user != agent || event != fmt.Sprintf("%s-%d", agent, i) || string(b.IdempotencyKey) != agent || string(b.CorrelationID.In(b.Buf)) != agent {
				return fmt.Errorf("a request of %s holds user %q, event %q, idempotency key %q", agent, user, event, b.IdempotencyKey)
			}
			mu.Lock()
			seen[event]++
			mu.Unlock()
			e.ID = schema.UUID{}
			copy(e.ID[:], slices.Concat(b.RequestID[:8], b.RequestID[8:]))
		}
		for i := range b.Buf[:cap(b.Buf)] {
			b.Buf[:cap(b.Buf)][i] = 0xdb
		}
		return nil
	})
	d := open(t, func(_ *Config, _ *schema.Limits, deps *Deps) { deps.Submitter = submit })
	const clients, requests, events = 8, 60, 4
	var wg sync.WaitGroup
	failures := make(chan error, clients)
	for c := range clients {
		conn := d.raw()
		wg.Go(func() {
			var text bytes.Buffer
			for n := range requests {
				id := fmt.Sprintf("c%dr%d", c, n)
				var body bytes.Buffer
				body.WriteString(`{"batch":[`)
				for e := range events {
					if e > 0 {
						body.WriteByte(',')
					}
					// Bodies of different lengths, so that buffers are reused with something left behind the end.
					fmt.Fprintf(&body, `{"type":"track","event":"%s-%d","userId":"%s","properties":{"x":"%s"}}`, id, e, id, bytes.Repeat([]byte{'x'}, n*c*7%3000))
				}
				body.WriteString(`]}`)
				sent, encoding := body.Bytes(), ""
				if n%3 == 1 {
					sent, encoding = gzipBytes(t, sent), "Content-Encoding: gzip\r\n"
				}
				fmt.Fprintf(&text, "POST /v1/batch?results=all HTTP/1.1\r\nHost: x\r\nX-Write-Key: %s\r\nUser-Agent: %s\r\nIdempotency-Key: %s\r\nX-Correlation-Id: %s\r\n%sContent-Length: %d\r\n\r\n%s",
					testKey, id, id, id, encoding, len(sent), sent)
			}
			go conn.send(text.String())
			for n := range requests {
				a := conn.read()
				results, _ := a.json["results"].([]any)
				if a.status != 200 || len(results) != events || a.header.Get("X-Correlation-Id") != fmt.Sprintf("c%dr%d", c, n) || results[0].(map[string]any)["id"] != a.header.Get("X-Request-Id") {
					failures <- fmt.Errorf("client %d, request %d: %v %v", c, n, a, a.header)
					return
				}
			}
		})
	}
	wg.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
	for c := range clients {
		for n := range requests {
			for e := range events {
				if k := fmt.Sprintf("c%dr%d-%d", c, n, e); seen[k] != 1 && !t.Failed() {
					t.Errorf("%s was seen %d times", k, seen[k])
				}
			}
		}
	}
}

type submitFunc func(context.Context, *schema.Batch) error

func (f submitFunc) Submit(ctx context.Context, b *schema.Batch) error { return f(ctx, b) }
