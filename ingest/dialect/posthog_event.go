package dialect

import (
	"bytes"
	"fmt"
	"math"
	"strconv"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
)

// posthogEvent gives the event its type and puts what was noted where the fields are set from.
func (d *Decoder) posthogEvent(e *schema.Event) {
	st, v := &d.ph, &d.values
	if m := &st.m[topEvent]; d.is(e, slotEvent, m, scan.String) {
		v[slotEvent] = *m
	}
	e.Type = d.posthogType(&v[slotEvent])
	switch e.Type {
	case schema.Identify, schema.Alias, schema.Merge, schema.Group:
		v[slotEvent] = member{} // named as such a call of any family is
	case schema.Screen:
		if m := asText(&st.m[propScreenName]); m.text() && int64(m.end-m.start) <= d.limits.MaxNameBytes {
			v[slotName] = m
		}
	}
	v[slotID] = st.m[topUUID]
	if !v[slotID].there() && st.m[topMessageID].kind == scan.String {
		v[slotID] = st.m[topMessageID]
	}
	d.posthogLibrary(e)
	d.posthogIDs(e)
	d.posthogTime(e)
	d.posthogContext(e)
	key := d.posthogKeyed(e)
	d.posthogObjects(e, key)
}

// posthogType finds the type that an event's name stands for. An event that sets properties of a person identifies nobody: visitors that are not known have properties, too.
func (d *Decoder) posthogType(name *member) schema.Type {
	if name.kind != scan.String {
		return schema.Track
	}
	switch string(d.valueOf(name)) {
	case "$identify":
		return schema.Identify
	case "$create_alias":
		return schema.Alias
	case "$merge_dangerously":
		return schema.Merge
	case "$groupidentify":
		return schema.Group
	case "$pageview":
		return schema.Page
	case "$screen":
		return schema.Screen
	}
	return schema.Track
}

// asText is the member as the text that PostHog takes it for: numbers and booleans are what they are written as.
func asText(m *member) member {
	if m.kind == scan.Number || m.kind == scan.Bool {
		return member{start: m.start, end: m.end, kind: scan.String}
	}
	return *m
}

// posthogID is a member that names somebody; one that cannot refuses the event.
func (d *Decoder) posthogID(e *schema.Event, m *member, pointer string) member {
	id := d.posthogWord(e, m, pointer)
	if id.there() {
		d.checkID(e, d.valueOf(&id), pointer)
	}
	return id
}

// posthogWord is a member that must be a text, if it is there; one of another kind refuses the event.
func (d *Decoder) posthogWord(e *schema.Event, m *member, pointer string) member {
	id := asText(m)
	if !id.there() {
		return member{}
	}
	if id.kind != scan.String {
		e.Refuse(schema.InvalidType, pointer, fmt.Sprintf("%s must be %v, found %v", pointer[1:], scan.String, id.kind))
		return member{}
	}
	return id
}

// posthogIDs sets who did it, and who else that is.
func (d *Decoder) posthogIDs(e *schema.Event) {
	st, v := &d.ph, &d.values
	var id member
	switch {
	case st.m[topDistinctID].there():
		id = d.posthogID(e, &st.m[topDistinctID], "/distinct_id")
	case st.m[topDollarDistinctID].there():
		id = d.posthogID(e, &st.m[topDollarDistinctID], "/$distinct_id")
	default:
		id = d.posthogID(e, &st.m[propDistinctID], "/properties/distinct_id")
	}
	v[slotDistinctID] = id
	device := asText(&st.m[propDeviceID])
	if device.kind != scan.String || !device.there() {
		device = member{}
	}
	switch e.Type {
	case schema.Identify:
		v[slotUserID] = id
		v[slotAnonymousID] = d.posthogID(e, &st.m[propAnonymousID], "/properties/$anon_distinct_id")
	case schema.Alias:
		other := d.posthogID(e, &st.m[propAlias], "/properties/alias")
		v[slotUserID], v[slotPreviousID] = id, other
		if other.there() && d.posthogAliasIsUser(e, &id, &device) {
			v[slotDistinctID], v[slotUserID], v[slotPreviousID] = other, other, id
		}
	case schema.Merge:
		v[slotUserID] = id
		v[slotPreviousID] = d.posthogID(e, &st.m[propAlias], "/properties/alias")
	default:
		d.posthogActor(e, &id, &device)
	}
	if e.Type == schema.Group {
		d.posthogGroup(e, &id)
	} else if m := &st.m[propGroups]; m.kind == scan.Object {
		v[slotGroupID] = d.posthogFirstGroup(m)
	}
}

// cookieless is the id that all visitors have whom the SDK may not tell apart.
const cookieless = "$posthog_cookieless"

