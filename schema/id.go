package schema

import (
	"encoding/binary"
	"strings"
)

// IDs gives events and sessions their ids. It remembers the derived ids of one request, so that byte-identical events of one request stay apart.
// The zero value is ready; Reset it for each request. Not safe for concurrent use.
type IDs struct {
	scratch []byte
	value   []byte
	seen    map[UUID]uint32
}

// Reset forgets the request.
func (d *IDs) Reset() { clear(d.seen) }

// Client is the id of an event that came with one: the id itself when it is a UUID, else a hash of it and the project.
func (d *IDs) Client(project uint32, id []byte) UUID {
	if u, ok := ParseUUID(id); ok {
		return u
	}
	var u UUID
	u, d.scratch = derive(d.scratch, derivedClient, project, id)
	return u
}

// Idempotent is the id of the event at index in a request that has an Idempotency-Key.
func (d *IDs) Idempotent(project uint32, key []byte, index int) UUID {
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], uint32(index))
	var u UUID
	u, d.scratch = derive(d.scratch, derivedIdempotency, project, key, n[:])
	return u
}

// contentFields are what makes two events without an id the same event: all that the client says of it, nothing that belongs to the
// request or to the moment of arrival.
var contentFields = [...]Field{
	FieldEvent, FieldName, FieldDistinctID, FieldUserID, FieldAnonymousID, FieldGroupID, FieldPreviousID,
	FieldCausationID, FieldProperties, FieldContext, FieldTraits,
}

// Content is the id of an event without id that carries its own time: the same for an identical resend, different for the second of two
// identical events of one request.
func (d *IDs) Content(project uint32, e *Event, buf []byte) UUID {
	v := append(d.value[:0], byte(e.Type))
	add := func(t Text) {
		v = binary.AppendUvarint(v, uint64(t.Len()))
		v = append(v, t.In(buf)...)
	}
	add(e.ClientTime)
	add(e.ClientSession)
	for _, f := range contentFields {
		add(e.Text(f))
	}
	d.value = v
	first, scratch := derive(d.scratch, derivedContent, project, v)
	d.scratch = scratch
	if d.seen == nil {
		d.seen = make(map[UUID]uint32)
	}
	n := d.seen[first]
	d.seen[first] = n + 1
	if n == 0 {
		return first
	}
	var ordinal [4]byte
	binary.BigEndian.PutUint32(ordinal[:], n)
	var u UUID
	u, d.scratch = derive(d.scratch, derivedContent, project, v, ordinal[:])
	return u
}

const dayMillis = 24 * 60 * 60 * 1000

// Session is the id of the session that the client named id. A UUID of version 7 is kept when its time lies within a day of ts; any other id becomes a UUID of
// version 7 with the day of ts and a hash of project and id, so that the day inside a session id can be trusted.
func (d *IDs) Session(project uint32, id []byte, ts int64) UUID {
	if u, ok := ParseUUID(id); ok {
		if ms, v7 := u.UnixMilli(); v7 && ms >= ts-dayMillis && ms <= ts+dayMillis {
			return u
		}
	}
	u, scratch := derive(d.scratch, derivedSession, project, id)
	d.scratch = scratch
	return u.timed(max(ts-mod(ts, dayMillis), 0))
}

// BegunSession is the id of the session that somebody's event at ts begins, in Unix milliseconds, when the client names none: a UUID of version 7 with that time and a hash of project,
// person and time. It is the same wherever it is worked out from the same beginning.
func (d *IDs) BegunSession(project uint32, distinctID []byte, ts int64) UUID {
	var begin [8]byte
	binary.BigEndian.PutUint64(begin[:], uint64(ts))
	u, scratch := derive(d.scratch, derivedSession, project, distinctID, begin[:]) // two parts: never the hash of a session that a client named
	d.scratch = scratch
	return u.timed(max(ts, 0))
}

// timed makes a hash a UUID of version 7 for the time, in Unix milliseconds.
func (u UUID) timed(ms int64) UUID {
	low := binary.BigEndian.Uint16(u[6:])
	binary.BigEndian.PutUint64(u[:], uint64(ms)<<16|uint64(low))
	return u.tag(7)
}

// mod is the remainder that has the sign of the divisor.
func mod(a, b int64) int64 { return ((a % b) + b) % b }

// illegalIDs are values that careless code sends where an id belongs; every user with one of them would be one person. The union of the lists
// that PostHog and Mixpanel publish, compared without case after trimming white space and quotes.
var illegalIDs = func() map[string]struct{} {
	m := map[string]struct{}{"[object object]": {}}
	for _, id := range strings.Fields(`0 -1 anon anonymous guest distinctid distinct_id id not_authenticated email undefined true false null none nil nan
		n/a na unknown lmy47d [] {} <nil> 00000000-0000-0000-0000-000000000000`) {
		m[id] = struct{}{}
	}
	return m
}()

// illegalLengths has a bit for each length that one of them has.
var illegalLengths = func() (bits uint64) {
	for id := range illegalIDs {
		bits |= 1 << len(id)
	}
	return bits
}()

// trimmed tells whether c is one of the bytes around a placeholder that do not make it an id.
func trimmed(c byte) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '"' || c == '\''
}

// IsIllegalID tells whether id cannot name a person: empty, blank, or one of the well-known placeholders.
func IsIllegalID(id []byte) bool {
	for len(id) > 0 && trimmed(id[0]) {
		id = id[1:]
	}
	for len(id) > 0 && trimmed(id[len(id)-1]) {
		id = id[:len(id)-1]
	}
	if len(id) == 0 {
		return true
	}
	if illegalLengths>>len(id)&1 == 0 { // a shift by 64 or more gives 0
		return false
	}
	var lower [64]byte
	for i, c := range id {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	_, illegal := illegalIDs[string(lower[:len(id)])]
	return illegal
}
