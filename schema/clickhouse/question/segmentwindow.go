package question

import (
	"strconv"
	"strings"
	"time"
)

// Window is the time that a leaf of a segment looks at: Within, or From and To, each of which may be missing, or all of time. It always ends at the moment that the
// segment is built for at the latest.
type Window struct {
	// Within is how long before that moment it begins: a number and s, m, h, d or w; ten years at most.
	Within string  `json:"within,omitempty"`
	From   Instant `json:"from,omitzero"`
	To     Instant `json:"to,omitzero"` // not part of it
}

const maxWithin = maxWindow * time.Millisecond

func (w Window) check(r *report, pointer string) {
	if w.Within != "" {
		checkDuration(r, w.Within, time.Second, maxWithin, pointer+"/within")
		r.need(w.From.IsZero() && w.To.IsZero(), pointer+"/within", CodeInvalidChoice, "cannot be together with from and to")
	}
	fromOK := w.From.IsZero() || w.From.check(r, pointer+"/from")
	toOK := w.To.IsZero() || w.To.check(r, pointer+"/to")
	if fromOK && toOK && !w.From.IsZero() && !w.To.IsZero() {
		r.need(w.From.t.Before(w.To.t), pointer+"/to", CodeInvalidRange, "is not after from")
	}
}

// until are the ends of a valid window at a moment; no from: it has no beginning.
func (w Window) until(moment time.Time) (from, to Instant) {
	from, to = w.From, At(moment)
	if !w.To.IsZero() && w.To.t.Before(moment) {
		to = w.To
	}
	if w.Within != "" {
		d, _ := parseDuration(w.Within)
		from = At(moment.Add(-d))
	}
	if from.milli() <= firstMilli { // nothing is earlier, and the server cannot tell such a time
		from = Instant{}
	}
	return from, to
}

// during is the condition on ts of a window.
func (s *scope) during(from, to Instant) string {
	const typ = "DateTime64(3, 'UTC')"
	until := s.value(typ, to.parameter())
	if from.IsZero() {
		return "toUnixTimestamp64Milli(ts) < toUnixTimestamp64Milli(" + until + ")"
	}
	since := s.value(typ, from.parameter())
	if from.t.Before(firstDay) || to.t.After(lastDay) {
		return "toUnixTimestamp64Milli(ts) >= toUnixTimestamp64Milli(" + since + ") AND toUnixTimestamp64Milli(ts) < toUnixTimestamp64Milli(" + until + ")"
	}
	return "ts >= " + since + " AND ts < " + until
}

const durationUnits = "smhdw"

var durationLengths = [len(durationUnits)]int64{1, 60, 3600, 24 * 3600, 7 * 24 * 3600}

// parseDuration reads a number without sign, point or zeros in front, and one unit.
func parseDuration(text string) (time.Duration, bool) {
	if len(text) < 2 || len(text) > 12 || text[0] < '1' || text[0] > '9' {
		return 0, false
	}
	last := len(text) - 1
	unit := strings.IndexByte(durationUnits, text[last])
	n, err := strconv.ParseUint(text[:last], 10, 40)
	if unit < 0 || err != nil {
		return 0, false
	}
	const most = int64(1<<63-1) / int64(time.Second)
	return time.Duration(min(int64(n)*durationLengths[unit], most)) * time.Second, true
}

func checkDuration(r *report, text string, least, most time.Duration, pointer string) {
	d, ok := parseDuration(text)
	if !r.need(ok, pointer, CodeInvalidValue, clip(text)+" is no length of time: use a number and s, m, h, d or w, such as 30d") {
		return
	}
	r.need(d >= least && d <= most, pointer, CodeInvalidNumber, text+" is not within "+durationText(least)+" and "+durationText(most))
}

// durationText is what parseDuration reads, in the longest unit that fits but weeks.
func durationText(d time.Duration) string {
	n := int64(d / time.Second)
	for i := 3; ; i-- {
		if n%durationLengths[i] == 0 {
			return decimal(n/durationLengths[i]) + durationUnits[i:i+1]
		}
	}
}
