package backlog

import (
	"math"
	"time"
)

// limits are the settings by which a topic's records are removed; 0: no such limit.
type limits struct {
	age   time.Duration // retention.ms
	bytes int64         // retention.bytes, of each partition
}

// reading is what one look has found of a partition.
type reading struct {
	partition  int32
	start, end int64         // the offsets that it holds
	next       int64         // the first that is not confirmed; start, if nothing ever was
	age        time.Duration // of the record at next; 0: all is read, or the topic has no limit of age
	size       int64         // in bytes; -1: not known
	perSecond  float64       // bytes that arrive, since the look before; 0: not known
}

// unread is how many records the sink has not confirmed.
func (r *reading) unread() int64 { return max(r.end-max(r.next, r.start), 0) }

// evicted is how many records were removed unread.
func (r *reading) evicted() int64 { return max(r.start-r.next, 0) }

// unreadBytes is an estimate: records are taken to be of one size.
func (r *reading) unreadBytes() float64 {
	if r.size <= 0 || r.end <= r.start {
		return 0
	}
	return float64(r.size) * float64(r.unread()) / float64(r.end-r.start)
}

// headroom is how far a partition is from losing unread records.
type headroom struct {
	used    float64 // share of the limit that is used up: 0 nothing unread, 1 and more: unread records are being removed
	seconds float64 // until then at the present pace; +Inf: never
	byBytes bool    // it is retention.bytes that decides
}

// judge compares one reading with the topic's limits.
func judge(r *reading, l limits) headroom {
	h := headroom{seconds: math.Inf(1)}
	if r.unread() == 0 {
		return h
	}
	if l.age > 0 {
		h.used = float64(r.age) / float64(l.age)
		h.seconds = max(l.age-r.age, 0).Seconds()
	}
	if l.bytes > 0 && r.size >= 0 {
		unread := r.unreadBytes()
		if used := unread / float64(l.bytes); used > h.used {
			h.used, h.byBytes = used, true
		}
		if left := max(float64(l.bytes)-unread, 0); left == 0 || r.perSecond > 0 {
			h.seconds = min(h.seconds, left/max(r.perSecond, 1))
		}
	}
	return h
}

// level is what a verdict means for new events.
type level uint8

const (
	fine     level = iota
	tight          // people are told
	refusing       // new events are refused
)

const (
	tightAt = 0.5 // half of the headroom is gone
	// calm is how far a level's mark must be undercut until it ends, so that it does not come and go with each block that is loaded.
	calm = 0.1
)

// next is the level that follows on now when the worst partition has used so much, and new events are refused from refuseAt on.
func (now level) next(used, refuseAt float64) level {
	switch {
	case used >= refuseAt, now == refusing && used >= refuseAt-calm:
		return refusing
	case used >= tightAt, now >= tight && used >= tightAt-calm:
		return tight
	}
	return fine
}
