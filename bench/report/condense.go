package report

import (
	"cmp"
	"slices"

	"github.com/millrace/millrace/bench/load"
	"github.com/millrace/millrace/bench/observe"
)

// condense returns the run in at most so many intervals, and how many were put together into each. Counts are added up; percentiles are the worst of those put
// together, and so are gauges and memory, so that a spike of one second stays on a plot of a day.
func condense(r *Result, most int) (*Result, int) {
	step := 1
	if n := max(len(r.Intervals), len(r.Samples), len(r.QueryableSeries)/2); n > most {
		step = (n + most - 1) / most
	}
	if step == 1 {
		return r, 1
	}
	c := *r
	c.Intervals, c.Samples, c.QueryableSeries = nil, nil, nil
	for part := range slices.Chunk(r.Intervals, step) {
		c.Intervals = append(c.Intervals, joinIntervals(part))
	}
	if len(r.Samples) > 0 {
		c.Samples = append(c.Samples, r.Samples[0]) // before the load
		for part := range slices.Chunk(r.Samples[1:], step) {
			c.Samples = append(c.Samples, joinSamples(part))
		}
	}
	for part := range slices.Chunk(r.QueryableSeries, step) {
		c.QueryableSeries = append(c.QueryableSeries, slices.MaxFunc(part, func(a, b Point) int { return cmp.Compare(a.Value, b.Value) }))
	}
	return &c, step
}

func joinIntervals(part []load.Interval) load.Interval {
	j := part[0]
	for _, p := range part[1:] {
		j.At = p.At
		j.Seconds += p.Seconds
		addCounts(&j.Counts, &p.Counts)
		worst(&j.Latency, &p.Latency)
		worst(&j.Service, &p.Service)
	}
	return j
}

func addCounts(sum, c *load.Counts) {
	sum.Scheduled += c.Scheduled
	sum.Sent += c.Sent
	sum.Accepted += c.Accepted
	sum.Rejected += c.Rejected
	sum.Unknown += c.Unknown
	sum.Requests += c.Requests
	sum.Errors += c.Errors
	sum.Late += c.Late
	sum.Dropped += c.Dropped
	sum.BytesSent += c.BytesSent
}

func worst(a, b *load.Percentiles) {
	if n := a.Count + b.Count; n > 0 {
		a.Mean = (a.Mean*float64(a.Count) + b.Mean*float64(b.Count)) / float64(n)
		a.Count = n
	}
	a.P50, a.P90, a.P99 = max(a.P50, b.P50), max(a.P90, b.P90), max(a.P99, b.P99)
	a.P999, a.P9999, a.Max = max(a.P999, b.P999), max(a.P9999, b.P9999), max(a.Max, b.Max)
}

// joinSamples keeps the last one, whose CPU times hold those before.
func joinSamples(part []observe.Sample) observe.Sample {
	last := part[len(part)-1]
	j := observe.Sample{At: last.At, Processes: make(map[string]observe.Usage), Gauges: make(map[string]float64)}
	for i := range part {
		for name, v := range part[i].Gauges {
			if old, ok := j.Gauges[name]; !ok || v > old {
				j.Gauges[name] = v
			}
		}
	}
	for name, u := range last.Processes {
		for i := range part {
			u.Resident = max(u.Resident, part[i].Processes[name].Resident)
		}
		j.Processes[name] = u
	}
	return j
}
