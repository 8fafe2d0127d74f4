package report

import (
	"math"
	"testing"
)

func TestCondense(t *testing.T) {
	r := generated(t, 100, 1)
	same, step := condense(r, 1000)
	if same != r || step != 1 {
		t.Fatalf("condensed by %d", step)
	}
	c, step := condense(r, 10)
	if step != 11 || len(c.Intervals) != 10 || len(c.Samples) != 11 || len(r.Intervals) != 100 {
		t.Fatalf("by %d: %d intervals, %d samples", step, len(c.Intervals), len(c.Samples))
	}
	var accepted, all uint64
	var length, slowest, slow float64
	for _, i := range r.Intervals {
		accepted += i.Counts.Accepted
		slowest = math.Max(slowest, i.Latency.P99)
	}
	for _, i := range c.Intervals {
		all += i.Counts.Accepted
		length += i.Seconds
		slow = math.Max(slow, i.Latency.P99)
	}
	if accepted != all || length != 100 || slow != slowest || c.Intervals[9].At != 100 {
		t.Errorf("%d events of %d, %v s, worst %v of %v", all, accepted, length, slow, slowest)
	}
	lag := func(r *Result) (most float64) {
		for _, s := range r.Samples {
			most = math.Max(most, s.Gauges["lag_records"])
		}
		return most
	}
	if lag(c) != lag(r) || c.Samples[10].Processes["gateway"] != r.Samples[104].Processes["gateway"] {
		t.Errorf("lag %v of %v; the last sample is not the last", lag(c), lag(r))
	}
	if a, b := r.costs(), c.costs(); math.Abs(a[0].User-b[0].User) > 0.1 {
		t.Errorf("cost %v, condensed %v", a[0].User, b[0].User)
	}
}
