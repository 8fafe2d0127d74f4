package dialect

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
)

// mixpanelEvent makes what was noted of an event an event of ours.
func (d *Decoder) mixpanelEvent(e *schema.Event) {
	v, own := &d.values, &d.own
	d.mixpanelKeyed(e, "/properties/token")
	d.mixpanelUnseal()
	device := d.mixpanelIDs(e)
	mixpanelText(&v[slotID])
	e.Type = schema.Track
	if m := &v[slotEvent]; m.kind == scan.String {
		switch string(d.valueOf(m)) {
		case "$identify":
			d.mixpanelIdentify(e, device)
		case "$create_alias":
			e.Type = schema.Alias
			v[slotUserID], _ = d.mixpanelID(e, &own[mixpanelAlias], "/properties/alias")
			v[slotPreviousID] = v[slotDistinctID]
			v[slotDistinctID], v[slotEvent] = member{}, member{} // as an alias of any family
			if !v[slotUserID].there() {
				e.Refuse(schema.MissingUser, "/properties/alias", "properties/alias is missing: an alias says by which id the person of distinct_id is known from now on")
			}
		case "$merge":
			d.mixpanelMerge(e)
			v[slotEvent] = member{} // named as such a call of any family is
		case "$mp_web_page_view", "mp_page_view":
			e.Type = schema.Page
			v[slotEvent] = member{} // pages of all families have one name
		}
	}
	if e.Type != schema.Alias && e.Type != schema.Merge && device && v[slotUserID].there() {
		v[slotDistinctID] = member{} // the person goes by the user's id
	}
	d.mixpanelSurroundings(e)
	d.mixpanelVisited()
	if own[mixpanelWhole].members > 0 {
		v[slotContext] = d.without(&own[mixpanelWhole], func(name []byte) bool {
			switch string(name) {
			case "event", "properties", "token", "$token":
				return true
			}
			return false
		})
	}
}

// mixpanelUnseal takes the key out of the properties.
func (d *Decoder) mixpanelUnseal() {
	p, sealed := &d.values[slotProperties], &d.own[mixpanelSealed]
	switch {
	case sealed.kind == scan.Invalid:
	case p.members == 0:
		*p = member{}
	case sealed.members > 1:
		*p = d.without(p, func(name []byte) bool { return string(name) == "token" })
	default:
		buf := &d.batch.Buf
		start := len(*buf)
		*buf = append(append(*buf, d.text[p.start:sealed.start]...), d.text[sealed.end:p.end]...)
		p.start, p.end = uint32(start), uint32(len(*buf))
	}
}

// mixpanelDevice stands before the id of a device where the id of a person is expected.
const mixpanelDevice = "$device:"

// mixpanelText takes a number for its text: SDKs send ids as the app gives them.
func mixpanelText(m *member) {
	if m.kind == scan.Number {
		m.kind, m.members = scan.String, 0
	}
}

// mixpanelID is a member as the id of a person, without the mark of devices; device tells that it had that. One that cannot be an id refuses the event.
func (d *Decoder) mixpanelID(e *schema.Event, from *member, pointer string) (id member, device bool) {
	id = *from
	mixpanelText(&id)
	if !id.there() {
		return member{}, false
	}
	if id.kind != scan.String {
		e.Refuse(schema.InvalidType, pointer, fmt.Sprintf("%s must be a string, found %v", pointer[1:], id.kind))
		return member{}, false
	}
	value := d.valueOf(&id)
	if bytes.HasPrefix(value, []byte(mixpanelDevice)) {
		device = true
		value = value[len(mixpanelDevice):]
		id.start += uint32(d.mixpanelRaw(&id, len(mixpanelDevice)))
		if len(value) == 0 {
			return member{}, true
		}
	}
	d.checkID(e, value, pointer)
	return id, device
}

// mixpanelRaw is how many bytes of a string's text the first n characters take, which are ASCII.
func (d *Decoder) mixpanelRaw(m *member, n int) (length int) {
	text := d.text[m.start:m.end]
	for ; n > 0; n-- {
		switch {
		case text[length] != '\\':
			length++
		case text[length+1] == 'u':
			length += len(`\u0000`)
		default:
			length += len(`\/`)
		}
	}
	return length
}

// mixpanelIDs checks the ids that every event and update may have. device tells that the distinct id names a device; then that is the anonymous id, unless there is one.
func (d *Decoder) mixpanelIDs(e *schema.Event) (device bool) {
	v, names := &d.values, &d.family.names
	v[slotDistinctID], device = d.mixpanelID(e, &v[slotDistinctID], names[slotDistinctID])
	v[slotUserID], _ = d.mixpanelID(e, &v[slotUserID], names[slotUserID])
	v[slotAnonymousID], _ = d.mixpanelID(e, &v[slotAnonymousID], names[slotAnonymousID])
	if device && !v[slotAnonymousID].there() {
		v[slotAnonymousID] = v[slotDistinctID]
	}
	return device
}

