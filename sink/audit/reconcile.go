package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ReconcileOptions say what Reconcile does.
type ReconcileOptions struct {
	// Repair mends what drifted; else it is only reported.
	Repair bool
	// Wait tries again and again what cannot be judged because rows come in, or not be repaired yet, until it can or ctx ends.
	Wait bool
	// Progress is called from the calling goroutine after each of total steps. nil: nobody is told.
	Progress func(done, total int)
}

// RollupReport is what was found in one table.
type RollupReport struct {
	Table     string
	Buckets   int    // compared: hours or days that have anything
	Drifted   int    // buckets that differ from events
	Repaired  int    // of those
	DriftRows uint64 // events by which they differed; a key that differs otherwise counts as one
	Unjudged  int    // buckets that could not be judged, or not be repaired though they should be
}

// Report is what Reconcile has found.
type Report struct{ Rollups []RollupReport }

// Exact tells whether every rollup is known to be equal to events: now, when it was not before.
func (r Report) Exact() bool {
	for _, t := range r.Rollups {
		if t.Drifted > t.Repaired || t.Unjudged > 0 {
			return false
		}
	}
	return true
}

// String is a table for people, one line for each rollup.
func (r Report) String() string {
	var b strings.Builder
	width := 12
	for _, t := range r.Rollups {
		width = max(width, len(t.Table))
	}
	fmt.Fprintf(&b, "%-*s %9s %9s %9s %12s %9s\n", width, "rollup", "buckets", "drifted", "repaired", "drift rows", "unjudged")
	for _, t := range r.Rollups {
		fmt.Fprintf(&b, "%-*s %9d %9d %9d %12d %9d\n", width, t.Table, t.Buckets, t.Drifted, t.Repaired, t.DriftRows, t.Unjudged)
	}
	return b.String()
}

// Reconcile compares every bucket of every rollup, once. After an error the Report holds what was found before.
func (a *Auditor) Reconcile(ctx context.Context, o ReconcileOptions) (Report, error) {
	if err := a.refresh(ctx); err != nil {
		return Report{}, err
	}
	all := a.all()
	report := Report{Rollups: make([]RollupReport, len(all))}
	var chunks []chunk
	for i, r := range all {
		report.Rollups[i].Table = r.table
		some, err := a.plan(ctx, r)
		if err != nil {
			return report, err
		}
		chunks = append(chunks, some...)
	}
	for done, c := range chunks {
		i := slices.Index(all, c.rollup)
		if err := a.reconcileChunk(ctx, c, o, &report.Rollups[i]); err != nil {
			// A custom metric may be dropped meanwhile.
			if refreshErr := a.refresh(ctx); refreshErr != nil || !a.gone(c.rollup) {
				return report, errors.Join(err, refreshErr)
			}
			a.log.Info("a custom metric was dropped while it was compared", "rollup", c.rollup.table)
		}
		if o.Progress != nil {
			o.Progress(done+1, len(chunks))
		}
	}
	return report, nil
}

func (a *Auditor) reconcileChunk(ctx context.Context, c chunk, o ReconcileOptions, report *RollupReport) error {
	all, todo, err := a.compare(ctx, c)
	if err != nil {
		return err
	}
	report.Buckets += all
	total := newOutcome()
	defer func() {
		report.Drifted += len(total.drifted)
		report.Repaired += len(total.repaired)
		for _, rows := range total.drifted {
			report.DriftRows += rows
		}
		report.Unjudged += len(todo)
	}()
	for {
		found, err := a.mend(ctx, c.rollup, todo, o.Repair)
		total.add(found)
		if err != nil {
			return err
		}
		todo = found.unclear
		if len(todo) == 0 || !o.Wait {
			return nil
		}
		if err := wait(ctx, a.poll); err != nil {
			return fmt.Errorf("wait for %d buckets of %s: %w", len(todo), c.rollup.table, err)
		}
	}
}
