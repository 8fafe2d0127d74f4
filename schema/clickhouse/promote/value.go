package promote

import (
	"bytes"
	"math"
	"strconv"
	"unsafe"
)

// Which numbers any version of ClickHouse reads as what they are: integers that fit in 64 bits, with or without a sign, and decimals far from the ends of what a float can hold.
const (
	plainDigits = 18 // so many digits fit in any case
	maxDecimal  = 64 // characters
	maxExponent = 200
)

var (
	largestUnsigned = []byte("18446744073709551615")
	largestNegative = []byte("9223372036854775808")
)

// integral tells whether a JSON number has neither a fraction nor an exponent.
func integral(t []byte) bool {
	for _, c := range t {
		if c == '.' || c|0x20 == 'e' {
			return false
		}
	}
	return true
}

// tame tells whether a JSON number is one of those.
func tame(t []byte) bool {
	if integral(t) {
		if len(t) <= plainDigits {
			return true
		}
		digits, most := t, largestUnsigned
		if t[0] == '-' {
			digits, most = t[1:], largestNegative
		}
		return len(digits) < len(most) || len(digits) == len(most) && bytes.Compare(digits, most) <= 0
	}
	if len(t) > maxDecimal {
		return false
	}
	i := bytes.IndexAny(t, "eE")
	if i < 0 {
		return true
	}
	exponent, err := strconv.Atoi(view(t[i+1:]))
	return err == nil && exponent <= maxExponent && exponent >= -maxExponent
}

// parseNumber reads a JSON number as the nearest float. certain is false for what is not tame.
func parseNumber(t []byte) (f float64, ok, certain bool) {
	if !tame(t) {
		return 0, false, false
	}
	if !integral(t) {
		f, err := strconv.ParseFloat(view(t), 64)
		return f, err == nil, err == nil
	}
	// ClickHouse reads an integer first, so -0 is 0.
	if n, err := strconv.ParseInt(view(t), 10, 64); err == nil {
		return float64(n), true, true
	}
	n, err := strconv.ParseUint(view(t), 10, 64)
	return float64(n), err == nil, err == nil
}

// parseInteger reads a JSON number that is a whole number. certain is false beyond the numbers of which all versions of ClickHouse make the same.
func parseInteger(t []byte) (n int64, ok, certain bool) {
	if integral(t) {
		n, err := strconv.ParseInt(view(t), 10, 64)
		return n, err == nil, err == nil
	}
	f, ok, certain := parseNumber(t)
	switch {
	case !ok, math.Abs(f) >= 1<<53:
		return 0, false, false
	case f != math.Trunc(f):
		return 0, false, true
	}
	return int64(f), true, certain
}

// paired tells whether each surrogate in the text of a JSON string stands for half a character together with its neighbour.
func paired(text []byte) bool {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		if i++; text[i] != 'u' {
			continue
		}
		switch unit(text[i+1:]) {
		case 0xd8, 0xd9, 0xda, 0xdb:
			if len(text) < i+11 || text[i+5] != '\\' || text[i+6] != 'u' || unit(text[i+7:])&^3 != 0xdc {
				return false
			}
			i += 10
		case 0xdc, 0xdd, 0xde, 0xdf:
			return false
		default:
			i += 4
		}
	}
	return true
}

// unit is the upper byte of a code unit in four hexadecimal digits.
func unit(t []byte) (high byte) {
	for _, c := range t[:2] {
		d := c - '0'
		if d > 9 {
			d = c | 0x20 - 'a' + 10
		}
		high = high<<4 | d
	}
	return high
}

// view is b as a string without a copy, for functions of strconv that keep nothing of it, their errors apart, which are dropped at once.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
