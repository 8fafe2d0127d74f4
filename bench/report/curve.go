package report

import (
	"math"
	"sort"

	"github.com/millrace/millrace/bench/observe"
)

// curve is a quantity that only grows, known at some moments and taken as growing in a line between them.
type curve struct{ at, value []float64 }

func (c *curve) add(at, value float64) {
	c.at, c.value = append(c.at, at), append(c.value, value)
}

// slack covers that the moments of samples and of intervals are not quite the same, in seconds.
const slack = 0.5

// covers tells whether the curve is known from one moment to another.
func (c *curve) covers(from, to float64) bool {
	n := len(c.at)
	return n > 1 && from >= c.at[0]-slack && to <= c.at[n-1]+slack
}

// read returns the value at a moment; before the first and after the last it stays what it is there.
func (c *curve) read(at float64) float64 {
	n := len(c.at)
	if n == 0 {
		return math.NaN()
	}
	i := sort.SearchFloat64s(c.at, at)
	switch {
	case i == 0:
		return c.value[0]
	case i == n:
		return c.value[n-1]
	}
	share := (at - c.at[i-1]) / (c.at[i] - c.at[i-1])
	return c.value[i-1] + share*(c.value[i]-c.value[i-1])
}

// grown is how much it grew between two moments.
func (c *curve) grown(from, to float64) float64 { return c.read(to) - c.read(from) }

// accepted is the curve of accepted events, warm-up included.
func (r *Result) accepted() *curve {
	var c curve
	var sum float64
	for i, step := range r.Intervals {
		if i == 0 {
			c.add(step.At-step.Seconds, 0)
		}
		sum += float64(step.Counts.Accepted)
		c.add(step.At, sum)
	}
	return &c
}

// cpu returns the curves of the CPU seconds of a process.
func (r *Result) cpu(process string) (user, system *curve) {
	user, system = new(curve), new(curve)
	for i := range r.Samples {
		s := &r.Samples[i]
		if u, ok := s.Processes[process]; ok {
			user.add(s.At, u.User)
			system.add(s.At, u.System)
		}
	}
	return user, system
}

// gauge returns a gauge by sample, NaN where it is missing, and whether it is there at all.
func (r *Result) gauge(name string) (values []float64, any bool) {
	return r.bySample(func(s *observe.Sample) (float64, bool) {
		v, ok := s.Gauges[name]
		return v, ok
	})
}

func (r *Result) bySample(read func(*observe.Sample) (float64, bool)) (values []float64, any bool) {
	for i := range r.Samples {
		v, ok := read(&r.Samples[i])
		if !ok {
			v = math.NaN()
		}
		any = any || ok
		values = append(values, v)
	}
	return values, any
}
