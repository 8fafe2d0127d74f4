package report

import (
	"fmt"
	"math"
	"strconv"

	"github.com/millrace/millrace/bench/ledger"
)

// count writes a number with its thousands apart.
func count(n uint64) string { return ledger.Grouped(n) }

// plural writes a number and what it is of.
func plural(n uint64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + one + "s"
}

func group(digits string) string {
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// none stands for a number that is not known.
const none = "–"

// decimal writes three or more significant digits, thousands apart.
func decimal(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return none
	case v < 0:
		return "−" + decimal(-v)
	case a < 1e15 && a == math.Trunc(a):
		return group(strconv.FormatFloat(v, 'f', 0, 64))
	case a >= 1e15:
		return strconv.FormatFloat(v, 'g', 4, 64)
	case a >= 99.95:
		return group(strconv.FormatFloat(v, 'f', 0, 64))
	case a >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 0.0995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	default:
		return strconv.FormatFloat(v, 'g', 2, 64)
	}
}

// millis writes a time given in milliseconds.
func millis(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return none
	case v >= 999.5:
		return decimal(v/1000) + " s"
	default:
		return decimal(v) + " ms"
	}
}

// micros writes a CPU time per event given in microseconds.
func micros(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return none
	}
	return decimal(v) + " µs"
}

// apart writes a value next to a limit: as text does, but exactly when rounding would hide which is larger.
func apart(value, limit float64, text func(float64) string, unit string) string {
	if value != limit && math.Abs(value-limit) < 0.005*limit {
		return strconv.FormatFloat(value, 'g', -1, 64) + " " + unit
	}
	return text(value)
}

// seconds writes a length of time.
func seconds(v float64) string {
	if v < 119.5 {
		return decimal(v) + " s"
	}
	s := int(math.Round(v))
	if s < 3600 {
		return fmt.Sprintf("%d min %02d s", s/60, s%60)
	}
	return fmt.Sprintf("%d h %02d min %02d s", s/3600, s/60%60, s%60)
}

// percent writes a share of 1.
func percent(share float64) string { return decimal(share*100) + " %" }

// signedPercent writes a change that is given in percent.
func signedPercent(v float64, unit string) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return none
	case math.Abs(v) < 0.05:
		return "0.0 " + unit
	case v < 0:
		return fmt.Sprintf("−%.1f %s", -v, unit)
	default:
		return fmt.Sprintf("+%.1f %s", v, unit)
	}
}

// size writes bytes.
func size(n int64) string {
	v := float64(n)
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if v < 1024 {
			return decimal(v) + " " + unit
		}
		v /= 1024
	}
	return decimal(v) + " TiB"
}
