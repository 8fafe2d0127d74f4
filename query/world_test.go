package query

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/schema/clickhouse/access"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patienceInTests bounds what takes no time on a machine that has nothing else to do.
const patienceInTests = time.Minute

const (
	ourKey     = "mr_test_aaaaaaaa_query"
	theirKey   = "mr_test_bbbbbbbb_query"
	ingestKey  = "mr_test_cccccccc_ingest"
	strangeKey = "mr_test_dddddddd_noaccount" // of a project without accounts in ClickHouse

	// canary is in every row of the other project and must never be seen.
	canary = "canary7q3x"
	// accountPassword must never be seen either.
	accountPassword = "pw6k2m9z"
)

// keyring is a fixed set of keys.
type keyring map[string]Caller

func (k keyring) Lookup(key []byte) (Caller, bool) {
	c, ok := k[string(key)]
	return c, ok
}

var testKeys = keyring{
	ourKey:     {Project: 1, KeyID: "aaaaaaaa", Query: true},
	theirKey:   {Project: 2, KeyID: "bbbbbbbb", Query: true},
	ingestKey:  {Project: 1, KeyID: "cccccccc"},
	strangeKey: {Project: 3, KeyID: "dddddddd", Query: true},
}

func reader(project uint32) Account  { return Account{access.Reader(project), accountPassword} }
func analyst(project uint32) Account { return Account{access.Analyst(project), accountPassword} }

// Limits of the accounts that are not those of Config.
const (
	accountResultRows = 200_000
	accountMemory     = 300 << 20
)

// plan makes the accounts of projects 1 and 2.
func plan() access.Plan {
	p := access.Users(testDatabase, []uint32{1, 2}, func(string) string { return accountPassword })
	p.Limits.MaxMemoryBytes, p.Limits.MaxResultRows = accountMemory, accountResultRows
	return p
}

// world is an engine with the tables, the accounts of two projects and some events, and a server in front of it.
type world struct {
	t      *testing.T
	engine *enginetest.Engine
	server *Server
	front  *httptest.Server
	log    *logBuffer
	set    *metrics.Set
}

const testDatabase = "millrace"

// startEmpty starts an engine with accounts and tables, and hands over its pool for the time of fill.
func startEmpty(t *testing.T, fill func(ctx context.Context, db *clickhouse.DB) error) *enginetest.Engine {
	t.Helper()
	e := enginetest.ClickHouseFor(t, plan())
	ctx, cancel := context.WithTimeout(context.Background(), patienceInTests)
	defer cancel()
	cfg := clickhouse.DefaultConfig()
	cfg.Addresses, cfg.Database = []string{e.TCP}, testDatabase
	db, err := clickhouse.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	err = clickhouse.Up(ctx, db, slog.New(slog.DiscardHandler))
	if err == nil {
		err = access.Mirror(ctx, db, testDatabase)
	}
	if err == nil {
		err = fill(ctx, db)
	}
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return e
}

// startEngine is startEmpty with some events.
func startEngine(t *testing.T) *enginetest.Engine {
	t.Helper()
	// Project 1: user u0…u9, each with a visit, a sign-up and a purchase on one of three days. Project 2: the canary.
	return startEmpty(t, func(ctx context.Context, db *clickhouse.DB) error {
		return db.Conn().Exec(ctx, `
INSERT INTO `+testDatabase+`.events (project_id, type, event, ts, event_id, distinct_id, user_h, country, revenue, props, url_path, _offset)
SELECT 1 + (n >= 30), 'track', [['Visited', 'Signed up', 'Bought'], ['`+canary+`', '`+canary+`', '`+canary+`']][1 + (n >= 30)][1 + n % 3],
  toDateTime64('2026-03-01 10:00:00', 3, 'UTC') + toIntervalDay(intDiv(n, 3) % 3) + toIntervalMinute(n % 3), generateUUIDv7(n),
  (n >= 30 ? '`+canary+`' : 'u') || toString(intDiv(n, 3)) AS who, cityHash64(who), n >= 30 ? '`+canary+`' : ['DE', 'FR'][1 + intDiv(n, 3) % 2], n % 3 = 2 ? 10 : 0,
  n >= 30 ? '{"token":"`+canary+`"}' : '{"plan":"pro"}', n >= 30 ? '/`+canary+`' : '/', n
FROM (SELECT number AS n FROM numbers(60))`)
	})
}

