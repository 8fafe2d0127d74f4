package report

import (
	"maps"
	"math"
	"slices"
)

// cost is what one process used over a run.
type cost struct {
	Name         string
	User, System float64 // µs of CPU time per accepted event; NaN when there were no events
	Cores        float64 // CPU seconds per second while load was sent
	First, Peak  int64   // bytes resident: at the beginning and at most
	Last         int64   // bytes resident at the end
	Ended        bool    // it was gone before the last sample
	Until        float64 // seconds: the last sample that has it
}

func (c *cost) Total() float64 { return c.User + c.System }

// processOrder is by the way of an event; others follow by name.
var processOrder = []string{"gateway", "broker", "clickhouse", "sink", "generator"}

// processes are the names in the samples.
func (r *Result) processes() []string {
	seen := make(map[string]bool)
	for i := range r.Samples {
		for name := range r.Samples[i].Processes {
			seen[name] = true
		}
	}
	var names []string
	for _, name := range processOrder {
		if seen[name] {
			names = append(names, name)
			delete(seen, name)
		}
	}
	return append(names, slices.Sorted(maps.Keys(seen))...)
}

// costs are counted from the end of the warm-up until the last sample, so that loading what was accepted into ClickHouse counts although it goes on
// after the last answer. The warm-up's own backlog counts too, which is why a warm-up should end calmly.
func (r *Result) costs() []cost {
	if len(r.Samples) == 0 {
		return nil
	}
	warmup := r.Scenario.Load.Warmup.Seconds()
	from := r.Samples[0].At
	for i := range r.Samples {
		if r.Samples[i].At <= warmup {
			from = r.Samples[i].At
		}
	}
	end := r.Samples[len(r.Samples)-1].At
	accepted, loadEnd := r.accepted(), r.loadEnd()
	var all []cost
	for _, name := range r.processes() {
		user, system := r.cpu(name)
		start, until := max(from, user.at[0]), user.at[len(user.at)-1]
		c := cost{Name: name, Until: until, Ended: until < end}
		events := accepted.grown(start, until)
		c.User, c.System = math.NaN(), math.NaN()
		if events > 0 {
			c.User = user.grown(start, until) * 1e6 / events
			c.System = system.grown(start, until) * 1e6 / events
		}
		if stop := min(until, loadEnd); stop > start {
			c.Cores = (user.grown(start, stop) + system.grown(start, stop)) / (stop - start)
		}
		for i := range r.Samples {
			if u, ok := r.Samples[i].Processes[name]; ok {
				if c.First == 0 {
					c.First = u.Resident
				}
				c.Peak, c.Last = max(c.Peak, u.Resident), u.Resident
			}
		}
		all = append(all, c)
	}
	return all
}

// loadEnd is when sending ended, in seconds.
func (r *Result) loadEnd() float64 {
	if n := len(r.Intervals); n > 0 {
		return r.Intervals[n-1].At
	}
	return 0
}