// posthogActor tells users from visitors. SDKs in browsers and apps say whether the id is a known user's, or the device's own; what servers send is their users', unless it is said to have no profile.
func (d *Decoder) posthogActor(e *schema.Event, id, device *member) {
	st, v := &d.ph, &d.values
	user := true
	switch d.truth(&st.m[propIdentified]) {
	case no:
		user = false
	case unsaid:
		profile := d.truth(&st.m[propPersonProfile])
		if profile == unsaid {
			profile = d.truth(&st.m[optionPersonProfile])
		}
		user = profile != no && !d.same(id, device)
	}
	if user && id.there() && string(d.valueOf(id)) == cookieless {
		user = false
	}
	if !user {
		v[slotAnonymousID] = *id
		return
	}
	v[slotUserID] = *id
	if !d.same(id, device) {
		v[slotAnonymousID] = d.posthogID(e, device, "/properties/$device_id")
	}
}

// posthogAliasIsUser tells which side of an alias is the user: the alias where the other side is a visitor, and in Python, whose SDK sends its previous_id as distinct_id and its distinct_id as alias.
// Elsewhere the alias is one more id of whom distinct_id names.
func (d *Decoder) posthogAliasIsUser(e *schema.Event, id, device *member) bool {
	if d.truth(&d.ph.m[propIdentified]) == no || d.same(id, device) {
		return true
	}
	if lib := &d.ctx[contextLibraryName]; lib.kind == scan.String {
		return string(d.valueOf(lib)) == posthogPython
	}
	return string(e.Text(schema.FieldLib).In(d.batch.Buf)) == posthogPython
}

const posthogPython = "posthog-python"

// same tells whether two texts are equal.
func (d *Decoder) same(a, b *member) bool {
	if a.kind != scan.String || b.kind != scan.String {
		return false
	}
	if !a.escaped() && !b.escaped() {
		return bytes.Equal(d.text[a.start:a.end], d.text[b.start:b.end])
	}
	return bytes.Equal(d.unescapedName(d.text[a.start:a.end]), d.valueOf(b))
}

// posthogGroup sets the group that the event describes. Servers that describe a group without anybody's doing make up an id, which is nobody.
func (d *Decoder) posthogGroup(e *schema.Event, id *member) {
	st, v := &d.ph, &d.values
	kind := d.posthogWord(e, &st.m[propGroupType], "/properties/$group_type")
	key := d.posthogWord(e, &st.m[propGroupKey], "/properties/$group_key")
	if !key.there() {
		return
	}
	v[slotGroupID] = d.groupID(&kind, &key)
	if v[slotUserID].there() && d.isPlaceholder(id, &kind, &key) {
		v[slotUserID] = member{}
	}
}

// isPlaceholder tells whether the id is $type_key.
func (d *Decoder) isPlaceholder(id, kind, key *member) bool {
	text := d.valueOf(id)
	if len(text) == 0 || text[0] != '$' {
		return false
	}
	d.keyText = append(d.keyText[:0], '$')
	d.keyText = appendValue(d.keyText, d.text, kind)
	d.keyText = append(d.keyText, '_')
	d.keyText = appendValue(d.keyText, d.text, key)
	return bytes.Equal(text, d.keyText)
}

func appendValue(dst, text []byte, m *member) []byte {
	if m.escaped() {
		return scan.AppendUnescaped(dst, text[m.start:m.end])
	}
	return append(dst, text[m.start:m.end]...)
}

// posthogFirstGroup is the first group that an event is of. An event may be of one group of each type; the others stay where they are.
func (d *Decoder) posthogFirstGroup(groups *member) member {
	s := d.inside(groups)
	for first := true; ; first = false {
		name, ok := s.NextMember(first)
		if !ok {
			return member{}
		}
		v, ok := s.Read()
		if !ok {
			return member{}
		}
		kind, m := memberOf(name), memberOf(v)
		if key := asText(&m); m.kind != scan.Bool && key.kind == scan.String && key.there() && int64(kind.end-kind.start)+int64(key.end-key.start) < d.limits.MaxIDBytes {
			return d.groupID(&kind, &key)
		}
	}
}

// maxOffset is the longest time before arrival that is believed, in milliseconds: a century.
const maxOffset = 100 * 365 * 24 * 3600 * 1000

// posthogTime sets when it happened: the time the client gave, else how long before it was sent, which is taken for how long before it arrived.
func (d *Decoder) posthogTime(e *schema.Event) {
	st := &d.ph
	trust := d.truth(&st.m[propTrustClock]) == yes || d.truth(&st.m[optionTrustClock]) == yes || d.truth(&st.m[topHistorical]) == yes
	e.TrustClock = trust
	d.values[slotTime] = st.m[topTimestamp]
	offset := &st.m[topOffset]
	if d.values[slotTime].there() || !offset.there() || !d.is(e, slotTimeAlias, offset, scan.Number) {
		return
	}
	ms, err := strconv.ParseFloat(view(d.text[offset.start:offset.end]), 64)
	if err != nil || math.Abs(ms) > maxOffset {
		e.Refuse(schema.InvalidTimestamp, "/offset", fmt.Sprintf("offset is %s, which is no time before sending: send milliseconds", Quote(d.text[offset.start:offset.end])))
		return
	}
	if d.batch.ReceivedAt != 0 {
		e.SetClientTS(d.batch.ReceivedAt - int64(ms))
		e.TrustClock = true
	}
}

