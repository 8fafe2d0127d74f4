package dialect

import (
	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
)

// What the SDKs of Segment, RudderStack and Jitsu send: {"batch":[…],"sentAt":…,"writeKey":…} or one event on a path that names its type.

var segmentNames = names{
	slotID: "/messageId", slotType: "/type", slotEvent: "/event", slotName: "/name", slotUserID: "/userId", slotAnonymousID: "/anonymousId",
	slotGroupID: "/groupId", slotPreviousID: "/previousId", slotTime: "/timestamp", slotTimeAlias: "/originalTimestamp", slotSentAt: "/sentAt",
	slotProperties: "/properties", slotContext: "/context", slotTraits: "/traits", slotEvents: "/batch",
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
	}
	return slotNone
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
			d.batch.Events = d.batch.Events[:0] // of two the last counts
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
