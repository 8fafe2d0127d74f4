package load

import (
	"bufio"
	"context"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/millrace/millrace/bench/scenario"
)

// timed lets the lab's connections end in the test's bubble of time, at a server that takes no time but what delay says of a request that comes at that
// time of the run. A negative delay is no answer at all.
func (l *lab) timed(delay func(at time.Duration) time.Duration) {
	l.adjust = func(r *Runner) {
		r.target.dial = func(context.Context, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() {
				defer func() { _ = theirs.Close() }()
				in := bufio.NewReader(theirs)
				for {
					req, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					if _, err := io.Copy(io.Discard, req.Body); err != nil {
						return
					}
					if d := delay(r.now()); d < 0 {
						_, _ = in.ReadByte() // until the other side gives up
						return
					} else if d > 0 {
						<-time.After(d)
					}
					if _, err := io.WriteString(theirs, accepted); err != nil {
						return
					}
				}
			}()
			return ours, nil
		}
	}
}

// atLeast counts the values of an encoded histogram from d on.
func atLeast(t *testing.T, encoded string, d time.Duration) (n int64) {
	t.Helper()
	h, err := hdrhistogram.Decode([]byte(encoded))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range h.Distribution() {
		if b.From >= d.Microseconds() {
			n += b.Count
		}
	}
	return n
}

// stall is a server that stands still once.
func stall(from, length time.Duration) func(time.Duration) time.Duration {
	return func(at time.Duration) time.Duration {
		if from <= at && at < from+length {
			return from + length - at
		}
		return 0
	}
}

// TestNothingIsOmitted: a server that stalls for 300 ms at 1,000 requests per second delays the 300 requests that were due meanwhile, although it only ever saw as many
// of them late as there are connections.
func TestNothingIsOmitted(t *testing.T) {
	l := newLab(t, func(s *scenario.Scenario) { s.Load.Stages[0].Duration = time.Second })
	synctest.Test(t, func(t *testing.T) {
		l.every = 100 * time.Millisecond
		l.timed(stall(500*time.Millisecond, 300*time.Millisecond))
		s := l.mustRun(t, "http://target")
		// Due at 500, 501, … 799 ms and answered at 800 ms: 300, 299, … 1 ms.
		for _, c := range []struct {
			from            time.Duration
			latent, service int64
		}{{249_500 * time.Microsecond, 51, 4}, {99_500 * time.Microsecond, 201, 4}, {9_500 * time.Microsecond, 291, 4}, {500 * time.Microsecond, 300, 4}, {0, 1000, 1000}} {
			if latent, service := atLeast(t, s.LatencyHDR, c.from), atLeast(t, s.ServiceHDR, c.from); latent != c.latent || service != c.service {
				t.Errorf("%d latencies and %d service times of %v or more, want %d and %d", latent, service, c.from, c.latent, c.service)
			}
		}
		// All but the four that were under way left late, those less than 10 ms before the end not by enough to count.
		if s.Counts.Late != 300-4-10 || s.Counts.Dropped != 0 || s.Counts.Accepted != 5000 || s.Seconds != 1 {
			t.Errorf("%+v in %v s", s.Counts, s.Seconds)
		}
		// The rate asked for does not fall when the server does not keep up.
		if len(l.intervals) != 10 {
			t.Fatalf("%d intervals", len(l.intervals))
		}
		for n, i := range l.intervals {
			want := uint64(500)
			switch n {
			case 0:
				want += 5 // one request is due at 0 and one at 100 ms
			case 9:
				want -= 5
			}
			if i.Counts.Scheduled != want || math.Abs(i.At-float64(n+1)/10) > 1e-9 || math.Abs(i.Seconds-0.1) > 1e-9 {
				t.Errorf("interval %d: %+v, want %d events asked for", n, i, want)
			}
			if (n == 5 || n == 6) && i.Counts.Accepted > 5 { // what is answered in the moment of a tick may be in either interval
				t.Errorf("interval %d: %d events accepted", n, i.Counts.Accepted)
			}
		}
	})
}

// TestStallOfRealServer is TestNothingIsOmitted by the clock on the wall.
func TestStallOfRealServer(t *testing.T) {
	l := newLab(t, func(s *scenario.Scenario) { s.Load.Stages[0].Duration = 600 * time.Millisecond })
	var n, stalls atomic.Int64
	var gate sync.RWMutex
	target := newServer(t, func(w http.ResponseWriter, r *request) {
		if n.Add(1) == 100 {
			gate.Lock()
			<-time.After(300 * time.Millisecond)
			stalls.Add(1)
			gate.Unlock()
		}
		gate.RLock()
		defer gate.RUnlock()
		accept(w, r)
	})
	s := l.mustRun(t, target.URL)
	// A busy machine may only add to them.
	latent, service := atLeast(t, s.LatencyHDR, 100*time.Millisecond), atLeast(t, s.ServiceHDR, 100*time.Millisecond)
	if stalls.Load() != 1 || latent < 180 || service < 1 || s.Counts.Accepted != 3000 {
		t.Fatalf("%d stalls: %d latencies and %d service times of 100 ms or more; %+v", stalls.Load(), latent, service, s.Counts)
	}
}

