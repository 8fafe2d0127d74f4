package schema

import (
	"errors"
	"net/netip"
)

// Event is one event of a request: what the dialect read, then what became of it.
type Event struct {
	Envelope
	// Index is the event's place in the request, from 0.
	Index int
	// Raw is the event as it was sent, after decompression.
	Raw Text
	// ClientID is the event's id as the client gave it; the empty text when it gave none.
	ClientID Text
	// ClientTime is the event's time as the client gave it; the empty text when it gave none. It is part of a derived id.
	ClientTime Text
	// ClientSession is the session id as the client gave it.
	ClientSession Text
	// ClientAgent is the user agent that the event names, of the person's device; the empty text when it names none.
	ClientAgent Text
	// ClientAddr is where in the event's own text the client gave an address, the text between the quotes: what an address policy has to change there. The empty text when it
	// gave none.
	ClientAddr Text
	// NoAddress tells that the client says that the address which the request came from is not the person's.
	NoAddress bool
	// TrustClock tells that the client asked for its times to be taken as they are, without correction.
	TrustClock bool

	// Result and Reason are the outcome. A decoder refuses an event by Refuse; later stages leave refused events alone but for quarantine.
	Result Result
	Reason Reason
	// Pointer is the JSON pointer (RFC 6901) inside the event of the field that Reason is about: "/userId".
	Pointer string
	// Detail says in words what was found, the limit and the cure.
	Detail string
	// Quarantined tells, of a refused event, that its original bytes are kept.
	Quarantined bool
}

// Refuse drops the event for good. The first reason stays.
func (e *Event) Refuse(r Reason, pointer, detail string) {
	if e.Result == Drop {
		return
	}
	e.Result, e.Reason, e.Pointer, e.Detail = Drop, r, pointer, detail
}

// Refused tells that the event was dropped for good.
func (e *Event) Refused() bool { return e.Result == Drop }

// Batch is the events of one request and what the request says of all of them. The handler owns it and everything it points to; a stage that is
// handed a Batch borrows it until it returns.
type Batch struct {
	// Buf holds the text of all events: the decompressed body, then what decoding and enrichment had to write. Every Text of the batch is a
	// span of it.
	Buf []byte

	Dialect       Dialect
	Project       uint32
	KeyID         string
	RequestID     UUID
	ReceivedAt    int64 // Unix milliseconds
	SentAt        int64 // Unix milliseconds; counts when HasSentAt
	HasSentAt     bool
	CorrelationID Text // of the request; an event's own wins
	// Traceparent and IdempotencyKey are header values, nil when absent; UserAgent likewise.
	Traceparent, IdempotencyKey, UserAgent []byte
	ClientIP                               netip.Addr
	// AddressPolicy is what becomes of addresses once they were looked up.
	AddressPolicy AddressPolicy

	Events []Event

	// Durability is the weakest promise that the accepted events have reached. Set by Submit.
	Durability Durability
}

// Reset empties the batch and keeps its memory, unless that has grown beyond keepBytes.
func (b *Batch) Reset(keepBytes int) {
	events, buf := b.Events[:0], b.Buf[:0]
	if cap(buf) > keepBytes {
		buf = nil
	}
	if cap(events) > maxPooledEvents {
		events = nil
	}
	*b = Batch{Events: events, Buf: buf}
}

const maxPooledEvents = 4096

// Add appends an empty event with the next index and returns it. It is valid until the next Add.
func (b *Batch) Add() *Event {
	n := len(b.Events)
	if n < cap(b.Events) {
		b.Events = b.Events[:n+1]
		e := &b.Events[n]
		e.reset(n)
		return e
	}
	b.Events = append(b.Events, Event{Index: n})
	return &b.Events[n]
}

// reset makes the event a new one at index. It clears field by field, because a struct assigned whole would copy the spans there and back.
func (e *Event) reset(index int) {
	e.Envelope.Reset()
	e.Index = index
	e.Raw, e.ClientID, e.ClientTime, e.ClientSession = Text{}, Text{}, Text{}, Text{}
	e.ClientAgent, e.ClientAddr, e.NoAddress, e.TrustClock = Text{}, Text{}, false, false
	e.Result, e.Reason, e.Pointer, e.Detail, e.Quarantined = 0, 0, "", "", false
}

// Append writes text into Buf and returns its span.
func (b *Batch) Append(text []byte, escaped bool) Text {
	start := len(b.Buf)
	b.Buf = append(b.Buf, text...)
	return TextAt(start, len(b.Buf), escaped)
}

// Why a whole request could not be taken. Nothing of it was stored, or nothing is known; the client may send it again.
var (
	// ErrOverloaded: a queue is full.
	ErrOverloaded = errors.New("overloaded")
	// ErrBrokerUnavailable: the broker did not acknowledge in time.
	ErrBrokerUnavailable = errors.New("broker unavailable")
	// ErrStorageFull: the disk that must hold the events is full.
	ErrStorageFull = errors.New("storage full")
	// ErrBacklog: events would be evicted before they were loaded.
	ErrBacklog = errors.New("downstream backlog")
)
