package generate

import "github.com/millrace/millrace/schema"

// segment appends the members of an event as the SDKs of Segment and RudderStack send it. Those of servers and those of browsers differ in order.
func (d *draft) segment(c *call) {
	if c.user.client == server {
		d.putID("messageId")
		d.putTime("timestamp", c.fault)
		d.putType(c)
		d.putEvent(c)
		d.segmentActor(c)
		d.putContext()
		d.limit -= len(`}}`)
		d.segmentBody(c)
		return
	}
	d.putTime("timestamp", c.fault)
	d.raw("integrations", "{}")
	d.putType(c)
	d.putEvent(c)
	d.putName(c)
	d.segmentActor(c)
	d.limit -= len(d.context) + len(blankID) + len(`},"context":,"messageId":""}`)
	d.segmentBody(c)
	d.putContext()
	d.putID("messageId")
}

// segmentActor appends who it was.
func (d *draft) segmentActor(c *call) {
	w, u := &d.want, c.user
	switch {
	case c.fault == missingUser:
		d.raw("userId", "null")
		return
	case c.known || c.fault == illegalID || c.fault == longID:
		w.userID = d.putActor("userId", c)
	case c.user.client == web && chance(d.r, 0.5):
		d.raw("userId", "null") // some SDKs say so
	}
	if c.typ == schema.Alias {
		w.previousID = u.anonymousID
		d.value("previousId", u.anonymousID, false)
		return
	}
	if u.client != server {
		w.anonymousID = u.anonymousID
		d.value("anonymousId", u.anonymousID, false)
	}
	if c.typ == schema.Group {
		w.groupID = u.groupID
		d.value("groupId", u.groupID, false)
	}
}

// segmentBody appends the properties, or the traits of the calls that have such.
func (d *draft) segmentBody(c *call) {
	switch {
	case c.fault == badProperties:
		d.text("properties", "[object Object]")
	case c.typ == schema.Alias:
	case c.typ == schema.Identify || c.typ == schema.Group:
		d.key("traits")
		d.want.traits = d.traitsObject(c, true)
	default:
		d.key("properties")
		d.want.props = d.propertiesObject(c)
	}
}
