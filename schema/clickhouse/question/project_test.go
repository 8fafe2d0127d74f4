package question_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/query"
	"github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/schema/clickhouse/access"
	"github.com/millrace/millrace/schema/clickhouse/question"
)

// projects are those of a server with users of their own: what they are told by the query API and by their views must be what the tables say.
type projects struct {
	last  uint32 // they are 1 to last
	front *httptest.Server
	// asked is how many questions were compared, called how many calls of views.
	asked, called atomic.Int64
}

const secret = "a password for all of them"

func password(string) string { return secret }

// keyring has the number of each project as its key.
type keyring struct{ last uint32 }

func (k keyring) Lookup(key []byte) (query.Caller, bool) {
	n, err := strconv.ParseUint(string(key), 10, 32)
	return query.Caller{Project: uint32(n), KeyID: string(key), Query: true}, err == nil && n >= 1 && n <= uint64(k.last)
}

func users(last uint32) access.Plan {
	var all []uint32
	for p := range last {
		all = append(all, p+1)
	}
	return access.Users(database, all, password)
}

// startFor is start with users for projects 1 to last, and the query API in front.
func startFor(t *testing.T, last uint32) server {
	t.Helper()
	s := startWith(t, users(last), func(ctx context.Context, db *clickhouse.DB) error { return access.Mirror(ctx, db, database) })
	account := func(name func(uint32) string) func(uint32) query.Account {
		return func(p uint32) query.Account { return query.Account{User: name(p), Password: secret} }
	}
	api, err := query.New(query.DefaultConfig(), query.Deps{
		Keys: keyring{last},
		ClickHouse: query.Endpoint{
			URLs: []string{"http://" + s.address}, Database: access.ViewsDatabase(database),
			Reader: account(access.Reader), Analyst: account(access.Analyst), Operator: query.Account{User: "default"},
		},
		Log: slog.New(slog.DiscardHandler), Metrics: metrics.NewSet(),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.projects = &projects{last: last, front: httptest.NewServer(api.Handler())}
	t.Cleanup(func() {
		api.Close()
		s.projects.front.Close()
	})
	return s
}

// has tells whether the project is one of them.
func (p *projects) has(project uint32) bool { return p != nil && project >= 1 && project <= p.last }

// csv runs a statement for its rows as CSV.
func (s server) csv(t *testing.T, statement question.Statement) string {
	t.Helper()
	values := url.Values{"default_format": {"CSVWithNames"}, "wait_end_of_query": {"1"}}
	for name, value := range statement.Params {
		values.Set("param_"+name, clickhouse.EscapeParameter(value))
	}
	out, err := s.post(values, statement.Text)
	if err != nil {
		t.Fatalf("%v\n%s", err, statement.Text)
	}
	return out
}

// mustBeTold demands that the API answers the question with the rows of the statement.
func (p *projects) mustBeTold(t *testing.T, s server, q builder, project uint32, statement question.Statement) {
	t.Helper()
	body, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	kind := map[string]string{
		"*question.Trends": "trends", "*question.Funnel": "funnel", "*question.Retention": "retention", "*question.Paths": "paths", "*question.Timeline": "timeline",
	}[fmt.Sprintf("%T", q)]
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.front.URL+"/v1/query/"+kind, strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(strconv.Itoa(int(project)), "")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/csv")
	resp, err := p.front.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	told, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %d %s, %v", kind, body, resp.StatusCode, told, err)
	}
	if got, want := sortedLines(string(told)), sortedLines(s.csv(t, statement)); !slices.Equal(got, want) {
		t.Errorf("%s %s is told\n%s\nwant\n%s", kind, body, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	p.asked.Add(1)
}

// mustBeShown demands that a call of a view gives the project's analyst the same rows.
func (p *projects) mustBeShown(t *testing.T, s server, project uint32, call string, params map[string]string, want answer) {
	t.Helper()
	s.user, s.database = access.Analyst(project), access.ViewsDatabase(database)
	got := s.must(t, "SELECT * FROM "+call, params)
	lines := func(a answer) []string {
		var all []string
		for _, row := range a.rows {
			all = append(all, strings.Join(row, " | "))
		}
		slices.Sort(all)
		return all
	}
	if a, b := lines(got), lines(want); !slices.Equal(a, b) || !slices.Equal(got.columns, want.columns) {
		t.Errorf("the analyst of project %d sees of %s %v\n%q\nwant\n%q", project, call, params, a, b)
	}
	p.called.Add(1)
}

func sortedLines(text string) []string {
	all := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	slices.Sort(all)
	return all
}
