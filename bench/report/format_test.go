package report

import (
	"math"
	"testing"
)

func TestFormat(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{count(0), "0"},
		{count(999), "999"},
		{count(1000), "1,000"},
		{count(math.MaxUint64), "18,446,744,073,709,551,615"},
		{decimal(0), "0"},
		{decimal(0.00123), "0.0012"},
		{decimal(0.0999), "0.10"},
		{decimal(0.5), "0.50"},
		{decimal(9.99), "9.99"},
		{decimal(9.996), "10.0"},
		{decimal(42), "42"},
		{decimal(42.25), "42.2"},
		{decimal(99.96), "100"},
		{decimal(1234567.8), "1,234,568"},
		{decimal(-1234.5), "−1,234"},
		{decimal(1e21), "1e+21"},
		{decimal(math.NaN()), "–"},
		{decimal(math.Inf(1)), "–"},
		{millis(0.25), "0.25 ms"},
		{millis(999.4), "999 ms"},
		{millis(999.6), "1.00 s"},
		{millis(61_000), "61 s"},
		{millis(math.NaN()), "–"},
		{micros(2.5), "2.50 µs"},
		{seconds(0), "0 s"},
		{seconds(59.96), "60.0 s"},
		{seconds(119.7), "2 min 00 s"},
		{seconds(3725), "1 h 02 min 05 s"},
		{percent(0.001), "0.10 %"},
		{percent(1), "100 %"},
		{size(0), "0 B"},
		{size(1536), "1.50 KiB"},
		{size(64 << 20), "64 MiB"},
		{size(3 << 40), "3 TiB"},
		{plural(1, "event"), "1 event"},
		{plural(0, "event"), "0 events"},
		{signedPercent(0.01, "%"), "0.0 %"},
		{signedPercent(-3.26, "%"), "−3.3 %"},
		{signedPercent(10, "pp"), "+10.0 pp"},
		{signedPercent(math.NaN(), "%"), "–"},
		{figure(2.5), "2.500"},
		{figure(25.125), "25.12"},
		{figure(2500), "2,500"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
