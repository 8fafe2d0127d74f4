package schema

import (
	"strconv"
)

// timeLen is the length of a time as it stands in records: 2006-01-02T15:04:05.000Z.
const timeLen = 24

// Years 0 to 9999 are the ones that the text of a time can hold.
const (
	minMillis = -62167219200000 // 0000-01-01T00:00:00.000Z
	maxMillis = 253402300799999 // 9999-12-31T23:59:59.999Z
)

// pairs are the numbers 00 to 99 as text.
var pairs = func() (t [100][2]byte) {
	for i := range t {
		t[i] = [2]byte{'0' + byte(i/10), '0' + byte(i%10)}
	}
	return t
}()

// AppendTime appends the time of Unix milliseconds ms, which must lie in the years 0 to 9999, as RFC 3339 in UTC with milliseconds:
// always 24 bytes.
func AppendTime(dst []byte, ms int64) []byte {
	var t [timeLen]byte
	putTime(&t, ms)
	return append(dst, t[:]...)
}

// putTime writes what AppendTime appends.
func putTime(t *[timeLen]byte, ms int64) {
	since := uint64(min(max(ms, minMillis), maxMillis) - minMillis)
	y, m, d := civil(uint32(since / dayMillis))
	inDay := uint32(since % dayMillis)
	sec, frac := inDay/1000, inDay%1000
	*t = [timeLen]byte{4: '-', 7: '-', 10: 'T', 13: ':', 16: ':', 19: '.', 22: byte('0' + frac%10), 23: 'Z'}
	two := func(at int, n uint32) { t[at], t[at+1] = pairs[n][0], pairs[n][1] }
	two(0, y/100)
	two(2, y%100)
	two(5, m)
	two(8, d)
	two(11, sec/3600)
	two(14, sec/60%60)
	two(17, sec%60)
	two(20, frac/10)
}

// civil returns the proleptic Gregorian date of a day counted from 0000-01-01. Algorithm: Cassio Neri, Lorenz Schneider, "Euclidean affine functions and
// their application to calendar algorithms" (2022), figure 12, with years that begin in March.
func civil(day uint32) (y, m, d uint32) {
	const toMarch = 146097 - 60 // from 0000-01-01 to the day counted from, 0000-03-01, and 400 years on, so that nothing is negative
	n := 4*(day+toMarch) + 3
	century := n / 146097
	n = n%146097 | 3
	p := 2939745 * uint64(n)
	y = 100*century + uint32(p>>32)
	n = 2141*(uint32(p)/2939745/4) + 197913
	m, d = n>>16, n&0xffff/2141+1
	if m > 12 {
		y, m = y+1, m-12
	}
	return y - 400, m, d
}

// days returns the day, counted from 1970-01-01, of a date in the proleptic Gregorian calendar. Algorithm: Howard Hinnant, "chrono-Compatible Low-Level Date
// Algorithms", days_from_civil.
func days(y, m, d int64) int64 {
	if m <= 2 {
		y--
	}
	era := floorDiv(y, 400)
	yoe := y - era*400
	mp := m - 3
	if m <= 2 {
		mp = m + 9
	}
	doy := (153*mp+2)/5 + d - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return era*146097 + doe - 719468
}

// floorDiv rounds down; b is positive.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

