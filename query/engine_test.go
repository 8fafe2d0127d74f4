package query

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestQuestions asks each typed question once, in each format: what the answers mean is tested with the questions.
func TestQuestions(t *testing.T) {
	w := startWorld(t, nil)
	const days = `"from":"2026-03-01","to":"2026-03-04"`
	for _, c := range []struct{ name, body, want string }{
		{"trends", `{` + days + `,"interval":"day","series":[{"event":"Bought"}]}`, "2026-03-02"},
		{"funnel", `{` + days + `,"steps":[{"event":"Visited"},{"event":"Bought","where":[{"field":"country","op":"is","values":["DE","it's \\ \"\t\n"]}]}],"window_ms":86400000}`, "10"},
		{"retention", `{` + days + `,"birth":{"event":"Visited"},"return":{},"period":"day","mode":"n_day","timeout_ms":20000}`, "2026-03-01"},
		{"paths", `{` + days + `,"start":"Visited"}`, "Signed up"},
		{"timeline", `{"user":"u1"}`, "Bought"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := "/v1/query/" + c.name
			r := w.do("POST", path, ourKey, c.body)
			if rows := r.rows(t); !strings.Contains(rows, c.want) {
				t.Errorf("rows lack %q: %s", c.want, rows)
			}
			if strings.Contains(string(r.body), canary) {
				t.Errorf("another project's rows: %s", r)
			}
			d := r.document(t)
			columns, _ := d["columns"].([]any)
			params, _ := d["parameters"].(map[string]any)
			first, _ := d["rows"].([]any)[0].([]any)
			if d["question"] != c.name || len(columns) == 0 || len(columns) != len(first) || params["project"] != "1" || !strings.Contains(fmt.Sprint(d["sql"]), "{project:UInt32}") {
				t.Errorf("the answer does not explain itself: %s", r)
			}
			if d["request_id"] != r.header.Get("X-Request-Id") || d["query_id"] != r.header.Get("X-Millrace-Query-Id") || d["query_id"] != "1-"+fmt.Sprint(d["request_id"]) {
				t.Errorf("ids differ: %v, %s", r.header, r)
			}
			if read := fmt.Sprint(d["rows_read"]); read == "0" || read != r.header.Get("X-Millrace-Rows-Read") || fmt.Sprint(d["elapsed_ms"]) != r.header.Get("X-Millrace-Elapsed-Ms") ||
				fmt.Sprint(d["bytes_read"]) != r.header.Get("X-Millrace-Bytes-Read") {
				t.Errorf("statistics: %v, %s", r.header, r)
			}

			r = w.do("POST", path, ourKey, c.body, "Accept", "text/csv")
			lines, err := csv.NewReader(bytes.NewReader(r.body)).ReadAll()
			if err != nil || r.status != http.StatusOK || len(lines) != len(d["rows"].([]any))+1 || lines[0][0] != columns[0].(map[string]any)["name"] {
				t.Errorf("CSV: %v: %s", err, r)
			}
			if r.header.Get("Content-Type") != "text/csv; charset=utf-8; header=present" || r.header.Get("X-Millrace-Rows-Read") == "" {
				t.Errorf("CSV: headers %v", r.header)
			}
			r = w.do("POST", path, ourKey, c.body, "Accept", "application/vnd.apache.parquet")
			if !bytes.HasPrefix(r.body, []byte("PAR1")) || !bytes.HasSuffix(r.body, []byte("PAR1")) || r.header.Get("Content-Type") != "application/vnd.apache.parquet" {
				t.Errorf("Parquet: %d, %v", r.status, r.header)
			}
		})
	}
	if got := w.counter(`millrace_query_requests_total{question="trends",code="ok"}`); got != "3" {
		t.Errorf("requests counted: %s", got)
	}
}

