package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/bench/load"
)

// Difference is how run B differs from run A.
type Difference struct {
	A          Side       `json:"a"`
	B          Side       `json:"b"`
	Comparable bool       `json:"comparable"` // false: they did not do the same work on the same machine, and Mismatches says in what
	Mismatches []Mismatch `json:"mismatches"`
	Metrics    []Metric   `json:"metrics"`
	Method     Method     `json:"method"`
}

// Side is one of the two runs.
type Side struct {
	Run        string    `json:"run"`
	Scenario   string    `json:"scenario"`
	Started    time.Time `json:"started"`
	Seconds    float64   `json:"seconds"`    // that were measured
	Durability string    `json:"durability"` // what its throughput promised
	Pass       bool      `json:"pass"`
}

// Method says how the intervals of confidence were found.
type Method struct {
	Name       string `json:"name"`
	Confidence int    `json:"confidence"` // percent
	IntervalsA int    `json:"intervals_a"`
	IntervalsB int    `json:"intervals_b"`
	Block      int    `json:"block"` // intervals
	Resamples  int    `json:"resamples"`
	Paired     bool   `json:"paired"`          // by their time in the schedule, which was the same
	Limit      string `json:"limit,omitempty"` // why there are none
}

// Diff compares two runs. It does not refuse different ones but says so: see Comparable. The same runs give the same answer.
func Diff(a, b *Result) *Difference {
	d := &Difference{A: side(a), B: side(b), Mismatches: mismatches(a, b), Comparable: true}
	sameLoad := true
	for _, m := range d.Mismatches {
		d.Comparable = d.Comparable && !m.Work
		sameLoad = sameLoad && !strings.HasPrefix(m.What, "scenario.")
	}
	ia, ib := measured(a), measured(b)
	// Runs of one schedule may differ by an interval at the end.
	paired := sameLoad && max(len(ia), len(ib))-min(len(ia), len(ib)) <= 2
	if paired {
		n := min(len(ia), len(ib))
		ia, ib = ia[:n], ib[:n]
	}
	n, longest := min(len(ia), len(ib)), max(len(ia), len(ib))
	group := max(1, (longest+maxUnits-1)/maxUnits)
	d.Method = Method{
		Name: "moving-block bootstrap over intervals (Künsch 1989)", Confidence: 95, IntervalsA: len(ia), IntervalsB: len(ib),
		Block: group * blockLength(units(n, group)), Resamples: resamples, Paired: paired,
	}
	if n < minIntervals {
		d.Method.Limit = fmt.Sprintf("too few intervals to say how much is chance: %d and %d after the warm-up, want at least %d each; let the runs take longer", len(ia), len(ib), minIntervals)
	}
	c := &comparison{d: d, a: a, b: b, ia: ia, ib: ib, group: group}
	c.rate()
	c.times("latency", []string{"p50", "p90", "p99", "p99.9"}, []float64{0.5, 0.9, 0.99, 0.999}, func(i *load.Interval) *load.Percentiles { return &i.Latency }, func(r *Result) *load.Percentiles { return &r.Load.Latency })
	c.times("service", []string{"p99"}, []float64{0.99}, func(i *load.Interval) *load.Percentiles { return &i.Service }, func(r *Result) *load.Percentiles { return &r.Load.Service })
	c.queryable()
	c.processes()
	c.errors()
	return d
}

func side(r *Result) Side {
	return Side{Run: r.Run, Scenario: r.Scenario.Name, Started: r.Started, Seconds: r.Load.Seconds, Durability: r.Durability, Pass: r.Pass}
}

// measured are the intervals after the warm-up.
func measured(r *Result) []*load.Interval {
	var all []*load.Interval
	for i := range r.Intervals {
		if step := &r.Intervals[i]; step.At-step.Seconds >= r.Scenario.Load.Warmup.Seconds()-1e-6 {
			all = append(all, step)
		}
	}
	return all
}
