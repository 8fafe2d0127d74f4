package dialect

import (
	"bytes"
	"unicode/utf8"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
)

// The native format: one event as an object, {"sent_at":…,"events":[…]}, an array of events, or NDJSON.

var nativeNames = names{
	slotID: "/id", slotType: "/type", slotEvent: "/event", slotName: "/name", slotDistinctID: "/distinct_id", slotUserID: "/user_id",
	slotAnonymousID: "/anonymous_id", slotGroupID: "/group_id", slotPreviousID: "/previous_id", slotSessionID: "/session_id",
	slotTime: "/ts", slotTimeAlias: "/timestamp", slotSentAt: "/sent_at", slotProperties: "/properties", slotContext: "/context", slotTraits: "/traits",
	slotSet: "/set", slotSetOnce: "/set_once", slotAdd: "/add", slotAppend: "/append", slotUnset: "/unset",
	slotConcat: "/concat", slotPrepend: "/prepend", slotUnion: "/union", slotRemove: "/remove", slotClear: "/clear", slotCorrelationID: "/correlation_id", slotCausationID: "/causation_id", slotHops: "/hops",
	slotEvents: "/events",
}

var nativeFamily = family{
	names:     nativeNames,
	read:      func(d *Decoder, _ *Route, opt Options) error { return d.native(opt) },
	interpret: (*Decoder).setType,
}

func nativeSlot(key []byte) slot {
	switch string(key) {
	case "id":
		return slotID
	case "type":
		return slotType
	case "event":
		return slotEvent
	case "name":
		return slotName
	case "distinct_id":
		return slotDistinctID
	case "user_id":
		return slotUserID
	case "anonymous_id":
		return slotAnonymousID
	case "group_id":
		return slotGroupID
	case "previous_id":
		return slotPreviousID
	case "session_id":
		return slotSessionID
	case "ts":
		return slotTime
	case "timestamp":
		return slotTimeAlias
	case "sent_at":
		return slotSentAt
	case "properties":
		return slotProperties
	case "context":
		return slotContext
	case "traits":
		return slotTraits
	case "set":
		return slotSet
	case "set_once":
		return slotSetOnce
	case "add":
		return slotAdd
	case "append":
		return slotAppend
	case "unset":
		return slotUnset
	case "concat":
		return slotConcat
	case "prepend":
		return slotPrepend
	case "union":
		return slotUnion
	case "remove":
		return slotRemove
	case "clear":
		return slotClear
	case "correlation_id":
		return slotCorrelationID
	case "causation_id":
		return slotCausationID
	case "hops":
		return slotHops
	case "events":
		return slotEvents
	}
	return slotNone
}

func (d *Decoder) native(opt Options) error {
	if opt.Lines {
		return d.lines(d.scan.Pos())
	}
	switch d.scan.Peek() {
	case scan.Object:
		return d.nativeObject()
	case scan.Array:
		if err := d.array(schema.TypeNone); err != nil {
			return err
		}
		return d.taken()
	}
	return d.misshapen("", `expected an event, an array of events or {"events":[…]}`)
}

// nativeObject reads an object of which only the walk shows what it is: with an array "events" it stands around events, else it is one.
func (d *Decoder) nativeObject() error {
	start := d.scan.Pos()
	d.outermost = true
	ok := d.members()
	d.outermost = false
	if !ok {
		if d.scan.Err() == nil {
			return d.tooMany() // the walk ended inside "events"
		}
		return d.malformed()
	}
	end := d.scan.Pos()
	around := &d.values[slotEvents]
	if around.kind == scan.Array {
		d.sentAt(&d.values[slotSentAt])
		return d.taken()
	}
	if around.there() {
		if err := d.finished(); err != nil {
			return err
		}
		return shapeError("/events", "events must be an array", around.kind)
	}
	if around.kind != scan.Invalid {
		// A later null may have undone an array. Its events, and what was flagged in them, are gone; the bytes are still part of this event.
		d.batch.Events = d.batch.Events[:0]
		if !utf8.Valid(d.text[start:end]) {
			d.flag(scan.BadUTF8, slotEvents)
		}
	}
	if d.scan.More() {
		next := d.scan.Pos()
		if d.scan.Peek() != scan.Object || bytes.IndexByte(d.text[end:next], '\n') < 0 {
			return d.finished()
		}
		d.fill(d.batch.Add(), schema.TypeNone, start, end)
		return d.lines(next)
	}
	d.sentAt(&d.values[slotSentAt])
	d.fill(d.batch.Add(), schema.TypeNone, start, end)
	return nil
}

// inner reads the array of events inside the object whose members are being noted, and goes on with those afterwards. Of two such arrays the last
// counts. It returns false after a grammar error, and when there are too many events.
func (d *Decoder) inner() bool {
	values, ctx, flags, badUTF8, tooDeep := d.values, d.ctx, d.flags, d.badUTF8, d.tooDeep
	others := d.others
	d.others = d.spare[:0] // copying would take quadratic time for an object with many lists
	d.discard()
	d.outermost = false
	err := d.array(schema.TypeNone)
	d.outermost = true
	d.values, d.ctx, d.flags, d.badUTF8, d.tooDeep, d.others, d.spare = values, ctx, flags, badUTF8, tooDeep, others, d.others
	d.values[slotEvents] = member{kind: scan.Array}
	return err == nil
}

// taken ends the reading of a body whose events stood in an array.
func (d *Decoder) taken() error {
	if err := d.finished(); err != nil {
		return err
	}
	if len(d.batch.Events) == 0 {
		return d.empty()
	}
	return nil
}