// startWorld is startEngine with a server in front. change may alter what the server is made of.
func startWorld(t *testing.T, change func(*Config, *Deps)) *world {
	t.Helper()
	return frontOf(t, startEngine(t), change)
}

func frontOf(t *testing.T, e *enginetest.Engine, change func(*Config, *Deps)) *world {
	t.Helper()
	w := &world{t: t, engine: e, log: &logBuffer{}, set: metrics.NewSet()}
	cfg := DefaultConfig()
	cfg.MaxMemoryBytes = accountMemory
	deps := Deps{
		Keys: testKeys,
		ClickHouse: Endpoint{
			URLs: []string{"http://" + e.HTTP}, Database: access.ViewsDatabase(testDatabase),
			Reader: reader, Analyst: analyst, Operator: Account{User: "default"},
		},
		Log:     slog.New(slog.NewJSONHandler(w.log, nil)),
		Metrics: w.set,
	}
	if change != nil {
		change(&cfg, &deps)
	}
	var err error
	if w.server, err = New(cfg, deps); err != nil {
		t.Fatal(err)
	}
	w.front = httptest.NewServer(w.server.Handler())
	t.Cleanup(func() {
		w.server.Close()
		w.front.CloseClientConnections()
		w.front.Close()
	})
	return w
}

// reply is an answer with its body read.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r reply) String() string { return fmt.Sprintf("%d %s", r.status, r.body) }

// document is the body as JSON.
func (r reply) document(t *testing.T) map[string]any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(r.body))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		t.Fatalf("no JSON (%v): %s", err, r)
	}
	return m
}

// rows are those of a JSON answer, as JSON.
func (r reply) rows(t *testing.T) string {
	t.Helper()
	if r.status != http.StatusOK {
		t.Fatalf("want rows, got %s", r)
	}
	text, err := json.Marshal(r.document(t)["rows"])
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// mustBe demands a problem of the code.
func (r reply) mustBe(t *testing.T, c code, parts ...string) {
	t.Helper()
	if r.status != c.Status || r.header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("want %d %v as a problem, got %s", c.Status, c, r)
	}
	d := r.document(t)
	if d["code"] != c.Text || d["error"] != c.Text || d["message"] != d["detail"] || d["request_id"] != r.header.Get("X-Request-Id") {
		t.Errorf("want code %v, got %s", c, r)
	}
	for _, part := range parts {
		if !strings.Contains(string(r.body), part) {
			t.Errorf("the answer lacks %q: %s", part, r)
		}
	}
}

// send makes a request; headers are name and value in turns.
func (w *world) send(ctx context.Context, method, path, key, body string, headers ...string) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, w.front.URL+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	if key != "" {
		req.SetBasicAuth(key, "")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := w.front.Client().Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, text}, err
}

func (w *world) do(method, path, key, body string, headers ...string) reply {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patienceInTests)
	defer cancel()
	r, err := w.send(ctx, method, path, key, body, headers...)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

// sql asks a statement as project 1.
func (w *world) sql(statement string, headers ...string) reply {
	w.t.Helper()
	return w.do("POST", "/v1/query/sql", ourKey, sqlText(statement, nil), headers...)
}

// sqlText is the body of a statement.
func sqlText(statement string, parameters any) string {
	text, err := json.Marshal(map[string]any{"query": statement, "parameters": parameters})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// operator asks the engine itself, as the user that may see everything.
func (w *world) operator(statement string) string {
	w.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patienceInTests}
	resp, err := client.Post("http://"+w.engine.HTTP+"/", "text/plain", strings.NewReader(statement))
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: status %d, %v: %s", statement, resp.StatusCode, err, body)
	}
	return strings.TrimSpace(string(body))
}

// processes are the queries of project accounts that run.
func (w *world) processes() string {
	w.t.Helper()
	return w.operator("SELECT query_id FROM system.processes WHERE user LIKE 'p%' ORDER BY query_id")
}

// await waits until a condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(patienceInTests)
	defer limit.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("not within %v: %s", patienceInTests, what)
		}
	}
}

// endless runs longer than any test waits, reads no table, and fewer rows than any limit allows.
const endless = "SELECT sum(sipHash64(repeat(toString(number), 100))) FROM numbers(190000000)"

// counter is the value of a metric by its full name.
func (w *world) counter(name string) string {
	w.t.Helper()
	var b bytes.Buffer
	w.set.WritePrometheus(&b)
	for line := range strings.Lines(b.String()) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			return value
		}
	}
	return ""
}

// logBuffer is what was logged.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// listen opens a port of this machine.
func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}
