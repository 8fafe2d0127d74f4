package dialect

import (
	"math"
	"math/bits"
	"strconv"

	"github.com/millrace/millrace/schema/scan"
)

// amplitudeRevenue gives the properties a member revenue, which is what counts as an event's revenue, when they have none and the event says it elsewhere or in other words: in members of its
// own, of which price times quantity goes before revenue, or as the properties $price and $quantity.
func (d *Decoder) amplitudeRevenue(props *member) member {
	own := &d.own
	if own[amplitudeOwnRevenue].kind != scan.Invalid || own[amplitudeThatRevenue].kind == scan.Number {
		return *props
	}
	if props.there() && props.kind != scan.Object {
		return *props // refused
	}
	price, quantity, revenue := d.amount(amplitudePrice), d.amount(amplitudeQuantity), d.amount(amplitudeRevenue)
	switch {
	case price != nil && quantity != nil:
	case revenue != nil:
		price, quantity = revenue, nil
	case price == nil:
		price, quantity = d.amount(amplitudeThatPrice), d.amount(amplitudeThatQuantity)
	}
	if price == nil {
		return *props
	}
	buf := &d.batch.Buf
	start := len(*buf)
	if props.kind == scan.Object {
		*buf = append(*buf, d.text[props.start:props.end-1]...)
	} else {
		*buf = append(*buf, '{')
	}
	if props.members > 0 {
		*buf = append(*buf, ',')
	}
	*buf = append(*buf, `"revenue":`...)
	end, ok := appendProduct(*buf, price, quantity)
	if !ok {
		*buf = (*buf)[:start]
		return *props
	}
	*buf = append(end, '}')
	return member{start: uint32(start), end: uint32(len(*buf)), members: props.members, kind: scan.Object}
}

// maxAmount is the longest text of an amount of money, or of a number of things.
const maxAmount = 64

// amount is the text of one of the family's own members when it is a number, else nil.
func (d *Decoder) amount(own int) []byte {
	m := &d.own[own]
	if m.kind != scan.Number || m.end-m.start > maxAmount {
		return nil
	}
	return d.text[m.start:m.end]
}

// appendProduct appends the product of two JSON numbers, or the first as it stands when the second is nil. It is exact as long as the digits of both fit 64 bits. ok is false when it is too large for
// a number.
func appendProduct(dst, a, b []byte) (end []byte, ok bool) {
	if b == nil {
		return append(dst, a...), true
	}
	x, xok := parseDecimal(a)
	y, yok := parseDecimal(b)
	if xok && yok {
		if over, digits := bits.Mul64(x.digits, y.digits); over == 0 {
			return decimal{digits, x.exponent + y.exponent, x.negative != y.negative}.append(dst), true
		}
	}
	f, err := strconv.ParseFloat(view(a), 64)
	g, err2 := strconv.ParseFloat(view(b), 64)
	if p := f * g; err == nil && err2 == nil && !math.IsInf(p, 0) {
		return strconv.AppendFloat(dst, p, 'g', -1, 64), true
	}
	return dst, false
}

// decimal is digits × 10^exponent.
type decimal struct {
	digits   uint64
	exponent int
	negative bool
}

// parseDecimal reads a JSON number that has few digits.
func parseDecimal(text []byte) (x decimal, ok bool) {
	fraction := false
	for i, c := range text {
		switch {
		case c == '-':
			x.negative = true
		case c == '.':
			fraction = true
		case c|0x20 == 'e':
			n, err := strconv.Atoi(view(text[i+1:]))
			x.exponent += n
			return x, err == nil && n > -maxAmount && n < maxAmount
		case x.digits > (math.MaxUint64-9)/10:
			return x, false
		default:
			x.digits = x.digits*10 + uint64(c-'0')
			if fraction {
				x.exponent--
			}
		}
	}
	return x, true
}

// append appends the shortest text without an exponent, or one with an exponent where that would begin or end with more than a few zeros.
func (x decimal) append(dst []byte) []byte {
	if x.digits == 0 {
		return append(dst, '0')
	}
	for x.digits%10 == 0 {
		x.digits /= 10
		x.exponent++
	}
	if x.negative {
		dst = append(dst, '-')
	}
	var room [20]byte
	digits := strconv.AppendUint(room[:0], x.digits, 10)
	point := len(digits) + x.exponent // digits before it
	const zeros = "00000000000000000000"
	switch {
	case x.exponent >= 0 && x.exponent < len(zeros):
		return append(append(dst, digits...), zeros[:x.exponent]...)
	case x.exponent < 0 && point > 0:
		return append(append(append(dst, digits[:point]...), '.'), digits[point:]...)
	case x.exponent < 0 && -point < len(zeros):
		return append(append(append(dst, "0."...), zeros[:-point]...), digits...)
	}
	return strconv.AppendInt(append(append(dst, digits...), 'e'), int64(x.exponent), 10)
}
