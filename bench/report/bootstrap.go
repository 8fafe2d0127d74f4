package report

import (
	"math"
	"math/rand/v2"
	"slices"
)

// The moving-block bootstrap for time series: H. R. Künsch, "The Jackknife and the Bootstrap for General Stationary Observations", Annals of Statistics 17(3), 1989,
// 1217–1241. A resample is put together from blocks of neighbouring intervals, drawn with replacement at any offset, so that what one interval has to do with the
// next (a queue that empties, a merge that takes two seconds) stays in it; resampling single intervals would take such seconds for independent and promise too much.
const (
	resamples    = 2000
	minIntervals = 20
	// seed makes the same two results give the same intervals of confidence.
	seed1, seed2 = 0x6d696c6c72616365, 0x64696666
)

// blockLength grows with the third root of the length, the order at which the error of the estimated variance is least (Hall, Horowitz, Jing, Biometrika 82(3), 1995).
func blockLength(n int) int { return min(n, int(math.Round(2*math.Cbrt(float64(n))))) }

// block is a range of neighbouring intervals, to excluded.
type block struct{ from, to int }

// statistics computes figures from the intervals in the blocks, which may overlap. It appends to out.
type statistics func(blocks []block, out []float64) []float64

// change says how b's figure differs from a's: as the logarithm of the ratio, or, when absolute, as the difference.
func change(a, b float64, absolute bool) float64 {
	if absolute {
		return b - a
	}
	return math.Log(b / a)
}

// spread holds the resampled changes of each figure less the change of what was resampled from.
type spread [][]float64

// resample draws blocks from two series of n and m intervals. Paired series took place on the same schedule and have the same length: the same blocks are drawn from
// both, so that what the schedule does to both alike cancels out.
func resample(n, m int, paired bool, a, b statistics, absolute []bool, times int) spread {
	rng := rand.New(rand.NewPCG(seed1, seed2))
	fromA, fromB := a(all(n), nil), b(all(m), nil)
	s := make(spread, len(absolute))
	var blocksA, blocksB []block
	var outA, outB []float64
	for range times {
		blocksA = draw(rng, blocksA[:0], n)
		if paired {
			blocksB = append(blocksB[:0], blocksA...)
		} else {
			blocksB = draw(rng, blocksB[:0], m)
		}
		outA, outB = a(blocksA, outA[:0]), b(blocksB, outB[:0])
		for k := range s {
			s[k] = append(s[k], change(outA[k], outB[k], absolute[k])-change(fromA[k], fromB[k], absolute[k]))
		}
	}
	widen := widening(min(n, m))
	for k := range s {
		for i := range s[k] {
			s[k][i] *= widen
		}
	}
	return s
}

// widening makes up for what few blocks leave out: the variance within a block's length, and that so few blocks estimate the rest, as Student's distribution does for as many
// values. Without it the intervals of runs of a minute hold the truth nine times in ten, not nineteen in twenty.
func widening(n int) float64 {
	length := float64(blockLength(n))
	blocks := float64(n) / length
	if blocks < 2 {
		return math.Inf(1)
	}
	return student(blocks-1) / z * math.Sqrt(1/(1-1/blocks))
}

// z is the 97.5th percentile of the normal distribution.
const z = 1.959964

// student is the 97.5th percentile of Student's distribution, by the expansion of Cornish and Fisher (Abramowitz and Stegun 26.7.5); below 1 % off from three degrees on.
func student(degrees float64) float64 {
	z3, z5, z7 := math.Pow(z, 3), math.Pow(z, 5), math.Pow(z, 7)
	return z + (z3+z)/(4*degrees) + (5*z5+16*z3+3*z)/(96*degrees*degrees) + (3*z7+19*z5+17*z3-15*z)/(384*math.Pow(degrees, 3))
}

// all is the series as it was.
func all(n int) []block { return []block{{0, n}} }

// draw appends blocks of n intervals together; the last one is cut.
func draw(rng *rand.Rand, blocks []block, n int) []block {
	length := blockLength(n)
	for missing := n; missing > 0; missing -= length {
		from := rng.IntN(n - length + 1)
		blocks = append(blocks, block{from, from + min(length, missing)})
	}
	return blocks
}

// bounds returns the interval of confidence of 95 % around a measured change, false when some resample had no change to speak of.
func (s spread) bounds(k int, around float64) (low, high float64, ok bool) {
	d := slices.Clone(s[k])
	for _, v := range d {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return 0, 0, false
		}
	}
	slices.Sort(d)
	at := func(share float64) float64 { return d[int(math.Round(share*float64(len(d)-1)))] }
	// The errors of the measured change are as those of the resampled ones, so the upper error gives the lower bound.
	return around - at(0.975), around - at(0.025), true
}
