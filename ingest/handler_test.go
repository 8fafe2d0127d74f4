package ingest

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/ingest/dialect"
	"github.com/millrace/millrace/schema"
)

func gzipBytes(t testing.TB, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// checkProblem checks that a refusal has every member that some SDK reads, and that they agree.
func checkProblem(t *testing.T, a answer) {
	t.Helper()
	if ct := a.header.Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("content type %q", ct)
	}
	text := func(key string) string {
		s, ok := a.json[key].(string)
		if !ok || s == "" {
			t.Errorf("no %s in %s", key, a.body)
		}
		return s
	}
	if text("type") != "docs/errors.md#"+text("code") || text("error") != text("code") {
		t.Errorf("type, code and error disagree: %s", a.body)
	}
	if text("message") != text("detail") || text("error_description") != text("detail") {
		t.Errorf("message, detail and error_description disagree: %s", a.body)
	}
	if a.json["status"] != float64(a.status) {
		t.Errorf("status %v under HTTP %d", a.json["status"], a.status)
	}
	if text("request_id") != a.header.Get("X-Request-Id") {
		t.Errorf("request_id %v, X-Request-Id %q", a.json["request_id"], a.header.Get("X-Request-Id"))
	}
	text("title")
	if id, ok := schema.ParseUUID([]byte(text("request_id"))); !ok || id[6]>>4 != 7 {
		t.Errorf("request_id %v is no UUIDv7", a.json["request_id"])
	}
}

