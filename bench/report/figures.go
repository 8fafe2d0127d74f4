package report

import (
	"fmt"
	"math"

	"github.com/millrace/millrace/bench/load"
)

// maxUnits bounds what is drawn from: of a longer run neighbouring intervals are put together, which keeps a day's run as quick to compare as ten minutes.
const maxUnits = 600

// units is how many groups there are.
func units(intervals, group int) int { return (intervals + group - 1) / group }

// comparison collects metrics.
type comparison struct {
	d      *Difference
	a, b   *Result
	ia, ib []*load.Interval
	group  int // intervals per unit of the bootstrap
}

// figures are some metrics of the same intervals.
type figures struct {
	metrics  []Metric
	n, m     int // units to draw from
	paired   bool
	a, b     statistics // nil: not known
	whyNot   string     // no interval of confidence
	absolute bool
}

// overIntervals are figures whose units are the intervals.
func (c *comparison) overIntervals(a, b statistics, metrics ...Metric) figures {
	return figures{metrics: metrics, n: units(len(c.ia), c.group), m: units(len(c.ib), c.group), paired: c.d.Method.Paired, a: a, b: b}
}

// add judges the metrics and takes them over.
func (c *comparison) add(f figures) {
	switch {
	case f.whyNot != "":
	case c.d.Method.Limit != "":
		f.whyNot = "too few intervals"
	case f.a == nil || f.b == nil:
		f.whyNot = "not measured in each interval"
	}
	var s spread
	if f.whyNot == "" {
		absolute := make([]bool, len(f.metrics))
		for i := range absolute {
			absolute[i] = f.absolute
		}
		s = resample(f.n, f.m, f.paired, f.a, f.b, absolute, resamples)
	}
	for k := range f.metrics {
		m := f.metrics[k]
		m.Points = f.absolute
		m.judge(s, k, f.whyNot)
		c.d.Metrics = append(c.d.Metrics, m)
	}
}

// sums is the statistic of a ratio of two sums over intervals.
func (c *comparison) sums(of []*load.Interval, value func(*load.Interval) (over, under float64)) statistics {
	n := units(len(of), c.group)
	overUpTo, underUpTo := make([]float64, n+1), make([]float64, n+1) // of the units before
	for i, step := range of {
		x, y := value(step)
		overUpTo[i/c.group+1] += x
		underUpTo[i/c.group+1] += y
	}
	for i := range n {
		overUpTo[i+1] += overUpTo[i]
		underUpTo[i+1] += underUpTo[i]
	}
	return func(blocks []block, out []float64) []float64 {
		var over, under float64
		for _, b := range blocks {
			over += overUpTo[b.to] - overUpTo[b.from]
			under += underUpTo[b.to] - underUpTo[b.from]
		}
		return append(out, over/under)
	}
}

func (c *comparison) rate() {
	rate := func(i *load.Interval) (float64, float64) { return float64(i.Counts.Accepted), i.Seconds }
	c.add(c.overIntervals(c.sums(c.ia, rate), c.sums(c.ib, rate), Metric{Name: "accepted rate", Unit: "events/s", A: c.a.acceptedRate(), B: c.b.acceptedRate(), HigherIsBetter: true}))
}

func (c *comparison) errors() {
	share := func(i *load.Interval) (float64, float64) {
		return 100 * float64(i.Counts.Errors), float64(i.Counts.Requests)
	}
	whole := func(r *Result) float64 {
		return 100 * ratio(float64(r.Load.Counts.Errors), float64(r.Load.Counts.Requests))
	}
	f := c.overIntervals(c.sums(c.ia, share), c.sums(c.ib, share), Metric{Name: "errors", Unit: "% of requests", A: whole(c.a), B: whole(c.b)})
	f.absolute = true
	c.add(f)
}

