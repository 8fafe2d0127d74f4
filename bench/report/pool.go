package report

import (
	"math"
	"slices"
	"sort"

	"github.com/millrace/millrace/bench/load"
)

// pool finds percentiles of many intervals together. Of each interval only some percentiles are known; between them the times are taken as spread evenly on a
// logarithmic scale. That is good enough for how percentiles vary; the percentiles of a whole run come from its histogram.
type pool struct {
	low float64 // ln of the lower end of the first bin
	// upTo holds, for each row and bin, how many times of the rows before lie in the bin; so a block of rows is the difference of two.
	upTo [][]float64
	sum  []float64 // scratch
}

// binWidth is the width of a bin as a ratio.
const binWidth = 0.02

// known are the percentiles of an interval as shares.
var known = []float64{0, 0.5, 0.9, 0.99, 0.999, 0.9999, 1}

// newPool puts so many neighbouring intervals together into each row. It returns nil when no interval has any times.
func newPool(of []*load.Percentiles, group int) *pool {
	times := make([][]float64, len(of))
	p := &pool{low: math.Inf(1)}
	high := math.Inf(-1)
	for i, q := range of {
		if q.Count > 0 {
			times[i] = logTimes(q)
			p.low, high = min(p.low, times[i][0]), max(high, times[i][len(known)-1])
		}
	}
	if math.IsInf(high, -1) {
		return nil
	}
	p.sum = make([]float64, int((high-p.low)/binWidth)+1)
	row := make([]float64, len(p.sum))
	p.upTo = append(p.upTo, slices.Clone(row))
	for i, q := range of {
		for k := 1; k < len(known) && times[i] != nil; k++ {
			p.spread(row, times[i][k-1], times[i][k], (known[k]-known[k-1])*float64(q.Count))
		}
		if (i+1)%group == 0 || i+1 == len(of) {
			p.upTo = append(p.upTo, slices.Clone(row))
		}
	}
	return p
}

// logTimes returns the logarithms of an interval's percentiles, never falling. The least time is not known: it is put as far below the median as the 90th percentile is above.
func logTimes(q *load.Percentiles) []float64 {
	const least = 1e-3 // ms: a microsecond is what the histograms resolve
	v := []float64{0, q.P50, q.P90, q.P99, q.P999, q.P9999, q.Max}
	for k := range v {
		v[k] = math.Log(max(v[k], least))
	}
	v[0] = max(2*v[1]-v[2], math.Log(least))
	v[0] = min(v[0], v[1])
	for k := 1; k < len(v); k++ {
		v[k] = max(v[k], v[k-1])
	}
	return v
}

// spread puts n times evenly between two logarithms.
func (p *pool) spread(row []float64, from, to, n float64) {
	a, b := (from-p.low)/binWidth, (to-p.low)/binWidth
	if b-a < 1e-9 {
		row[int(b)] += n
		return
	}
	for bin := int(a); bin <= int(b); bin++ {
		part := min(b, float64(bin+1)) - max(a, float64(bin))
		row[bin] += n * part / (b - a)
	}
}

// quantiles appends the times below which the shares of all times in the blocks of rows lie.
func (p *pool) quantiles(blocks []block, shares, out []float64) []float64 {
	clear(p.sum)
	for _, b := range blocks {
		from, to := p.upTo[b.from], p.upTo[b.to]
		for k := range p.sum {
			p.sum[k] += to[k] - from[k]
		}
	}
	var total float64
	for i, n := range p.sum {
		total += n
		p.sum[i] = total
	}
	for _, share := range shares {
		want := share * total
		bin := min(sort.SearchFloat64s(p.sum, want), len(p.sum)-1)
		below := 0.0
		if bin > 0 {
			below = p.sum[bin-1]
		}
		part := 0.5
		if n := p.sum[bin] - below; n > 0 {
			part = (want - below) / n
		}
		out = append(out, math.Exp(p.low+(float64(bin)+part)*binWidth))
	}
	return out
}
