package ledger

import (
	"fmt"
	"strings"
)

// Line is a finding for people.
type Line struct {
	Name    string // short, as in the JSON
	Meaning string // one sentence
	Finding *Finding
}

// Lines lists all findings, the worst first.
func (v *Verdict) Lines() []Line {
	return []Line{
		{"lost", "accepted, but not in ClickHouse", &v.Lost},
		{"duplicated", "in ClickHouse more often than sent", &v.Duplicated},
		{"invented", "in ClickHouse, but never sent", &v.Invented},
		{"corrupted", "the fields or the time in ClickHouse are not those that were sent", &v.Corrupted},
		{"misordered", "stored before an event of the same user that was sent earlier", &v.Misordered},
		{"refused_stored", "answered as refused, yet in ClickHouse", &v.RefusedStored},
		{"misjudged", "valid but refused, or invalid but accepted", &v.Misjudged},
		{"quarantine_lost", "answered as quarantined, but not in table quarantine", &v.QuarantineLost},
	}
}

// Pass tells whether the books balance: nothing was found, and everything could be compared.
func (v *Verdict) Pass() bool {
	for _, l := range v.Lines() {
		if l.Finding.Count > 0 {
			return false
		}
	}
	return v.Complete && v.Drained
}

// Text is the verdict for people, in lines that each end with a newline.
func (v *Verdict) Text() string {
	var b strings.Builder
	outcome := "FAIL"
	if v.Pass() {
		outcome = "pass"
	}
	fmt.Fprintf(&b, "ledger of run %s: %s\n", v.Run, outcome)
	fmt.Fprintf(&b, "  sent %s: accepted %s, quarantined %s, dropped %s, without a clear answer %s\n",
		Grouped(v.Sent), Grouped(v.Accepted), Grouped(v.Quarantined), Grouped(v.Dropped), Grouped(v.Unknown))
	fmt.Fprintf(&b, "  rows %s: %s of events without a clear answer, %s repeats of what the client sent twice\n",
		Grouped(v.Rows), Grouped(v.UnknownStored), Grouped(v.ClientDuplicates))
	for _, l := range v.Lines() {
		if l.Finding.Count == 0 {
			fmt.Fprintf(&b, "  %-15s %12d\n", l.Name, 0)
			continue
		}
		fmt.Fprintf(&b, "  %-15s %12s  %s\n  %28s  %s\n", l.Name, Grouped(l.Finding.Count), l.Meaning, "", l.Finding)
	}
	if !v.Complete {
		fmt.Fprintf(&b, "  the ledger was not closed: %s rows lie beyond its end, and nothing can be said of them\n", Grouped(v.Unrecorded))
	}
	if !v.Drained {
		b.WriteString("  compared before everything accepted had arrived: what is lost may only be late\n")
	}
	return b.String()
}
