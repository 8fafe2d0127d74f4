package question_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/schema/clickhouse/access"
	"github.com/millrace/millrace/schema/clickhouse/question"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is for a machine that does much else.
const patience = 5 * time.Minute

// server is an engine with the tables and views in database q, as one of its users sees it.
type server struct {
	address        string
	user, database string
	projects       *projects // nil: there are none
}

const database = "q"

// everybody is the user who sees all projects.
const everybody = "default"

func start(t *testing.T) server {
	t.Helper()
	return startWith(t, users(0), func(context.Context, *clickhouse.DB) error { return nil })
}

// startWith starts an engine with users of projects; then comes after the migrations.
func startWith(t *testing.T, plan access.Plan, then func(context.Context, *clickhouse.DB) error) server {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	engine := enginetest.ClickHouseFor(t, plan)
	cfg := clickhouse.DefaultConfig()
	cfg.Addresses, cfg.Database = []string{engine.TCP}, database
	db, err := clickhouse.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := clickhouse.Up(ctx, db, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if err := clickhouse.Assert(ctx, db); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(then(ctx, db), db.Close()); err != nil {
		t.Fatal(err)
	}
	return server{address: engine.HTTP, user: everybody, database: database}
}

// answer is a result as text.
type answer struct {
	columns []question.Column
	rows    [][]string
}

// post sends a body with settings and parameters and returns what the server answers.
func (s server) post(values url.Values, body string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	address := "http://" + s.address + "/?" + url.Values{"database": {s.database}}.Encode() + "&" + values.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	if s.user != everybody {
		request.SetBasicAuth(s.user, secret)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %.2000s", response.StatusCode, text)
	}
	return string(text), err
}

// query runs a SELECT with parameters.
func (s server) query(text string, params map[string]string) (answer, error) {
	values := url.Values{"default_format": {"JSONCompactStringsEachRowWithNamesAndTypes"}, "wait_end_of_query": {"1"}}
	if s.user == everybody {
		// Small data: that is quickest so. Users of projects may not say how.
		for name, value := range map[string]string{"max_threads": "1", "compile_expressions": "0", "compile_aggregate_expressions": "0", "compile_sort_description": "0"} {
			values.Set(name, value)
		}
	}
	for name, value := range params {
		values.Set("param_"+name, clickhouse.EscapeParameter(value))
	}
	out, err := s.post(values, text)
	if err != nil {
		return answer{}, err
	}
	var a answer
	var lines [][]string
	for d := json.NewDecoder(bytes.NewReader([]byte(out))); d.More(); {
		var line []string
		if err := d.Decode(&line); err != nil {
			return answer{}, err
		}
		lines = append(lines, line)
	}
	if len(lines) < 2 {
		return answer{}, fmt.Errorf("no header in %q", out)
	}
	for i, name := range lines[0] {
		a.columns = append(a.columns, question.Column{Name: name, Type: lines[1][i]})
	}
	a.rows = lines[2:]
	for _, row := range a.rows {
		for i, cell := range row {
			if typ := a.columns[i].Type; typ == "Nullable(Float64)" && cell == null {
				row[i] = "null"
			} else if strings.Contains(typ, "Float64") {
				f, err := strconv.ParseFloat(cell, 64)
				if err != nil {
					return answer{}, err
				}
				row[i] = float(f)
			}
		}
	}
	return a, nil
}

// null is how the format of query writes a NULL.
const null = "ᴺᵁᴸᴸ"

// float writes a number so that equal numbers are equal texts.
func float(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// money writes ten-thousandths as the server writes a decimal number.
func money(n int64) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	return sign + strings.TrimRight(strings.TrimRight(fmt.Sprintf("%d.%04d", n/10_000, n%10_000), "0"), ".")
}

func (s server) must(t *testing.T, text string, params map[string]string) answer {
	t.Helper()
	a, err := s.query(text, params)
	if err != nil {
		t.Fatalf("%v\n%s\n%v", err, text, params)
	}
	return a
}

func (s server) exec(t *testing.T, statement string) {
	t.Helper()
	if _, err := s.post(nil, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// arguments are the parameters of a view with their types and values.
type arguments []argument

type argument struct{ name, typ, value string }

// call asks a view; its arguments are server-side parameters in their turn.
func (s server) call(t *testing.T, view string, all arguments) answer {
	t.Helper()
	var parts []string
	params := map[string]string{}
	for _, a := range all {
		parts = append(parts, a.name+" = {"+a.name+":"+a.typ+"}")
		params[a.name] = a.value
	}
	call := view + "(" + strings.Join(parts, ", ") + ")"
	a := s.must(t, "SELECT * FROM "+call, params)
	if project, err := strconv.ParseUint(params["project"], 10, 32); err == nil && s.projects.has(uint32(project)) {
		s.projects.mustBeShown(t, s, uint32(project), call, params, a)
	}
	return a
}

// builder is any typed question.
type builder interface {
	Validate() error
	Build(database string, project uint32) (question.Statement, error)
}

// ask runs a typed question, and looks whether the columns are those that the statement tells.
func (s server) ask(t *testing.T, q builder, project uint32) answer {
	t.Helper()
	statement, err := q.Build(database, project)
	if err != nil {
		t.Fatalf("%+v: %v", q, err)
	}
	if reads, filters := strings.Count(statement.Text, "FROM "+database+"."), strings.Count(statement.Text, "project_id = {project:UInt32}"); reads == 0 || reads != filters {
		t.Fatalf("%d reads of tables and %d filters by project:\n%s", reads, filters, statement.Text)
	}
	a := s.must(t, statement.Text, statement.Params)
	for i, c := range statement.Columns {
		if i >= len(a.columns) || a.columns[i].Name != c.Name || a.columns[i].Type != c.Type || len(a.columns) != len(statement.Columns) {
			t.Fatalf("columns are %v, the statement says %v", a.columns, statement.Columns)
		}
	}
	if s.projects.has(project) {
		s.projects.mustBeTold(t, s, q, project, statement)
	}
	return a
}

// compare demands rows in the order that they are expected in; inOrder false: in any.
func compare(t *testing.T, what string, got answer, want [][]string, inOrder bool) {
	t.Helper()
	have := make([]string, 0, len(got.rows))
	for _, row := range got.rows {
		have = append(have, strings.Join(row, " | "))
	}
	expected := make([]string, 0, len(want))
	for _, row := range want {
		expected = append(expected, strings.Join(row, " | "))
	}
	if !inOrder {
		slices.Sort(have)
		slices.Sort(expected)
	}
	if !slices.Equal(have, expected) {
		t.Errorf("%s: got\n%s\nwant\n%s", what, strings.Join(have, "\n"), strings.Join(expected, "\n"))
	}
}
