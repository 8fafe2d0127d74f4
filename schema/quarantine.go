package schema

import (
	"net/netip"
	"strconv"
)

// Rejection is what the record of a refused event says beside the event's own bytes, which are the record's value. The key is the project.
type Rejection struct {
	Stage         string // who refused it: ingest, pipeline, sink
	Reason        string // the code
	Field         string // JSON pointer of the field
	Detail        string
	Dialect       string
	Index         int // the event's place in its request
	KeyID         string
	EventID       UUID // zero: it had none
	RequestID     UUID
	CorrelationID string
	ReceivedAt    int64 // Unix milliseconds
	SentAt        int64 // Unix milliseconds, 0: none
	ClientIP      string
	UserAgent     string
	Size          int64 // of the event as sent; more than the value has when Truncated
	Truncated     bool
	From          string // log/partition/offset of the record that the sink refused; empty for the door's
}

// TruncatedBytes is how much of an event too large for the broker is kept.
const TruncatedBytes = 64 << 10

// The headers of a quarantine record.
const (
	headerStage      = "stage"
	headerReason     = "code"
	headerField      = "field"
	headerDetail     = "detail"
	headerDialect    = "dialect"
	headerEventIndex = "index"
	headerKeyID      = "key-id"
	headerEventID    = "event-id"
	headerRequestID  = "request-id"
	headerReceivedAt = "received-at"
	headerSentAt     = "sent-at"
	headerClientIP   = "client-ip"
	headerUserAgent  = "user-agent"
	headerSize       = "size"
	headerTruncated  = "truncated"
	headerFrom       = "from"
)

// EachHeader calls fn with each header that the record needs; empty ones are left out. The value is the caller's to keep.
func (r *Rejection) EachHeader(fn func(key string, value []byte)) {
	text := func(key, value string) {
		if value != "" {
			fn(key, []byte(value))
		}
	}
	number := func(key string, n int64) { fn(key, strconv.AppendInt(nil, n, 10)) }
	text(headerStage, r.Stage)
	text(headerReason, r.Reason)
	text(headerField, r.Field)
	text(headerDetail, r.Detail)
	text(headerDialect, r.Dialect)
	number(headerEventIndex, int64(r.Index))
	text(headerKeyID, r.KeyID)
	if r.EventID != (UUID{}) {
		fn(headerEventID, r.EventID.AppendText(nil))
	}
	if r.RequestID != (UUID{}) {
		fn(headerRequestID, r.RequestID.AppendText(nil))
	}
	text(HeaderCorrelationID, r.CorrelationID)
	number(headerReceivedAt, r.ReceivedAt)
	if r.SentAt != 0 {
		number(headerSentAt, r.SentAt)
	}
	text(headerClientIP, r.ClientIP)
	text(headerUserAgent, r.UserAgent)
	number(headerSize, r.Size)
	if r.Truncated {
		fn(headerTruncated, []byte("1"))
	}
	text(headerFrom, r.From)
}

// SetHeader takes one header of a quarantine record. Unknown headers and unreadable values are ignored: a record about something broken must itself
// always be loadable.
func (r *Rejection) SetHeader(key, value []byte) {
	number := func() int64 {
		n, _ := strconv.ParseInt(string(value), 10, 64) // an unreadable number counts as 0, see above
		return n
	}
	switch string(key) {
	case headerStage:
		r.Stage = string(value)
	case headerReason:
		r.Reason = string(value)
	case headerField:
		r.Field = string(value)
	case headerDetail:
		r.Detail = string(value)
	case headerDialect:
		r.Dialect = string(value)
	case headerEventIndex:
		r.Index = int(number())
	case headerKeyID:
		r.KeyID = string(value)
	case headerEventID:
		r.EventID, _ = ParseUUID(value)
	case headerRequestID:
		r.RequestID, _ = ParseUUID(value)
	case HeaderCorrelationID:
		r.CorrelationID = string(value)
	case headerReceivedAt:
		r.ReceivedAt = number()
	case headerSentAt:
		r.SentAt = number()
	case headerClientIP:
		if ip, err := netip.ParseAddr(string(value)); err == nil {
			r.ClientIP = ip.String()
		}
	case headerUserAgent:
		r.UserAgent = string(value)
	case headerSize:
		r.Size = number()
	case headerTruncated:
		r.Truncated = string(value) == "1"
	case headerFrom:
		r.From = string(value)
	}
}
