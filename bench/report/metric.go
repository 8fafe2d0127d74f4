package report

import (
	"math"
	"slices"
)

// Metric is one figure of both runs.
type Metric struct {
	Name           string   `json:"name"`
	Unit           string   `json:"unit"`
	A              float64  `json:"a"`
	B              float64  `json:"b"`
	Points         bool     `json:"points,omitempty"` // the change is B−A in percentage points, else in percent of A
	Change         *float64 `json:"change"`           // nil when A is 0
	Low            *float64 `json:"low"`              // of the interval of confidence; nil: see Why
	High           *float64 `json:"high"`
	Verdict        Verdict  `json:"verdict"`
	Why            string   `json:"why,omitempty"` // there is no interval
	HigherIsBetter bool     `json:"higher_is_better,omitempty"`
}

// Verdict is what may be said of a change.
type Verdict string

// The verdicts.
const (
	NoDifference Verdict = "no difference shown" // the interval of confidence contains 0
	Higher       Verdict = "higher"              // B than A
	Lower        Verdict = "lower"
	Unknown      Verdict = "unknown" // there is no interval
)

// Better tells whether B is shown to be better than A, Worse whether it is shown to be worse.
func (m *Metric) Better() bool {
	return m.Verdict == Higher && m.HigherIsBetter || m.Verdict == Lower && !m.HigherIsBetter
}

// Worse is the opposite of Better; with no difference shown neither holds.
func (m *Metric) Worse() bool {
	return m.Verdict == Higher && !m.HigherIsBetter || m.Verdict == Lower && m.HigherIsBetter
}

// judge fills in the change and what may be said of it. s holds how it varies, unless whyNot says that this is not known.
func (m *Metric) judge(s spread, k int, whyNot string) {
	m.Verdict = Unknown
	c := change(m.A, m.B, m.Points)
	if math.IsNaN(c) || math.IsInf(c, 0) {
		m.Why = "one of the figures is 0"
		return
	}
	m.Change = m.shown(c)
	if whyNot != "" {
		m.Why = whyNot
		return
	}
	low, high, ok := s.bounds(k, c)
	if !ok {
		m.Why = "too little happened to tell"
		return
	}
	m.Low, m.High = m.shown(low), m.shown(high)
	switch {
	case low > 0:
		m.Verdict = Higher
	case high < 0:
		m.Verdict = Lower
	default:
		m.Verdict = NoDifference
	}
}

// shown turns a change as it is reckoned with into what is reported: percent of A, or percentage points.
func (m *Metric) shown(c float64) *float64 {
	if !m.Points {
		c = 100 * math.Expm1(c)
	}
	return &c
}

// percentile is the statistic of a percentile of single values. It counts ranks, because sorting each resample of a long run would take minutes.
func percentile(values []float64, share float64) statistics {
	sorted := slices.Compact(slices.Sorted(slices.Values(values)))
	ranks := make([]int, len(values))
	for i, v := range values {
		ranks[i], _ = slices.BinarySearch(sorted, v)
	}
	counts := make([]int, len(sorted))
	return func(blocks []block, out []float64) []float64 {
		clear(counts)
		drawn := 0
		for _, b := range blocks {
			drawn += b.to - b.from
			for _, rank := range ranks[b.from:b.to] {
				counts[rank]++
			}
		}
		missing := int(math.Ceil(share * float64(drawn)))
		for rank, n := range counts {
			if missing -= n; missing <= 0 {
				return append(out, sorted[rank])
			}
		}
		return append(out, math.NaN()) // nothing was drawn
	}
}
