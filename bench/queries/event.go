package queries

import (
	"github.com/google/uuid"
)

// event is one event, as the sink would know it. It is valid until the stream makes the next one.
type event struct {
	visit  *visit
	person *person
	kind   kind
	// The times are Unix milliseconds.
	ts, sent, received int64
	id                 uuid.UUID
	request            uuid.UUID
	landing            bool   // the first of its visit
	cents              int64  // revenue
	props, context     []byte // JSON
	partition          uint16 // of the topic
	offset             uint64
}

const host = "shop.example"

// call is the kind of call that an SDK made.
func (e *event) call() string {
	if e.kind.page {
		return "page"
	}
	return "track"
}

// name is what a page call says that the page is called.
func (e *event) name() string {
	if e.kind.page {
		return e.visit.title
	}
	return ""
}

// beginContext makes what is the same in the context of all events of a visit.
func (v *visit) beginContext() {
	p := v.person
	v.head = append(v.head, `{"library":{"name":"analytics.js","version":"2.11.1"},"locale":"`...)
	v.head = append(append(v.head, p.place.locale...), `",`...)
	v.head = append(v.head, v.source.member...)
	v.head = append(v.head, `"page":{"path":`...)
	v.tail = append(v.tail, `},"screen":{"width":`...)
	v.tail = appendInt(v.tail, int64(p.gear.width))
	v.tail = append(v.tail, `,"height":`...)
	v.tail = appendInt(v.tail, int64(p.gear.height))
	v.tail = append(append(v.tail, `},"timezone":"`...), p.place.zone...)
	v.tail = append(append(append(v.tail, `","userAgent":"`...), p.gear.agent...), `"}`...)
}

// appendContext appends the context of the event.
func (e *event) appendContext(b []byte) []byte {
	v := e.visit
	b = append(b, v.head...)
	b = appendString(b, v.path)
	b = appendString(append(b, `,"title":`...), v.title)
	b = append(append(append(b, `,"url":"https://`+host...), v.path...), '"')
	if e.landing {
		if v.source.search != "" {
			b = appendString(append(b, `,"search":`...), v.source.search)
		}
		if v.source.referrer != "" {
			b = appendString(append(b, `,"referrer":`...), v.source.referrer)
		}
	}
	return append(b, v.tail...)
}

// referrerHost is that of the page before, which the context has with the first event of a visit only.
func (e *event) referrerHost() string {
	if e.landing {
		return e.visit.source.host
	}
	return ""
}
