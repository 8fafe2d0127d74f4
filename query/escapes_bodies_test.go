package query

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/millrace/millrace/schema/clickhouse/access/escapes"
)

// bodies tries what JSON allows, or some readers of it.
func (s *siege) bodies(t *testing.T) {
	const category = "bodies"
	const query = `"query":"SELECT count(), max(project_id), max(event) FROM events"`
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, c := range []struct {
		body string
		want code
	}{
		{`{` + query + `,"query":"SELECT 2"}`, codeInvalidJSON},
		{`{` + query + `,"Query":"SELECT 2"}`, codeInvalidJSON},
		{`{"QUERY":"SELECT 2",` + query + `}`, codeInvalidJSON},
		{`{` + query + `,"\u0071uery":"SELECT 2"}`, codeInvalidJSON},
		{`{` + query + `,"parameters":{"a":1,"a":2}}`, codeInvalidJSON},
		{`{` + query + `,"parameters":{},"parameters":{"a":2}}`, codeInvalidJSON},
		{`{` + query + `,"parameters":{"a":{"k":1,"k":2}}}`, codeInvalidJSON},
		{`{` + query + `,"parameters":{"a":[{"k":1},{"k":1,"k":2}]}}`, codeInvalidJSON},
		{`{` + query + `,"timeout_ms":100,"timeout_ms":20000}`, codeInvalidJSON},
		{`{` + query + `,"parameters":{"a":1,"A":2}}`, codeOK},
		{`{` + query + `,"parameters":{"a":[{"k":1},{"k":2}],"parameters":{"x":1,"X":2}}}`, codeOK},
		{`{` + query + `} {` + query + `}`, codeInvalidJSON},
		{`{` + query + `};`, codeInvalidJSON},
		{`{` + query + `,}`, codeInvalidJSON},
		{`{` + query + `/* */}`, codeInvalidJSON},
		{`{` + query + "}\x00", codeInvalidJSON},
		{"\xef\xbb\xbf{" + query + `}`, codeInvalidJSON},
		{"\xff\xfe{\x00}\x00", codeInvalidJSON},
		{`{` + query + ",\"a\xff\":1}", codeInvalidJSON},
		{`[{` + query + `}]`, codeInvalidJSON},
		{`"SELECT 1"`, codeInvalidJSON},
		{`null`, codeInvalidJSON},
		{``, codeInvalidJSON},
		{" \r\n\t", codeInvalidJSON},
		{`query=SELECT+1`, codeInvalidJSON},
		{`{` + query, codeInvalidJSON},
		{`{"query":null}`, codeInvalidQuestion},
		{`{"query":[]}`, codeInvalidQuestion},
		{`{"query":{"text":"SELECT 1"}}`, codeInvalidQuestion},
		{`{"query":1}`, codeInvalidQuestion},
		{`{}`, codeInvalidQuestion},
		{`{"query":"\u0000"}`, codeQueryRefused},
		{`{"query":"SELECT 1\u0000; SELECT 2"}`, codeQueryRefused},
		{`{"query":"SELECT count(), max(project_id), max(event) FROM events\u0000 WHERE 0"}`, codeQueryRefused},
		{`{"query":"\ud800"}`, codeQueryRefused},
		{`{"query":"\ufeffSELECT 'own2'"}`, codeOK},
		{`{` + query + `,"timeout_ms":1e400}`, codeInvalidQuestion},
		{`{` + query + `,"timeout_ms":99999999999999999999}`, codeInvalidQuestion},
		{`{` + query + `,"timeout_ms":-1}`, codeInvalidRequest},
		{`{` + query + `,"timeout_ms":0}`, codeInvalidRequest},
		{`{` + query + `,"timeout_ms":"1000"}`, codeInvalidQuestion},
		{`{` + query + `,"timeout_ms":1.5}`, codeInvalidQuestion},
		{`{` + query + `,"timeout_ms":null}`, codeOK},
		{`{` + query + `,"parameters":null}`, codeOK},
		{`{` + query + `,"parameters":[]}`, codeInvalidQuestion},
		{`{` + query + `,"parameters":"a=1"}`, codeInvalidQuestion},
		{`{` + query + `,"parameters":{"a":` + deep(9000) + `}}`, codeOK},
		{`{` + query + `,"parameters":{"a":` + deep(20000) + `}}`, codeInvalidJSON},
		{deep(100000), codeInvalidJSON},
		{`{` + query + `,"parameters":{"a":1e999999999}}`, codeOK},
		{`{` + query + `,"parameters":{"a":` + strings.Repeat("9", 10000) + `}}`, codeOK},
		{`{` + query + `,"parameters":{"a":"` + strings.Repeat("\\u0000", 1000) + `"}}`, codeOK},
		{`{` + query + `,"project":2}`, codeUnknownField},
		{`{` + query + `,"database":"millrace"}`, codeUnknownField},
		{`{` + query + `,"format":"CSV"}`, codeUnknownField},
		{`{` + query + `,"constructor":{"prototype":{}}}`, codeUnknownField},
		{strings.Repeat(" ", 2<<20) + `{}`, codeTooLarge},
	} {
		r := s.do("POST", "/v1/query/sql", ourKey, c.body)
		s.judge(t, category, c.body, r)
		if c.want != codeOK {
			r.mustBe(t, c.want)
		} else if !strings.Contains(r.rows(t), "own2") {
			t.Errorf("%.200s: %s", c.body, r)
		}
	}
	// Values that want to be more than values, of each kind of parameter.
	for _, declared := range []string{"String", "UInt32", "Array(String)", "Map(String, String)", "Tuple(String, String)", "Identifier", "Date", "UUID", "Nullable(String)", "Enum8('a' = 1)", "DateTime64(3)", "Array(Array(UInt8))"} {
		for _, value := range []string{
			`"2 OR 1"`, `"'] OR project_id = 2 OR event IN ['"`, `"\\N"`, `null`, `["a'] OR ['"]`, `[["x"]]`, `{"k":"v'} OR {'"}`, `"events WHERE project_id = 2"`, `"millrace.events"`, `"system.users"`, `18446744073709551616`, `true`, `"\u0000"`, `""`, `"a\\' OR 1 --"`,
		} {
			body := `{"query":"SELECT event FROM events WHERE toString({v:` + declared + `}) = 'x' AND event = 'nothing'","parameters":{"v":` + value + `}}`
			r := s.do("POST", "/v1/query/sql", ourKey, body)
			s.judge(t, category, body, r)
			if r.status == http.StatusOK && r.rows(t) != "[]" {
				t.Errorf("%s: %s", body, r)
			}
			if r.status >= 500 {
				t.Errorf("%s: %s", body, r)
			}
		}
	}
	for _, table := range []string{"millrace.events", "events` WHERE project_id = 2 --", "system.users", "system.query_log", "millrace.quarantine", "numbers(10)", "file('/etc/passwd')", "", "*", "events.events.events", "events; DROP TABLE events"} {
		body := sqlText("SELECT * FROM {t:Identifier}", map[string]any{"t": table})
		r := s.do("POST", "/v1/query/sql", ourKey, body)
		s.judge(t, category, body, r)
		r.mustBe(t, codeQueryRefused)
	}
	if r := s.do("POST", "/v1/query/sql", theirKey, `{`+query+`}`); !s.control(category, r, "") {
		t.Errorf("project 2 does not see its own: %s", r)
	}
	s.alive(t)
}

