package compare

import (
	"fmt"
	"maps"
	"slices"

	"github.com/millrace/millrace/bench/sheet"
)

// summarize makes the cells and ratios of the windows, both in the order in which batch sizes and targets came first.
func (r *Result) summarize(floor, subject string) {
	var batches []int
	for i := range r.Windows {
		if b := r.Windows[i].Batch; !slices.Contains(batches, b) {
			batches = append(batches, b)
		}
	}
	r.Cells, r.Ratios = nil, nil
	for _, batch := range batches {
		for _, t := range r.Targets {
			if windows := r.of(batch, t.Name); len(windows) > 0 {
				r.Cells = append(r.Cells, r.cell(batch, t.Name, windows))
			}
		}
		for _, t := range r.Targets {
			r.ratio(batch, t.Name, floor)
		}
		for _, t := range r.Targets {
			if t.Name != floor {
				r.ratio(batch, t.Name, subject)
			}
		}
	}
}

// of returns the windows of a target at a batch size.
func (r *Result) of(batch int, target string) []*Window {
	var windows []*Window
	for i := range r.Windows {
		if w := &r.Windows[i]; w.Batch == batch && w.Target == target {
			windows = append(windows, w)
		}
	}
	return windows
}

func (r *Result) cell(batch int, target string, windows []*Window) Cell {
	each := func(f func(*Window) float64) sheet.Spread {
		values := make([]float64, len(windows))
		for i, w := range windows {
			values[i] = f(w)
		}
		return sheet.Of(values)
	}
	c := Cell{
		Batch: batch, Connections: windows[0].Connections, Target: target, Windows: len(windows),
		User:   each(func(w *Window) float64 { return w.perEvent(w.User) }),
		System: each(func(w *Window) float64 { return w.perEvent(w.System) }),
		Total:  each((*Window).total),
		Rate:   each(func(w *Window) float64 { return w.Rate }),
		P50:    each(func(w *Window) float64 { return w.P50 }),
		P99:    each(func(w *Window) float64 { return w.P99 }),
		Load:   each(func(w *Window) float64 { return w.Load }),
	}
	for _, w := range windows {
		c.Resident = max(c.Resident, w.Resident)
		if why := w.fault(); why != "" {
			c.Invalid = append(c.Invalid, fmt.Sprintf("round %d: %s", w.Round, why))
		}
	}
	c.LowerBound = !r.Placement.Pinned || c.Load.Median > SaturatedAt
	return c
}

// fault says why a window's figures mean nothing, in words; empty when they do.
func (w *Window) fault() string {
	switch {
	case w.Errors > 0:
		text := fmt.Sprintf("%d of %d requests failed", w.Errors, w.Requests)
		for i, kind := range slices.SortedFunc(maps.Keys(w.ErrorKinds), func(a, b string) int { return int(int64(w.ErrorKinds[b]) - int64(w.ErrorKinds[a])) }) {
			if i == 3 {
				return text + ", …"
			}
			text += fmt.Sprintf(", %s %d times", kind, w.ErrorKinds[kind])
		}
		return text
	case w.Accepted == 0:
		return "no event was accepted"
	case w.Rejected > 0 || w.Unknown > 0:
		return fmt.Sprintf("%d events were refused and %d have no clear answer, all of them are valid", w.Rejected, w.Unknown)
	case w.Records != nil && *w.Records != w.Accepted:
		return fmt.Sprintf("%d events were accepted, the broker counted %d records", w.Accepted, *w.Records)
	case w.User+w.System == 0:
		return "no CPU time was counted: is it the right process?"
	}
	return ""
}

// ratio adds how two targets compare, unless they are the same, one of them is missing or one's figures mean nothing.
func (r *Result) ratio(batch int, of, to string) {
	a, b := r.Cell(batch, of), r.Cell(batch, to)
	if of == to || a == nil || b == nil || len(a.Invalid) > 0 || len(b.Invalid) > 0 {
		return
	}
	var times []float64
	for _, x := range r.of(batch, of) {
		for _, y := range r.of(batch, to) {
			if x.Round == y.Round {
				times = append(times, x.total()/y.total())
			}
		}
	}
	if len(times) > 0 {
		r.Ratios = append(r.Ratios, Ratio{Batch: batch, Of: of, To: to, Times: sheet.Of(times)})
	}
}
