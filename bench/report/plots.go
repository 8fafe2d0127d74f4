package report

import (
	"math"
	"slices"

	"github.com/millrace/millrace/bench/load"
	"github.com/millrace/millrace/bench/observe"
)

// perInterval makes a line of a value per interval.
func perInterval(r *Result, value func(*load.Interval) float64) numbers {
	values := make(numbers, len(r.Intervals))
	for i := range r.Intervals {
		values[i] = value(&r.Intervals[i])
	}
	return values
}

// perSecond makes a line of a count per second.
func perSecond(r *Result, n func(*load.Counts) uint64) numbers {
	return perInterval(r, func(i *load.Interval) float64 { return float64(n(&i.Counts)) / i.Seconds })
}

func rateChart(r *Result) chart {
	return chart{
		ID: "rate", Title: "Rate", Unit: "events/s", Axis: intervalAxis, Note: durabilityNote(r),
		Series: []series{
			{Label: "asked for", Color: grey, Wide: true, Values: perSecond(r, func(c *load.Counts) uint64 { return c.Scheduled })},
			drawn("accepted", blue, solid, perSecond(r, func(c *load.Counts) uint64 { return c.Accepted })),
			drawn("refused", vermillion, dotted, perSecond(r, func(c *load.Counts) uint64 { return c.Rejected })),
		},
	}
}

// durabilityNote stands near every throughput figure: a rate says little without what it was promised for.
func durabilityNote(r *Result) string {
	if r.Durability == "" {
		return "What a 200 of this target promises was not recorded."
	}
	return "A 200 means: " + r.Durability
}

func troubleChart(r *Result) chart {
	return chart{
		ID: "trouble", Title: "Errors, late and dropped sends", Unit: "requests/s", Axis: intervalAxis,
		Note: "Late sends left after their time; dropped ones found no free connection and never left.",
		Series: []series{
			drawn("errors", vermillion, solid, perSecond(r, func(c *load.Counts) uint64 { return c.Errors })),
			drawn("late", orange, dashed, perSecond(r, func(c *load.Counts) uint64 { return c.Late })),
			drawn("dropped", purple, dotted, perSecond(r, func(c *load.Counts) uint64 { return c.Dropped })),
		},
	}
}

func timesChart(r *Result, id, title, note string, of func(*load.Interval) *load.Percentiles) chart {
	line := func(value func(*load.Percentiles) float64) numbers {
		return perInterval(r, func(i *load.Interval) float64 {
			if of(i).Count == 0 {
				return math.NaN()
			}
			return value(of(i))
		})
	}
	return chart{
		ID: id, Title: title + " over time", Unit: "ms", Axis: intervalAxis, Scales: true, Note: note,
		Series: []series{
			drawn("p50", sky, solid, line(func(p *load.Percentiles) float64 { return p.P50 })),
			drawn("p90", teal, solid, line(func(p *load.Percentiles) float64 { return p.P90 })),
			drawn("p99", blue, solid, line(func(p *load.Percentiles) float64 { return p.P99 })),
			drawn("p99.9", orange, dashed, line(func(p *load.Percentiles) float64 { return p.P999 })),
			drawn("max", vermillion, dotted, line(func(p *load.Percentiles) float64 { return p.Max })),
		},
	}
}

func distributionChart(r *Result) (chart, error) {
	c := chart{
		ID: "distribution", Title: "Distribution by percentile", Unit: "ms", Scales: true, Log: true,
		Note: "Of the whole run without its warm-up. A point says: this share of the requests took no longer.",
	}
	var curves []*distribution
	var labels []string
	for _, h := range []struct{ label, encoded string }{{"latency", r.Load.LatencyHDR}, {"service time", r.Load.ServiceHDR}} {
		d, err := decodeDistribution(h.encoded)
		if err != nil {
			return c, err
		}
		if d != nil {
			curves, labels = append(curves, d), append(labels, h.label)
			c.X = append(c.X, d.x...)
		}
	}
	slices.Sort(c.X)
	c.X = slices.Compact(c.X)
	for i, d := range curves {
		c.Series = append(c.Series, drawn(labels[i], []int{blue, orange}[i], i, d.over(c.X)))
	}
	return c, nil
}

func queryableChart(r *Result) chart {
	values := make(numbers, len(r.QueryableSeries))
	for i, point := range r.QueryableSeries {
		values[i] = point.Value
	}
	note := "From the answer to the first query that shows the event, of single events sent beside the load"
	if r.QueryableEvery > 0 {
		note += "; rounded up to looks every " + millis(r.QueryableEvery*1000)
	}
	return chart{
		ID: "queryable", Title: "Accepted → queryable", Unit: "ms", Axis: probeAxis, Scales: true, Note: note + ".",
		Series: []series{drawn("one event", blue, solid, values)},
	}
}

