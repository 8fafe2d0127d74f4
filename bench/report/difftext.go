package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// JSON writes the difference as one JSON object.
func (d *Difference) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return fmt.Errorf("write difference: %w", err)
	}
	return nil
}

// Text writes the difference for people; with color better is green and worse is red. Errors of w are not reported.
func (d *Difference) Text(w io.Writer, color bool) {
	t := &terminal{color: color}
	t.side("A", &d.A)
	t.side("B", &d.B)
	t.line("")
	t.mismatches(d)
	t.line("%-18s %-13s %12s %12s %10s   %-22s", "", "", "A", "B", "change", fmt.Sprintf("%d %% interval", d.Method.Confidence))
	for i := range d.Metrics {
		t.metric(&d.Metrics[i])
	}
	t.line("")
	t.method(&d.Method)
	_, _ = io.WriteString(w, t.b.String())
}

func (t *terminal) side(name string, s *Side) {
	t.line("%s  %s  run %s of %s, %s measured, %s", name, printable(s.Scenario), printable(s.Run), s.Started.UTC().Format(time.DateTime), seconds(s.Seconds), t.verdict(s.Pass))
	if s.Durability != "" {
		t.line("   a 200 means: %s", printable(s.Durability))
	}
}

func (t *terminal) mismatches(d *Difference) {
	headed := map[bool]bool{}
	for _, m := range d.Mismatches {
		if !headed[m.Work] {
			headed[m.Work] = true
			if m.Work {
				t.line("%s the runs did not do the same work on the same machine, so the changes below have more than one cause:", t.paint(red, "NOT COMPARABLE:"))
			} else {
				t.line("The runs differ in:")
			}
		}
		t.line("  %-34s %s → %s", printable(m.What), printable(m.A), printable(m.B))
	}
	if len(d.Mismatches) > 0 {
		t.line("")
	}
}

func (t *terminal) metric(m *Metric) {
	unit, interval, changed := "%", "", none
	if m.Points {
		unit = "pp"
	}
	if m.Change != nil {
		changed = signedPercent(*m.Change, unit)
	}
	verdict := string(m.Verdict)
	switch {
	case m.Low != nil:
		interval = signedPercent(*m.Low, unit) + " … " + signedPercent(*m.High, unit)
	case m.Why != "":
		interval, verdict = none, m.Why
	}
	switch {
	case m.Better():
		verdict = t.paint(green, verdict+", better")
	case m.Worse():
		verdict = t.paint(red, verdict+", worse")
	}
	t.line("%-18s %-13s %12s %12s %10s   %-22s %s", printable(m.Name), m.Unit, figure(m.A), figure(m.B), changed, interval, verdict)
}

// figure has a digit more than decimal, because small changes are the matter here.
func figure(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100:
		return decimal(v)
	case a >= 10:
		return fmt.Sprintf("%.2f", v)
	default:
		return fmt.Sprintf("%.3f", v)
	}
}

func (t *terminal) method(m *Method) {
	if m.Limit != "" {
		t.line("No intervals of confidence: %s.", m.Limit)
		return
	}
	how := "each run by itself"
	if m.Paired {
		how = "the same moments of the schedule from both runs"
	}
	t.line("Intervals of %d %%: %s, %s, blocks of %d, drawn %s times, %s.", m.Confidence, m.Name, intervals(m), m.Block, count(uint64(m.Resamples)), how)
	t.line("Each holds for itself: of twenty figures that did not change, one is expected to look as if it had. They cover how the figures vary within these two runs; how much a")
	t.line("restart or another hour changes is only seen by repeating both.")
}

func intervals(m *Method) string {
	if m.IntervalsA == m.IntervalsB {
		return fmt.Sprintf("%d of them per run", m.IntervalsA)
	}
	return strings.Join([]string{fmt.Sprint(m.IntervalsA), fmt.Sprint(m.IntervalsB)}, " and ") + " of them"
}
