package dialect

import "github.com/millrace/millrace/schema/scan"

// Members that mean something to this family alone, as Decoder.own has them.
const (
	mixpanelNone   = iota
	mixpanelWhole  // the event; its count is that of the members that mean nothing here
	mixpanelSealed // the part of the properties that bears the key; its count is how many such parts there are
	mixpanelBears  // the key
	mixpanelVisit  // the session of SDKs on phones
	mixpanelDelete
	mixpanelGroupKey

	mixpanelAlias
	mixpanelIdentified
	mixpanelAnonymous
	mixpanelBefore
	mixpanelMerged
	mixpanelReferring

	// What is noted of properties begins here.
	mixpanelFirstProperty = mixpanelAlias
)

// mixpanelMeaning is what a member means: one of the three, the others are none.
type mixpanelMeaning struct {
	slot slot
	part contextSlot
	own  uint8
}

func mixpanelProperty(key []byte) (m mixpanelMeaning) {
	switch string(key) {
	case "distinct_id":
		m.slot = slotDistinctID
	case "$user_id":
		m.slot = slotUserID
	case "$device_id":
		m.slot = slotAnonymousID
	case "$insert_id":
		m.slot = slotID
	case "time":
		m.slot = slotTime
	case "$session_id":
		m.slot = slotSessionID
	case "mp_lib":
		m.part = contextLibraryName
	case "$lib_version":
		m.part = contextLibraryVersion
	case "$os":
		m.part = contextOSName
	case "$os_version":
		m.part = contextOSVersion
	case "$browser":
		m.part = contextBrowserName
	case "$browser_version":
		m.part = contextBrowserVersion
	case "$current_url":
		m.part = contextPageURL
	case "$referrer":
		m.part = contextPageReferrer
	case "utm_source":
		m.part = contextCampaignSource
	case "utm_medium":
		m.part = contextCampaignMedium
	case "utm_campaign":
		m.part = contextCampaignName
	case "$screen_width":
		m.part = contextScreenWidth
	case "$screen_height":
		m.part = contextScreenHeight
	case "mp_country_code":
		m.part = contextCountry
	case "$city":
		m.part = contextCity
	case "ip":
		m.part = contextIP
	case "$user_agent":
		m.part = contextUserAgent
	case "alias":
		m.own = mixpanelAlias
	case "$identified_id":
		m.own = mixpanelIdentified
	case "$anon_id":
		m.own = mixpanelAnonymous
	case "$anon_distinct_id":
		m.own = mixpanelBefore
	case "$distinct_ids":
		m.own = mixpanelMerged
	case "$referring_domain":
		m.own = mixpanelReferring
	}
	return m
}

// mixpanelOperation finds the operation that a member of an update names.
func mixpanelOperation(key []byte) slot {
	switch string(key) {
	case "$set":
		return slotSet
	case "$set_once":
		return slotSetOnce
	case "$add":
		return slotAdd
	case "$append":
		return slotAppend
	case "$union":
		return slotUnion
	case "$remove":
		return slotRemove
	case "$unset":
		return slotUnset
	}
	return slotNone
}

// mixpanelUpdateMember finds what a member of an update, of a person or of a group, means; known tells that it becomes a field, or is the key.
func mixpanelUpdateMember(key []byte, group bool) (m mixpanelMeaning, known bool) {
	known = true
	switch string(key) {
	case "$distinct_id":
		m.slot = slotDistinctID
	case "$user_id":
		m.slot = slotUserID
	case "$device_id":
		m.slot = slotAnonymousID
	case "$time":
		m.slot = slotTime
	case "$group_id":
		if known = group; group {
			m.slot = slotGroupID
		}
	case "$group_key":
		if known = group; group {
			m.own = mixpanelGroupKey
		}
	case "$token":
		m.own = mixpanelBears
	case "token": // a key at a place where updates have none; it stays out of what analysts read
	case "$delete":
		m.own = mixpanelDelete
	case "$ip":
		m.part, known = contextIP, false
	default:
		m.slot = mixpanelOperation(key)
		known = m.slot != slotNone
	}
	return m, known
}

// mixpanelBegin forgets the event before.
func (d *Decoder) mixpanelBegin() {
	d.values = [numSlots]member{}
	d.ctx = [numContextSlots]member{}
	d.own = [numOwn]member{}
	d.flags = 0
}

// mixpanelNote puts a member where its meaning says. Those that mean nothing collect the rest.
func (d *Decoder) mixpanelNote(what mixpanelMeaning, v scan.Value) {
	m := memberOf(v)
	switch {
	case what.slot != slotNone:
		d.values[what.slot] = m
	case what.part != contextNone:
		d.ctx[what.part] = m
	default:
		d.own[what.own] = m
	}
}

