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
	slotConcat
	slotPrepend
	slotUnion
	slotRemove
	slotClear
	slotCorrelationID
	slotCausationID
	slotHops
	slotEvents // the array of events around them
	// slotDelivery: what says how to deliver the event and nothing of what happened: the write key, which must not stand in a row, and what SDKs tell the router of
	// their vendor.
	slotDelivery
	numSlots
)

// names are the JSON pointers of a family's members, by slot; "" for a member it does not have.
type names [numSlots]string

// family is what is particular to an SDK family.
type family struct {
	names names
	// read walks over a body that is not empty.
	read func(d *Decoder, r *Route, opt Options) error
	// slot finds what the name of an event's member means; nil when members is set.
	slot func(key []byte) slot
	// members, when set, takes the place of Decoder.members, which notes members at the top level of an event and of its context only.
	members func(d *Decoder) bool
	// interpret gives the event its type, and may put what was noted into other slots before the fields are set from them.
	interpret func(d *Decoder, e *schema.Event, fixed schema.Type)
	// key finds the write key inside a body, see Decoder.Key.
	key func(d *Decoder) ([]byte, error)
}

var families [schema.NumDialects]*family

// init, because the functions of a family lead back to the table.
func init() {
	families = [schema.NumDialects]*family{
		schema.DialectNative:    &nativeFamily,
		schema.DialectSegment:   &segmentFamily,
		schema.DialectPostHog:   &posthogFamily,
		schema.DialectAmplitude: &amplitudeFamily,
		schema.DialectMixpanel:  &mixpanelFamily,
	}
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

// slotOf finds what a member name means in the family that is being read. The two that are called by name are the ones that most events speak.
func (d *Decoder) slotOf(key []byte) slot {
	switch d.batch.Dialect {
	case schema.DialectNative:
		return nativeSlot(key)
	case schema.DialectSegment:
		return segmentSlot(key)
	}
	return d.family.slot(key)
}

// members walks over the object at the cursor and notes the members that mean something. It returns false after a grammar error.
func (d *Decoder) members() bool {
	d.values = [numSlots]member{}
	d.ctx = [numContextSlots]member{}
	d.others = d.others[:0]
	d.flags = 0
	start := d.scan.Pos()
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
			switch sl {
			case slotNone:
				d.other(key, v, start)
			case slotContext:
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
	size := int64(end - start)
	if size > d.limits.MaxEventBytes {
		e.Refuse(schema.EventTooLarge, "", fmt.Sprintf(
			"the event has %d bytes, more than %d (limit limits.max_event_bytes): send less in one event", size, d.limits.MaxEventBytes))
	}
	if d.flags&scan.BadUTF8 != 0 {
		e.Refuse(schema.InvalidUTF8, d.family.names[d.badUTF8], "the event holds bytes that are not UTF-8: encode the request as UTF-8")
	}
	if d.flags&scan.TooDeep != 0 {
		e.Refuse(schema.TooDeep, d.family.names[d.tooDeep], fmt.Sprintf(
			"objects and arrays nest deeper than %d levels, the event counted (limit limits.max_depth): flatten the event", d.limits.MaxDepth))
	}
	d.family.interpret(d, e, fixed)
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
	if d.family.members == nil && size <= d.limits.MaxEventBytes { // not all of those of a larger one are noted
		d.keepOthers(fixed)
	}
	for i := range objects {
		o := &objects[i]
		if m := &d.values[o.slot]; d.is(e, o.slot, m, scan.Object) {
			if o.slot != slotContext {
				d.countMembers(e, d.family.names[o.slot], m.members)
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
	e.Refuse(schema.InvalidType, d.family.names[sl], fmt.Sprintf("%s must be %v, found %v", d.family.names[sl][1:], want, m.kind))
	return false
}

// countMembers refuses an event for the n members of what the pointer points at, when they are too many.
func (d *Decoder) countMembers(e *schema.Event, pointer string, n uint32) {
	if int64(n) > int64(d.limits.MaxProperties) {
		e.Refuse(schema.TooManyProperties, pointer, fmt.Sprintf(
			"%s has %d members, more than %d (limit limits.max_properties): nest them or send fewer", pointer[1:], n, d.limits.MaxProperties))
	}
}

// checkID refuses an event for an id of a person that cannot be one. It is for families that have ids at several places: the pointer says where this one stands.
func (d *Decoder) checkID(e *schema.Event, id []byte, pointer string) {
	if schema.IsIllegalID(id) {
		e.Refuse(schema.IllegalID, pointer, fmt.Sprintf(
			"%s is %s, which many clients send by mistake and cannot name one person: send the person's own id, or only that of the device", pointer[1:], Quote(id)))
	}
	if n := int64(len(id)); n > d.limits.MaxIDBytes {
		e.Refuse(schema.IDTooLong, pointer, fmt.Sprintf("%s has %d bytes, limits.max_id_bytes is %d: send a shorter one", pointer[1:], n, d.limits.MaxIDBytes))
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
			e.Refuse(schema.InvalidType, d.family.names[slotType], fmt.Sprintf(
				"type is %s; it must be one of track, identify, page, screen, group, alias, merge, unmerge", Quote(word)))
		}
	case m.there():
		// refused by is
	case d.batch.Dialect == schema.DialectNative:
		e.Type = schema.Track
	default:
		e.Refuse(schema.InvalidType, d.family.names[slotType], "type is missing; in a batch each event says its type: track, identify, page, screen, group or alias")
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
		e.Refuse(schema.InvalidTimestamp, d.family.names[sl], fmt.Sprintf(
			"%s is %s, which is no time: send RFC 3339 (2006-01-02T15:04:05.000Z) or a count since 1970 in seconds, milliseconds, microseconds or nanoseconds",
			d.family.names[sl][1:], Quote(d.valueOf(m))))
		return
	}
	e.SetClientTS(ms)
}

// sentAt takes the client's time of sending from a member of the body. One that is no time is as good as none: it only serves to correct clocks, and no
// event is worth refusing for it. A member that was taken is no longer there.
func (d *Decoder) sentAt(m *member) {
	if m.kind != scan.Number && m.kind != scan.String {
		return
	}
	if ms, ok := schema.ParseTime(d.valueOf(m)); ok {
		d.batch.SentAt, d.batch.HasSentAt = ms, true
		*m = member{}
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
		e.Refuse(schema.InvalidType, d.family.names[slotHops], fmt.Sprintf("hops is %s; it must be a whole number from 0 to %d",
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