// running tries to see or end a query of project 2 that runs meanwhile.
func (s *siege) running(t *testing.T) {
	const category = "running"
	const id = "0198f3c2-5d3e-7c61-9b0e-2f6a1d4c8e55"
	ctx, stop := context.WithTimeout(context.Background(), patienceInTests)
	defer stop()
	type outcome struct {
		r   reply
		err error
	}
	ended := make(chan outcome, 1)
	go func() {
		r, err := s.send(ctx, "POST", "/v1/query/sql?query_id="+id, theirKey, sqlText(endless+" -- "+escapes.Tokens[0], nil))
		ended <- outcome{r, err}
	}()
	const unharmed = "2-" + id + "\tp2_analyst\t0"
	running := func() string { // a query that was killed is among them until it has noticed
		return s.operator("SELECT query_id, user, is_cancelled FROM system.processes WHERE user LIKE 'p%' ORDER BY query_id")
	}
	await(t, "the canary's query runs", func() bool { return running() == unharmed })
	if got := s.operator("SELECT query LIKE '%" + escapes.Tokens[0] + "%' FROM system.processes WHERE query_id = '2-" + id + "'"); got != "1" {
		t.Fatalf("nothing to be seen runs: %s", got)
	}
	for _, statement := range []string{
		"SHOW PROCESSLIST", "SHOW FULL PROCESSLIST", "SELECT query FROM system.processes", "SELECT * FROM system.processes WHERE user = 'p2_analyst'", "SELECT count() FROM system.processes", "SELECT * FROM system.user_processes",
		"SELECT * FROM system.query_log", "SELECT * FROM system.query_thread_log", "SELECT * FROM system.query_views_log", "SELECT * FROM system.text_log", "SELECT * FROM system.trace_log", "SELECT * FROM system.session_log",
		"SELECT * FROM system.processors_profile_log", "SELECT * FROM system.opentelemetry_span_log", "SELECT * FROM system.query_metric_log", "SELECT * FROM system.stack_trace", "SELECT * FROM system.query_cache",
		"KILL QUERY WHERE 1", "KILL QUERY WHERE 1 SYNC", "KILL QUERY WHERE 1 TEST", "KILL QUERY WHERE query_id = '2-" + id + "'", "KILL QUERY WHERE user = 'p2_analyst' ASYNC", "KILL QUERY ON CLUSTER default WHERE 1",
		"KILL MUTATION WHERE 1", "KILL TRANSACTION WHERE 1", "KILL QUERY WHERE query LIKE '%k%' FORMAT JSONCompact", "SYSTEM SHUTDOWN", "SYSTEM STOP MERGES", "SELECT * FROM (SELECT query FROM system.processes SETTINGS readonly = 0)",
	} {
		r := s.sql(statement)
		s.judge(t, category, statement, r)
		if r.status == http.StatusOK {
			t.Errorf("%s was not refused: %s", statement, r)
		}
	}
	for _, target := range []string{id, "2-" + id, "02-" + id, "%32-" + id, "1-" + id, "0-" + id, "-" + id, strings.ToUpper(id), "2-" + strings.ToUpper(id), "4294967298-" + id, "2-" + id + "/", "2-" + strings.ReplaceAll(id, "-", ""), "{" + id + "}", "%25", "*", "2-%25", "1-" + id + "' OR '1"} {
		r := s.do("DELETE", "/v1/query/"+strings.ReplaceAll(target, " ", "%20"), ourKey, "")
		s.judge(t, category, "DELETE "+target, r)
		if r.status != http.StatusNotFound {
			t.Errorf("DELETE %s: %s", target, r)
		}
	}
	// The same id is another query, of another project.
	if r := s.do("POST", "/v1/query/sql?query_id="+id, ourKey, ownCount); r.rows(t) != ownCounted || r.header.Get("X-Millrace-Query-Id") != "1-"+id {
		t.Errorf("the id of project 2's query: %s", r)
	}
	// A query that was answered is among them a moment longer, the last one of project 1 too.
	var now string
	await(t, "no other query runs, or the canary's does not", func() bool {
		now = running()
		return now == unharmed || !strings.Contains(now, unharmed)
	})
	if now != unharmed {
		t.Fatalf("the canary's query was ended: these run: %q", now)
	}
	if r := s.do("DELETE", "/v1/query/"+id, theirKey, ""); r.status != http.StatusOK {
		t.Errorf("project 2 cannot end its own: %s", r)
	}
	o := <-ended
	if o.err != nil {
		t.Fatal(o.err)
	}
	o.r.mustBe(t, codeQueryCancelled)
	s.alive(t)
}
