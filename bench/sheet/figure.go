package sheet

import (
	"math"
	"slices"
	"strconv"
)

// Spread is what several runs gave.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// Of is the spread of values; of nothing it is zero. The median of an even number is the mean of the two in the middle.
func Of(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	v := slices.Sorted(slices.Values(values))
	return Spread{Median: (v[(len(v)-1)/2] + v[len(v)/2]) / 2, Min: v[0], Max: v[len(v)-1]}
}

// By is the spread of a value of each of all.
func By[T any](all []T, value func(*T) float64) Spread {
	values := make([]float64, len(all))
	for i := range all {
		values[i] = value(&all[i])
	}
	return Of(values)
}

// Digits writes a value with about three that mean something.
func Digits(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// Thousands writes a count, not below zero, with commas.
func Thousands(v float64) string {
	text := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
