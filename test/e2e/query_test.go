package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// reply is an answer of the query API.
type reply struct {
	Status  int
	Code    string   `json:"code"`
	Rows    [][]any  `json:"rows"`
	SQL     string   `json:"sql"`
	QueryID string   `json:"query_id"`
	Columns []column `json:"columns"`
	Read    int      `json:"rows_read"`
	Raw     string
}

type column struct{ Name, Type string }

// onQuery sends a request to the query listener, with a key.
func (s *server) onQuery(method, path, key, body string) (status int, raw []byte) {
	s.t.Helper()
	req, err := http.NewRequest(method, "http://"+s.ports["query"]+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.SetBasicAuth(key, "")
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read from
	if raw, err = io.ReadAll(resp.Body); err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, raw
}

// ask posts a question with a key.
func (s *server) ask(question, key, body string) reply {
	s.t.Helper()
	status, raw := s.onQuery(http.MethodPost, "/v1/query/"+question, key, body)
	r := reply{Status: status, Raw: string(raw)}
	if err := json.Unmarshal(raw, &r); err != nil {
		s.t.Fatalf("%s: %v: %s", question, err, raw)
	}
	return r
}

// newKey makes a key on the data directory.
func newKey(t *testing.T, dir string, project int, scope string) string {
	t.Helper()
	out, exit := command(t, "keys", "create", "test", "--data", dir, "--project", fmt.Sprint(project), "--scope", scope)
	if exit != 0 {
		t.Fatalf("keys create: exit %d\n%s", exit, out)
	}
	return strings.TrimSpace(out)
}

// Questions are answered for the project of the key, by keys that may ask, and by nobody else; people's own clients see the same.
func TestQuestions(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	ask, send, both := newKey(t, dir, 2, "query"), newKey(t, dir, 2, "ingest"), newKey(t, dir, 3, "ingest,query")
	s := start(t, dir)
	at := time.Now().UTC().Add(-time.Hour).Truncate(time.Hour)
	track := func(key, event, user string, minute int) {
		t.Helper()
		body := fmt.Sprintf(`{"event":%q,"userId":%q,"timestamp":%q,"properties":{"plan":"pro"}}`, event, user, at.Add(time.Duration(minute)*time.Minute).Format(time.RFC3339))
		if a := s.post("/v1/track", []byte(body), "Authorization: Bearer "+key); a.Status != 200 {
			t.Fatalf("%d %s", a.Status, a.Raw)
		}
	}
	for i, e := range []struct{ event, user string }{{"Viewed", "ann"}, {"Bought", "ann"}, {"Viewed", "bob"}, {"Viewed", "cid"}, {"Bought", "cid"}, {"Viewed", "cid"}} {
		track(send, e.event, e.user, i)
	}
	track(both, "Canary", "eve", 1)
	track(devKey, "Hello", "dev", 1)
	s.waitRows("events", 8)

	span := fmt.Sprintf(`"from":%q,"to":%q`, at.Format(time.RFC3339), at.Add(time.Hour).Format(time.RFC3339))
	funnel := `{` + span + `,"steps":[{"event":"Viewed"},{"event":"Bought","where":[{"field":"properties.plan","op":"is","values":["pro"]}]}],"window_ms":3600000}`
	if r := s.ask("funnel", ask, funnel); r.Status != 200 || len(r.Rows) != 2 || r.Rows[0][2] != 3.0 || r.Rows[1][2] != 2.0 {
		t.Errorf("funnel: %d %s", r.Status, r.Raw)
	} else if strings.Contains(r.SQL, "pro'") || !strings.HasPrefix(r.QueryID, "2-") || r.Read == 0 {
		t.Errorf("the SQL has values in it, or the answer does not say what it took: %s", r.Raw)
	}
	for project, want := range map[string]string{ask: "Bought Viewed", both: "Canary", devKey: "Hello"} {
		r := s.ask("sql", project, `{"query":"SELECT DISTINCT event FROM events ORDER BY event"}`)
		var got []string
		for _, row := range r.Rows {
			got = append(got, row[0].(string))
		}
		if r.Status != 200 || strings.Join(got, " ") != want {
			t.Errorf("%v, want %s: %s", got, want, r.Raw)
		}
	}

	// Who may what.
	for _, c := range []struct {
		key    string
		status int
		code   string
	}{{send, 403, "forbidden_scope"}, {"mr_nobody", 401, "invalid_key"}, {"", 401, "invalid_key"}} {
		if r := s.ask("funnel", c.key, funnel); r.Status != c.status || r.Code != c.code {
			t.Errorf("key %.8q asks: %d %s, want %d %s", c.key, r.Status, r.Raw, c.status, c.code)
		}
	}
	if a := s.post("/v1/track", []byte(`{"event":"x","userId":"u"}`), "Authorization: Bearer "+ask); a.Status != 403 || !strings.Contains(a.Raw, "forbidden_scope") {
		t.Errorf("a query key sends: %d %s", a.Status, a.Raw)
	}

	// The same project by a client of one's own.
	recipe, exit := command(t, "connect", "curl", "--project", "2", "--data", dir)
	if exit != 0 || !strings.Contains(recipe, s.ports["clickhouse_http"]) || !strings.Contains(recipe, "p2_analyst") {
		t.Errorf("connect: exit %d\n%s", exit, recipe)
	}
	password, exit := command(t, "connect", "--password", "--project", "2", "--data", dir)
	password = strings.TrimSpace(password)
	if exit != 0 || strings.Contains(recipe, password) {
		t.Fatalf("connect --password: exit %d; the recipe must not hold it", exit)
	}
	before := engine(t, s, "clickhouse")
	login := func(password, query string) (int, string) {
		req, err := http.NewRequest(http.MethodPost, "http://"+s.ports["clickhouse_http"]+"/?database=millrace_views", strings.NewReader(query))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("p2_analyst", password)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close() //nolint:errcheck // only read from
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, strings.TrimSpace(string(text))
	}
	if status, text := login(password, "SELECT count(), uniqExact(project_id), any(project_id) FROM events"); status != 200 || text != "6\t1\t2" {
		t.Errorf("%d %s", status, text)
	}
	if status, text := login("wrong", "SELECT 1"); status == 200 {
		t.Errorf("a wrong password: %d %s", status, text)
	}
	if status, text := login(password, "SELECT count() FROM system.query_log"); status == 200 {
		t.Errorf("system tables: %d %s", status, text)
	}
	if now := engine(t, s, "clickhouse"); now != before {
		t.Errorf("the engine was started again: process %d, then %d", before, now)
	}
}

// The demo's story goes through the door, once, and the questions find it.
func TestDemo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := start(t, dir)
	out, exit := commandWithin(t, time.Minute, "demo", "--users", "300", "--days", "7", "--data", dir)
	told := regexp.MustCompile(`(?m)^([\d,]+) events accepted`).FindStringSubmatch(out)
	if exit != 0 || told == nil {
		t.Fatalf("exit %d\n%s", exit, out)
	}
	var n int
	if _, err := fmt.Sscan(strings.ReplaceAll(told[1], ",", ""), &n); err != nil || n < 1000 {
		t.Fatalf("%s events (%v)\n%s", told[1], err, out)
	}
	s.waitRows("events", n)
	today := time.Now().UTC().Truncate(24 * time.Hour)
	question := fmt.Sprintf(`{"from":%q,"to":%q,"interval":"day","series":[{"event":"$pageview"}]}`, today.AddDate(0, 0, -7).Format(time.DateOnly), today.Format(time.DateOnly))
	// Within an INSERT the rollups follow the events.
	eventually(t, 10*time.Second, "page views of seven days", func() bool {
		r := s.ask("trends", devKey, question)
		if r.Status != 200 {
			t.Fatalf("%d: %s", r.Status, r.Raw)
		}
		return len(r.Rows) == 7
	})
	if again, exit := commandWithin(t, time.Minute, "demo", "--users", "300", "--days", "7", "--data", dir); exit != 1 || !strings.Contains(again, "--again") {
		t.Errorf("a second time: exit %d\n%s", exit, again)
	}
	if got := s.count("SELECT count() FROM millrace.events"); got != n {
		t.Errorf("%d events, want %d", got, n)
	}
}

