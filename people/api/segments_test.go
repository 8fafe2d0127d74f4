package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/go-faster/city"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/people/segment"
	"github.com/millrace/millrace/schema/clickhouse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 3 * time.Minute

// ring is a fixed set of keys.
type ring map[string]Caller

func (k ring) Lookup(key []byte) (Caller, bool) {
	c, ok := k[string(key)]
	return c, ok
}

var keys = ring{
	"all":    {Project: 1, KeyID: "a", Read: true, Manage: true},
	"reader": {Project: 1, KeyID: "b", Read: true},
	"ingest": {Project: 1, KeyID: "c"},
	"other":  {Project: 2, KeyID: "d", Read: true, Manage: true},
}

// front is the handler over tables.
type front struct {
	t      *testing.T
	ctx    context.Context
	server *httptest.Server
	db     *clickhouse.DB
	set    *metrics.Set
}

func newFront(t *testing.T) *front {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	cfg := clickhouse.DefaultConfig()
	cfg.Addresses, cfg.Database = []string{enginetest.ClickHouse(t).TCP}, "api"
	db, err := clickhouse.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := clickhouse.Up(ctx, db, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	f := &front{t: t, ctx: ctx, db: db, set: metrics.NewSet()}
	f.server = httptest.NewServer(New(Deps{Keys: keys, Segments: segment.NewStore(db.Source()), Log: slog.New(slog.DiscardHandler), Metrics: f.set}))
	t.Cleanup(f.server.Close)
	return f
}

// ask sends a request and returns the status and the answer.
func (f *front) ask(key, method, path, body string, header ...string) (int, map[string]any, http.Header) {
	f.t.Helper()
	request, err := http.NewRequestWithContext(f.ctx, method, f.server.URL+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := f.server.Client().Do(request)
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(response.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	var answer map[string]any
	if err := json.Unmarshal(text, &answer); err != nil {
		f.t.Fatalf("%s %s: %v: %s", method, path, err, text)
	}
	if response.StatusCode >= 400 {
		if answer["status"] != float64(response.StatusCode) || answer["code"] != answer["error"] || answer["request_id"] != response.Header.Get("X-Request-Id") || response.Header.Get("Content-Type") != "application/problem+json" {
			f.t.Errorf("%s %s: %s", method, path, text)
		}
	}
	return response.StatusCode, answer, response.Header
}

const buyers = `{"every":"1h","where":{"did":{"event":"buy"}}}`

func TestRefusals(t *testing.T) {
	f := newFront(t)
	if status, _, _ := f.ask("all", "PUT", "/v1/segments/buyers", buyers); status != http.StatusCreated {
		t.Fatal(status)
	}
	if status, _, _ := f.ask("all", "PUT", "/v1/segments/vips", `{"name":"vips","where":{"segment":"buyers"}}`); status != http.StatusCreated {
		t.Fatal(status)
	}
	deep := strings.Repeat("[", 100_000)
	for _, c := range []struct {
		key, method, path, body string
		header                  []string
		status                  int
		code, detail            string
	}{
		{"nobody", "GET", "/v1/segments", "", nil, 401, "invalid_key", ""},
		{"", "GET", "/v1/segments", "", nil, 401, "invalid_key", ""},
		{"ingest", "GET", "/v1/segments", "", nil, 403, "forbidden_scope", "scope query"},
		{"reader", "PUT", "/v1/segments/x", buyers, nil, 403, "forbidden_scope", "scope manage"},
		{"reader", "DELETE", "/v1/segments/buyers", "", nil, 403, "forbidden_scope", "scope manage"},
		{"reader", "POST", "/v1/segments/buyers/build", "", nil, 403, "forbidden_scope", "scope manage"},
		{"all", "GET", "/v1/segment", "", nil, 404, "unknown_route", ""},
		{"all", "GET", "/v1/segments/a/b/c", "", nil, 404, "unknown_route", ""},
		{"all", "GET", "/v1/erasures/x", "", nil, 404, "unknown_route", ""},
		{"all", "PATCH", "/v1/segments/buyers", "", nil, 405, "method_not_allowed", "DELETE, GET, PUT"},
		{"all", "GET", "/v1/segments/nobody", "", nil, 404, "unknown_segment", "nobody"},
		{"all", "GET", "/v1/segments/nobody/members", "", nil, 404, "unknown_segment", ""},
		{"all", "GET", "/v1/segments/nobody/sizes", "", nil, 404, "unknown_segment", ""},
		{"all", "GET", "/v1/segments/nobody/explain", "", nil, 404, "unknown_segment", ""},
		{"all", "POST", "/v1/segments/nobody/build", "", nil, 404, "unknown_segment", ""},
		{"all", "DELETE", "/v1/segments/nobody", "", nil, 404, "unknown_segment", ""},
		{"other", "GET", "/v1/segments/buyers", "", nil, 404, "unknown_segment", ""},
		{"other", "DELETE", "/v1/segments/buyers", "", nil, 404, "unknown_segment", ""},
		{"all", "DELETE", "/v1/segments/buyers", "", nil, 409, "segment_in_use", "vips refers to buyers"},
		{"all", "PUT", "/v1/segments/x", "", nil, 400, "invalid_json", ""},
		{"all", "PUT", "/v1/segments/x", "[]", nil, 400, "invalid_segment", ""},
		{"all", "PUT", "/v1/segments/x", `{"where":`, nil, 400, "invalid_json", ""},
		{"all", "PUT", "/v1/segments/x", deep, nil, 400, "invalid_segment", ""},
		{"all", "PUT", "/v1/segments/x", `{}`, nil, 400, "invalid_segment", "/where"},
		{"all", "PUT", "/v1/segments/x", `{"wher":1}`, nil, 400, "invalid_segment", "/wher"},
		{"all", "PUT", "/v1/segments/x", `{"name":"y","where":{"did":{"event":"buy"}}}`, nil, 400, "invalid_segment", "/name y is not x"},
		{"all", "PUT", "/v1/segments/X", buyers, nil, 400, "invalid_segment", "/name"},
		{"all", "PUT", "/v1/segments/x", `{"where":{"segment":"z"}}`, nil, 400, "invalid_segment", "refers to z"},
		{"all", "PUT", "/v1/segments/buyers", `{"where":{"segment":"vips"}}`, nil, 400, "invalid_segment", "buyers → vips → buyers"},
		{"all", "PUT", "/v1/segments/x", strings.Repeat(" ", maxBodyBytes) + buyers, nil, 413, "too_large", "1048576"},
		{"all", "PUT", "/v1/segments/x", buyers, []string{"Content-Type", "application/xml"}, 415, "unsupported_media_type", ""},
		{"all", "PUT", "/v1/segments/x", buyers, []string{"Content-Encoding", "gzip"}, 415, "unsupported_encoding", ""},
		{"all", "PUT", "/v1/segments/x?key=1", buyers, nil, 400, "invalid_request", ""},
		{"all", "GET", "/v1/segments/buyers/members?limit=0", "", nil, 400, "invalid_request", "limit"},
		{"all", "GET", "/v1/segments/buyers/members?limit=10001", "", nil, 400, "invalid_request", "limit"},
		{"all", "GET", "/v1/segments/buyers/members?limit=1&limit=2", "", nil, 400, "invalid_request", ""},
		{"all", "GET", "/v1/segments/buyers/members?after=x", "", nil, 400, "invalid_request", "after"},
		{"all", "GET", "/v1/segments/buyers/sizes?after=1", "", nil, 400, "invalid_request", ""},
		{"all", "GET", "/v1/segments?%zz", "", nil, 400, "invalid_request", ""},
		{"all", "POST", "/v1/segments/buyers/build", `{"now":true}`, nil, 400, "invalid_request", "no body"},
		{"all", "DELETE", "/v1/segments/vips", `{"dry_run":true}`, nil, 400, "invalid_request", "no body"},
		{"all", "GET", "/v1/segments/../query/sql", "", nil, 404, "unknown_route", ""},
		{"all", "GET", "/v1/segments/buyers%2fmembers%2f..", "", nil, 404, "unknown_route", ""},
	} {
		what := fmt.Sprintf("%s %s %s %.60s", c.key, c.method, c.path, c.body)
		status, answer, header := f.ask(c.key, c.method, c.path, c.body, c.header...)
		if detail, _ := answer["detail"].(string); status != c.status || answer["code"] != c.code || !strings.Contains(detail, c.detail) {
			t.Errorf("%s: %d %v", what, status, answer)
		}
		if status == 405 && header.Get("Allow") != c.detail {
			t.Errorf("%s: allow %q", what, header.Get("Allow"))
		}
		if c.code == "invalid_segment" && len(answer["problems"].([]any)) == 0 {
			t.Errorf("%s: no problems", what)
		}
	}
	if n := f.set.GetOrCreateCounter(`millrace_people_requests_total{route="segment_declare",code="invalid_segment"}`).Get(); n != 8 {
		t.Errorf("%d requests were counted", n)
	}
}

func TestSegmentsOverHTTP(t *testing.T) {
	f := newFront(t)
	var rows []string
	for i := range 5 {
		user := fmt.Sprint("user-", i)
		rows = append(rows, fmt.Sprintf("(1, 'track', 'buy', now64(3, 'UTC') - 60, generateUUIDv4(), '%s', %d, %d)", user, city.CH64([]byte(user)), i))
	}
	if err := f.db.Conn().Exec(f.ctx, "INSERT INTO api.events (project_id, type, event, ts, event_id, distinct_id, user_h, _offset) VALUES "+strings.Join(rows, ", ")); err != nil {
		t.Fatal(err)
	}
	status, answer, _ := f.ask("all", "PUT", "/v1/segments/buyers", buyers)
	if status != http.StatusCreated || answer["change"] != "new" || answer["active"] != nil || answer["definition"].(map[string]any)["name"] != "buyers" {
		t.Errorf("%d %v", status, answer)
	}
	if status, answer, _ = f.ask("all", "PUT", "/v1/segments/buyers", buyers); status != http.StatusOK || answer["change"] != "same" {
		t.Errorf("%d %v", status, answer)
	}
	if status, answer, _ = f.ask("reader", "GET", "/v1/segments/buyers/members", ""); status != http.StatusOK || answer["build"] != nil || len(answer["members"].([]any)) != 0 {
		t.Errorf("%d %v", status, answer)
	}
	status, answer, _ = f.ask("all", "POST", "/v1/segments/buyers/build", "")
	id, _ := answer["build"].(string)
	if status != http.StatusAccepted || answer["state"] != "building" || id == "" {
		t.Fatalf("%d %v", status, answer)
	}
	if status, answer, _ = f.ask("all", "POST", "/v1/segments/buyers/build", ""); status != http.StatusAccepted || answer["build"] != id {
		t.Errorf("%d %v", status, answer)
	}
	f.build(id)
	status, answer, _ = f.ask("reader", "GET", "/v1/segments/buyers", "")
	if active, _ := answer["active"].(map[string]any); status != http.StatusOK || active["build"] != id || active["size"] != 5.0 || active["state"] != "announced" {
		t.Errorf("%d %v", status, answer)
	}
	var got []string
	for path, pages := "/v1/segments/buyers/members?limit=2", 0; ; pages++ {
		status, answer, _ := f.ask("reader", "GET", path, "")
		if status != http.StatusOK {
			t.Fatalf("%d %v", status, answer)
		}
		for _, m := range answer["members"].([]any) {
			member := m.(map[string]any)
			if fmt.Sprint(city.CH64([]byte(member["distinct_id"].(string)))) != member["person_h"] {
				t.Errorf("%v", member)
			}
			got = append(got, member["distinct_id"].(string))
		}
		if answer["next"] == nil {
			if pages != 2 {
				t.Errorf("%d pages", pages+1)
			}
			break
		}
		path = "/v1/segments/buyers/members?limit=2&after=" + answer["next"].(string)
	}
	if slices.Sort(got); strings.Join(got, " ") != "user-0 user-1 user-2 user-3 user-4" {
		t.Errorf("%q", got)
	}
	if status, answer, _ = f.ask("reader", "GET", "/v1/segments/buyers/sizes", ""); status != http.StatusOK || len(answer["sizes"].([]any)) != 1 {
		t.Errorf("%d %v", status, answer)
	}
	status, answer, _ = f.ask("reader", "GET", "/v1/segments/buyers/explain", "")
	if sql, _ := answer["sql"].(string); status != http.StatusOK || !strings.Contains(sql, "{project:UInt32}") || answer["parameters"].(map[string]any)["project"] != "1" || answer["last"] == nil {
		t.Errorf("%d %v", status, answer)
	}
	if status, answer, _ = f.ask("reader", "GET", "/v1/segments", ""); status != http.StatusOK || len(answer["segments"].([]any)) != 1 {
		t.Errorf("%d %v", status, answer)
	}
	if status, answer, _ = f.ask("other", "GET", "/v1/segments/", ""); status != http.StatusOK || len(answer["segments"].([]any)) != 0 {
		t.Errorf("%d %v", status, answer)
	}
	if status, answer, _ = f.ask("all", "DELETE", "/v1/segments/buyers", ""); status != http.StatusOK || answer["dropped"] != true {
		t.Errorf("%d %v", status, answer)
	}
	if status, _, _ = f.ask("reader", "GET", "/v1/segments/buyers", ""); status != http.StatusNotFound {
		t.Error(status)
	}
	// ClickHouse is away: it is said, and nothing of the reason.
	if err := f.db.Conn().Exec(f.ctx, "DROP TABLE api.segments"); err != nil {
		t.Fatal(err)
	}
	if status, answer, _ = f.ask("reader", "GET", "/v1/segments", ""); status != http.StatusInternalServerError || answer["code"] != "internal" || strings.Contains(fmt.Sprint(answer), "UNKNOWN_TABLE") {
		t.Errorf("%d %v", status, answer)
	}
}

// build writes what the job would write for a build of everybody with an event.
func (f *front) build(id string) {
	f.t.Helper()
	for _, statement := range []string{
		"INSERT INTO api.segment_members SELECT DISTINCT 1, 'buyers', toUUID('" + id + "'), user_h, now64(3) FROM api.events",
		"INSERT INTO api.segment_builds (project_id, segment, build, at, state, size, version) VALUES (1, 'buyers', '" + id + "', now64(3), 'announced', 5, 4294967297)",
	} {
		if err := f.db.Conn().Exec(f.ctx, statement); err != nil {
			f.t.Fatal(err)
		}
	}
}