// TestStatements is about /v1/query/sql: what an analyst may do, and what comes back.
func TestStatements(t *testing.T) {
	w := startWorld(t, nil)

	t.Run("values", func(t *testing.T) {
		nasty := []string{"", "plain", "tab\tnewline\nreturn\r", `back\slash\n\t\\`, `it's "quoted" ` + "`so`", "nul\x00", "é 漢 🙂", `['a','b']`, `\N`, "--x\r\nContent-Disposition: form-data", "%41+&=;", "{x:String}"}
		for _, text := range nasty {
			r := w.do("POST", "/v1/query/sql", ourKey, sqlText("SELECT {v:String} AS s, {l:Array(String)} AS l, {m:Map(String, String)} AS m", map[string]any{
				"v": text, "l": []string{text, "x", text}, "m": map[string]string{text: text},
			}))
			want, err := json.Marshal([]any{[]any{text, []string{text, "x", text}, map[string]string{text: text}}})
			if err != nil {
				t.Fatal(err)
			}
			if got := r.rows(t); got != string(want) {
				t.Errorf("%q came back as %s", text, got)
			}
		}
		r := w.do("POST", "/v1/query/sql", ourKey, sqlText(
			"SELECT {i:Int64}, {u:UInt64}, {f:Float64}, {b:Bool}, {n:Nullable(String)}, {d:Date}, {t:DateTime64(3, 'UTC')}, {a:Array(UInt8)}, {aa:Array(Array(String))}, {e:Array(Nullable(Int8))}", map[string]any{
				"i": -5, "u": json.Number("18446744073709551615"), "f": 0.5, "b": true, "n": nil, "d": "2026-03-01", "t": "2026-03-01 01:02:03.004",
				"a": []int{}, "aa": [][]string{{"x"}, {}}, "e": []any{1, nil},
			}))
		if got := r.rows(t); got != `[[-5,18446744073709551615,0.5,true,null,"2026-03-01","2026-03-01 01:02:03.004",[],[["x"],[]],[1,null]]]` {
			t.Errorf("values came back as %s", got)
		}
		if got := w.do("POST", "/v1/query/sql", ourKey, `{"query":"SELECT {l:Array(String)}","parameters":{"l":"['it\\'s']"}}`).rows(t); got != `[[["it's"]]]` {
			t.Errorf("a literal came back as %s", got)
		}
	})

	t.Run("results", func(t *testing.T) {
		r := w.sql("SELECT a % 3 AS k, count() AS n FROM (SELECT number AS a FROM numbers(10)) GROUP BY k WITH TOTALS ORDER BY k")
		if got := r.rows(t); got != `[[0,4],[1,3],[2,3]]` || fmt.Sprint(r.document(t)["totals"]) != "[0 10]" {
			t.Errorf("totals: %s", r)
		}
		if r = w.sql("SELECT 'x' AS `a\"<b>` WHERE 0"); r.rows(t) != `[]` || !strings.Contains(string(r.body), `"columns":[{"name":"a\"<b>","type":"String"}]`) {
			t.Errorf("no rows: %s", r)
		}
		if r = w.sql("SELECT unhex('ff61') AS s, nan AS n"); r.rows(t) != `[["�a",null]]` {
			t.Errorf("no UTF-8: %s", r)
		}
		if r = w.sql("SELECT number, repeat('é\"', 40) FROM numbers(20000)"); strings.Count(r.rows(t), "é") != 40*20000 {
			t.Errorf("a long result lacks something; it has %d bytes", len(r.body))
		}
		for _, statement := range []string{"EXPLAIN SELECT 1", "SHOW TABLES", "DESCRIBE TABLE events", "SELECT 1;", "-- why\nSELECT 1", "WITH 1 AS x SELECT x", "SELECT 1 SETTINGS max_execution_time = 5"} {
			if r := w.sql(statement); r.rows(t) == "[]" {
				t.Errorf("%s: %s", statement, r)
			}
		}
		if got := w.sql("SELECT count(), uniqExact(project_id) FROM events").rows(t); got != `[[30,1]]` {
			t.Errorf("an analyst of project 1 counts %s", got)
		}
		if got := w.do("POST", "/v1/query/sql", theirKey, sqlText("SELECT any(distinct_id) LIKE '"+canary+"%', count() FROM events", nil)).rows(t); got != `[[1,30]]` {
			t.Errorf("an analyst of project 2 counts %s", got)
		}
	})

	t.Run("refusals", func(t *testing.T) {
		rows := w.operator("SELECT count() FROM millrace.events")
		for _, c := range []struct {
			statement string
			want      code
			says      string // what the author must be told
			never     string
		}{
			{"SELECT evnt FROM events", codeQueryRefused, "evnt", ""},
			{"SELECT FROM events WHERE", codeQueryRefused, "Syntax error", ""},
			{"SELECT cont() FROM events", codeQueryRefused, "count", ""},
			{"SELECT event, count() FROM events", codeQueryRefused, "GROUP BY", ""},
			{"SELECT * FROM event", codeQueryRefused, "event", "Maybe"},
			{"SELECT * FROM milrace.events", codeQueryRefused, "milrace", "Maybe"},
			{"SELECT {x:UInt8}", codeQueryRefused, "UNKNOWN_QUERY_PARAMETER", ""},
			{"SELECT 1; SELECT 2", codeQueryRefused, "Multi-statements", ""},
			{"SELECT 1; DROP TABLE events", codeQueryRefused, "Multi-statements", ""},
			{"SELECT 1 FORMAT CSV", codeQueryRefused, "Accept", ""},
			{"SELECT 1 FORMAT Null", codeQueryRefused, "Accept", ""},
			{"SELECT 1 INTO OUTFILE '/tmp/x'", codeQueryRefused, "OUTFILE", ""},
			{"SELECT 1 SETTINGS max_memory_usage = 0", codeQueryRefused, "SETTING_CONSTRAINT_VIOLATION", ""},
			{"SELECT 1 SETTINGS max_execution_time = 1000", codeQueryRefused, "SETTING_CONSTRAINT_VIOLATION", ""},
			{"SELECT 1 SETTINGS readonly = 0", codeQueryRefused, "READONLY", ""},
			{"SET readonly = 0", codeQueryRefused, "READONLY", ""},
			{"SET max_execution_time = 5", codeQueryRefused, "no result", ""},
			{"USE millrace_views", codeQueryRefused, "no result", ""},
			{"USE millrace", codeQueryRefused, "ACCESS_DENIED", ""},
			{"SELECT count() FROM millrace.events", codeQueryRefused, "database millrace_views", "(project_id"},
			{"INSERT INTO events (project_id) VALUES (1)", codeQueryRefused, "ClickHouse error", "project_id"},
			{"DROP TABLE events", codeQueryRefused, "ClickHouse error", ""},
			{"TRUNCATE TABLE events", codeQueryRefused, "ClickHouse error", ""},
			{"SYSTEM FLUSH LOGS", codeQueryRefused, "ClickHouse error", ""},
			{"KILL QUERY WHERE 1", codeQueryRefused, "ACCESS_DENIED", ""},
			{"SELECT * FROM system.processes", codeQueryRefused, "ACCESS_DENIED", ""},
			{"SELECT * FROM mergeTreeIndex(currentDatabase(), events)", codeQueryRefused, "ClickHouse error", ""},
			{"SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')", codeQueryRefused, "ACCESS_DENIED", ""},
			{"SELECT * FROM file('/etc/passwd', 'LineAsString')", codeQueryRefused, "ACCESS_DENIED", "root:"},
			{"SELECT throwIf(1, distinct_id) FROM events", codeQueryRefused, "ClickHouse error", ""},
			{"SELECT toUInt8(distinct_id) FROM events", codeQueryRefused, "CANNOT_PARSE_TEXT", "'u"},
			{"SELECT toTimeZone(now(), 'Nowhere/City')", codeQueryRefused, "time zone", ""},
			{"SELECT intDiv(1, 0)", codeQueryRefused, "Division by zero", ""},
			{"SELECT sleep(4)", codeQueryRefused, "TOO_SLOW", ""},
		} {
			r := w.sql(c.statement)
			r.mustBe(t, c.want, c.says)
			leaks := []string{"p1_analyst", accountPassword, canary, "DB::", "(version", "Stack trace", "127.0.0.1:", "millrace-"}
			if c.never != "" {
				leaks = append(leaks, c.never)
			}
			for _, never := range leaks {
				if strings.Contains(c.statement, never) {
					continue
				}
				if strings.Contains(string(r.body), never) {
					t.Errorf("%s: the answer has %q: %s", c.statement, never, r)
				}
			}
			if t.Failed() {
				t.Fatalf("%s", c.statement)
			}
		}
		if now := w.operator("SELECT count() FROM millrace.events"); now != rows {
			t.Errorf("%s rows became %s", rows, now)
		}
	})
	for _, planted := range []string{"SELECT", "evnt", "it's", canary, ourKey, accountPassword, "漢"} {
		if strings.Contains(w.log.String(), planted) {
			t.Errorf("the log has %q", planted)
		}
	}
	asked := strings.Count(w.log.String(), `"msg":"question"`)
	if lines := strings.Count(w.log.String(), "\n"); asked < 50 || lines != asked {
		t.Errorf("%d lines for %d questions", lines, asked)
	}
}
