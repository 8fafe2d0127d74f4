package dialect

import (
	"bytes"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
)

// posthogObjects sets what the record keeps as JSON. What is done to properties of a person or a group becomes the traits; the properties are as sent, without that, the key and the address, which is
// a field of its own; what an event has beside its properties and fields becomes the context.
func (d *Decoder) posthogObjects(e *schema.Event, key bool) {
	st := &d.ph
	if m := &st.m[topProperties]; m.kind == scan.Array && m.members == 0 {
		*m = member{} // how PHP writes an object without members
	}
	for _, o := range [...]struct {
		what    posthogMember
		pointer string
	}{
		{topSet, "/$set"},
		{topSetOnce, "/$set_once"},
		{topUnset, "/$unset"},
		{propSet, "/properties/$set"},
		{propSetOnce, "/properties/$set_once"},
		{propUnset, "/properties/$unset"},
		{propGroupSet, "/properties/$group_set"},
	} {
		if m := &st.m[o.what]; m.kind == scan.Object || m.kind == scan.Array {
			d.countMembers(e, o.pointer, m.members)
		}
	}
	var gone posthogMembers
	if key {
		gone.add(propToken)
	}
	if d.posthogAddress(&st.m[propIP]) {
		gone.add(propIP)
	}
	// One that stands twice may hide an address or a key in what does not count.
	var met posthogMembers
	for i := range st.cuts {
		switch what := st.cuts[i].what; {
		case what != propIP && what != propToken:
		case met.has(what):
			gone.add(what)
		default:
			met.add(what)
		}
	}
	d.values[slotTraits] = d.posthogTraits(e, &gone)
	d.values[slotContext] = d.posthogRest(&gone)
	d.values[slotProperties] = d.posthogKept(gone)
}

// posthogMembers is a set of members.
type posthogMembers uint64

func (s *posthogMembers) add(m posthogMember)     { *s |= 1 << m }
func (s posthogMembers) has(m posthogMember) bool { return s>>m&1 == 1 }

// posthogAddress tells whether the member is an address, or nearly one: a list of them, or one with a port.
func (d *Decoder) posthogAddress(m *member) bool {
	if !m.text() {
		return false
	}
	digits := false
	for _, c := range d.valueOf(m) {
		switch {
		case c-'0' <= 9 || c == ':':
			digits = true
		case c|0x20-'a' <= 'f'-'a' || c == '.' || c == '[' || c == ']' || c == ',' || c == ' ' || c == '/' || c == '%':
		default:
			return false
		}
	}
	return digits
}

// posthogTraits composes what is done to properties, out of the operations at the top level of the event and among its properties. Where both name a property, the top level counts, which stands last.
// An operation of another kind is none and stays where it is.
func (d *Decoder) posthogTraits(e *schema.Event, gone *posthogMembers) member {
	st := &d.ph
	buf := &d.batch.Buf
	start := len(*buf)
	*buf = append(*buf, '{')
	name := func(lead string) {
		if len(*buf) > start+1 {
			*buf = append(*buf, ',')
		}
		*buf = append(*buf, lead...)
	}
	if e.Type == schema.Group {
		if m := &st.m[propGroupSet]; m.kind == scan.Object {
			name(`"$set":`)
			*buf = append(*buf, d.text[m.start:m.end]...)
			gone.add(propGroupSet)
		}
	} else {
		for _, op := range [...]struct {
			lead          string
			property, top posthogMember
		}{
			{`"$set":`, propSet, topSet}, {`"$set_once":`, propSetOnce, topSetOnce},
		} {
			a, b := st.m[op.property].kind == scan.Object, st.m[op.top].kind == scan.Object
			if !a && !b {
				continue
			}
			name(op.lead)
			*buf = append(*buf, '{')
			if a {
				d.appendInner(&st.m[op.property], false)
				gone.add(op.property)
			}
			if b {
				d.appendInner(&st.m[op.top], a && st.m[op.property].members > 0)
				gone.add(op.top)
			}
			*buf = append(*buf, '}')
		}
		d.posthogUnset(name, gone)
	}
	if len(*buf) == start+1 {
		*buf = (*buf)[:start]
		return member{}
	}
	*buf = append(*buf, '}')
	return member{start: uint32(start), end: uint32(len(*buf)), kind: scan.Object}
}

// posthogUnset composes the names of properties that lose their values. Each of the two places has a list of them, or an object, of which only the names count.
func (d *Decoder) posthogUnset(name func(string), gone *posthogMembers) {
	st := &d.ph
	names := func(m *member) bool { return m.kind == scan.Array || m.kind == scan.Object }
	a, b := &st.m[propUnset], &st.m[topUnset]
	if !names(a) && !names(b) {
		return
	}
	name(`"$unset":`)
	buf := &d.batch.Buf
	*buf = append(*buf, '[')
	if names(a) {
		d.appendNames(a, false)
		gone.add(propUnset)
	}
	if names(b) {
		d.appendNames(b, names(a) && a.members > 0)
		gone.add(topUnset)
	}
	*buf = append(*buf, ']')
}