// posthogLibrary finds the SDK: where the event says it, else where the request does.
func (d *Decoder) posthogLibrary(e *schema.Event) {
	st := &d.ph
	name, version := asText(&st.m[propLib]), asText(&st.m[propLibVersion])
	if !name.text() {
		name = st.m[topLibrary]
	}
	if !version.text() {
		version = st.m[topLibraryVersion]
	}
	d.ctx[contextLibraryName], d.ctx[contextLibraryVersion] = name, version
	if name.text() {
		return
	}
	if !st.lib.known {
		st.lib.known = true
		text := d.opt.Library
		if text == nil && bytes.HasPrefix(d.batch.UserAgent, []byte("posthog-")) {
			text, _, _ = bytes.Cut(d.batch.UserAgent, []byte(" "))
		}
		if lib, v, ok := bytes.Cut(text, []byte("/")); ok && len(text) <= maxLibrary {
			st.lib.name, st.lib.version = d.appendText(lib), d.appendText(v)
		}
	}
	if st.lib.name.Len() == 0 {
		return
	}
	e.Set(schema.FieldLib, st.lib.name)
	if !version.text() && st.lib.version.Len() > 0 {
		e.Set(schema.FieldLibVersion, st.lib.version)
	}
}

// maxLibrary is the longest name and version that is taken from a header.
const maxLibrary = 128

// posthogContext puts the properties that say where it happened to where the fields are set from.
func (d *Decoder) posthogContext(e *schema.Event) {
	st := &d.ph
	for _, c := range [...]struct {
		part contextSlot
		own  posthogMember
	}{
		{contextPageURL, propURL}, {contextPageReferrer, propReferrer}, {contextIP, propIP},
	} {
		d.ctx[c.part] = st.m[c.own]
	}
	d.posthogFirst(contextLocale, propLocale, propBrowserLanguage)
	d.posthogFirst(contextUserAgent, propRawAgent, propAgent)
	d.posthogFirst(contextSessionID, topSessionID, propSessionID)
	for _, part := range [...]contextSlot{contextOSName, contextOSVersion, contextBrowserName, contextBrowserVersion} {
		if m := &d.ctx[part]; m.kind == scan.Number {
			m.kind, m.members = scan.String, 0
		}
	}
	if d.truth(&st.m[propIsServer]) == yes { // the system is the server's
		d.ctx[contextOSName], d.ctx[contextOSVersion] = member{}, member{}
	}
	if m := &st.m[propBrowserType]; m.kind == scan.String && string(d.valueOf(m)) == "bot" {
		e.Bot = true
	}
	if m := &st.m[propDeviceType]; m.text() {
		if kind := d.valueOf(m); hasUpper(kind) { // as they are called elsewhere
			t := d.appendText(kind)
			lower(t.In(d.batch.Buf))
			e.Set(schema.FieldDeviceType, t)
		} else {
			d.ctx[contextDeviceType] = *m
		}
	}
	// What the URL says is the page; where there is none, its parts may be.
	if !d.ctx[contextPageURL].text() {
		d.ctx[contextPagePath] = st.m[propPath]
		d.posthogHost(e, schema.FieldPageHost, &st.m[propHost])
	}
	if !d.ctx[contextPageReferrer].text() {
		d.posthogHost(e, schema.FieldReferrerHost, &st.m[propReferringDomain])
	}
}

// posthogFirst sets a part of the context from the first of two members that is a text, or for a session a number.
func (d *Decoder) posthogFirst(part contextSlot, a, b posthogMember) {
	m := &d.ph.m[a]
	if !m.text() && (m.kind != scan.Number || part != contextSessionID) {
		m = &d.ph.m[b]
	}
	d.ctx[part] = *m
}

// posthogHost sets a field to the host name in a member that may have a port. Names that begin with $ stand for none.
func (d *Decoder) posthogHost(e *schema.Event, f schema.Field, m *member) {
	if !m.text() {
		return
	}
	host := d.valueOf(m)
	p := part{0, len(host)}
	switch i := bytes.IndexByte(host, ':'); {
	case len(host) == 0 || host[0] == '$':
		return
	case host[0] == '[':
		p = part{1, 1 + max(bytes.IndexByte(host[1:], ']'), 0)}
	case i >= 0:
		p.end = i
	}
	d.setHost(e, f, m, host, p)
}
