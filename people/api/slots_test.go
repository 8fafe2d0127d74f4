package api

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/people/segment"
	"github.com/millrace/millrace/schema/clickhouse"
)

// Whoever asks much at once holds up nobody else, and a request that is still on its way counts for nothing.
func TestSlots(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	tables := func(ctx context.Context) (*clickhouse.DB, error) {
		asked <- struct{}{}
		select {
		case <-answer:
			return nil, errors.New("there are none")
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	server := httptest.NewServer(New(Deps{
		Keys: ring{"a": {Project: 1, Read: true, Manage: true}, "b": {Project: 2, Read: true}, "c": {Project: 3, Read: true}}, Segments: segment.NewStore(tables),
		MaxConcurrent: 2, MaxConcurrentPerProject: 1, Log: slog.New(slog.DiscardHandler), Metrics: metrics.NewSet(),
	}))
	defer server.Close()
	get := func(key string) string {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v1/segments", http.NoBody)
		if err != nil {
			return err.Error()
		}
		request.Header.Set("X-Write-Key", key)
		response, err := server.Client().Do(request)
		if err != nil {
			return err.Error()
		}
		defer response.Body.Close() //nolint:errcheck // read only
		text, err := io.ReadAll(response.Body)
		if err != nil {
			return err.Error()
		}
		return response.Status + " " + string(text)
	}
	slow, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close() //nolint:errcheck // nothing is sent
	if _, err := io.WriteString(slow, "PUT /v1/segments/x HTTP/1.1\r\nHost: x\r\nX-Write-Key: a\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(slow).ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("the body is not awaited: %q, %v", line, err)
	}
	held := make(chan string, 2)
	for _, key := range []string{"a", "b"} {
		go func() { held <- get(key) }()
		<-asked
	}
	if got := get("a"); !strings.Contains(got, "429") || !strings.Contains(got, "too_many_queries") || !strings.Contains(got, "query.max_concurrent_per_project") {
		t.Error(got)
	}
	if got := get("c"); !strings.Contains(got, "503") || !strings.Contains(got, "overloaded") || !strings.Contains(got, "query.max_concurrent)") {
		t.Error(got)
	}
	close(answer)
	for range 2 {
		if got := <-held; !strings.Contains(got, "engine_unavailable") {
			t.Error(got)
		}
	}
	go func() { held <- get("a") }()
	<-asked
	if got := <-held; !strings.Contains(got, "engine_unavailable") {
		t.Errorf("the slot is not given back: %s", got)
	}
}