// Every code that a whole request can be answered with, over real HTTP.
func TestEveryCode(t *testing.T) {
	seen := map[string]bool{}
	d := open(t, func(c *Config, l *schema.Limits, _ *Deps) {
		c.MaxEvents, c.MaxBodyBytes, c.MaxDecompressedBytes = 3, 4096, 100_000
		l.MaxDepth = 5
	})
	const post, batch, track = http.MethodPost, "/v1/batch", "/v1/track"
	good := `{"event":"e","userId":"u"}`
	bomb := string(gzipBytes(t, bytes.Repeat([]byte(" "), 200_000)))
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code                     string
		says                     []string
	}{
		{"malformed", post, track, `{"event":`, nil, 400, "invalid_json", []string{"byte 9", "unexpected end"}},
		{"malformed native", post, "/v1/events", `[{"event":"a"},{]`, nil, 400, "invalid_json", []string{"byte 16"}},
		{"trailing text", post, track, good + "x", nil, 400, "invalid_json", []string{"byte 26", `"x"`}},
		{"not gzip", post, track, "no gzip", []string{"Content-Encoding", "gzip"}, 400, "invalid_encoding", []string{"gzip"}},
		{"not zstd", post, track, "no zstd", []string{"Content-Encoding", "zstd"}, 400, "invalid_encoding", []string{"zstd"}},
		{"two encodings", post, track, good, []string{"Content-Encoding", "gzip, zstd"}, 400, "nested_encoding", []string{"gzip, zstd"}},
		{"two encoding lines", post, track, good, []string{"Content-Encoding", "gzip", "Content-Encoding", "gzip"}, 400, "nested_encoding", nil},
		{"gzip twice", post, track, string(gzipBytes(t, gzipBytes(t, []byte(good)))), []string{"Content-Encoding", "gzip"}, 400, "nested_encoding", nil},
		{"no batch", post, batch, `{"events":[]}`, nil, 400, "invalid_request", []string{"batch", "missing"}},
		{"batch of wrong kind", post, batch, `{"batch":{}}`, nil, 400, "invalid_request", []string{"array", "object"}},
		{"scalar", post, "/v1/events", `5`, nil, 400, "invalid_request", []string{"a number"}},
		{"array to a single path", post, track, `[]`, nil, 400, "invalid_request", []string{"an array"}},
		{"empty body", post, track, ``, nil, 400, "empty_batch", nil},
		{"blank body", post, "/v1/events", " \n", nil, 400, "empty_batch", nil},
		{"empty batch", post, batch, `{"batch":[]}`, nil, 400, "empty_batch", nil},
		{"no events", post, "/v1/events", `{"events":[]}`, nil, 400, "empty_batch", nil},
		{"no key", post, "/v1/events", good, []string{"Authorization", ""}, 401, "invalid_key", []string{"Basic", "Bearer", "X-Write-Key"}},
		{"key without scope ingest", post, track, good, []string{"Authorization", "Bearer " + queryKey}, 403, "forbidden_scope", []string{"--scope ingest"}},
		{"unknown key", post, track, good, []string{"Authorization", "Bearer nobody"}, 401, "invalid_key", nil},
		{"unknown path", post, "/v1/tracks", good, nil, 404, "unknown_route", []string{"/v1/tracks", "did you mean POST /v1/track?"}},
		{"root", post, "/", good, nil, 404, "unknown_route", []string{`"/"`, "/v1/events", "/v1/alias"}},
		{"unknown path far off", post, "/x\"<b>", good, nil, 404, "unknown_route", []string{"/v1/events"}},
		{"wrong method", http.MethodGet, track, "", nil, 405, "method_not_allowed", []string{"GET", "POST"}},
		{"wrong method on health", post, "/readyz", "", nil, 405, "method_not_allowed", []string{"GET"}},
		{"large body", post, track, `{"event":"` + strings.Repeat("x", 5000) + `"}`, nil, 413, "too_large", []string{"5012 bytes", "4096", "ingest.max_body_bytes"}},
		{"many events", post, batch, `{"batch":[{},{},{},{}]}`, nil, 413, "too_large", []string{"3 events", "ingest.max_events"}},
		{"bomb", post, track, bomb, []string{"Content-Encoding", "gzip"}, 413, "decompressed_too_large", []string{"ingest.max_"}},
		{"html", post, track, good, []string{"Content-Type", "text/html"}, 415, "unsupported_media_type", []string{`"text/html"`, "application/json"}},
		{"latin1", post, track, good, []string{"Content-Type", "application/json; charset=latin1"}, 415, "unsupported_media_type", nil},
		{"compress", post, track, good, []string{"Content-Encoding", "compress"}, 415, "unsupported_encoding", []string{`"compress"`, "zstd"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			headers := c.headers
			if len(headers) == 0 || headers[0] != "Authorization" {
				headers = append([]string{"Authorization", "Bearer " + testKey}, headers...)
			}
			a := d.do(c.method, c.path, c.body, headers...)
			if a.status != c.status || a.code() != c.code {
				t.Fatalf("%v; want %d %s", a, c.status, c.code)
			}
			checkProblem(t, a)
			for _, s := range c.says {
				if detail := a.json["detail"].(string); !strings.Contains(detail, s) {
					t.Errorf("detail %q does not say %q", detail, s)
				}
			}
			seen[a.code()] = true
			// The server is unharmed.
			if next := d.post(track, good); next.status != 200 {
				t.Fatalf("the next request: %v", next)
			}
		})
	}
	for _, c := range []struct {
		err  error
		code string
	}{
		{schema.ErrOverloaded, "overloaded"},
		{fmt.Errorf("partition 3: %w", schema.ErrBrokerUnavailable), "broker_unavailable"},
		{schema.ErrStorageFull, "storage_full"},
		{schema.ErrBacklog, "downstream_backlog"},
		{errors.New("something else"), "internal"},
	} {
		d.sub.on(func(context.Context, *schema.Batch) error { return c.err })
		a := d.post("/v1/events", good)
		if want := map[bool]int{true: 500, false: 503}[c.code == "internal"]; a.status != want || a.code() != c.code {
			t.Errorf("submit error %v: %v", c.err, a)
		}
		checkProblem(t, a)
		checkRetryAfter(t, a)
		seen[a.code()] = true
	}
	// Those that need a connection of their own making are tested elsewhere: framing_test.go, body_test.go.
	for _, code := range []string{"invalid_framing", "timeout", "rate_limited", "header_too_large", "ok", "not_ready"} {
		if seen[code] {
			t.Errorf("%s is tested here after all", code)
		}
		seen[code] = true
	}
	for c := range numCodes {
		if !seen[c.String()] {
			t.Errorf("no case for %s", c)
		}
	}
}

func checkRetryAfter(t *testing.T, a answer) {
	t.Helper()
	if n, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || n < 1 || n > 30 {
		t.Errorf("Retry-After %q under %d", a.header.Get("Retry-After"), a.status)
	}
}

