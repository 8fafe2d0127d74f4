package scenario

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSchedule(t *testing.T) {
	for _, c := range []struct {
		what   string
		stages []Stage
		batch  int
		n      int64
		at     map[int64]time.Duration
	}{
		{"steady", []Stage{{30 * time.Second, 10_000, false}}, 100, 3000, map[int64]time.Duration{0: 0, 1: 10 * time.Millisecond, 2999: 29_990 * time.Millisecond}},
		// t²·5000/2 events after t seconds: request i is due at √(2·i·100/5000).
		{"ramp from nothing", []Stage{{10 * time.Second, 50_000, true}}, 100, 2500, map[int64]time.Duration{0: 0, 25: time.Second, 100: 2 * time.Second, 625: 5 * time.Second}},
		{"ramp to nothing", []Stage{{0, 1000, false}, {10 * time.Second, 0, true}}, 1, 5000, map[int64]time.Duration{0: 0, 1800: 2 * time.Second, 3200: 4 * time.Second}},
		{"steps", []Stage{{time.Second, 100, false}, {2 * time.Second, 200, false}}, 10, 50, map[int64]time.Duration{10: time.Second, 20: 1500 * time.Millisecond}},
		{"a pause", []Stage{{time.Second, 10, false}, {5 * time.Second, 0, false}, {time.Second, 10, false}}, 1, 20, map[int64]time.Duration{9: 900 * time.Millisecond, 10: 6 * time.Second}},
		{"a late beginning", []Stage{{3 * time.Second, 0, false}, {time.Second, 10, false}}, 1, 10, map[int64]time.Duration{0: 3 * time.Second}},
		{"half a request", []Stage{{time.Second, 150, false}}, 100, 2, map[int64]time.Duration{1: 666_666_667}},
		{"up and down", []Stage{{2 * time.Second, 100, true}, {2 * time.Second, 0, true}}, 1, 200, map[int64]time.Duration{100: 2 * time.Second}},
		{"nothing", []Stage{{time.Second, 0, false}}, 1, 0, nil},
	} {
		s := NewSchedule(c.stages, c.batch)
		if s.Requests() != c.n {
			t.Errorf("%s: %d requests, want %d", c.what, s.Requests(), c.n)
		}
		for i, at := range c.at {
			if got := s.At(i); got != at {
				t.Errorf("%s: request %d is due at %v, want %v", c.what, i, got, at)
			}
		}
	}
}

func TestRate(t *testing.T) {
	s := NewSchedule([]Stage{{10 * time.Second, 100, true}, {5 * time.Second, 100, false}, {5 * time.Second, 40, false}, {4 * time.Second, 0, true}}, 1)
	for at, want := range map[time.Duration]float64{
		-1: 0, 0: 0, 5 * time.Second: 50, 10 * time.Second: 100, 14 * time.Second: 100, 15 * time.Second: 40, 20 * time.Second: 40, 22 * time.Second: 20, 24 * time.Second: 0, time.Hour: 0,
	} {
		if got := s.Rate(at); math.Abs(got-want) > 1e-9 {
			t.Errorf("rate at %v is %v, want %v", at, got, want)
		}
	}
}

func drawStages(t *rapid.T) []Stage {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Stage {
		return Stage{
			Duration: time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(10*time.Minute)).Draw(t, "duration")),
			Rate:     rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(0, 500), rapid.Float64Range(0, 1e6)).Draw(t, "rate"),
			Ramp:     rapid.Bool().Draw(t, "ramp"),
		}
	}), 1, 8).Draw(t, "stages")
}

// integral adds up the rate in small steps, without the formulas of the schedule.
func integral(s *Schedule, stages []Stage, until time.Duration) (events float64) {
	var start time.Duration
	for _, st := range stages {
		end := min(start+st.Duration, until)
		const steps = 200
		for i := range steps {
			// The middle of a step; exact where the rate is a line.
			if width := float64(end-start) / steps; width > 0 {
				events += s.Rate(start+time.Duration((float64(i)+0.5)*width)) * width / 1e9
			}
		}
		start += st.Duration
	}
	return events
}

// TestScheduleOfAnyStages: the count is the integral, times never decrease, and Due is the inverse of At.
func TestScheduleOfAnyStages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stages, batch := drawStages(t), rapid.SampledFrom([]int{1, 10, 100, 777}).Draw(t, "batch")
		s := NewSchedule(stages, batch)
		var end time.Duration
		for _, st := range stages {
			end += st.Duration
		}
		n := s.Requests()
		events := integral(s, stages, end)
		if d := float64(n*int64(batch)) - events; d < -1e-6*events-1e-3 || d > float64(batch)+1e-6*events+1e-3 {
			t.Fatalf("%d requests of %d for %v events", n, batch, events)
		}
		if s.Due(end) != n || s.Due(-1) != 0 || s.At(n) != end {
			t.Fatalf("%d requests, %d due at the end, %d before the beginning; the one after the last is due at %v of %v", n, s.Due(end), s.Due(-1), s.At(n), end)
		}
		if n == 0 {
			return
		}
		for range 20 {
			i := rapid.Int64Range(0, n-1).Draw(t, "i")
			at := s.At(i)
			if at < 0 || at > end || i > 0 && s.At(i-1) > at {
				t.Fatalf("request %d is due at %v, the one before at %v", i, at, s.At(max(i-1, 0)))
			}
			if due := s.Due(at); due <= i || s.At(due-1) != at {
				t.Fatalf("request %d is due at %v, when %d are", i, at, due)
			}
			if at > 0 && s.Due(at-1) > i {
				t.Fatalf("request %d is due at %v, but %d are a nanosecond before", i, at, s.Due(at-1))
			}
			moment := time.Duration(rapid.Int64Range(0, int64(end)).Draw(t, "t"))
			due := s.Due(moment)
			if due > 0 && s.At(due-1) > moment || due < n && s.At(due) <= moment {
				t.Fatalf("at %v %d are due: the last at %v, the next at %v", moment, due, s.At(max(due-1, 0)), s.At(due))
			}
			// Rounding to nanoseconds moves a request by half of one.
			asked := integral(s, stages, at)
			slack := 1e-6*asked + 1e-3 + s.Rate(at)*2e-9
			if want := float64(i * int64(batch)); math.Abs(asked-want) > slack {
				t.Fatalf("request %d of %d events is due at %v, when %v events have been asked for", i, batch, at, asked)
			}
		}
	})
}

func BenchmarkAt(b *testing.B) {
	for _, stages := range []int{1, 100} {
		b.Run(fmt.Sprintf("stages=%d", stages), func(b *testing.B) {
			list := make([]Stage, stages)
			for i := range list {
				list[i] = Stage{time.Second, float64(1000 + i), true}
			}
			s := NewSchedule(list, 10)
			var i int64
			b.ReportAllocs()
			for b.Loop() {
				s.At(i)
				if i++; i == s.Requests() {
					i = 0
				}
			}
		})
	}
}