// A metric that is declared counts the events that are there and those that come; a promoted property is a column from then on. Both are seen by the users of the project at
// once, and after a restart.
func TestMetricsAndProperties(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := start(t, dir)
	sent := 0
	send := func(n int) {
		t.Helper()
		var batch []string
		for range n {
			batch = append(batch, fmt.Sprintf(`{"type":"track","event":"Order","userId":"u%d","properties":{"plan":"p%d","revenue":2.5}}`, sent, sent%3))
			sent++
		}
		if a := s.post("/v1/batch", []byte(`{"batch":[`+strings.Join(batch, ",")+`]}`)); a.Status != 200 {
			t.Fatalf("%d %s", a.Status, a.Raw)
		}
		s.waitRows("events", sent)
	}
	// cells are the answer to SQL of the project.
	cells := func(query string) string {
		t.Helper()
		body, err := json.Marshal(map[string]string{"query": query})
		if err != nil {
			t.Fatal(err)
		}
		r := s.ask("sql", devKey, string(body))
		if r.Status != 200 {
			return fmt.Sprint(r.Status, r.Code)
		}
		return fmt.Sprint(r.Rows)
	}
	run := func(want string, args ...string) {
		t.Helper()
		out, exit := commandWithin(t, time.Minute, append(args, "--data", dir)...)
		if exit != 0 || !strings.Contains(out, want) {
			t.Fatalf("%v: exit %d, want %q in\n%s", args, exit, want, out)
		}
	}
	file := filepath.Join(t.TempDir(), "metrics.yaml")
	if err := os.WriteFile(file, []byte("metrics:\n  - {name: orders, events: [Order], by: [{field: properties.plan, type: string}], sums: [revenue], uniques: [user], interval: day}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const counted = "SELECT plan, sum(n), sum(revenue), uniqCombined64Merge(12)(users) FROM metric_orders GROUP BY plan ORDER BY plan"

	send(30)
	run("CREATE MATERIALIZED VIEW", "metrics", "plan", file)
	if got := cells(counted); strings.HasPrefix(got, "[[") {
		t.Errorf("a plan makes the metric: %s", got)
	}
	run("metric orders is built", "metrics", "apply", file)
	run("metric orders is there as declared", "metrics", "apply", file)
	if got := cells(counted); got != "[[p0 10 25 10] [p1 10 25 10] [p2 10 25 10]]" {
		t.Errorf("back-filled: %s", got)
	}
	send(3)
	want := "[[p0 11 27.5 11] [p1 11 27.5 11] [p2 11 27.5 11]]"
	eventually(t, 10*time.Second, "three events more", func() bool { return cells(counted) == want })
	run("complete", "metrics", "list")

	run("property \"plan\" is column p_plan", "properties", "promote", "plan", "--type", "string")
	send(3)
	if got := cells("SELECT p_plan, count() FROM events_q GROUP BY 1 ORDER BY 1"); got != "[[p0 12] [p1 12] [p2 12]]" {
		t.Errorf("promoted: %s", got)
	}
	run("p_plan string", "properties", "list")

	if code := s.stop(); code != 0 {
		t.Fatalf("stopped with %d", code)
	}
	s = start(t, dir)
	if got := cells("SELECT (SELECT sum(n) FROM metric_orders), (SELECT uniqExact(p_plan) FROM events)"); got != "[[36 3]]" {
		t.Errorf("after a restart: %s", got)
	}
	run("metric orders is dropped", "metrics", "drop", "orders")
	run("column p_plan of property \"plan\" is dropped", "properties", "demote", "plan")
	for _, query := range []string{counted, "SELECT p_plan FROM events_q"} {
		if got := cells(query); strings.HasPrefix(got, "[[") {
			t.Errorf("%s: %s", query, got)
		}
	}
	if out, exit := command(t, "metrics", "drop", "orders", "--data", dir); exit != 2 || !strings.Contains(out, "no such metric") {
		t.Errorf("dropped twice: exit %d\n%s", exit, out)
	}
}
