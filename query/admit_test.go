package query

import (
	"encoding/base64"
	"io"
	"log/slog"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/internal/rest"
)

// offline is a server whose engine is not there: what is tested with it comes before the engine.
func offline(t *testing.T, change func(*Config, *Deps)) *Server {
	t.Helper()
	cfg := DefaultConfig()
	deps := Deps{
		Keys:       testKeys,
		ClickHouse: Endpoint{URLs: []string{"http://127.0.0.1:1"}, Database: "millrace", Reader: reader, Analyst: analyst, Operator: Account{User: "default"}},
		Log:        slog.New(slog.DiscardHandler),
		Metrics:    metrics.NewSet(),
	}
	if change != nil {
		change(&cfg, &deps)
	}
	s, err := New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func try(s *Server, method, target, body string, headers ...string) reply {
	req := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, req)
	text, _ := io.ReadAll(w.Result().Body) // a recorder's body cannot fail
	return reply{w.Code, w.Result().Header, text}
}

func TestRefusalsBeforeTheEngine(t *testing.T) {
	s := offline(t, func(c *Config, _ *Deps) { c.MaxBodyBytes = 1 << 10 })
	bearer := []string{"Authorization", "Bearer " + ourKey}
	const sql = `{"query":"SELECT 1"}`
	for _, c := range []struct {
		name, method, target, body string
		headers                    []string
		want                       code
		parts                      []string
	}{
		{"no such path", "POST", "/v1/query/secrets", sql, bearer, codeUnknownRoute, []string{"/v1/query/{trends,funnel,retention,paths,timeline,sql}"}},
		{"deeper path", "POST", "/v1/query/sql/x", sql, bearer, codeUnknownRoute, nil},
		{"root", "GET", "/", "", nil, codeUnknownRoute, nil},
		{"no health", "GET", "/livez", "", nil, codeUnknownRoute, nil},
		{"GET", "GET", "/v1/query/sql", "", bearer, codeMethodNotAllowed, nil},
		{"preflight", "OPTIONS", "/v1/query/sql", "", []string{"Origin", "https://a.example", "Access-Control-Request-Method", "POST"}, codeMethodNotAllowed, nil},
		{"POST to a query", "POST", "/v1/query/0198f3c2-5d3e-7c61-9b0e-2f6a1d4c8e55", "", bearer, codeMethodNotAllowed, nil},
		{"no key", "POST", "/v1/query/sql", sql, nil, codeInvalidKey, nil},
		{"key in the URL", "POST", "/v1/query/sql?writeKey=" + ourKey, sql, nil, codeInvalidKey, nil},
		{"key in the URL beside one in the header", "POST", "/v1/query/sql?api_key=" + ourKey, sql, bearer, codeInvalidRequest, nil},
		{"two keys", "POST", "/v1/query/sql", sql, []string{"Authorization", "Bearer " + ourKey, "Authorization", "Bearer " + ourKey}, codeInvalidKey, nil},
		{"ingest key", "POST", "/v1/query/sql", sql, []string{"X-Write-Key", ingestKey}, codeForbiddenScope, nil},
		{"cancel without a key", "DELETE", "/v1/query/0198f3c2-5d3e-7c61-9b0e-2f6a1d4c8e55", "", nil, codeInvalidKey, nil},
		{"cancel with an ingest key", "DELETE", "/v1/query/0198f3c2-5d3e-7c61-9b0e-2f6a1d4c8e55", "", []string{"X-Write-Key", ingestKey}, codeForbiddenScope, nil},
		{"cancel for others", "DELETE", "/v1/query/2-0198f3c2-5d3e-7c61-9b0e-2f6a1d4c8e55", "", bearer, codeUnknownQuery, nil},
		{"form", "POST", "/v1/query/sql", sql, append([]string{"Content-Type", "multipart/form-data; boundary=x"}, bearer...), codeUnsupportedMediaType, nil},
		{"charset", "POST", "/v1/query/sql", sql, append([]string{"Content-Type", "application/json; charset=latin1"}, bearer...), codeUnsupportedMediaType, nil},
		{"gzip", "POST", "/v1/query/sql", sql, append([]string{"Content-Encoding", "gzip"}, bearer...), codeUnsupportedEncoding, nil},
		{"accept", "POST", "/v1/query/sql", sql, append([]string{"Accept", "text/html"}, bearer...), codeNotAcceptable, nil},
		{"too large", "POST", "/v1/query/sql", `{"query":"` + strings.Repeat("x", 1<<10) + `"}`, bearer, codeTooLarge, []string{"query.max_body_bytes"}},
		{"timeout too long", "POST", "/v1/query/sql?timeout_ms=30001", sql, bearer, codeInvalidRequest, []string{"30000", "query.timeout"}},
		{"timeout in the body too long", "POST", "/v1/query/sql", `{"query":"SELECT 1","timeout_ms":30001}`, bearer, codeInvalidRequest, []string{"query.timeout"}},
		{"timeout no number", "POST", "/v1/query/sql?timeout_ms=x", sql, bearer, codeInvalidRequest, nil},
		{"timeout twice", "POST", "/v1/query/sql?timeout_ms=20&timeout_ms=30", sql, bearer, codeInvalidRequest, nil},
		{"option unknown", "POST", "/v1/query/sql?timeoutms=20", sql, bearer, codeInvalidRequest, nil},
		{"query id no UUID", "POST", "/v1/query/sql?query_id=7", sql, bearer, codeInvalidRequest, nil},
		{"no URL encoding", "POST", "/v1/query/sql?query_id=%zz", sql, bearer, codeInvalidRequest, nil},
		{"empty", "POST", "/v1/query/sql", "", bearer, codeInvalidJSON, []string{"empty"}},
		{"array", "POST", "/v1/query/sql", "[]", bearer, codeInvalidJSON, nil},
		{"null", "POST", "/v1/query/sql", "null", bearer, codeInvalidJSON, nil},
		{"cut", "POST", "/v1/query/sql", `{"query":"SEL`, bearer, codeInvalidJSON, nil},
		{"broken", "POST", "/v1/query/sql", `{"query":}`, bearer, codeInvalidJSON, []string{"byte 10"}},
		{"two objects", "POST", "/v1/query/sql", sql + sql, bearer, codeInvalidJSON, []string{"byte 20"}},
		{"no UTF-8", "POST", "/v1/query/sql", "{\"query\":\"SELECT '\xff'\"}", bearer, codeInvalidJSON, []string{"UTF-8"}},
		{"unknown field", "POST", "/v1/query/sql", `{"query":"SELECT 1","format":"CSV"}`, bearer, codeUnknownField, []string{`format`}},
		{"unknown field of a question", "POST", "/v1/query/trends", `{"project":2}`, bearer, codeUnknownField, []string{`project`}},
		{"no statement", "POST", "/v1/query/sql", `{"query":"  "}`, bearer, codeInvalidQuestion, []string{`"pointer":"/query"`}},
		{"statement of another type", "POST", "/v1/query/sql", `{"query":7}`, bearer, codeInvalidQuestion, []string{`"pointer":"/query"`, "want a string"}},
		{"parameter's name", "POST", "/v1/query/sql", `{"query":"SELECT 1","parameters":{"a/b":1}}`, bearer, codeInvalidQuestion, []string{`"pointer":"/parameters/a~1b"`}},
		{"series of another type", "POST", "/v1/query/trends", `{"series":"Bought"}`, bearer, codeInvalidQuestion, []string{`"pointer":"/series"`, "want an array"}},
		{"trends of nothing", "POST", "/v1/query/trends", `{}`, bearer, codeInvalidQuestion, []string{`"problems":[{"pointer":"/`, "and "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := try(s, c.method, c.target, c.body, c.headers...)
			r.mustBe(t, c.want, c.parts...)
			for name := range r.header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("header %s: no page of another origin may ask", name)
				}
			}
			if r.header.Get("Cache-Control") != "no-store" {
				t.Error("the answer may be cached")
			}
		})
	}
}