// TestDrops compares a server that is too slow with what follows from its slowness.
func TestDrops(t *testing.T) {
	const service = 100 * time.Millisecond
	l := newLab(t, func(s *scenario.Scenario) {
		s.Load.Connections, s.Load.DropAfter, s.Load.LateAfter = 1, 250*time.Millisecond, 30*time.Millisecond
		s.Load.Stages = []scenario.Stage{{Duration: time.Second, Rate: 500}} // a request every 10 ms
	})
	synctest.Test(t, func(t *testing.T) {
		l.timed(func(time.Duration) time.Duration { return service })
		s := l.mustRun(t, "http://target")
		want := Counts{Scheduled: 500, BytesSent: s.Counts.BytesSent}
		var free, last time.Duration
		for i := range 100 {
			due := time.Duration(i) * 10 * time.Millisecond
			sent := max(free, due)
			if sent-due > l.scenario.Load.DropAfter {
				want.Dropped++
				continue
			}
			if sent-due > l.scenario.Load.LateAfter {
				want.Late++
			}
			want.Requests++
			want.Sent += 5
			want.Accepted += 5
			free, last = sent+service, sent
		}
		if s.Counts != want || want.Dropped == 0 || want.Late == 0 || s.Seconds != last.Seconds() {
			t.Fatalf("%+v in %v s, want %+v in %v", s.Counts, s.Seconds, want, last.Seconds())
		}
	})
}

// TestAbortCutsOff: requests that are not answered within the grace are cut off.
func TestAbortCutsOff(t *testing.T) {
	l := newLab(t, func(s *scenario.Scenario) { s.Load.Stages[0].Duration = time.Hour })
	synctest.Test(t, func(t *testing.T) {
		l.timed(func(at time.Duration) time.Duration {
			if at >= 300*time.Millisecond {
				return -1
			}
			return 0
		})
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		s, err := l.run(ctx, "http://target")
		if err != nil {
			t.Fatal(err)
		}
		l.check(t, s)
		if took := time.Since(s.Started); took != 500*time.Millisecond+grace {
			t.Errorf("the run took %v", took)
		}
		c := s.Counts
		if !s.Aborted || s.ErrorKinds[kindAborted] != 4 || c.Errors != 4 || c.Unknown != 20 || c.Accepted != 1500 || c.Scheduled != 2505 || s.Seconds != 0.5 {
			t.Errorf("%+v in %v s, kinds %v", c, s.Seconds, s.ErrorKinds)
		}
	})
}

// TestBackOff: after failures in a row the pauses grow to a second; an answer begins anew.
func TestBackOff(t *testing.T) {
	l := newLab(t, func(s *scenario.Scenario) {
		s.Load.Mode, s.Load.Connections = scenario.Saturate, 1
		s.Load.Stages = []scenario.Stage{{Duration: 6 * time.Second}}
	})
	synctest.Test(t, func(t *testing.T) {
		l.timed(func(time.Duration) time.Duration { return -1 })
		adjust := l.adjust
		var dials []time.Duration
		l.adjust = func(r *Runner) {
			adjust(r)
			r.target.timeout = 100 * time.Millisecond
			dial := r.target.dial
			r.target.dial = func(ctx context.Context, address string) (net.Conn, error) {
				if r.begin.IsZero() { // before the run
					return dial(ctx, address)
				}
				dials = append(dials, r.now())
				return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
			}
		}
		s := l.mustRun(t, "http://target")
		var want []time.Duration
		for at, pause := 100*time.Millisecond, firstPause; at+pause < 6*time.Second; pause = min(2*pause, lastPause) {
			at += pause
			want = append(want, at)
		}
		if !slices.Equal(dials, want) || s.ErrorKinds[kindRefused] != uint64(len(want)) || s.ErrorKinds[kindTimeout] != 1 || s.Counts.Sent != 5 {
			t.Fatalf("connecting at %v, want %v; %+v, kinds %v", dials, want, s.Counts, s.ErrorKinds)
		}
	})
}

// TestQuietEnd: a last stage that asks for nothing belongs to the run.
func TestQuietEnd(t *testing.T) {
	l := newLab(t, func(s *scenario.Scenario) {
		s.Load.Stages = append(s.Load.Stages, scenario.Stage{Duration: 3 * time.Second})
	})
	synctest.Test(t, func(t *testing.T) {
		l.every = time.Second
		l.timed(func(time.Duration) time.Duration { return time.Millisecond })
		s := l.mustRun(t, "http://target")
		var ends []float64
		for _, i := range l.intervals {
			ends = append(ends, i.At)
		}
		if s.Seconds != 3.2 || s.Aborted || s.Counts.Accepted != 1000 || !slices.Equal(ends, []float64{1, 2, 3}) && !slices.Equal(ends, []float64{1, 2, 3, 3.2}) {
			t.Fatalf("%+v in %v s, intervals end at %v", s.Counts, s.Seconds, ends)
		}
	})
}

// TestSlowTick: who listens too long makes an interval longer, and nothing is lost.
func TestSlowTick(t *testing.T) {
	l := newLab(t, func(s *scenario.Scenario) {
		s.Load.Stages[0].Duration, s.Load.Warmup = time.Second, 250*time.Millisecond
	})
	synctest.Test(t, func(t *testing.T) {
		l.timed(func(time.Duration) time.Duration { return 0 })
		adjust := l.adjust
		l.every = 100 * time.Millisecond
		l.adjust = func(r *Runner) {
			adjust(r)
			tick := r.options.Tick
			r.options.Tick = func(i Interval) {
				tick(i)
				if len(l.intervals) == 2 {
					<-time.After(330 * time.Millisecond)
				}
			}
		}
		s := l.mustRun(t, "http://target")
		var ends []time.Duration
		for _, i := range l.intervals {
			ends = append(ends, time.Duration(math.Round(i.At*1e3))*time.Millisecond)
		}
		want := []time.Duration{100, 200, 250, 530, 600, 700, 800, 900, 1000}
		for i := range want {
			want[i] *= time.Millisecond
		}
		if !slices.Equal(ends, want) || s.Counts.Accepted != 3750 || s.Counts.Scheduled != 3750 || s.Seconds != 0.75 {
			t.Fatalf("intervals end at %v, want %v; %+v in %v s", ends, want, s.Counts, s.Seconds)
		}
	})
}
