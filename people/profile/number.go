package profile

import (
	"math"
	"strconv"
)

// maxNumber is the longest text of a number that is kept as it was sent, integers aside: all readers make the same of it.
const maxNumber = 64

func inNumber(c byte) bool { return c-'0' <= 9 || c == '.' || c|0x20 == 'e' || c == '+' || c == '-' }

// integral tells whether a JSON number has neither a fraction nor an exponent.
func integral(t []byte) bool {
	for _, c := range t {
		if c == '.' || c|0x20 == 'e' {
			return false
		}
	}
	return true
}

// appendNumber appends a JSON number as it is when ClickHouse can read it, else the nearest that it can. ok is false when there is none.
func appendNumber(dst, t []byte) (_ []byte, ok bool) {
	if integral(t) {
		if len(t) <= 18 {
			return append(dst, t...), true // as most are
		}
		text := string(t)
		if _, err := strconv.ParseInt(text, 10, 64); err == nil {
			return append(dst, t...), true
		}
		if _, err := strconv.ParseUint(text, 10, 64); err == nil {
			return append(dst, t...), true
		}
	}
	f, err := strconv.ParseFloat(string(t), 64)
	switch {
	case err != nil:
		return dst, false
	case !integral(t) && len(t) <= maxNumber:
		return append(dst, t...), true
	}
	return appendFloat(dst, f), true
}

// appendSum appends the sum of two JSON numbers: of two integers exactly, as far as it fits in 64 bits with a sign, else as floats are added. A sum depends on the texts
// alone, so it is the same whether it was written down in between or not. ok is false when the sum is out of range.
func appendSum(dst, a, b []byte) (_ []byte, ok bool) {
	x, errX := strconv.ParseInt(string(a), 10, 64)
	y, errY := strconv.ParseInt(string(b), 10, 64)
	if errX == nil && errY == nil {
		if sum := x + y; (sum > x) == (y > 0) {
			return strconv.AppendInt(dst, sum, 10), true
		}
	}
	f, errF := strconv.ParseFloat(string(a), 64)
	g, errG := strconv.ParseFloat(string(b), 64)
	if f += g; errF != nil || errG != nil || math.IsInf(f, 0) {
		return dst, false
	}
	return appendFloat(dst, f), true
}

// appendFloat writes a whole number that fits in 64 bits as an integer, with all its digits, and others with as few digits as tell them from their neighbours.
func appendFloat(dst []byte, f float64) []byte {
	switch size := math.Abs(f); {
	case f == math.Trunc(f) && f >= -1<<63 && f < 1<<63:
		return strconv.AppendInt(dst, int64(f), 10)
	case size < 1e-6 || size >= 1<<63:
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}
