package report

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/bench/load"
	"github.com/millrace/millrace/bench/observe"
)

// counted is a run of ten seconds at 1,000 events per second: the server uses 1 ms of user and 2 ms of system time per event, of which half an event's
// is used a second later, and the helper ends after five seconds.
func counted() *Result {
	r := &Result{Samples: []observe.Sample{{At: 0, Processes: map[string]observe.Usage{"gateway": {User: 5, System: 7, Resident: 100}, "helper": {Resident: 1}}}}}
	r.Scenario.Load.Warmup = 2 * time.Second
	for i := 1; i <= 10; i++ {
		at := float64(i)
		r.Intervals = append(r.Intervals, load.Interval{At: at, Seconds: 1, Counts: load.Counts{Accepted: 1000}})
		s := observe.Sample{At: at, Processes: map[string]observe.Usage{"gateway": {User: 5 + (at - 0.5), System: 7 + 2*(at-0.5), Resident: int64(100 + i)}}}
		if i <= 5 {
			s.Processes["helper"] = observe.Usage{User: 0.5 * at, Resident: 5}
		}
		r.Samples = append(r.Samples, s)
	}
	r.Samples = append(r.Samples, observe.Sample{At: 11, Processes: map[string]observe.Usage{"gateway": {User: 15, System: 27, Resident: 50}}})
	return r
}

func TestCosts(t *testing.T) {
	got := counted().costs()
	// From the end of the warm-up, at 2 s: 8,000 events, for which the gateway used 8.5 s and 17 s until it was done.
	want := []cost{
		{Name: "gateway", User: 8.5e6 / 8000, System: 17e6 / 8000, Cores: 3, First: 100, Peak: 110, Last: 50, Until: 11},
		{Name: "helper", User: 500, System: 0, Cores: 0.5, First: 1, Peak: 5, Last: 5, Until: 5, Ended: true},
	}
	near := func(a, b cost) bool {
		for _, p := range [][2]*float64{{&a.User, &b.User}, {&a.System, &b.System}, {&a.Cores, &b.Cores}} {
			if math.Abs(*p[0]-*p[1]) > 1e-6 {
				return false
			}
			*p[0] = *p[1]
		}
		return a == b
	}
	if !slices.EqualFunc(got, want, near) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}

func TestCostsWithoutEvents(t *testing.T) {
	r := counted()
	r.Intervals = nil
	for _, c := range r.costs() {
		if !math.IsNaN(c.Total()) || micros(c.Total()) != none {
			t.Errorf("%+v, want no cost per event", c)
		}
	}
	if c := (&Result{}).costs(); c != nil {
		t.Errorf("%+v of no samples", c)
	}
}

func TestCPUPerEvent(t *testing.T) {
	r := counted()
	got := cpuPerEvent(r, "gateway")
	for i := 1; i < 10; i++ {
		if math.Abs(got[i]-3000) > 1e-6 {
			t.Errorf("interval %d: %v µs, want 3000", i, got[i])
		}
	}
	// Of the helper little is known per second, so that seconds are averaged; after its end there is nothing.
	for i := range r.Samples {
		if u, ok := r.Samples[i].Processes["helper"]; ok {
			u.User = math.Floor(r.Samples[i].At*1.5) / 100
			r.Samples[i].Processes["helper"] = u
		}
	}
	got = cpuPerEvent(r, "helper")
	if math.Abs(got[4]-14) > 1e-6 || !math.IsNaN(got[6]) {
		t.Errorf("%v, want 14 in the fifth and nothing from the seventh on", got)
	}
	for i := range r.Intervals {
		r.Intervals[i].Counts.Accepted = 0
	}
	for i, v := range cpuPerEvent(r, "gateway") {
		if !math.IsNaN(v) {
			t.Errorf("interval %d: %v µs per event of none", i, v)
		}
	}
}

func TestCurve(t *testing.T) {
	var c curve
	if !math.IsNaN(c.read(1)) || c.covers(0, 1) {
		t.Error("an empty curve is known somewhere")
	}
	c.add(1, 10)
	c.add(3, 20)
	c.add(4, 20)
	for at, want := range map[float64]float64{0: 10, 1: 10, 2: 15, 3: 20, 3.5: 20, 9: 20} {
		if got := c.read(at); got != want {
			t.Errorf("at %v: %v, want %v", at, got, want)
		}
	}
	if !c.covers(1, 4) || c.covers(0, 4) || c.covers(1, 5) {
		t.Error("covers")
	}
}

func TestProcesses(t *testing.T) {
	r := &Result{Samples: []observe.Sample{
		{Processes: map[string]observe.Usage{"zebra": {}, "generator": {}, "gateway": {}}},
		{Processes: map[string]observe.Usage{"ant": {}, "broker": {}}},
	}}
	if got, want := r.processes(), []string{"gateway", "broker", "generator", "ant", "zebra"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	colors := processColors(r)
	if colors["gateway"] != blue || colors["ant"] == colors["zebra"] {
		t.Errorf("%v", colors)
	}
}
