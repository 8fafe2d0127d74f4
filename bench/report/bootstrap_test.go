package report

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/millrace/millrace/bench/load"
)

// wandering makes a series around a mean in which each value keeps part of what the one before was off by.
func wandering(rng *rand.Rand, n int, mean, noise, keep float64) []float64 {
	values := make([]float64, n)
	off := noise / math.Sqrt(1-keep*keep) * rng.NormFloat64()
	for i := range values {
		off = keep*off + noise*rng.NormFloat64()
		values[i] = mean * (1 + off)
	}
	return values
}

func mean(values []float64) statistics {
	return func(blocks []block, out []float64) []float64 {
		var sum float64
		n := 0
		for _, b := range blocks {
			for _, v := range values[b.from:b.to] {
				sum += v
				n++
			}
		}
		return append(out, sum/float64(n))
	}
}

// TestCoverage simulates pairs of runs that differ by a known change, and counts how often the interval of confidence contains it: it should be 95 of 100. Block
// bootstraps fall somewhat short on series that keep much of the past, and so may this.
func TestCoverage(t *testing.T) {
	const runs, truth = 400, 1.03
	for _, c := range []struct {
		n           int
		keep        float64
		paired      bool
		least, most float64
	}{
		{60, 0, true, 0.90, 0.985},
		{300, 0, false, 0.92, 0.985},
		{300, 0.5, true, 0.90, 0.985},
		{300, 0.8, false, 0.86, 0.985},
	} {
		rng := rand.New(rand.NewPCG(uint64(c.n), math.Float64bits(c.keep)))
		within := 0
		for range runs {
			a, b := mean(wandering(rng, c.n, 100, 0.05, c.keep)), mean(wandering(rng, c.n, 100*truth, 0.05, c.keep))
			s := resample(c.n, c.n, c.paired, a, b, []bool{false}, 300)
			low, high, ok := s.bounds(0, change(a(all(c.n), nil)[0], b(all(c.n), nil)[0], false))
			if !ok {
				t.Fatal("no bounds")
			}
			if low <= math.Log(truth) && math.Log(truth) <= high {
				within++
			}
		}
		got := float64(within) / runs
		t.Logf("%d intervals, %v kept: %.3f", c.n, c.keep, got)
		if got < c.least || got > c.most {
			t.Errorf("%d intervals, %v kept, paired %v: %.3f of the intervals hold the true change, want %v to %v", c.n, c.keep, c.paired, got, c.least, c.most)
		}
	}
}

// TestPairing: what the schedule does to both runs alike must not hide a change.
func TestPairing(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	a, b := wandering(rng, 100, 1, 0.01, 0), wandering(rng, 100, 1.05, 0.01, 0)
	for i := range 20 { // a spike in both
		a[40+i] *= 10
		b[40+i] *= 10
	}
	width := func(paired bool) float64 {
		low, high, _ := resample(100, 100, paired, mean(a), mean(b), []bool{false}, 500).bounds(0, 0)
		return high - low
	}
	if with, without := width(true), width(false); with > 0.05 || without < 5*with {
		t.Errorf("width %v paired, %v not", with, without)
	}
}

func TestStudent(t *testing.T) {
	for degrees, want := range map[float64]float64{3: 3.182, 9: 2.262, 29: 2.045, 1e6: 1.960} {
		if got := student(degrees); math.Abs(got/want-1) > 0.01 {
			t.Errorf("%v degrees of freedom: %v, want %v", degrees, got, want)
		}
	}
}

func TestDraw(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	seen := make([]int, 50)
	for range 1000 {
		total := 0
		blocks := draw(rng, nil, 50)
		for i, b := range blocks {
			if length := b.to - b.from; length < 1 || length > blockLength(50) || length < blockLength(50) && i < len(blocks)-1 {
				t.Fatalf("%v is not made of blocks of %d", blocks, blockLength(50))
			}
			for at := b.from; at < b.to; at++ {
				seen[at]++
				total++
			}
		}
		if total != 50 {
			t.Fatalf("%v: %d intervals", blocks, total)
		}
	}
	if slices.Min(seen) == 0 {
		t.Errorf("some intervals are never drawn: %v", seen)
	}
	for _, n := range []int{1, 2, 3} {
		if blocks := draw(rng, nil, n); blocks[len(blocks)-1].to > n {
			t.Errorf("%v of %d intervals", blocks, n)
		}
	}
}

// TestPool: percentiles of intervals put together are near those of all times.
func TestPool(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	whole := hdrhistogram.New(1, 60_000_000, 3)
	var parts []*load.Percentiles
	for i := range 60 {
		part := hdrhistogram.New(1, 60_000_000, 3)
		scale := 1000.0
		if i >= 50 {
			scale = 20_000 // a bad time
		}
		for range 2000 {
			if err := part.RecordValue(int64(scale * math.Exp(0.5*rng.NormFloat64()))); err != nil {
				t.Fatal(err)
			}
		}
		whole.Merge(part)
		p := percentiles(part)
		parts = append(parts, &p)
	}
	parts = append(parts, &load.Percentiles{}) // nothing was answered
	shares := []float64{0.5, 0.9, 0.99, 0.999}
	for _, group := range []int{1, 7} {
		got := newPool(parts, group).quantiles(all(units(len(parts), group)), shares, nil)
		for i, share := range shares {
			want := float64(whole.ValueAtPercentile(100*share)) / 1000
			if math.Abs(got[i]/want-1) > 0.12 {
				t.Errorf("groups of %d: %v of the times are below %v ms, want %v ms", group, share, got[i], want)
			}
		}
	}
	// All times alike, and less than the histograms resolve.
	same := []*load.Percentiles{{Count: 10, P50: 2, P90: 2, P99: 2, P999: 2, P9999: 2, Max: 2}}
	if got := newPool(same, 1).quantiles(all(1), []float64{0.5, 1}, nil); math.Abs(got[0]-2) > 0.05 || math.Abs(got[1]-2) > 0.05 {
		t.Errorf("%v, want 2 ms", got)
	}
	if got := newPool([]*load.Percentiles{{Count: 10}}, 1).quantiles(all(1), []float64{0.5}, nil); math.Abs(got[0]-0.001) > 0.0001 {
		t.Errorf("%v, want a microsecond", got)
	}
	if newPool([]*load.Percentiles{{}, {}}, 1) != nil {
		t.Error("a pool of nothing")
	}
}

func TestPercentileOfValues(t *testing.T) {
	values := []float64{5, 1, 4, 2, 3, 5, 5, 9, 7, 8}
	for share, want := range map[float64]float64{0.1: 1, 0.5: 5, 0.9: 8, 0.91: 9, 1: 9} {
		if got := percentile(values, share)(all(len(values)), nil); got[0] != want {
			t.Errorf("%v: %v, want %v", share, got[0], want)
		}
	}
	if got := percentile(values, 0.5)([]block{{1, 2}, {1, 2}, {0, 2}}, nil); got[0] != 1 {
		t.Errorf("%v of drawn values, want 1", got[0])
	}
}