func TestSuccess(t *testing.T) {
	d := open(t, nil)
	for _, c := range []struct {
		path, body string
		headers    []string
		events     int
	}{
		{"/v1/events", `{"event":"a","user_id":"u"}`, nil, 1},
		{"/v1/events/", `[{"event":"a"},{"event":"b"}]`, nil, 2},
		{"/v1/events", `{"sent_at":"2026-11-01T00:00:00Z","events":[{"event":"a"}]}`, nil, 1},
		{"/v1/events", "{\"event\":\"a\"}\n{\"event\":\"b\"}\n", []string{"Content-Type", "application/x-ndjson; charset=utf-8"}, 2},
		{"/v1/events", "{\"event\":\"a\"}\n{\"event\":\"b\"}\n", []string{"Content-Type", "application/x-www-form-urlencoded"}, 2},
		{"/v1/batch", `{"batch":[{"type":"track","event":"a"},{"type":"page"}],"sentAt":"2026-11-01T00:00:00Z"}`, []string{"Content-Type", "text/plain"}, 2},
		{"/v1/identify/", `{"userId":"u","traits":{"a":1}}`, []string{"Content-Type", ""}, 1},
		{"/v1/t", `{"event":"a"}`, []string{"Content-Type", "text/plain;charset=UTF-8"}, 1},
		{"/v1/batch", string(gzipBytes(t, []byte(`{"batch":[{"type":"track"}]}`))), []string{"Content-Encoding", "GZIP, identity"}, 1},
		{"/v1/batch", string(gzipBytes(t, []byte(`{"batch":[{"type":"track"}]}`))), []string{"Content-Type", "text/plain"}, 1}, // no header: told by its magic bytes
		{"/v1/track", "\xef\xbb\xbf{\"event\":\"a\"}", nil, 1},
	} {
		a := d.post(c.path, c.body, c.headers...)
		if a.status != 200 || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %q: %v", c.path, c.body, a)
			continue
		}
		want := fmt.Sprintf(`{"success":true,"request_id":"%s","accepted":%d,"rejected":0,"durability":"broker",%s"results":[]}`,
			a.header.Get("X-Request-Id"), c.events, map[bool]string{true: `"id":"01000000-0000-0000-0000-000000000001",`}[c.events == 1])
		if a.body != want {
			t.Errorf("%s:\n got %s\nwant %s", c.path, a.body, want)
		}
		b := d.sub.last()
		r, _ := dialect.Lookup([]byte(c.path))
		if len(b.Events) != c.events || b.Project != 7 || b.KeyID != "k-test" || b.Dialect != r.Dialect || b.RequestID.String() != a.header.Get("X-Request-Id") || !b.ClientIP.IsLoopback() {
			t.Errorf("%s: submitted %+v", c.path, b)
		}
		if b.HasSentAt != strings.Contains(c.body, "sent") {
			t.Errorf("%s %q: sent at %v %d", c.path, c.body, b.HasSentAt, b.SentAt)
		}
	}
}

// One bad event never harms its siblings, and the answer says what is wrong with it.
func TestPerEventResults(t *testing.T) {
	d := open(t, nil)
	d.sub.on(func(_ context.Context, b *schema.Batch) error {
		b.Events[1].Result, b.Events[1].Reason, b.Events[1].Pointer = schema.Warning, schema.TimestampAdjusted, "/timestamp"
		b.Durability = schema.Relaxed
		return nil
	})
	body := `{"batch":[{"type":"track","event":"a"},{"type":"track","event":"b"},{"type":"track","userId":7}]}`
	a := d.post("/v1/batch", body)
	if a.status != 200 || a.json["success"] != true || a.json["accepted"] != 2.0 || a.json["rejected"] != 1.0 || a.json["durability"] != "relaxed" {
		t.Fatal(a)
	}
	results := a.json["results"].([]any)
	want := []map[string]any{
		{"index": 1.0, "id": "02000000-0000-0000-0000-000000000001", "result": "warning", "code": "timestamp_adjusted", "field": "/timestamp"},
		{"index": 2.0, "id": "03000000-0000-0000-0000-000000000001", "result": "drop", "code": "invalid_type", "field": "/userId", "detail": "userId must be a string, found a number", "quarantined": true},
	}
	if len(results) != len(want) {
		t.Fatal(a)
	}
	for i := range want {
		if got := results[i].(map[string]any); fmt.Sprint(got) != fmt.Sprint(want[i]) {
			t.Errorf("result %d is %v, want %v", i, got, want[i])
		}
	}
	a = d.post("/v1/batch?results=all", body)
	if results := a.json["results"].([]any); len(results) != 3 || fmt.Sprint(results[0]) != "map[id:01000000-0000-0000-0000-000000000001 index:0 result:ok]" {
		t.Errorf("results=all: %v", a)
	}
}

