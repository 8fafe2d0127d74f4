package query

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/millrace/millrace/schema/clickhouse/access/escapes"
)

// engineCode finds the number of an error in a refusal.
var engineCode = regexp.MustCompile(`ClickHouse error (\d+)`)

// ask sends an attempt as a statement. The answer is as the judge of package escapes wants it: rows separated by tabs, or an error.
func (s *siege) ask(t *testing.T, key string, a escapes.Attempt) (sent string, r reply, answer string, err error) {
	t.Helper()
	sent = sqlText(a.SQL, a.Params)
	r = s.do("POST", "/v1/query/sql", key, sent, "Accept", "text/csv")
	if r.status != http.StatusOK {
		text := string(r.body)
		if m := engineCode.FindStringSubmatch(text); m != nil {
			text = "code: " + m[1] + " " + text
		}
		return a.SQL + sent, r, "", errors.New(text)
	}
	lines, err := csv.NewReader(bytes.NewReader(r.body)).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v: %s", a.SQL, err, r)
	}
	var b strings.Builder
	for _, line := range lines[1:] {
		b.WriteString(strings.Join(line, "\t") + "\n")
	}
	return a.SQL + sent, r, b.String(), nil
}

// statements sends all that package escapes knows.
func (s *siege) statements(t *testing.T) {
	for i, a := range s.canaries.Attempts() {
		if len(a.Settings) > 0 {
			continue // see settings
		}
		category := "statements: " + a.Group
		sent, r, answer, err := s.ask(t, ourKey, a)
		s.judge(t, category, sent, r)
		if a.Group == "settings" && err != nil {
			a.Want = escapes.Anything // what the service sends along is lower than the account's limits, and refused sooner
		}
		if err := s.canaries.Judge(a, answer, err); err != nil {
			t.Errorf("%s: %v", category, err)
		}
		if a.Group == "rows" && i%3 == 0 {
			sent, r, _, _ := s.ask(t, theirKey, a)
			s.control(category, r, sent)
		}
	}
	if shown := s.tallies["statements: rows"].shown; shown < 10 {
		t.Errorf("with the canary's own key %d attempts show something", shown)
	}
	s.alive(t)
}

// index sends conditions that fail for the bounds of parts and granules where project 2's rows lie: ClickHouse computes them before any filter. Whether such a query fails
// can be seen; no value may be.
func (s *siege) index(t *testing.T) {
	const category = "index"
	digits := regexp.MustCompile(`\d{3,}`)
	for _, condition := range []string{
		"toDateTime64(ts + toIntervalYear(180), 9) > '1971-01-01 00:00:00'",
		"toUnixTimestamp64Nano(toDateTime64(ts + toIntervalYear(180), 9)) > 0",
		"CAST(addYears(ts, 180), 'DateTime64(9)') > '1971-01-01 00:00:00'",
		"toDate(ts + toIntervalYear(100)) > '2000-01-01' SETTINGS date_time_overflow_behavior = 'throw'",
		"toDateTime(ts + toIntervalYear(75)) > '2000-01-01 00:00:00' SETTINGS date_time_overflow_behavior = 'throw'",
		"toUnixTimestamp(ts + toIntervalYear(30)) > 0 SETTINGS date_time_overflow_behavior = 'throw'",
		"toDateTime64(toDateTime64(user_h, 0), 9) > '1970-01-01 00:00:00'",
		"toDate(user_h) > '1970-01-01' SETTINGS date_time_overflow_behavior = 'throw'",
		"factorial(user_h - 70) > 0", "factorial(user_h) > 0", "factorial(project_id * 19) > 0", "factorial(toYear(ts) - 2023) > 0", "factorial(toYYYYMM(ts) - 202300) > 0",
		"intDiv(1, project_id - 2) < 5", "toDecimal32(project_id, 8) < 90", "accurateCast(user_h, 'UInt8') = 77", "toIPv4(event) > 0", "toFixedString(event, 4) > ''",
		"CAST(event, 'Enum8(''own0'' = 1, ''own1'' = 2, ''own2'' = 3)') = 'own1'", "parseDateTime(event, '%Y') > now()", "toUUID(event) != event_id",
	} {
		statement := "SELECT count() FROM (SELECT 1 FROM events WHERE " + condition + ")"
		r := s.sql(statement)
		s.judge(t, category, statement, r)
		if r.status == http.StatusOK {
			continue
		}
		detail := fmt.Sprint(r.document(t)["detail"])
		if _, text, _ := strings.Cut(detail, ": "); digits.MatchString(text) && !strings.Contains(text, " scope ") {
			t.Errorf("%s: a refusal with numbers: %s", statement, detail)
		}
	}
	s.alive(t)
}

