package report

import (
	"math"
	"slices"
	"strconv"

	"github.com/millrace/millrace/bench/load"
)

// page is the data behind the plots, as JSON for report.js.
type page struct {
	Axes   map[string]numbers `json:"axes"`   // x of plots against time, in seconds
	End    float64            `json:"end"`    // of all of them
	Warmup float64            `json:"warmup"` // seconds that are shaded
	Drain  float64            `json:"drain"`  // from here on shaded
	Charts []chart            `json:"charts"`
}

// chart is one plot.
type chart struct {
	ID     string   `json:"id"`
	Title  string   `json:"title"`
	Note   string   `json:"-"`              // below it
	Unit   string   `json:"unit"`           // of y, on the axis
	Axis   string   `json:"axis,omitempty"` // key of page.Axes; empty: the x here is 1/(1−share)
	X      numbers  `json:"x,omitempty"`
	Scales bool     `json:"scales,omitempty"` // offers a logarithmic axis
	Log    bool     `json:"log,omitempty"`    // begins with it
	Bytes  bool     `json:"bytes,omitempty"`  // values are bytes
	Series []series `json:"series"`
}

// series is one line of a plot. Color is an index into the palette of the page, Dash one into its patterns.
type series struct {
	Label  string  `json:"label"`
	Color  int     `json:"color"`
	Dash   int     `json:"dash,omitempty"`
	Wide   bool    `json:"wide,omitempty"` // drawn broad and pale, for others to lie upon
	Values numbers `json:"values"`
}

// drawn makes a plain line.
func drawn(label string, color, dash int, values numbers) series {
	return series{Label: label, Color: color, Dash: dash, Values: values}
}

// Patterns of lines, for those who cannot go by colour.
const (
	solid = iota
	dashed
	dotted
	patterns
)

// numbers are written with five significant digits, which is more than a plot shows; what is not finite is null.
type numbers []float64

func (n numbers) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 2+8*len(n))
	b = append(b, '[')
	for i, v := range n {
		if i > 0 {
			b = append(b, ',')
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			b = append(b, "null"...)
			continue
		}
		b = strconv.AppendFloat(b, v, 'g', digits, 64)
	}
	return append(b, ']'), nil
}

// digits is how exact numbers are.
const digits = 5

// written is what is left of v in numbers.
func written(v float64) float64 {
	v, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', digits, 64), 64)
	if err != nil {
		panic("BUG: what was just formatted is no number: " + err.Error())
	}
	return v
}

// The palette of report.css: colours of Okabe and Ito, which people with any kind of colour vision can tell apart.
const (
	blue = iota
	orange
	teal
	vermillion
	purple
	sky
	grey
)

// Axes of plots against time.
const (
	intervalAxis = "intervals"
	sampleAxis   = "samples"
	probeAxis    = "probes"
)

// newPage draws up the plots; those without any data are left out.
func newPage(r *Result) (*page, error) {
	p := &page{
		Axes:   map[string]numbers{intervalAxis: {}, sampleAxis: {}, probeAxis: {}},
		Warmup: r.Scenario.Load.Warmup.Seconds(),
		Drain:  r.loadEnd(),
	}
	for i := range r.Intervals {
		p.Axes[intervalAxis] = append(p.Axes[intervalAxis], r.Intervals[i].At)
	}
	for i := range r.Samples {
		p.Axes[sampleAxis] = append(p.Axes[sampleAxis], r.Samples[i].At)
	}
	for _, point := range r.QueryableSeries {
		p.Axes[probeAxis] = append(p.Axes[probeAxis], point.At)
	}
	for _, axis := range p.Axes {
		if len(axis) > 0 {
			p.End = max(p.End, written(axis[len(axis)-1]))
		}
	}
	spread, err := distributionChart(r)
	if err != nil {
		return nil, err
	}
	colors := processColors(r)
	p.Charts = slices.Concat(
		[]chart{rateChart(r), troubleChart(r)},
		[]chart{timesChart(r, "latency", "Latency", "From the intended send time to the answer: what a client feels, queueing before the send included.", func(i *load.Interval) *load.Percentiles { return &i.Latency })},
		[]chart{timesChart(r, "service", "Service time", "From the real send to the answer: without the time a send had to wait for a free connection.", func(i *load.Interval) *load.Percentiles { return &i.Service })},
		[]chart{spread, queryableChart(r)},
		processCharts(r, colors),
		queueCharts(r),
	)
	p.Charts = slices.DeleteFunc(p.Charts, func(c chart) bool { return !c.drawable() })
	return p, nil
}

// drawable tells whether there is anything to see.
func (c *chart) drawable() bool {
	c.Series = slices.DeleteFunc(c.Series, func(s series) bool {
		return !slices.ContainsFunc(s.Values, func(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) })
	})
	return len(c.Series) > 0
}
