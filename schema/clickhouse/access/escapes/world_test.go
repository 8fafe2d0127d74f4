package escapes

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

var world = World{Database: "db", Views: "db_views", Own: 1, Canary: 2, Secret: "/tmp/secret"}

func TestJudge(t *testing.T) {
	denied := errors.New("Code: 497. DB::Exception: p1: Not enough privileges")
	for _, c := range []struct {
		name   string
		a      Attempt
		answer string
		err    error
		fails  string // part of the judgement; empty: nothing wrong
	}{
		{"refused", Attempt{Want: Refused}, "", denied, ""},
		{"refused by a driver", Attempt{Want: Refused}, "", errors.New("code: 164, message: Cannot modify"), ""},
		{"not refused", Attempt{Want: Refused}, "1\n", nil, "was not refused"},
		{"a mistake", Attempt{Want: Refused}, "", errors.New("Code: 62. DB::Exception: Syntax error"), "not because it is not allowed"},
		{"another number", Attempt{Want: Refused}, "", errors.New("Code: 4970. DB::Exception"), "not because it is not allowed"},
		{"no rows", Attempt{Want: Nothing}, "", nil, ""},
		{"any error", Attempt{Want: Nothing}, "", errors.New("Code: 47."), ""},
		{"rows", Attempt{Want: Nothing}, "0\n", nil, "gave rows"},
		{"exactly", Attempt{Want: Exactly, Answer: "3"}, "3\n", nil, ""},
		{"another", Attempt{Want: Exactly, Answer: "3"}, "8\n", nil, `want "3"`},
		{"an error instead", Attempt{Want: Exactly, Answer: "3"}, "", denied, "failed"},
		{"whatever", Attempt{Want: Anything}, "rows\n", nil, ""},
		{"a token in an answer", Attempt{Want: Anything}, "1\tKanarienvogel3\n", nil, "kanarienvogel"},
		{"a token in a refusal", Attempt{Want: Refused}, "", fmt.Errorf("%w: cannot parse 'kanarienvogel0'", denied), "kanarienvogel"},
		{"a time", Attempt{Want: Anything}, "2093-07-01 10:00:00.000\n", nil, "2093-07"},
		{"an id", Attempt{Want: Anything}, "038bb8c0-de00-7abc-8def-c0dec0dec000\n", nil, "c0dec0de"},
		{"a file", Attempt{Want: Nothing}, "", errors.New("line 1: Schatzkarte"), "schatzkarte"},
	} {
		err := world.Judge(c.a, c.answer, c.err)
		if c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// An error repeats the text of a query: a token in one would be taken for a row that was seen.
func TestAttemptsHoldNoTokens(t *testing.T) {
	distinct := map[string]bool{}
	for _, a := range world.Attempts() {
		all := fmt.Sprint(a.SQL, a.Params, a.Settings)
		distinct[all] = true
		for _, token := range Tokens {
			if strings.Contains(all, token) {
				t.Errorf("%s holds %s", all, token)
			}
		}
		for _, placeholder := range []string{"{db}", "{tables}", "{own}", "{canary}", "{secret}"} {
			if strings.Contains(all+a.Answer, placeholder) {
				t.Errorf("%s holds %s", all, placeholder)
			}
		}
		if a.Group == "" {
			t.Errorf("%s is of no group", a.SQL)
		}
	}
	if len(distinct) < 500 {
		t.Errorf("%d attempts", len(distinct))
	}
	seed := strings.Join(world.Seed(), "\n")
	for _, token := range Tokens[:len(Tokens)-1] { // but the file's
		if !strings.Contains(seed, token) {
			t.Errorf("no row has %s", token)
		}
	}
}

func TestCalls(t *testing.T) {
	query := "SELECT {breakdown:Identifier}, {x:Enum8('it (a)' = 1, 'b' = 2)} FROM db.events WHERE project_id = {project:UInt32} AND ts >= {from:DateTime64(3, 'UTC')} AND event IN {steps:Array(String)} AND {breakdown:String} = '' LIMIT {limit:UInt32}"
	calls := world.Calls("funnel", query)
	if len(calls) != 2 {
		t.Fatalf("%d calls", len(calls))
	}
	want := "SELECT * FROM db_views.funnel(breakdown = 'event', x = 'it (a)', project = 2, from = '1980-01-01 00:00:00', steps = [''], limit = 20)"
	if calls[0].SQL != want || calls[1].SQL != strings.Replace(want, "project = 2", "project = 4294967295", 1) {
		t.Errorf("calls %+v, want %q", calls, want)
	}
	if calls := world.Calls("events_q", "SELECT * FROM db.events"); calls != nil {
		t.Errorf("calls of a view without parameters: %+v", calls)
	}
}
