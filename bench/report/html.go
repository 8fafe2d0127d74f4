package report

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/bench/ledger"
)

// Parts of the page. See assets/README.md for where uPlot is from.
var (
	//go:embed assets/report.html
	pageHTML string
	//go:embed assets/report.css
	pageCSS string
	//go:embed assets/report.js
	pageJS string
	//go:embed assets/uPlot.min.css
	plotCSS string
	//go:embed assets/uPlot.iife.min.js
	plotJS string
	//go:embed assets/LICENSE.uPlot
	plotLicense string
)

// maxPoints bounds the points of a line, so that a page stays about as large for a day as for half an hour.
const maxPoints = 1500

var pageTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"count": count, "decimal": decimal, "millis": millis, "micros": micros, "seconds": seconds, "size": size, "percent": percent,
}).Parse(pageHTML))

// HTML writes one page that shows everything, with plots. It needs no network and no other file. Whatever strings the result holds, none of them can become markup or script.
func HTML(w io.Writer, r *Result) error {
	v, err := newView(r)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if err := pageTemplate.Execute(w, v); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// view is what the template reads.
type view struct {
	*Result
	Rate, Asked  float64
	BytesRate    int64
	Durable      string
	LoadLine     string
	Timings      []timing
	Costs        []cost
	Kinds        []errorKind
	Groups       []chartGroup
	Findings     []ledger.Line
	Machine      []fact
	Versions     []fact
	Settings     []fact
	Condensed    int
	Aborted      bool
	When         string
	YAML         string
	Style        template.CSS
	Data, Script template.JS
}

// fact is a line of a two-column table.
type fact struct{ Name, Value string }

// chartGroup is a headline and the plots below it.
type chartGroup struct {
	Title  string
	Charts []chart
}

func newView(r *Result) (*view, error) {
	short, step := condense(r, maxPoints)
	p, err := newPage(short)
	if err != nil {
		return nil, err
	}
	// Marshal writes <, >, &, U+2028 and U+2029 as \u escapes, so the text can end neither the script element nor a line of it.
	data, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	v := &view{
		Result: r, Rate: r.acceptedRate(), Asked: r.askedRate(), BytesRate: int64(ratio(float64(r.Load.Counts.BytesSent), r.Load.Seconds)),
		Durable: durabilityNote(r), LoadLine: loadLine(r), Timings: r.timings(), Costs: r.costs(), Kinds: r.errorKinds(), Groups: groups(p.Charts),
		Machine: machine(r), Versions: facts(r.Environment.Versions), Settings: facts(r.Environment.Config),
		Aborted: r.aborted(), When: r.Started.UTC().Format("2006-01-02 15:04:05 UTC"), YAML: string(r.Scenario.YAML()),
		Style: template.CSS(plotCSS + "\n" + pageCSS), Data: template.JS(data),
		Script: template.JS("/*\n" + plotLicense + "*/\n" + plotJS + "\n" + pageJS),
	}
	if step > 1 {
		v.Condensed = step
	}
	if r.Ledger != nil {
		v.Findings = r.Ledger.Lines()
	}
	return v, nil
}

// groups sorts the plots into sections by their ids.
func groups(charts []chart) []chartGroup {
	all := []chartGroup{{Title: "Load and answers"}, {Title: "From the broker to the query"}, {Title: "What it cost"}, {Title: "What waited"}}
	section := map[string]int{"queryable": 1, "lag": 1, "age": 1, "broker-log": 1, "cpu-event": 2, "cores": 2, "memory": 2, "ring": 3, "unacked": 3, "ring-bytes": 3}
	for _, c := range charts {
		g := &all[section[c.ID]]
		g.Charts = append(g.Charts, c)
	}
	return slices.DeleteFunc(all, func(g chartGroup) bool { return len(g.Charts) == 0 })
}

func machine(r *Result) []fact {
	e := &r.Environment
	all := []fact{
		{"host", e.Host},
		{"system", e.OS},
		{"kernel", e.Kernel},
		{"CPU", e.CPU},
		{"CPUs", count(uint64(max(e.CPUs, 0)))},
		{"memory", size(e.Memory)},
		{"load before the run", decimal(e.LoadBefore)},
		{"Go of the generator", e.Go},
	}
	return slices.DeleteFunc(all, func(f fact) bool { return f.Value == "" })
}

func facts(m map[string]string) []fact {
	var all []fact
	for _, k := range slices.Sorted(maps.Keys(m)) {
		all = append(all, fact{k, m[k]})
	}
	return all
}

// Balanced tells whether the ledger has been compared and nothing was found.
func (v *view) Balanced() bool { return v.Ledger != nil && v.Ledger.Pass() }

// Ranges are where a finding was found, a line per producer.
func (v *view) Ranges(f *ledger.Finding) []fact {
	var all []fact
	for _, r := range f.Ranges {
		name := fmt.Sprintf("producer %d", r.Producer)
		text := count(r.From)
		if r.To > r.From {
			text += "–" + count(r.To)
		}
		if n := len(all); n > 0 && all[n-1].Name == name {
			all[n-1].Value += "  " + text
			continue
		}
		all = append(all, fact{name, text})
	}
	return all
}

// Failed are the names of the checks that failed, for the headline.
func (v *view) Failed() string {
	var names []string
	for _, c := range v.Checks {
		if !c.Pass {
			names = append(names, c.Name)
		}
	}
	return strings.Join(names, ", ")
}

// Step is the length of a point on condensed plots.
func (v *view) Step() string {
	if len(v.Intervals) == 0 {
		return ""
	}
	return time.Duration(float64(v.Condensed) * v.Intervals[0].Seconds * float64(time.Second)).Round(time.Millisecond).String()
}