// views asks each view with parameters for project 2 by number.
func (s *siege) views(t *testing.T) {
	const category = "views"
	for line := range strings.Lines(s.operator("SELECT name, as_select FROM system.tables WHERE database = '" + testDatabase + "' AND engine = 'View' FORMAT TSVRaw")) {
		view, query, _ := strings.Cut(line, "\t")
		var answers []string
		for _, a := range s.canaries.Calls(view, query) {
			sent, r, answer, err := s.ask(t, ourKey, a)
			s.judge(t, category, sent, r)
			if err != nil {
				t.Errorf("%s: %v", a.SQL, err)
			}
			answers = append(answers, answer)
			if len(answers) == 1 {
				sent, r, _, _ = s.ask(t, theirKey, a)
				s.control(category, r, sent)
			}
		}
		if len(answers) > 1 && answers[0] != answers[1] {
			t.Errorf("%s answers %q for project 2, and %q for one that nobody has", view, answers[0], answers[1])
		}
	}
	if n := s.tallies[category]; n == nil || n.attempts < 20 || n.shown < 5 {
		t.Errorf("views: %+v", n)
	}
	s.alive(t)
}

// settings tries to send settings along, by the URL, by the body and by names of parameters.
func (s *siege) settings(t *testing.T) {
	const category = "settings"
	names := map[string]string{
		"database": testDatabase, "user": "default", "password": "", "query": "SELECT 1", "default_format": "TSV", "session_id": "x", "role": "default", "quota_key": "x",
		"param_project": "2", "compress": "1", "wait_end_of_query": "0", "buffer_size": "0", "stacktrace": "1", "http_write_exception_in_output_format": "1", "cancel_http_readonly_queries_on_client_close": "0",
		"add_http_cors_header": "1", "http_response_headers": "{'X-A': 'b'}", "framing": "1", "close_session": "1", "key": theirKey, "api_key": theirKey, "project": "2", "format": "CSV", "limit": "1",
	}
	for _, a := range s.canaries.Attempts() {
		maps.Copy(names, a.Settings)
	}
	for name, value := range names {
		path := "/v1/query/sql?" + url.Values{name: {value}}.Encode()
		r := s.do("POST", path, ourKey, sqlText("SELECT * FROM events", nil))
		s.judge(t, category, path, r)
		r.mustBe(t, codeInvalidRequest)
		for field, value := range map[string]any{name: value, "settings": map[string]string{name: value}} {
			body, err := json.Marshal(map[string]any{"query": "SELECT * FROM events", field: value})
			if err != nil {
				t.Fatal(err)
			}
			if field == "query" {
				continue
			}
			r = s.do("POST", "/v1/query/sql", ourKey, string(body))
			s.judge(t, category, string(body), r)
			r.mustBe(t, codeUnknownField)
		}
		// A parameter of such a name is one like any other.
		body := sqlText("SELECT count(), max(project_id), {"+parameterOf(name)+":String} = '"+strings.ReplaceAll(value, "'", "''")+"' FROM events", map[string]any{parameterOf(name): value})
		r = s.do("POST", "/v1/query/sql", ourKey, body)
		s.judge(t, category, body, r)
		if got := r.rows(t); got != "[[3,1,1]]" {
			t.Errorf("%s: %s", body, got)
		}
	}
	// Names that want to leave their field of the form.
	for _, name := range []string{"x\"\r\n\r\nSELECT 2", `a"; name="query`, "a\nb", "a\x00", "../x", "param_a b", "", strings.Repeat("x", 65), "é", "a=b&database=system", "a]", "a;b"} {
		body := sqlText("SELECT * FROM events", map[string]any{name: "v"})
		r := s.do("POST", "/v1/query/sql", ourKey, body)
		s.judge(t, category, body, r)
		r.mustBe(t, codeInvalidQuestion, "invalid_name")
	}
	s.alive(t)
}

// parameterOf makes the name of a parameter.
func parameterOf(name string) string { return strings.NewReplacer("-", "_", ".", "_").Replace(name) }
