package load

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// longest is the longest time that a histogram tells apart; longer ones count as this.
const longest = time.Hour

// newHistogram counts times in microseconds, to three digits.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, longest.Microseconds(), 3)
}

// observe records d, to the nearest microsecond.
func observe(h *hdrhistogram.Histogram, d time.Duration) {
	micros := min(max(d, 0), longest).Round(time.Microsecond).Microseconds()
	if err := h.RecordValue(micros); err != nil {
		panic("BUG: a time out of bounds: " + err.Error())
	}
}

// PercentilesOf reads a histogram of microseconds.
func PercentilesOf(h *hdrhistogram.Histogram) Percentiles {
	if h.TotalCount() == 0 {
		return Percentiles{}
	}
	const micros = 1000. // in a millisecond
	at := h.ValueAtPercentilesSlice([]float64{50, 90, 99, 99.9, 99.99, 100})
	return Percentiles{
		Count: uint64(h.TotalCount()),
		Mean:  h.Mean() / micros,
		P50:   float64(at[0]) / micros,
		P90:   float64(at[1]) / micros,
		P99:   float64(at[2]) / micros,
		P999:  float64(at[3]) / micros,
		P9999: float64(at[4]) / micros,
		Max:   float64(at[5]) / micros,
	}
}

// encode is the V2 compressed form of h in base64, which hdrhistogram.Decode and the plotters of other languages read.
func encode(h *hdrhistogram.Histogram) (string, error) {
	b, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return "", fmt.Errorf("encode histogram: %w", err)
	}
	return string(b), nil
}