// times compares percentiles; the figures themselves are those of the whole runs' histograms.
func (c *comparison) times(name string, labels []string, shares []float64, of func(*load.Interval) *load.Percentiles, whole func(*Result) *load.Percentiles) {
	wa, wb := whole(c.a), whole(c.b)
	if wa.Count == 0 || wb.Count == 0 {
		return
	}
	values := func(p *load.Percentiles) map[string]float64 {
		return map[string]float64{"p50": p.P50, "p90": p.P90, "p99": p.P99, "p99.9": p.P999}
	}
	var metrics []Metric
	for _, label := range labels {
		metrics = append(metrics, Metric{Name: name + " " + label, Unit: "ms", A: values(wa)[label], B: values(wb)[label]})
	}
	c.add(c.overIntervals(c.pooled(c.ia, shares, of), c.pooled(c.ib, shares, of), metrics...))
}

func (c *comparison) pooled(intervals []*load.Interval, shares []float64, of func(*load.Interval) *load.Percentiles) statistics {
	all := make([]*load.Percentiles, len(intervals))
	for i, step := range intervals {
		all[i] = of(step)
	}
	p := newPool(all, c.group)
	if p == nil {
		return nil
	}
	return func(blocks []block, out []float64) []float64 { return p.quantiles(blocks, shares, out) }
}

// queryable resamples the single events of the prober: their number differs between runs, so that they cannot be paired.
func (c *comparison) queryable() {
	if c.a.Queryable == nil || c.b.Queryable == nil || c.a.Queryable.Count == 0 || c.b.Queryable.Count == 0 {
		return
	}
	const enough = 100 // a 99th percentile of fewer is their maximum
	pa, pb := points(c.a), points(c.b)
	f := figures{
		metrics: []Metric{{Name: "queryable p99", Unit: "ms", A: c.a.Queryable.P99, B: c.b.Queryable.P99}},
		n:       len(pa), m: len(pb), a: percentile(pa, 0.99), b: percentile(pb, 0.99),
	}
	if n := min(len(pa), len(pb)); n < enough {
		f.whyNot = fmt.Sprintf("too few events: %d", n)
	}
	c.add(f)
}

func points(r *Result) []float64 {
	var all []float64
	for _, p := range r.QueryableSeries {
		if p.At >= r.Scenario.Load.Warmup.Seconds() {
			all = append(all, p.Value)
		}
	}
	return all
}

// processes compares the CPU time per event of those that both runs watched.
func (c *comparison) processes() {
	costs := make(map[string]cost)
	for _, cost := range c.b.costs() {
		costs[cost.Name] = cost
	}
	for _, x := range c.a.costs() {
		y, ok := costs[x.Name]
		if !ok || math.IsNaN(x.Total()) || math.IsNaN(y.Total()) {
			continue
		}
		for _, part := range []struct {
			name         string
			a, b         float64
			user, system float64
		}{{"user", x.User, y.User, 1, 0}, {"system", x.System, y.System, 0, 1}, {"CPU", x.Total(), y.Total(), 1, 1}} {
			f := c.overIntervals(
				c.cpu(c.a, c.ia, x.Name, part.user, part.system), c.cpu(c.b, c.ib, x.Name, part.user, part.system),
				Metric{Name: x.Name + " " + part.name, Unit: "µs/event", A: part.a, B: part.b})
			if x.Ended || y.Ended {
				f.whyNot = "the process ended within the run"
			}
			c.add(f)
		}
	}
}

// cpu weighs user and system time; nil when the samples do not cover the intervals.
func (c *comparison) cpu(r *Result, intervals []*load.Interval, process string, ofUser, ofSystem float64) statistics {
	user, system := r.cpu(process)
	for _, step := range intervals {
		if !user.covers(step.At-step.Seconds, step.At) {
			return nil
		}
	}
	return c.sums(intervals, func(step *load.Interval) (float64, float64) {
		from := step.At - step.Seconds
		return 1e6 * (ofUser*user.grown(from, step.At) + ofSystem*system.grown(from, step.At)), float64(step.Counts.Accepted)
	})
}
