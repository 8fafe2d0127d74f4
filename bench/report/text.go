package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/millrace/millrace/bench/load"
	"github.com/millrace/millrace/bench/scenario"
)

// Text writes the summary for a terminal: rate, latencies, CPU per event, the ledger, the checks. With color the verdicts are green or red. Errors of w are not
// reported.
func Text(w io.Writer, r *Result, color bool) {
	t := &terminal{color: color}
	t.headline(r)
	t.rates(r)
	t.times(r)
	t.processes(r)
	t.ledger(r)
	t.checks(r)
	_, _ = io.WriteString(w, t.b.String())
}

// terminal builds up lines.
type terminal struct {
	b     strings.Builder
	color bool
}

func (t *terminal) line(format string, args ...any) {
	line := strings.TrimRight(fmt.Sprintf(format, args...), " ")
	t.b.WriteString(line + "\n")
}

// row is a line with a name in front.
func (t *terminal) row(name, format string, args ...any) {
	t.line("  %-11s %s", name, fmt.Sprintf(format, args...))
}

// ANSI colours.
const (
	green = "\x1b[32m"
	red   = "\x1b[31m"
	bold  = "\x1b[1m"
	plain = "\x1b[0m"
)

func (t *terminal) paint(style, text string) string {
	if !t.color {
		return text
	}
	return style + text + plain
}

// verdict is padded to four letters.
func (t *terminal) verdict(pass bool) string {
	if pass {
		return t.paint(green, "pass")
	}
	return t.paint(red, "FAIL")
}

// printable keeps what others have named (a host, a status line) from moving the cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

func (t *terminal) headline(r *Result) {
	t.line("%s  %s  run %s against %s", t.verdict(r.Pass), t.paint(bold, printable(r.Scenario.Name)), printable(r.Run), printable(r.Target))
	t.line("")
	t.row("load", "%s", loadLine(r))
	if r.aborted() {
		t.row("", "aborted: what follows is of the part that ran")
	}
}

// loadLine says what was sent, in one line.
func loadLine(r *Result) string {
	l := &r.Scenario.Load
	pace := "open loop"
	if l.Mode == scenario.Saturate {
		pace = "closed loop: latencies are of a saturated server"
	}
	parts := []string{
		seconds(r.Load.Seconds), pace, fmt.Sprintf("%d connections", l.Connections), fmt.Sprintf("batch %d", l.Batch), printable(l.Dialect),
	}
	if l.Compression != "none" && l.Compression != "" {
		parts = append(parts, printable(l.Compression))
	}
	if l.Warmup > 0 {
		parts = append(parts, "warm-up of "+seconds(l.Warmup.Seconds())+" left out")
	}
	return strings.Join(parts, ", ")
}

func (t *terminal) rates(r *Result) {
	c := &r.Load.Counts
	t.row("accepted", "%s events/s of %s asked for, %s/s", t.paint(bold, decimal(r.acceptedRate())), decimal(r.askedRate()), size(int64(ratio(float64(c.BytesSent), r.Load.Seconds))))
	if r.Durability != "" {
		t.row("", "a 200 means: %s", printable(r.Durability))
	}
	t.row("events", "%s sent: %s accepted, %s refused, %s without a clear answer", count(c.Sent), count(c.Accepted), count(c.Rejected), count(c.Unknown))
	t.row("requests", "%s answered or failed: %s errors; %s left late, %s never sent", count(c.Requests), count(c.Errors), count(c.Late), count(c.Dropped))
	for _, k := range r.errorKinds() {
		t.row("", "%9s × %s", count(k.Count), printable(k.Kind))
	}
	for _, note := range r.Notes {
		t.row("note", "%s", printable(note))
	}
	t.line("")
}

// errorKind is one kind of failed request.
type errorKind struct {
	Kind  string
	Count uint64
}

