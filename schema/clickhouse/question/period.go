package question

import (
	"slices"
	"strings"
	"time"
)

// Periods of time, as questions and views name them. All are UTC's; weeks begin on Monday.
const (
	minute = "minute"
	hour   = "hour"
	day    = "day"
	week   = "week"
	month  = "month"
)

var (
	intervals = []string{minute, hour, day, week, month}
	calendar  = []string{day, week, month}
	spans     = []string{day, week} // those that always have the same length
)

// enum is the type of a view's parameter that takes one of the words; another one is refused with the words in the message.
func enum(words ...string) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("'" + w + "' = " + decimal(int64(i+1)))
	}
	return "Enum8(" + b.String() + ")"
}

func checkWord(r *report, word string, words []string, pointer string) bool {
	return r.need(slices.Contains(words, word), pointer, CodeInvalidChoice, clip(word)+" is not one of "+strings.Join(words, ", "))
}

const dayMilli = 24 * 60 * 60 * 1000

var lengths = map[string]int64{minute: 60_000, hour: 3_600_000, day: dayMilli, week: 7 * dayMilli}

// The server's functions for the beginning of a period return types that wrap before 1970 and after 2106 or 2149, without a word. So time is counted here: days from
// 1970, and what is rounded down is positive, because the division rounds towards zero.
const (
	dayIndex   = "toInt32(toDate32(#at))"
	weekIndex  = "toInt32(intDiv(toInt32(toDate32(#at)) + 70003, 7) - 10000)" // 1970-01-01 was a Thursday
	monthIndex = "toInt32(toYear(#at) * 12 + toMonth(#at) - 1)"
)

// index is an expression of type Int32 with the number of the period of a time; those of periods that follow each other follow each other.
func index(period, at string) string {
	return fill(map[string]string{day: dayIndex, week: weekIndex, month: monthIndex}[period], "at", at)
}

// dayOf is an expression of type Date32 with the first day of the period of a number.
func dayOf(period, number string) string {
	return fill(map[string]string{
		day:   "toDate32('1970-01-01') + #n",
		week:  "toDate32('1970-01-01') + (#n * 7 - 3)",
		month: "makeDate32(intDiv(#n, 12), #n % 12 + 1, 1)",
	}[period], "n", "("+number+")")
}

// beginning is an expression of type DateTime64(0, 'UTC') with the beginning of the period of a time.
func beginning(period, at string) string {
	if period == minute || period == hour {
		ms := decimal(lengths[period])
		return fill("toDateTime64(fromUnixTimestamp64Milli(intDiv(toUnixTimestamp64Milli(#at) + #shift, #ms) * #ms - #shift, 'UTC'), 0, 'UTC')", "at", at, "ms", ms, "shift", decimal(-firstMilli))
	}
	first := map[string]string{
		day:   "toDate32(#at)",
		week:  "toDate32(#at) - (toDayOfWeek(#at) - 1)",
		month: "toDate32(#at) - (toDayOfMonth(#at) - 1)",
	}[period]
	return "toDateTime64(" + fill(first, "at", at) + ", 0, 'UTC')"
}

// chosen makes of an expression for each period one for the period that a parameter of a view names.
func chosen(parameter string, periods []string, expression func(period string) string) string {
	last := len(periods) - 1
	var b strings.Builder
	for _, p := range periods[:last] {
		b.WriteString("if(" + parameter + " = '" + p + "', " + expression(p) + ",\n")
	}
	b.WriteString(expression(periods[last]))
	b.WriteString(strings.Repeat(")", last))
	return b.String()
}

// Days that toDate, which is in the primary key, does not wrap.
var (
	firstDay = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	lastDay  = time.Date(2149, 6, 6, 0, 0, 0, 0, time.UTC)
)

const (
	fromParameter = "{from:DateTime64(3, 'UTC')}"
	toParameter   = "{to:DateTime64(3, 'UTC')}"
	// plainRange lets the server read only the days that are asked for.
	plainRange = "ts >= " + fromParameter + " AND ts < " + toParameter
	// wideRange is for ranges with times that toDate wraps: there, a comparison of ts itself makes the server skip days that it takes for others.
	wideSince = "toUnixTimestamp64Milli(ts) >= toUnixTimestamp64Milli(" + fromParameter + ")"
	wideUntil = "toUnixTimestamp64Milli(ts) < toUnixTimestamp64Milli(" + toParameter + ")"
	wideRange = wideSince + " AND " + wideUntil
	// tame tells whether the parameters of a view are such that plainRange is right.
	tame = fromParameter + " >= '1970-01-01' AND " + toParameter + " <= '2149-06-06'"
	// anyRange is the one or the other.
	anyRange = "(" + tame + " AND " + plainRange + "\n    OR NOT (" + tame + ") AND " + wideRange + ")"
)

// between is the condition on ts of a range.
func (s *scope) between(from, to Instant) string {
	s.named("from", "DateTime64(3, 'UTC')", from.parameter())
	s.named("to", "DateTime64(3, 'UTC')", to.parameter())
	if from.t.Before(firstDay) || to.t.After(lastDay) {
		return wideRange
	}
	return plainRange
}

// bounds is between for a range that may lack one or both of its ends; empty: it lacks both.
func (s *scope) bounds(from, to Instant) string {
	switch {
	case from.IsZero() && to.IsZero():
		return ""
	case from.IsZero():
		s.named("to", "DateTime64(3, 'UTC')", to.parameter())
		return wideUntil
	case to.IsZero():
		s.named("from", "DateTime64(3, 'UTC')", from.parameter())
		return wideSince
	default:
		return s.between(from, to)
	}
}

// The place of an event among those of a person is its ts and, of equal ones, _log, _partition and _offset. As one number of 256 bits it is sorted many times as fast
// as a tuple is, and has room for what else must be known of the event:
//
//	44 bits  milliseconds from 1900-01-01, and 1, so that none is 0
//	16 bits  _log
//	16 bits  _partition
//	64 bits  _offset
//	32 bits  payload
const placeText = "bitShiftLeft(toUInt256(toUnixTimestamp64Milli(ts) + 2208988800001), 128) + bitShiftLeft(toUInt256(bitShiftLeft(toUInt64(_log), 16) + _partition), 96) + bitShiftLeft(toUInt256(_offset), 32) + #payload"

// place is that number; payload is an expression of an unsigned type of 32 bits at most.
func place(payload string) string { return fill(placeText, "payload", payload) }

// placeTime is an expression of type UInt64 with the milliseconds in a place.
func placeTime(place string) string { return "toUInt64(bitShiftRight(" + place + ", 128))" }

// placePayload is an expression of type UInt32 with the payload.
func placePayload(place string) string { return "toUInt32(bitAnd(" + place + ", 4294967295))" }
