package dialect

import (
	"fmt"
	"strconv"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
)

// slot numbers the members that mean something, whatever a family calls them.
type slot uint8

const (
	slotNone slot = iota // any other member
	slotID
	slotType
	slotEvent
	slotName
	slotDistinctID
	slotUserID
	slotAnonymousID
	slotGroupID
	slotPreviousID
	slotSessionID
	slotTime
	slotTimeAlias // a second name for the time; slotTime wins
	slotSentAt
	slotProperties
	slotContext
	slotTraits
	slotSet
	slotSetOnce
	slotAdd
	slotAppend
	slotUnset
	slotCorrelationID
	slotCausationID
	slotHops
	slotEvents // the array of events around them
	numSlots
)

// names are the JSON pointers of a family's members, by slot; "" for a member it does not have.
type names [numSlots]string

var dialectNames = [...]names{
	schema.DialectNative:  nativeNames,
	schema.DialectSegment: segmentNames,
}

// member is a scan.Value in half the space: there is one for every slot of every event.
type member struct {
	start, end uint32
	members    uint32
	kind       scan.Kind // Invalid: the member is not there
}

func memberOf(v scan.Value) member {
	return member{start: uint32(v.Start), end: uint32(v.End), members: uint32(v.Members), kind: v.Kind}
}

// escaped is scan.Value.Escaped.
func (m *member) escaped() bool { return m.kind == scan.String && m.members > 0 }

// there tells whether the member counts: null and "" do not.
func (m *member) there() bool {
	return m.kind > scan.Null && (m.kind != scan.String || m.start < m.end)
}

func (m *member) span() schema.Text { return schema.TextAt(int(m.start), int(m.end), m.escaped()) }

// name is the text of a member name without its escapes, valid until the next call.
func (d *Decoder) name(key scan.Value) []byte {
	text := d.text[key.Start:key.End]
	if key.Escaped() {
		return d.unescapedName(text)
	}
	return text
}

func (d *Decoder) unescapedName(text []byte) []byte {
	d.keyText = scan.AppendUnescaped(d.keyText[:0], text)
	return d.keyText
}

// valueOf is the value of a string or the text of a number, valid until the next call.
func (d *Decoder) valueOf(m *member) []byte {
	text := d.text[m.start:m.end]
	if !m.escaped() {
		return text
	}
	d.value = scan.AppendUnescaped(d.value[:0], text)
	return d.value
}

// slotOf finds what a member name means in the family that is being read.
func (d *Decoder) slotOf(key []byte) slot {
	if d.names == &dialectNames[schema.DialectNative] {
		return nativeSlot(key)
	}
	return segmentSlot(key)
}

// members walks over the object at the cursor and notes the members that mean something. It returns false after a grammar error.
func (d *Decoder) members() bool {
	d.values = [numSlots]member{}
	d.ctx = [numContextSlots]member{}
	d.flags = 0
	d.scan.Enter()
	for first := true; ; first = false {
		key, ok := d.scan.NextMember(first)
		if !ok {
			return d.scan.Err() == nil
		}
		sl := d.slotOf(d.name(key))
		kind := d.scan.Peek()
		switch {
		case sl == slotContext && kind == scan.Object:
			start := d.scan.Pos()
			if !d.context() {
				return false
			}
			d.values[sl] = member{start: uint32(start), end: uint32(d.scan.Pos()), kind: scan.Object}
		case sl == slotEvents && kind == scan.Array && d.outermost:
			if !d.inner() {
				return false
			}
		default:
			v, ok := d.scan.Read()
			if !ok {
				return false
			}
			if sl == slotContext {
				d.ctx = [numContextSlots]member{} // an earlier one no longer counts
			}
			d.values[sl] = memberOf(v)
		}
		if f := d.scan.TakeFlags(); f != 0 {
			d.flag(f, sl)
		}
	}
}

// flag remembers what the scanner found wrong in a member, and the first member of each kind.
func (d *Decoder) flag(f scan.Flags, in slot) {
	if f&^d.flags&scan.BadUTF8 != 0 {
		d.badUTF8 = in
	}
	if f&^d.flags&scan.TooDeep != 0 {
		d.tooDeep = in
	}
	d.flags |= f
}

// texts are the members that become fields as they stand.
var texts = [...]struct {
	slot  slot
	field schema.Field
}{
	{slotEvent, schema.FieldEvent},
	{slotName, schema.FieldName},
	{slotDistinctID, schema.FieldDistinctID},
	{slotUserID, schema.FieldUserID},
	{slotAnonymousID, schema.FieldAnonymousID},
	{slotGroupID, schema.FieldGroupID},
	{slotPreviousID, schema.FieldPreviousID},
	{slotCorrelationID, schema.FieldCorrelationID},
	{slotCausationID, schema.FieldCausationID},
}

// objects are the members whose text becomes a field byte for byte.
var objects = [...]struct {
	slot  slot
	field schema.Field
}{
	{slotProperties, schema.FieldProperties},
	{slotContext, schema.FieldContext},
	{slotTraits, schema.FieldTraits},
}