// errorKinds has the most frequent first.
func (r *Result) errorKinds() []errorKind {
	var kinds []errorKind
	for _, k := range slices.Sorted(maps.Keys(r.Load.ErrorKinds)) {
		kinds = append(kinds, errorKind{k, r.Load.ErrorKinds[k]})
	}
	slices.SortStableFunc(kinds, func(a, b errorKind) int { return cmp.Compare(b.Count, a.Count) })
	return kinds
}

// timing is one row of the table of times.
type timing struct {
	Name, Meaning string
	load.Percentiles
}

// timings are those that were measured.
func (r *Result) timings() []timing {
	all := []timing{
		{"latency", "from the intended send time to the answer", r.Load.Latency},
		{"service", "from the real send to the answer", r.Load.Service},
	}
	if r.Queryable != nil {
		meaning := "from the answer to the first query that shows the event"
		if r.QueryableEvery > 0 {
			meaning += ", asked every " + millis(r.QueryableEvery*1000)
		}
		all = append(all, timing{"queryable", meaning, *r.Queryable})
	}
	return slices.DeleteFunc(all, func(t timing) bool { return t.Count == 0 })
}

func (t *terminal) times(r *Result) {
	rows := r.timings()
	if len(rows) > 0 {
		t.line("  %-11s %9s %9s %9s %9s %9s %9s", "", "p50", "p90", "p99", "p99.9", "p99.99", "max")
	}
	for _, row := range rows {
		t.line("  %-11s %9s %9s %9s %9s %9s %9s  %s", row.Name, millis(row.P50), millis(row.P90), millis(row.P99), millis(row.P999), millis(row.P9999), millis(row.Max), row.Meaning)
	}
	if r.Queryable == nil {
		t.row("queryable", "not measured")
	}
	if r.Ledger != nil { // otherwise nobody has waited
		t.row("drain", "%s from the last answer until ClickHouse had everything", seconds(r.DrainSeconds))
	}
	t.line("")
}

func (t *terminal) processes(r *Result) {
	costs := r.costs()
	if len(costs) == 0 {
		return
	}
	t.line("  %-11s %9s %9s %9s %9s %11s", "CPU/event", "user", "system", "both", "cores", "memory")
	for i := range costs {
		c := &costs[i]
		note := ""
		if c.Ended {
			note = "gone after " + seconds(c.Until)
		}
		t.line("  %-11s %9s %9s %9s %9s %11s  %s", printable(c.Name), micros(c.User), micros(c.System), micros(c.Total()), decimal(c.Cores), size(c.Peak), note)
	}
	t.line("")
}

func (t *terminal) ledger(r *Result) {
	if r.Ledger == nil {
		t.row("ledger", "not compared with ClickHouse")
		t.line("")
		return
	}
	v := r.Ledger
	outcome := "balances"
	if !v.Pass() {
		outcome = t.paint(red, "DOES NOT BALANCE")
	}
	t.row("ledger", "%s: %s sent; %s accepted, %s quarantined, %s dropped, %s without a clear answer", outcome, count(v.Sent), count(v.Accepted), count(v.Quarantined), count(v.Dropped), count(v.Unknown))
	t.row("", "%s rows in ClickHouse: %s of events without a clear answer, %s repeats of what the client sent twice", count(v.Rows), count(v.UnknownStored), count(v.ClientDuplicates))
	if !v.Complete {
		t.row("", "it was not closed: %s rows lie beyond its end, and what it lacks cannot be told from what was never sent", count(v.Unrecorded))
	}
	if !v.Drained {
		t.row("", "compared before everything accepted had arrived: what is lost may only be late")
	}
	for _, l := range v.Lines() {
		if l.Finding.Count > 0 {
			t.row("", "%s %s: %s", t.paint(red, l.Name), count(l.Finding.Count), l.Meaning)
			t.row("", "  %s", l.Finding)
		}
	}
	t.line("")
}

func (t *terminal) checks(r *Result) {
	for _, c := range r.Checks {
		t.line("  %s  %-15s %s, want %s", t.verdict(c.Pass), printable(c.Name), printable(c.Value), printable(c.Limit))
	}
}