// appendInner appends what stands between the brackets of an object or array of the body, behind a comma if there is something before it.
func (d *Decoder) appendInner(m *member, comma bool) {
	if m.members == 0 {
		return
	}
	if comma {
		d.batch.Buf = append(d.batch.Buf, ',')
	}
	d.batch.Buf = append(d.batch.Buf, bytes.Trim(d.text[m.start+1:m.end-1], " \t\r\n")...)
}

// appendNames appends the elements of an array, or the names of an object's members.
func (d *Decoder) appendNames(m *member, comma bool) {
	if m.kind == scan.Array {
		d.appendInner(m, comma)
		return
	}
	s := d.inside(m)
	for first := true; ; first = false {
		key, ok := s.NextMember(first)
		if !ok {
			return
		}
		if _, ok := s.Read(); !ok {
			return
		}
		if comma {
			d.batch.Buf = append(d.batch.Buf, ',')
		}
		comma = true
		d.batch.Buf = append(d.batch.Buf, d.text[key.Start-1:key.End+1]...)
	}
}

// posthogRest composes the context: the members of the event that mean nothing here, and those that could not be taken for what they mean elsewhere.
func (d *Decoder) posthogRest(gone *posthogMembers) member {
	st := &d.ph
	o := d.compose()
	for _, s := range st.rest {
		if o.members++; o.members > 1 {
			d.batch.Buf = append(d.batch.Buf, ',')
		}
		d.batch.Buf = append(d.batch.Buf, d.text[s.start:s.end]...)
	}
	for _, r := range [...]struct {
		name string
		what posthogMember
		left bool
	}{
		{"$set", topSet, !gone.has(topSet)},
		{"$set_once", topSetOnce, !gone.has(topSetOnce)},
		{"$unset", topUnset, !gone.has(topUnset)},
		{"$distinct_id", topDollarDistinctID, st.m[topDistinctID].there()},
		{"offset", topOffset, d.values[slotTime].there()},
		{"session_id", topSessionID, st.m[propSessionID].there()},
		{"window_id", topWindowID, st.m[propWindowID].there()},
		{"options", topOptions, st.m[topOptions].kind != scan.Object || st.m[topOptions].members > 0 || d.optionTwice()},
	} {
		if m := &st.m[r.what]; r.left && m.there() {
			o.add(r.name, m)
		}
	}
	return o.end()
}

// posthogLifted are the members that the protocol that answers for each event has taken out of the properties. They go back there, so that events are the same whichever protocol brought them.
var posthogLifted = [...]struct {
	what, property posthogMember
	lead           string
}{
	{topSessionID, propSessionID, `"$session_id":`},
	{topWindowID, propWindowID, `"$window_id":`},
	{optionPersonProfile, propPersonProfile, `"$process_person_profile":`},
	{optionCookieless, propCookieless, `"$cookieless_mode":`},
	{optionProductTour, propProductTour, `"$product_tour_id":`},
	{optionTrustClock, propTrustClock, `"$ignore_sent_at":`},
}

// optionTwice tells whether an option is a property, too.
func (d *Decoder) optionTwice() bool {
	for _, l := range posthogLifted[2:] {
		if d.ph.m[l.what].there() && d.ph.m[l.property].there() {
			return true
		}
	}
	return false
}

// posthogKept is the properties without those that are gone, and with those that were lifted.
func (d *Decoder) posthogKept(gone posthogMembers) member {
	st := &d.ph
	p := st.m[topProperties]
	if p.there() && p.kind != scan.Object {
		return p // refused for it
	}
	out := false
	for i := range st.cuts {
		out = out || gone.has(st.cuts[i].what)
	}
	in := false
	for _, l := range posthogLifted {
		in = in || st.m[l.what].there() && !st.m[l.property].there()
	}
	if !out && !in {
		return p
	}
	buf := &d.batch.Buf
	start := len(*buf)
	*buf = append(*buf, '{')
	if p.kind == scan.Object {
		d.appendWithout(&p, gone)
	}
	for _, l := range posthogLifted {
		m := &st.m[l.what]
		if !m.there() || st.m[l.property].there() {
			continue
		}
		if len(*buf) > start+1 {
			*buf = append(*buf, ',')
		}
		*buf = append(*buf, l.lead...)
		from, to := m.start, m.end
		if m.kind == scan.String {
			from, to = from-1, to+1 // its quotes
		}
		*buf = append(*buf, d.text[from:to]...)
	}
	*buf = append(*buf, '}')
	return member{start: uint32(start), end: uint32(len(*buf)), members: p.members, kind: scan.Object}
}

// appendWithout appends the members of the properties but those that are gone. What lies between two of these is copied as it stands.
func (d *Decoder) appendWithout(p *member, gone posthogMembers) {
	buf := &d.batch.Buf
	start := len(*buf)
	run := func(from, to uint32) {
		kept := bytes.Trim(d.text[from:to], " \t\r\n,")
		if len(kept) == 0 {
			return
		}
		if len(*buf) > start {
			*buf = append(*buf, ',')
		}
		*buf = append(*buf, kept...)
	}
	from := p.start + 1
	for i := range d.ph.cuts {
		if c := &d.ph.cuts[i]; gone.has(c.what) {
			run(from, c.start)
			from = c.end
		}
	}
	run(from, p.end-1)
}