// Every code of one event, whoever gives it, is rendered as it is documented; those of the decoders with what the client can look at.
func TestEveryEventCode(t *testing.T) {
	d := open(t, func(_ *Config, l *schema.Limits, _ *Deps) {
		l.MaxDepth, l.MaxProperties, l.MaxEventBytes = 4, 3, 4096
	})
	result := func(a answer) map[string]any {
		t.Helper()
		results, _ := a.json["results"].([]any)
		if a.status != 200 || len(results) != 1 {
			t.Fatal(a)
		}
		return results[0].(map[string]any)
	}
	for _, c := range []struct{ event, code, field string }{
		{`{"userId":{}}`, "invalid_type", "/userId"},
		{`{"event":5}`, "invalid_type", "/event"},
		{`{"type":"sell"}`, "invalid_type", "/type"},
		{`[]`, "invalid_type", ""},
		{"{\"event\":\"\xc0\xaf\"}", "invalid_utf8", "/event"},
		{`{"properties":{"a":{"b":{"c":{}}}}}`, "too_deep", "/properties"},
		{`{"x":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`, "event_too_large", ""},
		{`{"traits":{"a":1,"b":2,"c":3,"d":4}}`, "too_many_properties", "/traits"},
		{`{"timestamp":"31.12.2026"}`, "invalid_timestamp", "/timestamp"},
	} {
		event := c.event
		if strings.HasPrefix(event, "{") && !strings.Contains(event, `"type"`) {
			event = `{"type":"track",` + event[1:]
		}
		got := result(d.post("/v1/batch", `{"batch":[{"type":"track","event":"sibling"},`+event+`]}`))
		field, _ := got["field"].(string)
		if got["code"] != c.code || field != c.field || got["result"] != "drop" || got["index"] != 1.0 || got["quarantined"] != true || got["detail"] == "" {
			t.Errorf("%.80s: %v", c.event, got)
		}
	}
	line := result(d.post("/v1/events", "{\"event\":\"a\"}\n{\"event\":\n", "Content-Type", "application/x-ndjson"))
	if line["code"] != "invalid_json" || line["result"] != "drop" {
		t.Errorf("a broken line: %v", line)
	}
	for _, reason := range schema.Reasons() {
		want := schema.Drop
		switch reason {
		case schema.TimestampAdjusted:
			want = schema.Warning
		case schema.Overloaded, schema.Unknown:
			want = schema.Retry
		}
		d.sub.on(func(_ context.Context, b *schema.Batch) error {
			e := &b.Events[1]
			e.Result, e.Reason, e.Pointer, e.Detail = want, reason, "/a~1b", "quote \" and\nnewline"
			return nil
		})
		got := result(d.post("/v1/events", `[{"event":"a"},{"event":"b"}]`))
		_, quarantined := got["quarantined"]
		if got["code"] != reason.String() || got["result"] != want.String() || got["field"] != "/a~1b" || got["detail"] != "quote \" and\nnewline" || quarantined != (want == schema.Drop) {
			t.Errorf("%v: %v", reason, got)
		}
	}
}

func TestEveryEventRefused(t *testing.T) {
	d := open(t, nil)
	for _, c := range []struct{ path, body string }{
		{"/v1/batch", `{"batch":[{"type":"track","userId":7},{"type":"x"}]}`},
		{"/v1/events", `[{"user_id":7},{"type":"x"}]`},
	} {
		a := d.post(c.path, c.body)
		if a.status != 400 || a.code() != "invalid_type" || a.json["success"] != false || a.json["accepted"] != 0.0 || a.json["rejected"] != 2.0 || len(a.json["results"].([]any)) != 2 {
			t.Errorf("%s: %v", c.path, a)
		}
		checkProblem(t, a)
		if d.value(fmt.Sprintf(`millrace_ingest_requests_total{route=%q,code="invalid_type"}`, c.path)) != 1 {
			t.Error("not counted under its reason")
		}
	}
}

