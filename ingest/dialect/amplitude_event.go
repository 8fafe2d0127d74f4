package dialect

import (
	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
)

// amplitudeType is what the event's name says that it is. The names of the four that are no track call are what their types stand for, so the event goes without.
func (d *Decoder) amplitudeType() schema.Type {
	m := &d.values[slotEvent]
	if m.kind != scan.String {
		return schema.Track
	}
	switch string(d.valueOf(m)) {
	case "$identify":
		return schema.Identify
	case "$groupidentify":
		return schema.Group
	case "[Amplitude] Page Viewed":
		return schema.Page
	case "[Amplitude] Screen Viewed":
		return schema.Screen
	}
	return schema.Track
}

// amplitudeEvent puts what was noted where the fields are set from.
func (d *Decoder) amplitudeEvent(e *schema.Event, _ schema.Type) {
	v := &d.values
	e.Type = d.amplitudeType()
	if e.Type != schema.Track {
		v[slotEvent] = member{}
	}
	// Amplitude tells events apart by device and insert_id, and sessions by device and begin.
	if m := &v[slotID]; m.kind == scan.String && m.there() {
		v[slotID] = d.ofDevice(m)
	}
	if m := &v[slotSessionID]; m.kind == scan.Number || m.kind == scan.String {
		if d.noSession(m) {
			v[slotSessionID] = member{}
		} else {
			v[slotSessionID] = d.ofDevice(m)
		}
	}
	kind, name := d.amplitudeGroup(&d.own[amplitudeGroups])
	v[slotGroupID] = member{}
	if name.there() {
		v[slotGroupID] = d.groupID(&kind, &name)
	}
	if e.Type == schema.Group {
		v[slotTraits] = d.amplitudeTraits(e, &d.own[amplitudeGroupProperties], amplitudeGroupPointer)
		if !v[slotUserID].there() && !v[slotAnonymousID].there() && name.there() {
			v[slotDistinctID] = d.groupActor(&kind, &name) // servers need not name anybody
		}
	} else {
		v[slotTraits] = d.amplitudeTraits(e, &d.own[amplitudeUserProperties], amplitudeUserPointer)
	}
	if emptyList(&v[slotProperties]) {
		v[slotProperties] = member{}
	}
	v[slotProperties] = d.amplitudeRevenue(&v[slotProperties])
	d.amplitudePage(e.Type)
}

// emptyList tells whether the member is a list without elements, which is what PHP makes of an object without members.
func emptyList(m *member) bool { return m.kind == scan.Array && m.members == 0 }

// noSession tells whether the member says that there is no session.
func (d *Decoder) noSession(m *member) bool {
	switch string(d.valueOf(m)) {
	case "", "-1", "0":
		return true
	}
	return false
}

// ofDevice puts the device's id, else the user's, before an id that is unique among those of the device only. A UUID is left alone, and so is what would become too long for an
// id.
func (d *Decoder) ofDevice(m *member) member {
	if m.kind == scan.String {
		if _, ok := schema.ParseUUID(d.valueOf(m)); ok {
			return *m
		}
	}
	of := &d.values[slotAnonymousID]
	if of.kind != scan.String || !of.there() {
		of = &d.values[slotUserID]
	}
	if of.kind != scan.String || !of.there() || int64(of.end-of.start)+1+int64(m.end-m.start) > d.limits.MaxIDBytes {
		return *m
	}
	return d.joined(d.text[of.start:of.end], of.escaped(), m)
}

// joined composes a string of a text, a colon and a value.
func (d *Decoder) joined(text []byte, escaped bool, m *member) member {
	buf := &d.batch.Buf
	start := len(*buf)
	*buf = append(append(append(*buf, text...), ':'), d.text[m.start:m.end]...)
	j := member{start: uint32(start), end: uint32(len(*buf)), kind: scan.String}
	if escaped || m.escaped() {
		j.members = 1
	}
	return j
}

// amplitudeGroup is the group that the event belongs to: the first that groups names. All of them are in the context.
func (d *Decoder) amplitudeGroup(groups *member) (kind, name member) {
	if groups.kind != scan.Object {
		return member{}, member{}
	}
	s := d.inside(groups)
	for first := true; ; first = false {
		key, ok := s.NextMember(first)
		if !ok {
			return member{}, member{}
		}
		if s.Peek() == scan.Array {
			name = firstName(s)
		} else if v, ok := s.Read(); ok {
			name = memberOf(v)
		}
		if isName(&name) && key.Start < key.End {
			return memberOf(key), name
		}
	}
}

func isName(m *member) bool {
	return m.kind == scan.Number || m.kind == scan.String && m.start < m.end
}

// firstName is the first element of the list at the cursor that can be a name.
func firstName(s *scan.Scanner) (found member) {
	s.Enter()
	for first := true; s.NextElement(first); first = false {
		v, ok := s.Read()
		if !ok {
			return member{}
		}
		if m := memberOf(v); isName(&m) && found.kind == scan.Invalid {
			found = m
		}
	}
	return found
}