var monthDays = [13]int64{0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// ParseTime reads a time as clients write it: RFC 3339 and the looser ISO 8601 forms (a space for the T, no zone = UTC, no seconds,
// a date alone), or a count since 1970 in seconds, milliseconds, microseconds or nanoseconds, told apart by magnitude. It returns Unix
// milliseconds, cut (not rounded). ok is false for anything else and for years outside 0 to 9999.
func ParseTime(t []byte) (ms int64, ok bool) {
	for len(t) > 0 && t[0] == ' ' {
		t = t[1:]
	}
	for len(t) > 0 && t[len(t)-1] == ' ' {
		t = t[:len(t)-1]
	}
	if len(t) >= 10 && t[4] == '-' && t[7] == '-' {
		return parseISO(t)
	}
	return ParseEpoch(t)
}

// epochMillis takes a whole count for seconds, milliseconds, microseconds or nanoseconds by its size.
func epochMillis(n int64) (ms int64, ok bool) {
	// Unsigned: the smallest int64 has no positive twin.
	switch size := uint64(max(n, -n)); {
	case size < 1e11:
		ms = n * 1000
	case size < 1e14:
		ms = n
	case size < 1e17:
		ms = floorDiv(n, 1000)
	default:
		ms = floorDiv(n, 1_000_000)
	}
	return ms, ms >= minMillis && ms <= maxMillis
}

// ParseEpoch reads a count since 1970-01-01 as ParseTime does.
func ParseEpoch(t []byte) (ms int64, ok bool) {
	if len(t) == 0 || len(t) > 32 {
		return 0, false
	}
	whole := true
	for _, c := range t {
		if c-'0' <= 9 || c == '-' || c == '+' {
			continue
		}
		if c != '.' && c|0x20 != 'e' {
			return 0, false
		}
		whole = false // and ParseInt would make an error of it
	}
	if whole {
		if n, err := strconv.ParseInt(string(t), 10, 64); err == nil {
			return epochMillis(n)
		}
	}
	f, err := strconv.ParseFloat(string(t), 64)
	if err != nil || f != f {
		return 0, false
	}
	switch size := max(f, -f); {
	case size < 1e11:
		f *= 1000
	case size < 1e14:
	case size < 1e17:
		f /= 1000
	default:
		f /= 1_000_000
	}
	if f < minMillis || f > maxMillis {
		return 0, false
	}
	return int64(f), true
}

// number reads n digits at the start of t; bad is set when they are not digits.
func number(t []byte, n int, bad *bool) (v int64) {
	if len(t) < n {
		*bad = true
		return 0
	}
	for _, c := range t[:n] {
		d := c - '0'
		if d > 9 {
			*bad = true
		}
		v = v*10 + int64(d)
	}
	return v
}

// parseTime reads what AppendTime writes, and nothing else.
func parseTime(t []byte) (ms int64, ok bool) {
	if len(t) != timeLen || t[4] != '-' || t[7] != '-' || t[10] != 'T' || t[13] != ':' || t[16] != ':' || t[19] != '.' || t[23] != 'Z' {
		return 0, false
	}
	bad := byte(0)
	two := func(at int) int64 {
		hi, lo := t[at]-'0', t[at+1]-'0'
		bad |= hi | lo | (9 - hi) | (9 - lo) // its high bit is set when one is no digit: 9-d has it for 10 to 137, d itself above
		return int64(hi)*10 + int64(lo)
	}
	y, m, d := two(0)*100+two(2), two(5), two(8)
	h, mi, s := two(11), two(14), two(17)
	frac := two(20)*10 + int64(t[22]-'0')
	bad |= (t[22] - '0') | (9 - (t[22] - '0'))
	if bad&0x80 != 0 || m < 1 || m > 12 || d < 1 || d > monthDays[m] || (m == 2 && d == 29 && !leap(y)) || h > 23 || mi > 59 || s > 59 {
		return 0, false
	}
	return days(y, m, d)*dayMillis + ((h*60+mi)*60+s)*1000 + frac, true
}

// parseISO reads a time that begins with YYYY-MM-DD.
func parseISO(t []byte) (ms int64, ok bool) {
	if ms, ok = parseTime(t); ok {
		return ms, true
	}
	var bad bool
	y, m, d := number(t, 4, &bad), number(t[5:], 2, &bad), number(t[8:], 2, &bad)
	if bad || m < 1 || m > 12 || d < 1 || d > monthDays[m] || (m == 2 && d == 29 && !leap(y)) {
		return 0, false
	}
	ms = days(y, m, d) * dayMillis
	t = t[10:]
	if len(t) == 0 {
		return ms, true
	}
	if len(t) < 6 || (t[0]|0x20 != 't' && t[0] != ' ') || t[3] != ':' {
		return 0, false
	}
	h, mi := number(t[1:], 2, &bad), number(t[4:], 2, &bad)
	t = t[6:]
	var s, frac int64
	if len(t) >= 3 && t[0] == ':' {
		s = number(t[1:], 2, &bad)
		t = t[3:]
		if len(t) >= 2 && (t[0] == '.' || t[0] == ',') {
			n := 1
			for n < len(t) && t[n]-'0' <= 9 {
				if n <= 3 {
					frac = frac*10 + int64(t[n]-'0')
				}
				n++
			}
			if n == 1 {
				return 0, false
			}
			for i := n; i <= 3; i++ {
				frac *= 10
			}
			t = t[n:]
		}
	}
	if bad || h > 23 || mi > 59 || s > 60 { // 60: a leap second
		return 0, false
	}
	ms += ((h*60+mi)*60+s)*1000 + frac
	offset, ok := parseZone(t)
	ms -= offset
	return ms, ok && ms >= minMillis && ms <= maxMillis
}

// parseZone reads "", Z, ±HH, ±HHMM or ±HH:MM and returns the offset from UTC in milliseconds.
func parseZone(t []byte) (offset int64, ok bool) {
	if len(t) == 0 || (len(t) == 1 && t[0]|0x20 == 'z') {
		return 0, true
	}
	if len(t) < 3 || (t[0] != '+' && t[0] != '-') {
		return 0, false
	}
	var bad bool
	h := number(t[1:], 2, &bad)
	var m int64
	switch {
	case len(t) == 5:
		m = number(t[3:], 2, &bad)
	case len(t) == 6 && t[3] == ':':
		m = number(t[4:], 2, &bad)
	case len(t) != 3:
		bad = true
	}
	if bad || h > 23 || m > 59 {
		return 0, false
	}
	offset = (h*60 + m) * 60 * 1000
	if t[0] == '-' {
		offset = -offset
	}
	return offset, true
}

func leap(y int64) bool { return y%4 == 0 && (y%100 != 0 || y%400 == 0) }

// skewTolerance is how far sent_at may lie from the time of arrival before the client's clock is corrected.
const skewTolerance = 30_000

// Resolve gives the event its ts by the rules of time: the client's time, moved by received_at − sent_at when that is more than 30 s (one offset
// per request, so nothing inside a batch is re-ordered); the time of arrival when the client gave none or when the result lies outside the limits.
// The client's own time stays in ClientTS. adjusted tells that the client's time was out of range.
func (e *Envelope) Resolve(l Limits) (adjusted bool) {
	e.TS, e.TSSource = e.ReceivedAt, TSReceived
	if !e.Has(FieldClientTS) {
		return false
	}
	ts, source := e.ClientTS, TSClient
	if e.Has(FieldSentAt) {
		if skew := e.ReceivedAt - e.SentAt; skew > skewTolerance || skew < -skewTolerance {
			ts, source = ts+skew, TSCorrected
		}
	}
	if ts > e.ReceivedAt+l.MaxAhead.Milliseconds() || ts < e.ReceivedAt-l.MaxAge.Milliseconds() {
		return true
	}
	e.TS, e.TSSource = ts, source
	return false
}