// A body that is not JSON goes to quarantine as it is, when its key is known.
func TestMalformedBodyIsQuarantined(t *testing.T) {
	d := open(t, nil)
	for _, c := range []struct {
		path, body, code string
		reason           schema.Reason
	}{
		{"/v1/batch", `{"batch":[{"type":"track","event":"a"},{"type":`, "invalid_json", schema.InvalidJSON},
		{"/v1/batch", `{"batch":7}`, "invalid_request", schema.InvalidType},
	} {
		a := d.post(c.path, c.body, "X-Correlation-Id", "c-1")
		if a.status != 400 || a.code() != c.code {
			t.Fatal(a)
		}
		checkProblem(t, a)
		b := d.sub.last()
		if len(b.Events) != 1 || string(b.Events[0].Raw.In(b.Buf)) != c.body || b.Events[0].Reason != c.reason || !b.Events[0].Refused() || b.Project != 7 || string(b.CorrelationID.In(b.Buf)) != "c-1" {
			t.Errorf("%s: submitted %+v", c.body, b)
		}
		results, _ := json.Marshal(a.json["results"])
		if !strings.Contains(string(results), `"quarantined":true`) || a.json["rejected"] != 1.0 {
			t.Errorf("%s: the answer does not say that the body was kept: %v", c.body, a)
		}
		d.sub.on(func(context.Context, *schema.Batch) error { return schema.ErrBrokerUnavailable })
		if a := d.post(c.path, c.body); a.status != 503 || a.code() != "broker_unavailable" {
			t.Errorf("a body that cannot be kept: %v", a)
		}
		d.sub.on(nil)
	}
	n := d.sub.count()
	for _, body := range []string{`{"batch":[`, `{"writeKey":"nobody","batch":[`} {
		if a := d.do("POST", "/v1/batch", body); a.status < 400 || a.status > 401 {
			t.Errorf("%s: %v", body, a)
		}
	}
	if d.sub.count() != n {
		t.Error("a body without a known key was kept")
	}
}

// What must be sent again: per event where clients understand that, else the whole request in the form that the SDK retries.
func TestRetries(t *testing.T) {
	d := open(t, nil)
	outcome := func(results ...schema.Result) {
		d.sub.on(func(_ context.Context, b *schema.Batch) error {
			for i, r := range results {
				if e := &b.Events[i]; r == schema.Retry {
					e.Result, e.Reason = r, schema.Unknown
				} else if r == schema.Drop {
					e.Refuse(schema.MissingUser, "/user_id", "x")
				}
			}
			return nil
		})
	}
	native, segment := `[{"event":"a"},{"event":"b"}]`, `{"batch":[{"type":"track"},{"type":"track"}]}`
	for _, c := range []struct {
		name, path, body, agent string
		results                 []schema.Result
		status                  int
		code                    string
	}{
		{"native partly", "/v1/events", native, "", []schema.Result{schema.OK, schema.Retry}, 200, ""},
		{"native all", "/v1/events", native, "", []schema.Result{schema.Retry, schema.Retry}, 503, "broker_unavailable"},
		{"native no good one", "/v1/events", native, "", []schema.Result{schema.Drop, schema.Retry}, 503, "broker_unavailable"},
		{"segment partly", "/v1/batch", segment, "analytics-python/2.3.4", []schema.Result{schema.OK, schema.Retry}, 503, "broker_unavailable"},
		{"segment node partly", "/v1/batch", segment, "analytics-node-next/3.1.0", []schema.Result{schema.OK, schema.Retry}, 429, "broker_unavailable"},
		{"segment browser partly", "/v1/b", segment, "Mozilla/5.0", []schema.Result{schema.OK, schema.Retry}, 429, "broker_unavailable"},
	} {
		outcome(c.results...)
		a := d.post(c.path, c.body, "User-Agent", c.agent)
		if a.status != c.status || a.code() != c.code {
			t.Errorf("%s: %v", c.name, a)
		}
		checkRetryAfter(t, a)
		if results, _ := json.Marshal(a.json["results"]); !strings.Contains(string(results), `"code":"unknown"`) || !strings.Contains(string(results), `"result":"retry"`) {
			t.Errorf("%s: results %s", c.name, results)
		}
		if c.status != 200 {
			checkProblem(t, a)
		}
	}
	// The same forms when Submit refuses all of it.
	d.sub.on(func(context.Context, *schema.Batch) error { return schema.ErrOverloaded })
	for _, c := range []struct {
		path, agent string
		status      int
	}{
		{"/v1/events", "analytics-node/1", 503},
		{"/v1/batch", "analytics-python/2", 503},
		{"/v1/batch", "analytics-node/1", 429},
		{"/v1/b", "", 429},
	} {
		if a := d.post(c.path, segment, "User-Agent", c.agent); a.status != c.status || c.path != "/v1/events" && a.code() != "overloaded" {
			t.Errorf("%s from %q: %v", c.path, c.agent, a)
		}
	}
}

