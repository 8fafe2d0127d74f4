package generate

import "github.com/millrace/millrace/schema"

// native appends the members of an event in Millrace's own format.
func (d *draft) native(c *call) {
	d.putID("id")
	// A track call need not say its type.
	if c.typ != schema.Track || c.fault == badType || !c.user.distinct {
		d.putType(c)
	}
	d.putEvent(c)
	d.putName(c)
	d.nativeActor(c)
	d.putTime("ts", c.fault)
	if c.session != nil && c.user.sessionID && !c.user.terse {
		d.text("session_id", sessionText(c.session))
	}
	if c.user.client == server && chance(d.r, 0.2) {
		d.text("correlation_id", sessionText(c.session))
		d.number("hops", d.r.Int64N(4))
	}
	d.limit -= len(d.context) + len(`},"context":}`)
	d.nativeBody(c)
	d.putContext()
}

// nativeActor appends who it was.
func (d *draft) nativeActor(c *call) {
	w, u := &d.want, c.user
	switch {
	case c.fault == missingUser:
		return
	case c.known || c.fault == illegalID || c.fault == longID:
		if u.distinct {
			d.putActor("distinct_id", c) // no user_id: the column stays empty
		} else {
			w.userID = d.putActor("user_id", c)
		}
	case u.distinct:
		d.value("distinct_id", u.anonymousID, false)
		return
	}
	if c.typ == schema.Alias {
		w.previousID = u.anonymousID
		d.value("previous_id", u.anonymousID, false)
		return
	}
	if u.client != server {
		w.anonymousID = u.anonymousID
		d.value("anonymous_id", u.anonymousID, false)
	}
	if c.typ == schema.Group || c.known && len(u.groupID) > 0 && chance(d.r, 0.5) {
		w.groupID = u.groupID
		d.value("group_id", u.groupID, false)
	}
}

// nativeBody appends properties, traits and what is to be set. The server composes traits of set and set_once.
func (d *draft) nativeBody(c *call) {
	switch {
	case c.fault == badProperties:
		d.text("properties", "[object Object]")
	case c.typ == schema.Alias:
	case c.typ == schema.Group:
		d.key("traits")
		d.want.traits = d.traitsObject(c, true)
	case c.typ == schema.Identify && chance(d.r, 0.2):
		d.key("traits")
		d.want.traits = d.traitsObject(c, true)
	case c.typ == schema.Identify:
		d.set("set", "set_once", c, true)
	default:
		d.key("properties")
		d.want.props = d.propertiesObject(c)
		if c.known && chance(d.r, 0.05) {
			d.set("set", "", c, false)
		}
	}
}

// set appends the traits under the names of operations.
func (d *draft) set(set, once string, c *call, full bool) {
	d.key(set)
	s := d.traitsObject(c, full)
	d.traits = append(append(d.traits[:0], `{"$set":`...), s.of(d.out)...)
	if once != "" && chance(d.r, 0.6) {
		d.key(once)
		start := len(d.out)
		d.out = append(d.out, '{')
		d.text("first_seen", "2026-01-15T08:30:00.000Z")
		d.text("first_city", c.user.city)
		d.out = append(d.out, '}')
		d.traits = append(append(d.traits, `,"$set_once":`...), d.out[start:]...)
	}
	d.traits = append(d.traits, '}')
	d.want.composed = true
}
