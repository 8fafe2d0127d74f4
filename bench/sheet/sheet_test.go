package sheet

import (
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/bench/observe"
)

func TestPage(t *testing.T) {
	s := Sheet{Title: "Costs", Head: []string{"what", "ms", "×"}}
	s.Add("é", "1.00", "2")
	s.Add("longer", "10", "")
	p := Page{Preface: []string{"first", "second"}, Sheets: []Sheet{s}, Remarks: []string{"a remark"}}
	for _, c := range []struct {
		write func(*strings.Builder) error
		want  string
	}{
		{func(b *strings.Builder) error { return p.Text(b) }, "first\nsecond\n\nCosts\n  what      ms  ×\n  é       1.00  2\n  longer    10   \n\n· a remark\n"},
		{func(b *strings.Builder) error { return p.Markdown(b) }, "first  \nsecond  \n\n**Costs**\n\n| what | ms | × |\n|---|---:|---:|\n| é | 1.00 | 2 |\n| longer | 10 |  |\n\n- a remark\n"},
	} {
		var b strings.Builder
		if err := c.write(&b); err != nil || b.String() != c.want {
			t.Errorf("%v, got\n%s\nwant\n%s", err, b.String(), c.want)
		}
	}
}

func TestLines(t *testing.T) {
	e := &observe.Environment{Versions: map[string]string{"b": "2", "a": "1"}}
	if got, want := Environment(e, time.Date(2026, 11, 1, 12, 30, 0, 0, time.UTC), "x", " ", "", "y"), "x · y · a 1 · b 2 · 2026-11-01 12:30"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := Took(map[string]float64{"load": 1.4, "ask": 60, "all": 60}), "The run took 2m1s: all 1m0s, ask 1m0s, load 1s"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
