package dialect

import (
	"fmt"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
)

// What the SDKs of Segment, RudderStack and Jitsu send: {"batch":[…],"sentAt":…,"writeKey":…} or one event on a path that names its type.

var segmentNames = names{
	slotID: "/messageId", slotType: "/type", slotEvent: "/event", slotName: "/name", slotUserID: "/userId", slotAnonymousID: "/anonymousId",
	slotGroupID: "/groupId", slotPreviousID: "/previousId", slotTime: "/timestamp", slotTimeAlias: "/originalTimestamp", slotSentAt: "/sentAt",
	slotProperties: "/properties", slotContext: "/context", slotTraits: "/traits", slotEvents: "/batch",
}

var segmentFamily = family{
	names: segmentNames,
	read: func(d *Decoder, r *Route, _ Options) error {
		if r.Shape == Batch {
			return d.segmentBatch()
		}
		return d.segmentEvent(r.Type)
	},
	interpret: (*Decoder).segmentType,
	key:       func(d *Decoder) ([]byte, error) { return d.keyMember("writeKey") },
}

func segmentSlot(key []byte) slot {
	switch string(key) {
	case "messageId":
		return slotID
	case "type":
		return slotType
	case "event":
		return slotEvent
	case "name":
		return slotName
	case "userId":
		return slotUserID
	case "anonymousId":
		return slotAnonymousID
	case "groupId":
		return slotGroupID
	case "previousId":
		return slotPreviousID
	case "timestamp":
		return slotTime
	case "originalTimestamp":
		return slotTimeAlias
	case "sentAt":
		return slotSentAt
	case "properties":
		return slotProperties
	case "context":
		return slotContext
	case "traits":
		return slotTraits
	case "writeKey", "integrations", "_metadata":
		return slotDelivery
	}
	return slotNone
}

// segmentType gives the event its type. RudderStack's SDK for Python has the traits of an identify in the context only.
func (d *Decoder) segmentType(e *schema.Event, fixed schema.Type) {
	d.setType(e, fixed)
	if traits := &d.ctx[contextTraits]; e.Type == schema.Identify && !d.values[slotTraits].there() && traits.kind == scan.Object {
		d.values[slotTraits] = *traits
		d.countMembers(e, "/context/traits", traits.members)
		// They stand in the record twice then, which the broker must be able to take.
		if size := int64(e.Raw.Len()) + int64(traits.end-traits.start); size > d.limits.MaxEventBytes {
			e.Refuse(schema.EventTooLarge, "/context/traits", fmt.Sprintf(
				"the event has %d bytes with its traits, which are read from the context, more than %d (limit limits.max_event_bytes): send them as traits, or less in one event", size, d.limits.MaxEventBytes))
		}
	}
}

// segmentBatch reads the object around a batch. Of its other members only sentAt means something here.
func (d *Decoder) segmentBatch() error {
	if d.scan.Peek() != scan.Object {
		return d.misshapen("", `expected an object with the member "batch"`)
	}
	var sent, around member
	d.scan.Enter()
	for first := true; ; first = false {
		key, ok := d.scan.NextMember(first)
		if !ok {
			break
		}
		name := d.name(key)
		isBatch, isSent := string(name) == "batch", string(name) == "sentAt"
		if isBatch {
			d.discard() // of two the last counts
			if d.scan.Peek() == scan.Array {
				if err := d.array(schema.TypeNone); err != nil {
					return err
				}
				around = member{kind: scan.Array}
				continue
			}
		}
		v, ok := d.scan.Read()
		if !ok {
			break
		}
		if isBatch {
			around = memberOf(v)
		}
		if isSent {
			sent = memberOf(v)
		}
	}
	if d.scan.Err() != nil {
		return d.malformed()
	}
	if err := d.finished(); err != nil {
		return err
	}
	switch {
	case around.kind == scan.Array && len(d.batch.Events) == 0:
		return d.empty()
	case around.kind == scan.Array:
		d.sentAt(&sent)
		return nil
	case around.kind <= scan.Null:
		return &Error{Fault: Misshapen, Pointer: "/batch", Detail: `the member "batch" is missing: send {"batch":[…]}, or one event to /v1/track, /v1/identify, …`}
	}
	return shapeError("/batch", "batch must be an array", around.kind)
}

// segmentEvent reads the one event of a path that names its type.
func (d *Decoder) segmentEvent(fixed schema.Type) error {
	if d.scan.Peek() != scan.Object {
		return d.misshapen("", "expected one event as an object")
	}
	start := d.scan.Pos()
	if !d.members() {
		return d.malformed()
	}
	end := d.scan.Pos()
	if err := d.finished(); err != nil {
		return err
	}
	d.sentAt(&d.values[slotSentAt])
	d.fill(d.batch.Add(), fixed, start, end)
	return nil
}