func TestRetryAfterIsSpread(t *testing.T) {
	for c := range numCodes {
		seen := map[int]bool{}
		for range 500 {
			n := c.retryAfter()
			seen[n] = true
			if codes[c].retry == 0 != (n == 0) || n < 0 || n > 30 {
				t.Fatalf("%s: Retry-After %d", c, n)
			}
		}
		if codes[c].retry != 0 && len(seen) < 2 {
			t.Errorf("%s: always %v", c, seen)
		}
	}
}

func TestPanic(t *testing.T) {
	d := open(t, nil)
	d.sub.on(func(context.Context, *schema.Batch) error { panic("boom " + testKey[:2]) })
	a := d.post("/v1/track", `{"event":"e"}`)
	if a.status != 500 || a.code() != "internal" || !a.close {
		t.Errorf("a panic was answered %v", a)
	}
	checkProblem(t, a)
	d.sub.on(nil)
	if a := d.post("/v1/track", `{"event":"e"}`); a.status != 200 {
		t.Errorf("after a panic: %v", a)
	}
	if n := d.value("millrace_ingest_panics_total"); n != 1 {
		t.Errorf("panics counted: %v", n)
	}
	if used := d.bodies.used.Load(); used != 0 || d.inflight.Load() != 0 {
		t.Errorf("%d bytes and %d requests are still counted", used, d.inflight.Load())
	}
	if err := d.stop(); err != nil {
		t.Error(err)
	}
	if log := d.log.String(); !strings.Contains(log, "boom") || !strings.Contains(log, "handler_test.go") {
		t.Errorf("the log does not show the panic and its place: %s", log)
	}
}

func TestHealth(t *testing.T) {
	status := 200
	verbose := false
	d := open(t, func(_ *Config, _ *schema.Limits, deps *Deps) {
		deps.Health = func(v bool) (int, []byte) {
			verbose = v
			if v {
				return status, []byte(`{"broker":"ok"}`)
			}
			return status, []byte("ready\n")
		}
	})
	for _, path := range []string{"/livez", "/readyz", "/healthz", "/health", "/health/"} {
		a := d.do("GET", path, "")
		if a.status != 200 || a.header.Get("Content-Type") != "text/plain; charset=utf-8" || verbose {
			t.Errorf("%s: %v", path, a)
		}
	}
	if a := d.do("GET", "/readyz?verbose", ""); a.status != 200 || !verbose || a.json["broker"] != "ok" || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("verbose: %v", a)
	}
	status = 503
	if a := d.do("GET", "/readyz", ""); a.status != 503 {
		t.Errorf("not ready: %v", a)
	}
	if a := d.do("GET", "/livez", ""); a.status != 200 {
		t.Errorf("alive but not ready: %v", a)
	}
	if a := d.do("HEAD", "/livez", ""); a.status != 200 || a.body != "" {
		t.Errorf("HEAD: %v", a)
	}
	if n := d.value(`millrace_ingest_requests_total{route="health",code="not_ready"}`); n != 1 {
		t.Errorf("counted %v", n)
	}
}

