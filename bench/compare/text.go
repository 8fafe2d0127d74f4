package compare

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/millrace/millrace/bench/sheet"
)

// JSON writes the result for programs.
func (r *Result) JSON(w io.Writer) error { return sheet.JSON(w, r) }

// Text writes the result for people: a table per batch size, the ratios below it, and what one must know to read them.
func (r *Result) Text(w io.Writer) error {
	b := new(bytes.Buffer)
	fmt.Fprintf(b, "CPU time of each target per event in µs, median [min – max] of %d interleaved windows of %s; %s events of %d bytes\n",
		r.Rounds, strconv.FormatFloat(r.WindowSeconds, 'g', 4, 64)+" s", r.Dialect, r.EventBytes)
	fmt.Fprintln(b, r.Placement.String())
	fmt.Fprintln(b, r.environment())
	last := -1
	for i := range r.Cells {
		if r.Cells[i].Batch != last {
			last = r.Cells[i].Batch
			r.table(b, last)
		}
	}
	notes := r.Notes
	if slices.ContainsFunc(r.Cells, func(c Cell) bool { return c.LowerBound }) {
		why := fmt.Sprintf("generator and broker were busy beyond %.0f %% of their processors", SaturatedAt*100)
		if !r.Placement.Pinned {
			why = "generator and broker shared the target's processors"
		}
		notes = append(slices.Clip(notes), "≥: a lower bound, as "+why+"; CPU per event does not suffer from that")
	}
	if len(notes) > 0 {
		fmt.Fprintln(b)
	}
	for _, n := range notes {
		fmt.Fprintln(b, "·", n)
	}
	_, err := b.WriteTo(w)
	return err
}

// table writes one batch size.
func (r *Result) table(out *bytes.Buffer, batch int) {
	cells := slices.DeleteFunc(slices.Clone(r.Cells), func(c Cell) bool { return c.Batch != batch })
	events := "events"
	if batch == 1 {
		events = "event"
	}
	fmt.Fprintf(out, "\n%d %s per request, %d connections\n", batch, events, cells[0].Connections)
	rows := new(bytes.Buffer)
	fmt.Fprintln(rows, "\tuser\tsys\ttotal\t[min – max]\tevents/s\tp50 ms\tp99 ms\tMiB\tload\t")
	for i := range cells {
		c := &cells[i]
		name, bound := c.Target, ""
		if len(c.Invalid) > 0 {
			name += " ✗"
		}
		if c.LowerBound {
			bound = "≥ "
		}
		fmt.Fprintf(rows, "%s\t%s\t%s\t%s\t[%s – %s]\t%s\t%s\t%s\t%d\t%.0f %%\t\n", name,
			sheet.Digits(c.User.Median), sheet.Digits(c.System.Median), sheet.Digits(c.Total.Median), sheet.Digits(c.Total.Min), sheet.Digits(c.Total.Max),
			bound+thousands(c.Rate.Median), sheet.Digits(c.P50.Median), sheet.Digits(c.P99.Median), c.Resident>>20, c.Load.Median*100)
	}
	aligned := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = rows.WriteTo(aligned) // memory takes all of it
	_ = aligned.Flush()
	for i := range cells {
		for _, why := range cells[i].Invalid {
			fmt.Fprintf(out, "  ✗ %s means nothing, %s\n", cells[i].Target, why)
		}
	}
	for _, x := range r.Ratios {
		if x.Batch == batch {
			fmt.Fprintf(out, "  %s / %s = %s× [%s – %s]\n", x.Of, x.To, sheet.Digits(x.Times.Median), sheet.Digits(x.Times.Min), sheet.Digits(x.Times.Max))
		}
	}
}

// String is a sentence.
func (p Placement) String() string {
	if !p.Pinned {
		return "Not pinned: " + p.Why
	}
	return fmt.Sprintf("Target alone on processor %d with GOMAXPROCS=1; generator and broker on %s, \"load\" is how much of that they used", p.Target, strings.Trim(fmt.Sprint(p.Load), "[]"))
}

// environment is one line.
func (r *Result) environment() string {
	e := &r.Environment
	return sheet.Environment(e, r.Started, e.CPU, fmt.Sprintf("%d processors", e.CPUs), e.OS, e.Kernel, e.Go)
}

// thousands writes a count with commas, rounded to three digits that mean something.
func thousands(v float64) string {
	if step := math.Pow(10, math.Floor(math.Log10(max(v, 1)))-2); step > 1 {
		v = math.Round(v/step) * step
	}
	text := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
