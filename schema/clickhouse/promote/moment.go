package promote

import "time"

// parseTime reads what type Time takes for a time, as Unix milliseconds. certain is false where versions of ClickHouse may differ: before 1970, with a fraction of a second.
func parseTime(t []byte) (ms int64, ok, certain bool) {
	const date, clock = len("2026-01-31"), len("2026-01-31T23:59:59")
	if len(t) < date || t[4] != '-' || t[7] != '-' {
		return 0, false, true
	}
	century, centuryOK := two(t, 0)
	year, yearOK := two(t, 2)
	month, monthOK := two(t, 5)
	day, dayOK := two(t, 8)
	year += 100 * century
	if !centuryOK || !yearOK || !monthOK || !dayOK || year < 1910 || year > 2289 || month < 1 || month > 12 || day < 1 || day > 31 {
		return 0, false, true
	}
	var hour, minute, second, fraction, offset int
	if len(t) > date {
		if len(t) < clock || t[10] != 'T' && t[10] != ' ' || t[13] != ':' || t[16] != ':' {
			return 0, false, true
		}
		var hourOK, minuteOK, secondOK, restOK bool
		hour, hourOK = two(t, 11)
		minute, minuteOK = two(t, 14)
		second, secondOK = two(t, 17)
		fraction, offset, restOK = parseRest(t[clock:])
		if !hourOK || !minuteOK || !secondOK || !restOK || hour > 23 || minute > 59 || second > 59 {
			return 0, false, true
		}
	}
	at := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	if at.Day() != day { // the month is shorter
		return 0, false, true
	}
	ms = at.Add(-time.Duration(offset) * time.Minute).UnixMilli()
	return ms + int64(fraction), true, ms >= 0 || fraction == 0
}

// parseRest reads what stands behind the seconds: a fraction, of which the milliseconds count, and Z or an offset in minutes.
func parseRest(t []byte) (fraction, offset int, ok bool) {
	if len(t) > 0 && t[0] == '.' {
		n := 1
		for scale := 100; n < len(t) && t[n]-'0' <= 9; scale /= 10 {
			fraction += scale * int(t[n]-'0')
			n++
		}
		if n == 1 || n > 10 {
			return 0, 0, false
		}
		t = t[n:]
	}
	switch {
	case len(t) == 0, len(t) == 1 && t[0] == 'Z':
		return fraction, 0, true
	case len(t) != len("+01:00") || t[0] != '+' && t[0] != '-' || t[3] != ':':
		return 0, 0, false
	}
	hours, hoursOK := two(t, 1)
	minutes, minutesOK := two(t, 4)
	if !hoursOK || !minutesOK || hours > 23 || minutes > 59 {
		return 0, 0, false
	}
	offset = 60*hours + minutes
	if t[0] == '-' {
		offset = -offset
	}
	return fraction, offset, true
}

// two reads the two digits at i.
func two(t []byte, i int) (n int, ok bool) {
	a, b := t[i]-'0', t[i+1]-'0'
	return 10*int(a) + int(b), a <= 9 && b <= 9
}