// mixpanelIdentify reads who is who. Both APIs for that are in use: $identified_id and $anon_id say it where they are, else the ids that all events have.
func (d *Decoder) mixpanelIdentify(e *schema.Event, device bool) {
	v, own := &d.values, &d.own
	e.Type = schema.Identify
	if user, _ := d.mixpanelID(e, &own[mixpanelIdentified], "/properties/$identified_id"); user.there() {
		v[slotUserID] = user
	} else if !v[slotUserID].there() && !device {
		v[slotUserID] = v[slotDistinctID]
	}
	before, _ := d.mixpanelID(e, &own[mixpanelBefore], "/properties/$anon_distinct_id")
	if anonymous, _ := d.mixpanelID(e, &own[mixpanelAnonymous], "/properties/$anon_id"); anonymous.there() {
		v[slotAnonymousID] = anonymous
	} else if before.there() {
		v[slotAnonymousID] = before
	}
	if !v[slotUserID].there() {
		e.Refuse(schema.MissingUser, "/properties/distinct_id", "nobody is identified: send the user's id as properties/distinct_id, properties/$user_id or properties/$identified_id")
	}
}

// mixpanelMerge reads the two ids of a merge.
func (d *Decoder) mixpanelMerge(e *schema.Event) {
	const pointer = "/properties/$distinct_ids"
	v, list := &d.values, &d.own[mixpanelMerged]
	e.Type = schema.Merge
	v[slotDistinctID] = member{}
	if list.kind != scan.Array || list.members != 2 {
		e.Refuse(schema.MissingUser, pointer, "properties/$distinct_ids must be a list of the two ids that are one person")
		return
	}
	s := d.inside(list)
	for i, sl := range [...]slot{slotDistinctID, slotPreviousID} {
		s.NextElement(i == 0)
		item, _ := s.Read()
		m := memberOf(item)
		at := [...]string{pointer + "/0", pointer + "/1"}[i]
		if v[sl], _ = d.mixpanelID(e, &m, at); !v[sl].there() {
			e.Refuse(schema.MissingUser, at, strings.TrimPrefix(at, "/")+" is no id")
		}
	}
}

// mixpanelSurroundings mends what was noted of page, device and place before the fields are set from it.
func (d *Decoder) mixpanelSurroundings(e *schema.Event) {
	ctx := &d.ctx
	for _, part := range [...]contextSlot{contextOSVersion, contextBrowserVersion, contextLibraryVersion} {
		mixpanelText(&ctx[part])
	}
	if m := &ctx[contextCountry]; m.text() && !mixpanelCountry(d.text[m.start:m.end]) {
		*m = member{}
	}
	if m := &d.own[mixpanelReferring]; m.text() && !ctx[contextPageReferrer].text() {
		host := d.valueOf(m)
		d.setHost(e, schema.FieldReferrerHost, m, host, mixpanelHost(host))
	}
	d.mixpanelAddress(e)
}

// mixpanelCountry tells whether text has the form of a country's code (ISO 3166-1 alpha-2).
func mixpanelCountry(text []byte) bool {
	return len(text) == 2 && text[0]-'A' <= 'Z'-'A' && text[1]-'A' <= 'Z'-'A'
}

// mixpanelHost finds the name in a host with or without its port.
func mixpanelHost(host []byte) part {
	if i := bytes.IndexByte(host, ':'); i >= 0 && i == bytes.LastIndexByte(host, ':') {
		return part{0, i}
	}
	return part{0, len(host)}
}

// mixpanelAddress takes 0 in place of an address for what it means: the request's is not the person's, either.
func (d *Decoder) mixpanelAddress(e *schema.Event) {
	m := &d.ctx[contextIP]
	if (m.kind == scan.Number || m.kind == scan.String) && string(d.text[m.start:m.end]) == "0" {
		*m = member{}
		e.NoAddress = true
	}
}

// mixpanelVisited takes the session from the properties, else from what SDKs on phones say.
func (d *Decoder) mixpanelVisited() {
	m := &d.values[slotSessionID]
	if !m.there() || m.kind != scan.String && m.kind != scan.Number {
		*m = d.own[mixpanelVisit]
	}
	if m.kind != scan.String && m.kind != scan.Number {
		*m = member{}
	}
}
