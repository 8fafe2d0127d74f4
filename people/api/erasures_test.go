package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/people/erase"
	"github.com/millrace/millrace/schema/clickhouse"
)

// erasureKeys are keys of two projects.
type erasureKeys map[string]Caller

func (k erasureKeys) Lookup(key []byte) (Caller, bool) {
	c, ok := k[string(key)]
	return c, ok
}

// What a client asks and is told about erasures; the job that deletes is not part of it.
func TestErasures(t *testing.T) {
	cfg := clickhouse.DefaultConfig()
	cfg.Addresses = []string{enginetest.ClickHouse(t).TCP}
	db, err := clickhouse.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // of a test
	if err := clickhouse.Up(t.Context(), db, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	server := httptest.NewServer(New(Deps{
		Keys:     erasureKeys{"manager": {Project: 7, KeyID: "m", Manage: true, Read: true}, "reader": {Project: 7, KeyID: "r", Read: true}, "stranger": {Project: 8, KeyID: "s", Manage: true, Read: true}},
		Erasures: erase.NewStore(db.Source(), nil), Log: slog.New(slog.NewTextHandler(&log, nil)), Metrics: metrics.NewSet(),
	}))
	defer server.Close()
	ask := func(key, method, path, body string) (int, map[string]any) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		res, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close() //nolint:errcheck // read to its end
		var answer map[string]any
		if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, answer
	}
	const user = "person-to-erase@example.org"
	request := fmt.Sprintf(`{"user":%q}`, user)
	status, first := ask("manager", "POST", "/v1/erasures", request)
	id, _ := first["erasure"].(string)
	if status != http.StatusAccepted || first["state"] != "waiting" || first["ids"] != 1.0 || first["whole_person"] != true || len(id) != 36 {
		t.Fatalf("%d %v", status, first)
	}
	path := "/v1/erasures/" + id
	for _, c := range []struct {
		key, method, path, body string
		status                  int
		has                     string // a state or a code
	}{
		{"manager", "POST", "/v1/erasures", request, 202, "waiting"}, // the same one
		{"reader", "GET", path, "", 200, "waiting"},
		{"stranger", "GET", path, "", 404, "unknown_erasure"},
		{"stranger", "DELETE", path, "", 404, "unknown_erasure"},
		{"reader", "POST", "/v1/erasures", request, 403, "forbidden_scope"},
		{"reader", "DELETE", path, "", 403, "forbidden_scope"},
		{"nobody", "GET", path, "", 401, "invalid_key"},
		{"manager", "GET", "/v1/erasures/" + user, "", 404, "unknown_erasure"},
		{"manager", "POST", "/v1/erasures", `{"user":""}`, 400, "invalid_user"},
		{"manager", "POST", "/v1/erasures", `{"user":"null"}`, 400, "invalid_user"},
		{"manager", "POST", "/v1/erasures", `{"user":7}`, 400, "invalid_json"},
		{"manager", "POST", "/v1/erasures", `{"usr":"x"}`, 400, "invalid_json"},
		{"manager", "POST", "/v1/erasures?user=x", request, 400, "invalid_request"},
		{"manager", "PUT", path, "", 405, "method_not_allowed"},
		{"manager", "POST", "/v1/erasures", `{"user":"somebody-else","only_this_id":true}`, 202, "waiting"},
		{"manager", "DELETE", path, "", 200, "allowed"},
		{"manager", "GET", path, "", 200, "allowed"},
	} {
		status, answer := ask(c.key, c.method, c.path, c.body)
		if status != c.status || answer["state"] != c.has && answer["code"] != c.has {
			t.Errorf("%s %s %s by %s: %d %v, want %d %s", c.method, c.path, c.body, c.key, status, answer, c.status, c.has)
		}
		if c.has == "waiting" && c.body == request && answer["erasure"] != id {
			t.Errorf("the same request again is another one: %v", answer)
		}
	}
	if strings.Contains(log.String(), user) || strings.Contains(log.String(), "somebody-else") {
		t.Errorf("the log names a person:\n%s", log.String())
	}
}
