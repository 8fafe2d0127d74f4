package query

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestLimits comes up against each limit: the answer names it, and is never a part of a result.
func TestLimits(t *testing.T) {
	e := startEngine(t)
	w := frontOf(t, e, func(c *Config, _ *Deps) { c.MaxRowsToRead = 200_000_000 })
	narrow := frontOf(t, e, func(c *Config, _ *Deps) { c.MaxResultRows, c.MaxResultBytes = 100, 64<<10 })

	t.Run("time", func(t *testing.T) {
		start := time.Now()
		w.do("POST", "/v1/query/sql?timeout_ms=300", ourKey, sqlText(endless, nil)).mustBe(t, codeQueryTimeout, "300ms", "query.timeout")
		w.do("POST", "/v1/query/sql", ourKey, `{"query":"`+endless+`","timeout_ms":200}`).mustBe(t, codeQueryTimeout, "200ms")
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("two short timeouts took %v", took)
		}
	})
	t.Run("rows", func(t *testing.T) {
		w.sql("SELECT number FROM numbers(1000000)").mustBe(t, codeResultTooLarge, "100000 rows", "query.max_result_rows", "LIMIT")
		narrow.sql("SELECT number FROM numbers(101)").mustBe(t, codeResultTooLarge, "100 rows", "query.max_result_rows")
		// A statement may loosen what ClickHouse is told, up to what the account has, and not what we send.
		narrow.sql("SELECT number FROM numbers(101) SETTINGS max_result_rows = 1000").mustBe(t, codeResultTooLarge, "101 rows", "query.max_result_rows")
		if got := narrow.sql("SELECT number FROM numbers(100)"); strings.Count(got.rows(t), ",") != 99 {
			t.Errorf("at the limit: %s", got)
		}
	})
	t.Run("bytes", func(t *testing.T) {
		narrow.sql("SELECT repeat('x', 100000)").mustBe(t, codeResultTooLarge, "query.max_result_bytes")
		narrow.sql("SELECT repeat('x', 100000)", "Accept", "text/csv").mustBe(t, codeResultTooLarge)
	})
	t.Run("memory", func(t *testing.T) {
		w.sql("SELECT length(groupArray(number)) FROM numbers(100000000)").mustBe(t, codeMemoryLimit, "query.max_memory_bytes")
	})
	t.Run("reading", func(t *testing.T) {
		w.sql("SELECT count() FROM numbers(200000001)").mustBe(t, codeScanLimit, "query.max_rows_to_read")
	})
	t.Run("statement and values", func(t *testing.T) {
		long := strings.Repeat("x", maxFieldBytes-len("SELECT length('')"))
		if got := w.sql("SELECT length('" + long + "')").rows(t); got != fmt.Sprintf("[[%d]]", len(long)) {
			t.Errorf("the longest statement: %s", got)
		}
		w.sql("SELECT length('x"+long+"')").mustBe(t, codeInvalidQuestion, "/query", "too_long")
		most := strings.Repeat("y", maxFieldBytes)
		if got := w.do("POST", "/v1/query/sql", ourKey, sqlText("SELECT length({v:String})", map[string]any{"v": most})).rows(t); got != fmt.Sprintf("[[%d]]", len(most)) {
			t.Errorf("the longest value: %s", got)
		}
		w.do("POST", "/v1/query/sql", ourKey, sqlText("SELECT length({v:String})", map[string]any{"v": most + "y"})).mustBe(t, codeInvalidQuestion, "/parameters/v", "too_long")
	})
	t.Run("at once", func(t *testing.T) {
		concurrency(t, frontOf(t, e, func(c *Config, _ *Deps) { c.MaxConcurrent, c.MaxConcurrentPerProject = 3, 2 }))
	})
	if got := w.counter(`millrace_query_requests_total{question="sql",code="memory_limit"}`); got != "1" {
		t.Errorf("memory_limit counted: %q", got)
	}
	if got := w.counter("millrace_query_rows_read_total"); got == "" || got == "0" {
		t.Errorf("rows read: %q", got)
	}
}

// concurrency fills the slots with queries that do not end.
func concurrency(t *testing.T, w *world) {
	var asking sync.WaitGroup
	ctx, stop := context.WithTimeout(context.Background(), patienceInTests)
	defer stop()
	for _, key := range []string{ourKey, ourKey, theirKey} {
		asking.Go(func() {
			if r, err := w.send(ctx, "POST", "/v1/query/sql", key, sqlText(endless, nil)); !errors.Is(err, context.Canceled) {
				t.Errorf("an endless query ended: %v, %v", r, err)
			}
		})
	}
	await(t, "three queries run", func() bool { return w.server.Running() == 3 && strings.Count(w.processes(), "-") == 3*5 })
	if got := w.counter("millrace_queries_running"); got != "3" {
		t.Errorf("millrace_queries_running %s", got)
	}
	r := w.sql("SELECT 1")
	r.mustBe(t, codeTooManyQueries, "query.max_concurrent_per_project")
	if r.status != http.StatusTooManyRequests || r.header.Get("Retry-After") == "" {
		t.Errorf("%s, %v", r, r.header)
	}
	r = w.do("POST", "/v1/query/sql", theirKey, sqlText("SELECT 1", nil))
	r.mustBe(t, codeOverloaded, "query.max_concurrent)")
	if r.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	stop()
	asking.Wait()
	await(t, "the slots are free", func() bool { return w.server.Running() == 0 })
	if got := w.sql("SELECT 1").rows(t); got != "[[1]]" {
		t.Error(got)
	}
}