// processColors gives a process the same colour on all plots.
func processColors(r *Result) map[string]int {
	known := map[string]int{"gateway": blue, "broker": orange, "clickhouse": teal, "sink": sky, "generator": purple}
	free := []int{vermillion, sky, grey, blue, orange, teal, purple}
	colors := make(map[string]int)
	for _, name := range r.processes() {
		c, ok := known[name]
		if !ok {
			c, free = free[0], append(free[1:], free[0])
		}
		colors[name] = c
	}
	return colors
}

func processCharts(r *Result, colors map[string]int) []chart {
	perEvent := chart{
		ID: "cpu-event", Title: "CPU time per accepted event", Unit: "µs/event", Axis: intervalAxis, Scales: true,
		Note: "User and system time. The kernel counts in steps of 10 ms, so a process that uses little is averaged over up to ten intervals.",
	}
	cores := chart{ID: "cores", Title: "CPU used", Unit: "cores", Axis: sampleAxis, Note: "User and system time per second."}
	memory := chart{ID: "memory", Title: "Resident memory", Unit: "MiB", Axis: sampleAxis, Bytes: true}
	for i, name := range r.processes() {
		resident, _ := r.bySample(func(s *observe.Sample) (float64, bool) {
			u, ok := s.Processes[name]
			return float64(u.Resident), ok
		})
		color, dash := colors[name], i%patterns
		perEvent.Series = append(perEvent.Series, drawn(name, color, dash, cpuPerEvent(r, name)))
		cores.Series = append(cores.Series, drawn(name, color, dash, coresUsed(r, name)))
		memory.Series = append(memory.Series, drawn(name, color, dash, resident))
	}
	return []chart{perEvent, cores, memory}
}

// cpuPerEvent is the mean over as many intervals as it takes to make the kernel's steps of 10 ms small against what the process uses, at most ten.
func cpuPerEvent(r *Result, name string) numbers {
	const enough, most = 0.25, 10 // CPU seconds, intervals
	user, system := r.cpu(name)
	used := func(from, to float64) float64 { return user.grown(from, to) + system.grown(from, to) }
	values := make(numbers, len(r.Intervals))
	for i := range r.Intervals {
		values[i] = math.NaN()
		to := r.Intervals[i].At
		var events float64
		for back := range min(most, i+1) {
			step := &r.Intervals[i-back]
			from := step.At - step.Seconds
			if !user.covers(from, to) {
				break
			}
			if events += float64(step.Counts.Accepted); events > 0 {
				values[i] = used(from, to) * 1e6 / events
			}
			if used(from, to) >= enough {
				break
			}
		}
	}
	return values
}

func coresUsed(r *Result, name string) numbers {
	values := make(numbers, len(r.Samples))
	for i := range r.Samples {
		values[i] = math.NaN()
		if i == 0 {
			continue
		}
		before, ok := r.Samples[i-1].Processes[name]
		now, still := r.Samples[i].Processes[name]
		if ok && still {
			values[i] = (now.User + now.System - before.User - before.System) / (r.Samples[i].At - r.Samples[i-1].At)
		}
	}
	return values
}

// queueCharts show what waits, from the door to the tables.
func queueCharts(r *Result) []chart {
	charts := []chart{
		{ID: "ring", Title: "Queue at the door", Unit: "requests", Note: "Requests that wait in the gateway's rings.", Series: []series{drawn(observe.RingRequests, blue, solid, nil)}},
		{ID: "unacked", Title: "On the way to the broker", Unit: "records", Note: "Sent and not acknowledged.", Series: []series{drawn(observe.Unacked, orange, solid, nil)}},
		{ID: "ring-bytes", Title: "Bytes held by the gateway", Unit: "MiB", Bytes: true, Series: []series{drawn(observe.RingBytes, blue, solid, nil)}},
		{ID: "lag", Title: "Lag", Unit: "records", Note: "Records on the topic that are not in ClickHouse yet.", Series: []series{drawn(observe.LagRecords, teal, solid, nil)}},
		{ID: "age", Title: "Age of the oldest record not yet inserted", Unit: "s", Series: []series{drawn(observe.OldestAge, teal, solid, nil)}},
		{ID: "broker-log", Title: "Log of the embedded broker", Unit: "MiB", Bytes: true, Series: []series{drawn(observe.BrokerLog, orange, solid, nil)}},
	}
	for i := range charts {
		c := &charts[i]
		c.Axis = sampleAxis
		s := &c.Series[0]
		s.Values, _ = r.gauge(s.Label)
		s.Label = gaugeLabels[s.Label]
	}
	return charts
}

var gaugeLabels = map[string]string{
	observe.RingRequests: "requests",
	observe.Unacked:      "records",
	observe.RingBytes:    "held",
	observe.LagRecords:   "records",
	observe.OldestAge:    "age",
	observe.BrokerLog:    "size",
}
