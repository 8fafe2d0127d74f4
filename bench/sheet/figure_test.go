package sheet

import (
	"math"
	"testing"
)

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   Spread
	}{{nil, Spread{}}, {[]float64{3}, Spread{3, 3, 3}}, {[]float64{9, 1}, Spread{5, 1, 9}}, {[]float64{4, 1, 2}, Spread{2, 1, 4}}, {[]float64{4, 1, 2, 3}, Spread{2.5, 1, 4}}} {
		if got := Of(c.values); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.values, got, c.want)
		}
		if got := By(c.values, func(v *float64) float64 { return 2 * *v }); got != (Spread{2 * c.want.Median, 2 * c.want.Min, 2 * c.want.Max}) {
			t.Errorf("twice %v: %+v", c.values, got)
		}
	}
}

func TestFigures(t *testing.T) {
	for v, want := range map[float64]string{0: "0.00", 0.123: "0.12", 1.234: "1.23", 12.34: "12.3", -12.34: "-12.3", 123.4: "123", math.Pi * 1000: "3142"} {
		if got := Digits(v); got != want {
			t.Errorf("Digits(%v) = %q, want %q", v, got, want)
		}
	}
	for v, want := range map[float64]string{0: "0", 12: "12", 999.6: "1,000", 1234567: "1,234,567"} {
		if got := Thousands(v); got != want {
			t.Errorf("Thousands(%v) = %q, want %q", v, got, want)
		}
	}
}
