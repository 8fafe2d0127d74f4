package demo

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/schema/clickhouse/question"
)

// The pages whose queries are tested.
const (
	queriesFile = "../../../docs/queries.md"
	tourFile    = "../../../docs/tour.md"
)

// sample is one query of the page.
type sample struct {
	number int
	title  string
	says   string // the sentence that it answers
	sql    string
}

var sampleHead = regexp.MustCompile(`^### (\d+)\. (.+)$`)

// samples reads the page: a heading with a number, a sentence, a block of SQL.
func samples(t *testing.T) []sample {
	t.Helper()
	text, err := os.ReadFile(queriesFile)
	if err != nil {
		t.Fatal(err)
	}
	var all []sample
	inSQL := false
	for line := range strings.SplitSeq(string(text), "\n") {
		m := sampleHead.FindStringSubmatch(line)
		switch {
		case m != nil:
			all = append(all, sample{number: len(all) + 1, title: m[2]})
			if m[1] != fmt.Sprint(len(all)) {
				t.Errorf("query %s comes at place %d", m[1], len(all))
			}
		case strings.HasPrefix(line, "```"):
			inSQL = line == "```sql"
			if inSQL && len(all) == 0 {
				t.Fatal("SQL before the first heading")
			}
		case inSQL:
			all[len(all)-1].sql += line + "\n"
		case len(all) > 0 && !strings.HasPrefix(line, "#"):
			all[len(all)-1].says += line
		}
	}
	for _, s := range all {
		if s.sql == "" || s.says == "" {
			t.Errorf("query %d has the sentence %q and the SQL %q", s.number, s.says, s.sql)
		}
	}
	return all
}

// shown is a query of the tour, with what stands below it as its answer.
type shown struct {
	sql, answer string
}

// tourBlock is a block of SQL and the answer that follows it at once.
var tourBlock = regexp.MustCompile("(?s)\n```sql\n(.*?)```\n(?:```text\n(.*?)```\n)?")

// readTour returns the page, and the queries on it.
func readTour(t *testing.T) (text string, all []shown) {
	t.Helper()
	page, err := os.ReadFile(tourFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range tourBlock.FindAllStringSubmatch(string(page), -1) {
		all = append(all, shown{m[1], m[2]})
	}
	if len(all) < 5 {
		t.Errorf("the tour has %d queries", len(all))
	}
	return string(page), all
}

// columns are those that an answer shows, sorted: its first line is the head of a box.
func (s shown) columns() []string {
	head, _, _ := strings.Cut(s.answer, "\n")
	names := strings.Split(strings.Trim(head, "┌─┐ "), "┬")
	for i := range names {
		names[i] = strings.Trim(names[i], "─ ")
	}
	slices.Sort(names)
	return names
}

// answer is what a query returned, for a check.
type answer struct {
	*testing.T
	rows  []record
	facts Facts
	o     Options
}

func (a *answer) number(row int, column string) float64 {
	a.Helper()
	return a.rows[row].number(a.T, column)
}

func (a *answer) text(row int, column string) string {
	a.Helper()
	return a.rows[row].text(a.T, column)
}

// each calls check with every row.
func (a *answer) each(check func(row int) bool) {
	a.Helper()
	for row := range a.rows {
		if !check(row) {
			a.Errorf("row %d is not plausible: %v", row, a.rows[row])
		}
	}
}

// need fails the test unless ok.
func (a *answer) need(ok bool, what string, args ...any) {
	a.Helper()
	if !ok {
		a.Errorf("%s; %d rows, the first is %v", fmt.Sprintf(what, args...), len(a.rows), a.rows[0])
	}
}

// sum adds up a column.
func (a *answer) sum(column string) (sum float64) {
	a.Helper()
	for row := range a.rows {
		sum += a.number(row, column)
	}
	return sum
}

// find returns the first row in which a column has the text.
func (a *answer) find(column, text string) int {
	a.Helper()
	for row := range a.rows {
		if a.text(row, column) == text {
			return row
		}
	}
	a.Fatalf("no row has %q in %s", text, column)
	return 0
}

// descends tells whether a column never grows from row to row.
func (a *answer) descends(column string) bool {
	a.Helper()
	last := math.Inf(1)
	for row := range a.rows {
		n := a.number(row, column)
		if n > last {
			return false
		}
		last = n
	}
	return true
}

// TestQueries runs each query of the page on the demo data, and looks whether its answer can be true.
func TestQueries(t *testing.T) {
	all := samples(t)
	if len(all) < 25 {
		t.Errorf("%d queries", len(all))
	}
	o := Options{Days: 30, Users: 12_000, Seed: 1}
	w := tell(t, o)
	for _, s := range all {
		t.Run(fmt.Sprintf("%02d %s", s.number, s.title), func(t *testing.T) {
			check := checks[s.title]
			if check == nil {
				t.Fatal("nobody looks at its answer")
			}
			rows, err := w.ask(s.sql)
			if err != nil {
				t.Fatalf("%v\n%s", err, s.sql)
			}
			if len(rows) == 0 {
				t.Fatalf("no rows\n%s", s.sql)
			}
			check(&answer{t, rows, w.facts, o})
		})
	}
	page, tour := readTour(t)
	for n, q := range tour {
		t.Run(fmt.Sprintf("tour %d", n+1), func(t *testing.T) {
			rows, err := w.ask(q.sql)
			if err != nil || len(rows) < 2 {
				t.Fatalf("%d rows, %v\n%s", len(rows), err, q.sql)
			}
			// The page shows another story, with the same columns.
			if got := slices.Sorted(maps.Keys(rows[0])); !slices.Equal(got, q.columns()) {
				t.Errorf("the page shows the columns %q, the answer has %q", q.columns(), got)
			}
		})
	}
	t.Run("tour over HTTP", func(t *testing.T) {
		body := regexp.MustCompile(`(?s)/v1/query/funnel -d '(.*?)'`).FindStringSubmatch(page)
		if body == nil {
			t.Fatal("no question to POST /v1/query/funnel")
		}
		d := json.NewDecoder(strings.NewReader(body[1]))
		d.DisallowUnknownFields()
		var q question.Funnel
		if err := d.Decode(&q); err != nil {
			t.Fatal(err)
		}
		if err := q.Validate(); err != nil || len(q.Steps) < 2 {
			t.Errorf("%v: %+v", err, q)
		}
	})
	t.Run("the account", func(t *testing.T) {
		// What was asked above was asked as the one whom recipes name, who reads nothing but views.
		rows, err := w.ask("SELECT currentUser() AS user, currentDatabase() AS db")
		if err != nil || len(rows) != 1 || rows[0].text(t, "user") != "p1_analyst" || rows[0].text(t, "db") != "millrace_views" {
			t.Errorf("%v, %v", rows, err)
		}
		if rows, err := w.ask("SELECT count() FROM millrace.events"); err == nil || !strings.Contains(err.Error(), "ACCESS_DENIED") {
			t.Errorf("of a table: %v, %v", rows, err)
		}
	})
	if len(checks) != len(all) {
		t.Errorf("%d checks for %d queries", len(checks), len(all))
	}
	// The story is in: whoever asks for it again is told.
	if err := w.facts.NotStored(within(t), w.db); err == nil || !strings.Contains(err.Error(), "--seed 2") {
		t.Errorf("a story that is stored: %v", err)
	}
}
