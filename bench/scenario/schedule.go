package scenario

import (
	"math"
	"sort"
	"time"
)

// Schedule is when requests are due. The events asked for by time t are the integral of the rate, a line in each stage; request i stands for events i·batch up to
// (i+1)·batch and is due when the first of them is. It is computed from the stages alone, so nothing that happens in the run can move it.
type Schedule struct {
	segments []segment
	batch    float64
	requests int64
	end      time.Duration
}

// segment is a stage with what lies before it.
type segment struct {
	start    time.Duration
	seconds  float64
	before   float64 // events asked for before it
	from, to float64 // events per second at its ends
}

// NewSchedule computes the schedule of requests of batch events. Stages and batch must be valid.
func NewSchedule(stages []Stage, batch int) *Schedule {
	s := &Schedule{segments: make([]segment, 0, len(stages)), batch: float64(batch)}
	var events, last float64
	for _, st := range stages {
		g := segment{start: s.end, seconds: st.Duration.Seconds(), before: events, from: st.Rate, to: st.Rate}
		if st.Ramp {
			g.from = last
		}
		last = st.Rate
		events += (g.from + g.to) / 2 * g.seconds
		s.end += st.Duration
		s.segments = append(s.segments, g)
	}
	// The tolerance keeps rounding in the sum from adding a request at the very end.
	n := events / s.batch
	s.requests = int64(math.Ceil(n - 1e-9*max(n, 1)))
	return s
}

// Requests is how many requests there are: what the stages ask for, the last request filled up.
func (s *Schedule) Requests() int64 { return s.requests }

// At is when request i, counted from 0, is due. It never decreases with i. Requests beyond the last are due at the end.
func (s *Schedule) At(i int64) time.Duration {
	if i >= s.requests {
		return s.end
	}
	target := float64(max(i, 0)) * s.batch
	// The last segment that begins at or before the target; those without events of their own begin where the next does.
	// What lies before a segment is a rounded sum: a target a hair below it means its beginning.
	reach := target + 1e-9*max(target, 1)
	k := sort.Search(len(s.segments), func(k int) bool { return s.segments[k].before > reach }) - 1
	g := &s.segments[k]
	return g.start + time.Duration(math.Round(g.solve(target-g.before)*1e9))
}

// solve is how many seconds into the segment x events have been asked for.
func (g *segment) solve(x float64) float64 {
	if x <= 0 {
		return 0
	}
	slope := (g.to - g.from) / g.seconds
	// The root of from·t + slope·t²/2 = x in the form that also holds without a slope and does not cancel.
	root := math.Sqrt(max(g.from*g.from+2*slope*x, 0))
	return min(2*x/(g.from+root), g.seconds)
}

// Due is how many requests are due at time t or before: At(Due(t)-1) ≤ t < At(Due(t)), as far as there are such requests.
func (s *Schedule) Due(t time.Duration) int64 {
	if t >= s.end {
		return s.requests
	}
	if t < 0 {
		return 0
	}
	g := s.segment(t)
	into := (t - g.start).Seconds()
	events := g.before + into*(g.from+(g.to-g.from)*into/g.seconds/2)
	n := min(int64(events/s.batch)+1, s.requests)
	// Rounding may have put it one off; At decides.
	for n < s.requests && s.At(n) <= t {
		n++
	}
	for n > 0 && s.At(n-1) > t {
		n--
	}
	return n
}

// Rate is the events per second asked for at time t; 0 outside the stages. Where it jumps it is the later one.
func (s *Schedule) Rate(t time.Duration) float64 {
	if t < 0 || t >= s.end {
		return 0
	}
	g := s.segment(t)
	return g.from + (g.to-g.from)*(t-g.start).Seconds()/g.seconds
}

// segment finds the stage of time t, which must lie inside the stages.
func (s *Schedule) segment(t time.Duration) *segment {
	k := sort.Search(len(s.segments), func(k int) bool { return s.segments[k].start > t }) - 1
	return &s.segments[k]
}