func TestKeysAreRefusedAlike(t *testing.T) {
	s := offline(t, nil)
	ids := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`)
	basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	var first string
	for _, headers := range [][]string{
		nil,
		{"Authorization", "Bearer nobody"},
		{"Authorization", basic("nobody:")},
		{"Authorization", basic(":" + ourKey)}, // the password is not looked at
		{"Authorization", "Basic !"},
		{"Authorization", "Bearer"},
		{"Authorization", "Digest " + ourKey},
		{"Authorization", "Bearer " + strings.Repeat("x", rest.MaxKeyBytes+1)},
		{"X-Write-Key", ourKey + "x"},
	} {
		r := try(s, "POST", "/v1/query/sql", `{"query":"SELECT 1"}`, headers...)
		r.mustBe(t, codeInvalidKey)
		body := ids.ReplaceAllString(string(r.body), "ID")
		if first == "" {
			first = body
		}
		if body != first || r.header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%q: another answer:\n%s\n%s", headers, body, first)
		}
	}
}

func TestNegotiate(t *testing.T) {
	for _, c := range []struct {
		accept string
		want   format
		ok     bool
	}{
		{"", formatJSON, true},
		{"*/*", formatJSON, true},
		{"application/*", formatJSON, true},
		{"text/*", formatCSV, true},
		{"text/csv", formatCSV, true},
		{"TEXT/CSV; charset=utf-8", formatCSV, true},
		{"application/vnd.apache.parquet", formatParquet, true},
		{"application/json;q=0.5, text/csv", formatCSV, true},
		{"text/html, */*;q=0.1", formatJSON, true},
		{"application/json;q=0, */*", formatCSV, true},
		{"application/*;q=0.2, application/vnd.apache.parquet", formatParquet, true},
		{"text/html", 0, false},
		{"*/*;q=0", 0, false},
		{"application/json;q=x", 0, false},
		{";;;", 0, false},
	} {
		if got, ok := negotiate(c.accept); ok != c.ok || ok && got != c.want {
			t.Errorf("%q: %v %v, want %v %v", c.accept, got, ok, c.want, c.ok)
		}
	}
}

func TestQueryIDs(t *testing.T) {
	const id = "0198f3c2-5d3e-7c61-9b0e-2f6a1d4c8e55"
	for _, c := range []struct {
		text    string
		project uint32
		want    string
	}{
		{id, 7, "7-" + id},
		{strings.ToUpper(id), 7, "7-" + id},
		{"7-" + id, 7, "7-" + id},
		{"07-" + id, 7, "7-" + id},
		{"8-" + id, 7, ""},
		{"-" + id, 7, ""},
		{"4294967303-" + id, 7, ""}, // 7 + 2^32
		{id + "x", 7, ""},
		{"trends", 7, ""},
		{"", 7, ""},
	} {
		if got, ok := parseQueryID(c.text, c.project); got != c.want || ok != (c.want != "") {
			t.Errorf("%q of project %d: %q %v, want %q", c.text, c.project, got, ok, c.want)
		}
	}
}

func TestHealth(t *testing.T) {
	s := offline(t, func(_ *Config, d *Deps) {
		d.Live = func(bool) (int, []byte) { return 200, []byte("live") }
		d.Ready = func(verbose bool) (int, []byte) {
			if verbose {
				return 503, []byte("not ready: clickhouse")
			}
			return 503, []byte("not ready")
		}
	})
	for _, c := range []struct {
		target string
		status int
		body   string
	}{
		{"/livez", 200, "live"},
		{"/livez/", 200, "live"},
		{"/readyz", 503, "not ready"},
		{"/healthz?verbose", 503, "not ready: clickhouse"},
	} {
		if r := try(s, "GET", c.target, ""); r.status != c.status || string(r.body) != c.body {
			t.Errorf("%s: %s", c.target, r)
		}
	}
	try(s, "POST", "/readyz", "").mustBe(t, codeMethodNotAllowed)
}

// panicking is a keyring with a fault.
type panicking struct{}

func (panicking) Lookup([]byte) (Caller, bool) { panic("a fault of ours with " + canary) }

func TestPanic(t *testing.T) {
	var log logBuffer
	s := offline(t, func(_ *Config, d *Deps) {
		d.Keys = panicking{}
		d.Log = slog.New(slog.NewJSONHandler(&log, nil))
	})
	r := try(s, "POST", "/v1/query/sql", `{"query":"SELECT 1"}`, "X-Write-Key", ourKey)
	r.mustBe(t, codeInternal)
	if strings.Contains(string(r.body), canary) || !strings.Contains(log.String(), canary) || !strings.Contains(log.String(), "admit.go") {
		t.Errorf("%s\n%s", r, &log)
	}
}