// fill makes an event of the members that were noted, text[start:end] being its JSON. What is wrong with it as a whole is said before what is wrong
// with a member.
func (d *Decoder) fill(e *schema.Event, fixed schema.Type, start, end int) {
	e.Raw = schema.TextAt(start, end, false)
	if size := int64(end - start); size > d.limits.MaxEventBytes {
		e.Refuse(schema.EventTooLarge, "", fmt.Sprintf(
			"the event has %d bytes, more than %d (limit limits.max_event_bytes): send less in one event", size, d.limits.MaxEventBytes))
	}
	if d.flags&scan.BadUTF8 != 0 {
		e.Refuse(schema.InvalidUTF8, d.names[d.badUTF8], "the event holds bytes that are not UTF-8: encode the request as UTF-8")
	}
	if d.flags&scan.TooDeep != 0 {
		e.Refuse(schema.TooDeep, d.names[d.tooDeep], fmt.Sprintf(
			"objects and arrays nest deeper than %d levels, the event counted (limit limits.max_depth): flatten the event", d.limits.MaxDepth))
	}
	d.setType(e, fixed)
	for i := range texts {
		t := &texts[i]
		if m := &d.values[t.slot]; d.is(e, t.slot, m, scan.String) {
			e.Set(t.field, m.span())
		}
	}
	if m := &d.values[slotID]; d.is(e, slotID, m, scan.String) {
		e.ClientID = m.span()
	}
	d.setTime(e)
	d.setHops(e)
	for i := range objects {
		o := &objects[i]
		if m := &d.values[o.slot]; d.is(e, o.slot, m, scan.Object) {
			if o.slot != slotContext {
				d.countMembers(e, o.slot, m)
			}
			e.Set(o.field, m.span())
		}
	}
	d.setOperations(e)
	d.setContext(e)
	if m := &d.values[slotSessionID]; m.kind == scan.Number || d.is(e, slotSessionID, m, scan.String) {
		e.ClientSession = m.span()
	}
}

// is tells whether the member is there and of the kind it must have; one of another kind refuses the event.
func (d *Decoder) is(e *schema.Event, sl slot, m *member, want scan.Kind) bool {
	if !m.there() {
		return false
	}
	return m.kind == want || d.wrongKind(e, sl, m, want)
}

func (d *Decoder) wrongKind(e *schema.Event, sl slot, m *member, want scan.Kind) bool {
	e.Refuse(schema.InvalidType, d.names[sl], fmt.Sprintf("%s must be %v, found %v", d.names[sl][1:], want, m.kind))
	return false
}

func (d *Decoder) countMembers(e *schema.Event, sl slot, m *member) {
	if int64(m.members) > int64(d.limits.MaxProperties) {
		e.Refuse(schema.TooManyProperties, d.names[sl], fmt.Sprintf(
			"%s has %d members, more than %d (limit limits.max_properties): nest them or send fewer", d.names[sl][1:], m.members, d.limits.MaxProperties))
	}
}

// setType takes the type from the path, else from the event, else the family's default.
func (d *Decoder) setType(e *schema.Event, fixed schema.Type) {
	e.Type = fixed
	if fixed != schema.TypeNone {
		return
	}
	m := &d.values[slotType]
	switch {
	case d.is(e, slotType, m, scan.String):
		word := d.valueOf(m)
		if e.Type = schema.ParseType(word); e.Type == schema.TypeNone {
			e.Refuse(schema.InvalidType, d.names[slotType], fmt.Sprintf(
				"type is %s; it must be one of track, identify, page, screen, group, alias, merge, unmerge", Quote(word)))
		}
	case m.there():
		// refused by is
	case d.names == &dialectNames[schema.DialectNative]:
		e.Type = schema.Track
	default:
		e.Refuse(schema.InvalidType, d.names[slotType], "type is missing; in a batch each event says its type: track, identify, page, screen, group or alias")
	}
}

// setTime takes the client's time of the event.
func (d *Decoder) setTime(e *schema.Event) {
	sl := slotTime
	if !d.values[sl].there() {
		sl = slotTimeAlias
	}
	m := &d.values[sl]
	if m.kind != scan.Number && !d.is(e, sl, m, scan.String) {
		return
	}
	e.ClientTime = m.span()
	ms, ok := schema.ParseTime(d.valueOf(m))
	if !ok {
		e.Refuse(schema.InvalidTimestamp, d.names[sl], fmt.Sprintf(
			"%s is %s, which is no time: send RFC 3339 (2006-01-02T15:04:05.000Z) or a count since 1970 in seconds, milliseconds, microseconds or nanoseconds",
			d.names[sl][1:], Quote(d.valueOf(m))))
		return
	}
	e.SetClientTS(ms)
}

// sentAt takes the client's time of sending from a member of the body. One that is no time is as good as none: it only serves to correct clocks, and no
// event is worth refusing for it.
func (d *Decoder) sentAt(m *member) {
	if m.kind != scan.Number && m.kind != scan.String {
		return
	}
	if ms, ok := schema.ParseTime(d.valueOf(m)); ok {
		d.batch.SentAt, d.batch.HasSentAt = ms, true
	}
}

// maxHops is the largest count of causation steps that a record can hold.
const maxHops = 255

func (d *Decoder) setHops(e *schema.Event) {
	m := &d.values[slotHops]
	if !d.is(e, slotHops, m, scan.Number) {
		return
	}
	n, ok := smallInt(d.text[m.start:m.end])
	if !ok || n > maxHops {
		e.Refuse(schema.InvalidType, d.names[slotHops], fmt.Sprintf("hops is %s; it must be a whole number from 0 to %d",
			Quote(d.text[m.start:m.end]), maxHops))
		return
	}
	e.Hops = uint8(n)
}

// smallInt reads a JSON number that is a whole number from 0 to 2^31, however it is written (1e2, 3.0).
func smallInt(text []byte) (n int64, ok bool) {
	if len(text) <= 10 {
		for i, c := range text {
			if c-'0' > 9 {
				break
			}
			n = n*10 + int64(c-'0')
			if i == len(text)-1 {
				return n, true
			}
		}
	}
	f, err := strconv.ParseFloat(view(text), 64)
	if err != nil || f < 0 || f > 1<<31 || f != float64(int64(f)) {
		return 0, false
	}
	return int64(f), true
}
