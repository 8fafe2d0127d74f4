package sink

import (
	"bytes"

	"github.com/millrace/millrace/schema/scan"
)

// The column revenue is Decimal(18, 4): 18 digits, 4 of them behind the point.
const (
	revenueScale  = 4
	revenueDigits = 18
)

// What a key that is "revenue" must hold: its end as it is, or an escape. The search goes by the first byte, and v is rare where r and e are not.
var (
	revenueNeedle = []byte(`venue"`)
	escapeNeedle  = []byte(`\u`)
)

// mayHaveRevenue tells whether a scan is worth it.
func mayHaveRevenue(properties []byte) bool {
	if bytes.Contains(properties, revenueNeedle) {
		return true
	}
	i := bytes.IndexByte(properties, '\\')
	return i >= 0 && bytes.Contains(properties[i:], escapeNeedle)
}

// revenue picks the amount of an event out of its properties, a JSON object: member "revenue", or "$revenue" when there is none, of the outermost
// level; the last of several, as everywhere. It counts in units of 0.0001, rounded half away from zero. Anything but a number in range is 0: a string
// is text, whatever it looks like.
//
// Most events have none. Then two searches for a few bytes, which run at memory speed, spare the scan.
func (p *revenuePicker) revenue(properties []byte) int64 {
	if !mayHaveRevenue(properties) {
		return 0
	}
	var plain, dollar int64
	var hasPlain bool
	p.s.Reset(properties, len(properties))
	if p.s.Peek() != scan.Object {
		return 0
	}
	p.s.Enter()
	for first := true; ; first = false {
		key, ok := p.s.NextMember(first)
		if !ok {
			break
		}
		name := properties[key.Start:key.End]
		if key.Escaped() {
			p.scratch = scan.AppendUnescaped(p.scratch[:0], name)
			name = p.scratch
		}
		v, ok := p.s.Read()
		if !ok {
			return 0 // not JSON: a forged record; its text is kept as it is
		}
		switch {
		case len(name) == len("revenue") && string(name) == "revenue":
			plain, hasPlain = amount(properties, v), true
		case len(name) == len("$revenue") && string(name) == "$revenue":
			dollar = amount(properties, v)
		}
	}
	if p.s.Err() != nil {
		return 0
	}
	if hasPlain {
		return plain
	}
	return dollar
}

// revenuePicker holds what revenue reuses. The zero value is ready.
type revenuePicker struct {
	s       scan.Scanner
	scratch []byte
}

func amount(buf []byte, v scan.Value) int64 {
	if v.Kind != scan.Number {
		return 0
	}
	n, ok := decimal(buf[v.Start:v.End])
	if !ok {
		return 0
	}
	return n
}

// decimal reads a JSON number in units of 0.0001, exactly: no float in between. ok is false when it has more than 14 digits before the point.
func decimal(t []byte) (n int64, ok bool) {
	i := 0
	negative := t[0] == '-'
	if negative {
		i++
	}
	// The significant digits, at most one more than fit, and the power of ten of the last of all of them.
	var digits [revenueDigits + 1]byte
	count, power := 0, 0
	fraction := false
	for ; i < len(t); i++ {
		c := t[i]
		if c == '.' {
			fraction = true
			continue
		}
		if c|0x20 == 'e' {
			break
		}
		if fraction {
			power--
		}
		if count == 0 && c == '0' {
			continue
		}
		if count < len(digits) {
			digits[count] = c - '0'
		}
		count++
	}
	if count == 0 {
		return 0, true
	}
	if i < len(t) {
		power += exponent(t[i+1:])
	}
	whole := count + power + revenueScale // digits of the result
	if whole > revenueDigits {
		return 0, false
	}
	if whole < 0 {
		return 0, true
	}
	for d := range whole {
		n *= 10
		if d < count {
			n += int64(digits[d])
		}
	}
	if whole < count && digits[whole] >= 5 {
		n++
	}
	if n >= 1e18 {
		return 0, false // 99999999999999.99995 is rounded out of range
	}
	if negative {
		n = -n
	}
	return n, true
}

// exponent reads the digits behind the e. Beyond a million it no longer counts how far: no text of ours has that many digits.
func exponent(t []byte) int {
	const far = 1 << 40
	negative := false
	n := 0
	for _, c := range t {
		switch {
		case c == '-':
			negative = true
		case c == '+':
		default:
			n = min(n*10+int(c-'0'), far)
		}
	}
	if negative {
		return -n
	}
	return n
}
