package question

import (
	"encoding/json"
	"time"
)

// Instant is a time in a question. In JSON it is RFC 3339, or a date, which is its midnight in UTC. The zero value is none.
type Instant struct {
	t    time.Time
	text string // what was given, when that is no time
}

// At is the instant of t.
func At(t time.Time) Instant { return Instant{t: t} }

// Time is the instant as a time; zero when there is none, or what was given is none.
func (i Instant) Time() time.Time { return i.t }

// IsZero tells whether nothing was given.
func (i Instant) IsZero() bool { return i.t.IsZero() && i.text == "" }

// MarshalJSON writes RFC 3339, and null for none.
func (i Instant) MarshalJSON() ([]byte, error) {
	if i.IsZero() {
		return []byte("null"), nil
	}
	if i.text != "" {
		return json.Marshal(i.text)
	}
	return json.Marshal(i.t)
}

// UnmarshalJSON accepts any JSON: what is no time is reported by Validate, together with all other problems.
func (i *Instant) UnmarshalJSON(b []byte) error {
	*i = Instant{}
	if string(b) == "null" {
		return nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		i.text = string(b)
		return nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			i.t = t
			return nil
		}
	}
	i.text = s
	if s == "" {
		i.text = `""`
	}
	return nil
}

// The times that rows can have: the sink stores none beyond these.
const (
	firstMilli = -2208988800000 // 1900-01-01
	lastMilli  = 10413791999999 // 2299-12-31 23:59:59.999
)

// milli is the first millisecond that is not before the instant: events have times of whole milliseconds, so "not before i" and "before i" mean the same of both.
func (i Instant) milli() int64 {
	ms := i.t.UnixMilli()
	if i.t.After(time.UnixMilli(ms)) {
		ms++
	}
	return ms
}

// parameter is the instant as the server reads a DateTime64(3, 'UTC').
func (i Instant) parameter() string { return stamp(i.milli()) }

func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05.000") }

// check reports what is wrong with a given instant.
func (i Instant) check(r *report, pointer string) bool {
	if i.text != "" {
		return r.need(false, pointer, CodeInvalidTime, clip(i.text)+" is not a time: use RFC 3339, 2026-11-01T00:00:00Z, or a date, 2026-11-01")
	}
	ms := i.t.UnixMilli()
	return r.need(ms >= firstMilli && ms <= lastMilli && i.milli() <= lastMilli, pointer, CodeInvalidTime, "events have times from 1900-01-01 to 2299-12-31")
}

// clip shortens a text for a message.
func clip(text string) string {
	const most = 64
	runes := []rune(text)
	if len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// checkRange demands from and to, in this order, and returns whether they are a range.
func checkRange(r *report, from, to Instant) bool {
	ok := r.need(!from.IsZero(), "/from", CodeRequired, "is missing: the beginning of the time range") && from.check(r, "/from")
	ok = r.need(!to.IsZero(), "/to", CodeRequired, "is missing: the end of the time range, which is not part of it") && to.check(r, "/to") && ok
	return ok && r.need(from.t.Before(to.t), "/to", CodeInvalidRange, "is not after from")
}
