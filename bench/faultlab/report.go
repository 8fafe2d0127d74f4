package faultlab

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"sort"
	"strings"
	"text/tabwriter"

	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/verify"
)

// telling are parts of the names of counters that move when something went wrong and was dealt with.
var telling = []string{
	"recover", "takeover", "steps", "repeat", "duplicate", "dedup", "error", "retr", "repair", "incident", "park", "bisect", "rejected", "generations", "resent", "restart", "quarantine", "trimmed", "refused",
}

// proof picks the counters that tell, those that moved.
func proof(all map[string]float64) map[string]float64 {
	moved := make(map[string]float64)
	for series, v := range all {
		name, _, _ := strings.Cut(series, "{")
		if v > 0 && slices.ContainsFunc(telling, func(part string) bool { return strings.Contains(name, part) }) {
			moved[series] = v
		}
	}
	return moved
}

// writeBlock prints one run.
func writeBlock(w io.Writer, r *Result, replay string) {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-11s %s\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&b, "%s: %s (seed %d, %.0f s)\n", r.Kind, r.Describe, r.Seed, r.Seconds)
	line("injections", "%d planned, %d fired, %d bit", r.Planned, len(r.Outcomes), r.Bit())
	if len(r.Outcomes) > 0 {
		line("", "such as: %s", r.Outcomes[0].What)
	}
	line("proof", "%s", proofText(r))
	for _, name := range slices.Sorted(maps.Keys(r.Unasked)) {
		line("", "%s died by itself %d times and was started again: %s", name, len(r.Unasked[name]), r.Unasked[name][0])
	}
	line("load", "%s events sent, %s accepted, %s refused, %s without a clear answer; %s requests sent again", ledger.Grouped(r.Load.Sent), ledger.Grouped(r.Load.Accepted),
		ledger.Grouped(r.Load.Rejected), ledger.Grouped(r.Load.Unknown), ledger.Grouped(r.Load.Resent))
	if v := r.Verdict; v != nil {
		var words []string
		for _, f := range findings(v) {
			words = append(words, fmt.Sprintf("%s %d", f.name, f.found.Count))
		}
		words = append(words, fmt.Sprintf("repeats of clients stored %d", v.ClientDuplicates), fmt.Sprintf("rows of one record twice %d", r.Duplicates))
		line("invariants", "%s", strings.Join(words, ", "))
	}
	line("rollups", "%s", rollupText(r))
	line("recovery", "%s", recoveryText(r))
	if r.Pass {
		line("verdict", "held: %s", heldText(r))
	} else {
		line("verdict", "FAILED")
		for _, p := range r.Problems {
			fmt.Fprintf(&b, "    - %s\n", p)
		}
		line("replay", "%s", replay)
		line("logs", "%s", r.Dir)
	}
	_, _ = io.WriteString(w, b.String()+"\n") // nobody is left to tell
}

// proofText lists the starts and the counters that moved, the largest first.
func proofText(r *Result) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(r.Starts)) {
		if n := r.Starts[name]; n > 1 {
			words = append(words, fmt.Sprintf("%d starts of %s", n, name))
		}
	}
	const most = 8
	series := slices.Collect(maps.Keys(r.Proof))
	sort.Slice(series, func(i, j int) bool {
		a, b := series[i], series[j]
		if r.Proof[a] != r.Proof[b] {
			return r.Proof[a] > r.Proof[b]
		}
		return a < b
	})
	for i, s := range series {
		if i == most {
			words = append(words, fmt.Sprintf("%d more counters", len(series)-most))
			break
		}
		words = append(words, fmt.Sprintf("%s %.0f", strings.TrimPrefix(s, "millrace_"), r.Proof[s]))
	}
	if len(words) == 0 {
		return "no counter moved"
	}
	return strings.Join(words, ", ")
}

func rollupText(r *Result) string {
	if r.Drift == nil {
		return "not compared"
	}
	keys, before, after := uint64(0), driftRows(r.Drift), driftRows(r.DriftAfter)
	for _, d := range r.Drift {
		keys += d.Keys
	}
	text := fmt.Sprintf("%d tables, %s keys recomputed: ", len(r.Drift), ledger.Grouped(keys))
	switch {
	case !drifted(r.Drift):
		return text + "no drift"
	case r.Reconciled:
		return text + fmt.Sprintf("drift of %d rows before, %d after reconciliation", before, after)
	}
	return text + fmt.Sprintf("drift of %d rows", before)
}

