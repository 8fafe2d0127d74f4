package dialect

import (
	"bytes"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
)

// otherMember is a member of an event that means nothing here.
type otherMember struct {
	key   scan.Value
	value member
}

// other notes a member at the top level of an event that has no slot, unless it holds nothing. What reaches beyond the size that an event may have is not noted: the event is refused for
// that, and a note takes ten times the memory of the shortest member.
func (d *Decoder) other(key, v scan.Value, start int) {
	if int64(v.End-start) > d.limits.MaxEventBytes {
		return
	}
	switch v.Kind {
	case scan.Null:
		return
	case scan.String:
		if m := memberOf(v); v.Start == v.End || d.isSecret(&m) {
			return
		}
	case scan.Object, scan.Array:
		if v.Members == 0 {
			return
		}
	}
	d.others = append(d.others, otherMember{key, memberOf(v)})
}

// isSecret tells whether the member is the write key of the request.
func (d *Decoder) isSecret(m *member) bool {
	secret := d.opt.Secret
	return len(secret) > 0 && m.kind == scan.String && int(m.end-m.start) >= len(secret) && bytes.Equal(d.valueOf(m), secret)
}

// othersName is the member of the context in which they are kept.
const othersName = "$other"

// left finds the members that have a slot and yet become no field of this event: a time beside the one that counts, when the event says it was sent, which the request says of
// all of them, and a type that is not that of the path.
func (d *Decoder) left(fixed schema.Type) (slots [3]slot, n int) {
	v := &d.values
	if v[slotTimeAlias].there() && v[slotTime].there() {
		slots[n], n = slotTimeAlias, n+1
	}
	if v[slotSentAt].there() {
		slots[n], n = slotSentAt, n+1
	}
	if m := &v[slotType]; fixed != schema.TypeNone && m.there() && (m.kind != scan.String || schema.ParseType(d.valueOf(m)) != fixed) {
		slots[n], n = slotType, n+1
	}
	return slots, n
}

// keepOthers adds to the context what becomes no field, so that nothing that the client sent is lost: {…as sent…,"$other":{…}}. A context that is no object is left as it is: it
// refuses the event.
func (d *Decoder) keepOthers(fixed schema.Type) {
	slots, n := d.left(fixed)
	if len(d.others)+n == 0 {
		return
	}
	context := &d.values[slotContext]
	if context.there() && context.kind != scan.Object {
		return
	}
	buf := &d.batch.Buf
	start := len(*buf)
	if context.there() && !d.isEmpty(context) {
		*buf = append(append(*buf, d.text[context.start:context.end-1]...), ',')
	} else {
		*buf = append(*buf, '{')
	}
	*buf = append(*buf, `"`+othersName+`":`...)
	o := d.compose()
	for i := range d.others {
		o.copy(d.others[i].key, &d.others[i].value)
	}
	for _, sl := range slots[:n] {
		o.add(d.family.names[sl][1:], &d.values[sl])
	}
	o.end()
	*buf = append(*buf, '}')
	*context = member{start: uint32(start), end: uint32(len(*buf)), kind: scan.Object}
}

// isEmpty tells whether an object has no members.
func (d *Decoder) isEmpty(m *member) bool {
	for _, c := range d.text[m.start+1 : m.end-1] {
		switch c {
		case ' ', '\t', '\n', '\r':
		default:
			return false
		}
	}
	return true
}