func TestRequestHeaders(t *testing.T) {
	d := open(t, nil)
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	a := d.post("/v1/track", `{"event":"e"}`, "Traceparent", trace, "X-Correlation-Id", `order "7"\`, "Idempotency-Key", "idem-1", "User-Agent", "curl/8", "X-Request-Id", "mine")
	b := d.sub.last()
	if string(b.Traceparent) != trace || string(b.IdempotencyKey) != "idem-1" || string(b.UserAgent) != "curl/8" {
		t.Errorf("submitted traceparent %q, idempotency key %q, user agent %q", b.Traceparent, b.IdempotencyKey, b.UserAgent)
	}
	if got := string(b.CorrelationID.AppendValue(nil, b.Buf)); got != `order "7"\` || a.header.Get("X-Correlation-Id") != got {
		t.Errorf("correlation id %q, echoed %q", got, a.header.Get("X-Correlation-Id"))
	}
	if a.header.Get("X-Request-Id") == "mine" {
		t.Error("the client's request id was taken over")
	}
	// What cannot be used is ignored and fails nothing.
	for _, h := range [][]string{
		{"X-Correlation-Id", strings.Repeat("x", 513)},
		{"X-Correlation-Id", "é"},
		{"X-Correlation-Id", ""},
		{"Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"},
		{"Traceparent", strings.ToUpper(trace)},
		{"Traceparent", "ff" + trace[2:]},
		{"Traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"},
		{"Traceparent", trace + "-x"},
	} {
		a := d.post("/v1/track", `{"event":"e"}`, h...)
		b := d.sub.last()
		if a.status != 200 || b.Traceparent != nil || b.CorrelationID.Len() != 0 || a.header.Get("X-Correlation-Id") != "" || b.IdempotencyKey != nil {
			t.Errorf("%v: %v, submitted %q %v", h, a, b.Traceparent, b.CorrelationID)
		}
	}
	if a := d.post("/v1/track", `{"event":"e"}`, "Traceparent", "01"+trace[2:]+"-future"); a.status != 200 || d.sub.last().Traceparent == nil {
		t.Error("a later version of traceparent was not passed on")
	}
}

// No key, no body and no query value ever reaches a log, and messages repeat little of what they are about.
func TestNothingSecretIsLogged(t *testing.T) {
	d := open(t, nil)
	secret := "s3cr3t-" + strings.Repeat("z", 60)
	d.do("POST", "/v1/track?writeKey="+secret, `{"event":"`+secret+`"}`)
	d.post("/v1/track?x="+secret, `{"event":"`+secret+`"`)
	d.sub.on(func(context.Context, *schema.Batch) error { return errors.New("store: broken") })
	d.post("/v1/track", `{"event":"`+secret+`"}`)
	d.do("POST", "/v1/track", `{"writeKey":"`+secret+`"}`)
	c := d.raw()
	c.send("POST /" + secret + " HTTP/9.9\r\n" + secret + "\r\n\r\n")
	if a := c.read(); strings.Contains(a.body, secret) {
		t.Errorf("echoed: %v", a)
	}
	if a := d.post("/v1/batch", `{"batch":[{"type":"`+strings.Repeat("y", 5000)+`"}]}`); len(a.body) > 1500 {
		t.Errorf("an answer of %d bytes: %v", len(a.body), a)
	}
	if err := d.stop(); err != nil {
		t.Error(err)
	}
	log := d.log.String()
	if !strings.Contains(log, "request_id") || !strings.Contains(log, "store: broken") {
		t.Errorf("nothing was logged: %s", log)
	}
	if strings.Contains(log, "s3cr3t") || strings.Contains(log, testKey) {
		t.Errorf("a secret in the log: %s", log)
	}
}

func TestMetrics(t *testing.T) {
	d := open(t, nil)
	d.post("/v1/track", `{"event":"e"}`)
	d.post("/v1/track/", `{"event":"e"}`)
	d.post("/v1/track", `{"event":`)
	d.do("POST", "/v1/events", `{}`)
	d.do("POST", "/v1/events", `{}`, "X-Write-Key", "nobody")
	d.do("POST", "/v1/events", `{}`, "X-Write-Key", queryKey)
	d.do("GET", "/nowhere", "")
	for name, want := range map[string]float64{
		`millrace_ingest_requests_total{route="/v1/track",code="ok"}`:           2,
		`millrace_ingest_requests_total{route="/v1/track",code="invalid_json"}`: 1,
		`millrace_ingest_requests_total{route="/v1/events",code="invalid_key"}`: 2,
		`millrace_ingest_requests_total{route="unknown",code="unknown_route"}`:  1,
		`millrace_ingest_auth_failures_total{reason="missing"}`:                 1,
		`millrace_ingest_auth_failures_total{reason="unknown"}`:                 1,
		`millrace_ingest_auth_failures_total{reason="scope"}`:                   1,
		`millrace_ingest_body_bytes_total`:                                      13 + 13 + 9,
		`millrace_ingest_request_duration_seconds_count`:                        6,
		`millrace_ingest_requests_in_flight`:                                    0,
		`millrace_ingest_body_bytes_in_flight`:                                  0,
		`millrace_ingest_requests_total{route="/v1/track",code="internal"}`:     -1,
		`millrace_ingest_connections_refused_total{reason="total"}`:             0,
		`millrace_ingest_requests_total{route="health",code="not_ready"}`:       -1,
	} {
		if got := d.value(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}