// driftRows adds up drift. Keys may differ although their numbers of events do not: each counts as one.
func driftRows(all []verify.RollupDrift) int64 {
	rows := int64(0)
	for _, d := range all {
		rows += max(d.Rows, int64(d.Missing+d.Surplus+d.Different))
	}
	return rows
}

func recoveryText(r *Result) string {
	if r.Recovery.Count == 0 {
		return fmt.Sprintf("not measured; a fresh event could be queried after %.2f s", r.Fresh)
	}
	return fmt.Sprintf("p50 %.2f s, max %.2f s of %d; a fresh event could be queried after %.2f s", r.Recovery.P50, r.Recovery.Max, r.Recovery.Count, r.Fresh)
}

func heldText(r *Result) string {
	if r.Verdict == nil {
		return "nothing was compared"
	}
	return fmt.Sprintf("%s accepted events, each stored once, unchanged and in order", ledger.Grouped(r.Verdict.Accepted))
}

// summary is what the tables show of a run.
func summary(r *Result) []string {
	lost, duplicated, invented, corrupted := "–", "–", "–", "–"
	if v := r.Verdict; v != nil {
		lost, invented, corrupted = fmt.Sprint(v.Lost.Count), fmt.Sprint(v.Invented.Count), fmt.Sprint(v.Corrupted.Count)
		duplicated = fmt.Sprint(max(v.Duplicated.Count+v.ClientDuplicates, r.Duplicates))
	}
	verdict := "held"
	if !r.Pass {
		verdict = "FAILED"
	}
	if r.Reconciled {
		verdict += ", rollups repaired"
	}
	deaths := 0
	for _, of := range r.Unasked {
		deaths += len(of)
	}
	if deaths > 0 {
		verdict += fmt.Sprintf(", %d deaths unasked", deaths)
	}
	p50, longest := "–", "–" // a storm waits for nobody
	if r.Recovery.Count > 0 {
		p50, longest = fmt.Sprintf("%.1f s", r.Recovery.P50), fmt.Sprintf("%.1f s", r.Recovery.Max)
	}
	return []string{
		r.Kind, fmt.Sprintf("%d/%d", r.Bit(), r.Planned), ledger.Grouped(r.Load.Accepted), lost, duplicated, invented, corrupted, fmt.Sprint(driftRows(r.Drift)),
		p50, longest, verdict,
	}
}

var columns = []string{"kind", "injections", "accepted", "lost", "duplicated", "invented", "corrupted", "rollup drift", "recovery p50", "max", "verdict"}

// writeTable prints all runs, one line each.
func writeTable(w io.Writer, all []*Result) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(columns, "\t")) //nolint:errcheck // nobody is left to tell
	for _, r := range all {
		fmt.Fprintln(t, strings.Join(summary(r), "\t")) //nolint:errcheck // as above
	}
	_ = t.Flush()
}

// Markdown prints the table for a document.
func Markdown(w io.Writer, all []*Result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "| fault | what is done | %s |\n|---|---|%s\n", strings.Join(columns[1:], " | "), strings.Repeat("---|", len(columns)-1))
	for _, r := range all {
		row := summary(r)
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", row[0], r.Describe, strings.Join(row[1:], " | "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// String is what a person reads of it.
func (r reading) String() string {
	return fmt.Sprintf("%.1f MiB in use (%.1f resident), %.0f goroutines", r.InUse/(1<<20), float64(r.Resident)/(1<<20), r.Goroutines)
}

// writeReadings prints what the processes that lived through a soak held before and after.
func writeReadings(w io.Writer, before, after map[string]reading) {
	for _, name := range slices.Sorted(maps.Keys(before)) {
		b, a := before[name], after[name]
		fmt.Fprintf(w, "  %-11s before: %s; after: %s\n", name, b, a) //nolint:errcheck // nobody is left to tell
	}
}
