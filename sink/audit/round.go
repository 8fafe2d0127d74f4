package audit

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// mostRows is how many rows of events and rollup are compared by one query, unless a day has more.
const mostRows = 20_000_000

// day is one that either side has rows of.
type day struct {
	number int64 // from 1970
	rows   uint64
}

// chunk is what one query compares: the buckets of some days, newest first, from the bucket first on.
type chunk struct {
	rollup *rollup
	days   []day
	first  int64
}

// plan cuts the buckets of a rollup into chunks, newest first.
func (a *Auditor) plan(ctx context.Context, r *rollup) ([]chunk, error) {
	first, err := a.horizon(ctx, r)
	if err != nil {
		return nil, err
	}
	var d day
	var days []day
	err = a.query(ctx, r.daysQuery(a.db.Database()), nil, func() {
		if (d.number+1)*r.bucketsPerDay() > first {
			days = append(days, d)
		}
	}, &d.number, &d.rows)
	if err != nil {
		return nil, fmt.Errorf("list the days of %s: %w", r.table, err)
	}
	var chunks []chunk
	for len(days) > 0 {
		n, rows := 1, days[0].rows
		if r.rawRange == "" {
			n = len(days) // events is read whole for any of them
		}
		for n < len(days) && rows+days[n].rows <= mostRows && days[0].number-days[n].number < widest {
			rows += days[n].rows
			n++
		}
		chunks = append(chunks, chunk{r, days[:n], first})
		days = days[n:]
	}
	return chunks, nil
}

// compare looks at all buckets of a chunk, and returns how many there are and which of them look different.
func (a *Auditor) compare(ctx context.Context, c chunk) (all int, differing []int64, err error) {
	r := c.rollup
	low, high := c.days[len(c.days)-1].number*r.bucketsPerDay(), (c.days[0].number+1)*r.bucketsPerDay()-1
	var b int64
	var differs uint8
	err = a.query(ctx, r.compareQuery(a.db.Database()), span([]int64{max(low, c.first), high}), func() {
		all++
		if differs != 0 {
			differing = append(differing, b)
		}
	}, &b, &differs)
	if half := len(c.days) / 2; half > 0 && beyondLimits(err) {
		a.log.Debug("too much to compare at once", "rollup", r.table, "days", len(c.days), "error", err)
		all1, differing1, err := a.compare(ctx, chunk{r, c.days[:half], c.first})
		if err != nil {
			return 0, nil, err
		}
		all2, differing2, err := a.compare(ctx, chunk{r, c.days[half:], c.first})
		return all1 + all2, append(differing1, differing2...), err
	}
	if err != nil {
		return 0, nil, fmt.Errorf("compare %s from %s to %s: %w", r.table, r.name(low), r.name(high), err)
	}
	a.metrics.checked.Add(all)
	return all, differing, nil
}

// round is one time round all buckets.
type round struct {
	begun   time.Time
	planned bool
	todo    []chunk
}

func newRound(begun time.Time) *round { return &round{begun: begun} }

// step compares and mends a chunk; done: it was the last. Chunks of rollups that are gone are left out. What cannot be judged is left to the queue. After an error the same chunk is tried again.
func (t *round) step(ctx context.Context, a *Auditor, q *queue) (done bool, err error) {
	if !t.planned {
		var todo []chunk
		for _, r := range a.all() {
			chunks, err := a.plan(ctx, r)
			if err != nil {
				return false, err
			}
			todo = append(todo, chunks...)
		}
		t.todo, t.planned = todo, true
	}
	t.todo = slices.DeleteFunc(t.todo, func(c chunk) bool { return a.gone(c.rollup) })
	if len(t.todo) == 0 {
		return true, nil
	}
	c := t.todo[0]
	_, differing, err := a.compare(ctx, c)
	if err != nil {
		return false, err
	}
	o, err := a.mend(ctx, c.rollup, differing, true)
	q.postpone(c.rollup, o.unclear)
	if err != nil {
		return false, err
	}
	t.todo = t.todo[1:]
	return len(t.todo) == 0, nil
}