// mixpanelMembers notes the members of the event at the cursor. It returns false after a grammar error.
func (d *Decoder) mixpanelMembers() bool {
	d.mixpanelBegin()
	start := d.scan.Pos()
	unknown := uint32(0)
	d.scan.Enter()
	for first := true; ; first = false {
		key, ok := d.scan.NextMember(first)
		if !ok {
			d.own[mixpanelWhole] = member{start: uint32(start), end: uint32(d.scan.Pos()), members: unknown, kind: scan.Object}
			return d.scan.Err() == nil
		}
		sl, visit := slotNone, false
		switch string(d.name(key)) {
		case "event":
			sl = slotEvent
		case "properties":
			sl = slotProperties
		case "token", "$token":
			// A key at a place where this family has none; it stays out of what analysts read.
		case "$mp_metadata":
			visit = true
			unknown++
		default:
			unknown++
		}
		switch object := d.scan.Peek() == scan.Object; {
		case object && sl == slotProperties:
			if !d.mixpanelProperties() {
				return false
			}
		case object && visit:
			if !d.mixpanelMetadata() {
				return false
			}
		default:
			v, ok := d.scan.Read()
			if !ok {
				return false
			}
			if sl == slotProperties {
				d.mixpanelForget()
			}
			if visit {
				d.own[mixpanelVisit] = member{}
			}
			d.values[sl] = memberOf(v)
		}
		if f := d.scan.TakeFlags(); f != 0 {
			d.flag(f, sl)
		}
	}
}

// mixpanelForget forgets what was noted of properties: of two, the last count.
func (d *Decoder) mixpanelForget() {
	event := d.values[slotEvent]
	d.values = [numSlots]member{}
	d.values[slotEvent] = event
	d.ctx = [numContextSlots]member{}
	clear(d.own[mixpanelFirstProperty:])
	d.own[mixpanelSealed], d.own[mixpanelBears] = member{}, member{}
}

// mixpanelProperties notes the members of the properties at the cursor. It returns false after a grammar error.
func (d *Decoder) mixpanelProperties() bool {
	if d.values[slotProperties].kind != scan.Invalid {
		d.mixpanelForget()
	}
	start := d.scan.Pos()
	kept := uint32(0) // members that stay
	var sealed member
	open := false // the key stands before all others, and what is cut reaches up to the first of them
	d.scan.Enter()
	before := d.scan.Pos() // where the member before ends
	for first := true; ; first = false {
		key, ok := d.scan.NextMember(first)
		if !ok {
			d.values[slotProperties] = member{start: uint32(start), end: uint32(d.scan.Pos()), members: kept, kind: scan.Object}
			d.own[mixpanelSealed] = sealed
			return d.scan.Err() == nil
		}
		name := d.name(key)
		bears := string(name) == "token"
		what := mixpanelMeaning{own: mixpanelBears}
		if !bears {
			what = mixpanelProperty(name)
		}
		v, ok := d.scan.Read()
		if !ok {
			return false
		}
		d.mixpanelNote(what, v)
		end := d.scan.Pos()
		switch {
		case bears && kept > 0:
			sealed = member{start: uint32(before), end: uint32(end), members: sealed.members + 1, kind: scan.Object}
		case bears && !open:
			sealed = member{start: uint32(key.Start - 1), end: uint32(end), members: 1, kind: scan.Object}
			open = true
		case !bears:
			if open {
				sealed.end = uint32(key.Start - 1)
				open = false
			}
			kept++
		}
		before = end
	}
}

// mixpanelMetadata notes the session in what SDKs on phones say beside the properties. It returns false after a grammar error.
func (d *Decoder) mixpanelMetadata() bool {
	d.own[mixpanelVisit] = member{}
	d.scan.Enter()
	for first := true; ; first = false {
		key, ok := d.scan.NextMember(first)
		if !ok {
			return d.scan.Err() == nil
		}
		ours := string(d.name(key)) == "$mp_session_id"
		v, ok := d.scan.Read()
		if !ok {
			return false
		}
		if ours {
			d.own[mixpanelVisit] = memberOf(v)
		}
	}
}

// mixpanelUpdateMembers notes the members of the update at the cursor. It returns false after a grammar error.
func (d *Decoder) mixpanelUpdateMembers(group bool) bool {
	d.mixpanelBegin()
	start := d.scan.Pos()
	unknown := uint32(0)
	d.scan.Enter()
	for first := true; ; first = false {
		key, ok := d.scan.NextMember(first)
		if !ok {
			d.own[mixpanelWhole] = member{start: uint32(start), end: uint32(d.scan.Pos()), members: unknown, kind: scan.Object}
			return d.scan.Err() == nil
		}
		name := d.name(key)
		what, known := mixpanelUpdateMember(name, group)
		if !known {
			unknown++
		}
		if string(name) == "$mp_metadata" && d.scan.Peek() == scan.Object {
			if !d.mixpanelMetadata() {
				return false
			}
		} else {
			visit := string(name) == "$mp_metadata"
			v, ok := d.scan.Read()
			if !ok {
				return false
			}
			if visit {
				d.own[mixpanelVisit] = member{}
			}
			d.mixpanelNote(what, v)
		}
		if f := d.scan.TakeFlags(); f != 0 {
			d.flag(f, what.slot)
		}
	}
}
