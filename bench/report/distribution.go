package report

import (
	"fmt"
	"math"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// distribution is a histogram as a curve of percentiles: x is 1/(1−share), so that 10 stands for the 90th percentile, 100 for the 99th, 1000 for the 99.9th.
type distribution struct{ x, ms []float64 }

// pointsPerDecade is how fine the curve is.
const pointsPerDecade = 24

// decodeDistribution reads what load.Summary holds: microseconds, HdrHistogram V2 compressed, base64. It goes up to the largest value.
func decodeDistribution(encoded string) (*distribution, error) {
	if encoded == "" {
		return nil, nil
	}
	h, err := hdrhistogram.Decode([]byte(encoded))
	if err != nil {
		return nil, fmt.Errorf("decode histogram: %w", err)
	}
	n := h.TotalCount()
	if n == 0 {
		return nil, nil
	}
	d := &distribution{}
	for i := 0; ; i++ {
		x := math.Pow(10, float64(i)/pointsPerDecade)
		if x > float64(n) {
			break
		}
		d.add(x, h.ValueAtPercentile(100*(1-1/x)))
	}
	d.add(float64(n), h.Max())
	return d, nil
}

func (d *distribution) add(x float64, micros int64) {
	if n := len(d.x); n > 0 && d.x[n-1] >= x {
		d.ms[n-1] = float64(micros) / 1000
		return
	}
	d.x, d.ms = append(d.x, x), append(d.ms, float64(micros)/1000)
}

// at returns the curve's value at each x, NaN where it has none: two curves share one axis.
func (d *distribution) over(x []float64) []float64 {
	values := make([]float64, len(x))
	known := make(map[float64]float64, len(d.x))
	for i, v := range d.x {
		known[v] = d.ms[i]
	}
	for i, v := range x {
		ms, ok := known[v]
		if !ok {
			ms = math.NaN()
		}
		values[i] = ms
	}
	return values
}
