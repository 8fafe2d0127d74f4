package dialect

import (
	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
)

// What the SDKs of Amplitude send: {"api_key":…,"events":[…],"client_upload_time":…}, or "event" with one event or several, as its first HTTP API had it. Of a form
// only that event is left, so an array of events and one event are taken as they are, too.

var amplitudeNames = names{
	slotID: "/insert_id", slotType: "/event_type", slotEvent: "/event_type", slotDistinctID: "/user_id", slotUserID: "/user_id", slotAnonymousID: "/device_id", slotGroupID: "/groups",
	slotSessionID: "/session_id", slotTime: "/time", slotSentAt: "/client_upload_time", slotProperties: "/event_properties", slotTraits: amplitudeUserPointer, slotEvents: "/events",
}

const (
	amplitudeUserPointer  = "/user_properties"
	amplitudeGroupPointer = "/group_properties"
)

var amplitudeFamily = family{
	names:     amplitudeNames,
	read:      func(d *Decoder, _ *Route, _ Options) error { return d.amplitudeBody() },
	members:   (*Decoder).amplitudeMembers,
	interpret: (*Decoder).amplitudeEvent,
	key:       func(d *Decoder) ([]byte, error) { return d.keyMember("api_key") },
}

// amplitudeBody reads a body.
func (d *Decoder) amplitudeBody() error {
	switch d.scan.Peek() {
	case scan.Object:
		return d.amplitudeRequest()
	case scan.Array:
		if err := d.array(schema.TypeNone); err != nil {
			return err
		}
		return d.taken()
	}
	return d.misshapen("", `expected an object with the member "events"`)
}

// amplitudeRequest reads the object around the events. Of its other members only the time of sending means something here.
func (d *Decoder) amplitudeRequest() error {
	start := d.scan.Pos()
	var sent, around member
	bare := false // it names a type of event itself
	d.scan.Enter()
	for first := true; ; first = false {
		key, ok := d.scan.NextMember(first)
		if !ok {
			break
		}
		switch name := d.name(key); string(name) {
		case "events", "event":
			d.batch.Events = d.batch.Events[:0] // of two the last counts
			var err error
			if around, err = d.amplitudeEvents(); err != nil {
				return err
			}
		case "client_upload_time":
			v, _ := d.scan.Read()
			sent = memberOf(v)
		case "event_type":
			bare = true
			d.scan.Read()
		default:
			d.scan.Read()
		}
	}
	if d.scan.Err() != nil {
		return d.malformed()
	}
	if err := d.finished(); err != nil {
		return err
	}
	switch {
	case around.kind == scan.Array || around.kind == scan.Object:
		d.sentAt(&sent)
		if len(d.batch.Events) == 0 {
			return d.empty()
		}
		return nil
	case around.there():
		return shapeError("/events", "events must be an array", around.kind)
	case bare:
		d.scan.Seek(start)
		if !d.event(schema.TypeNone) {
			return d.malformed()
		}
		return nil
	}
	return &Error{Fault: Misshapen, Pointer: "/events", Detail: `the member "events" is missing: send {"api_key":…,"events":[…]}`}
}

// amplitudeEvents reads the events at the cursor. After a grammar error the walk around them ends.
func (d *Decoder) amplitudeEvents() (member, error) {
	switch kind := d.scan.Peek(); kind {
	case scan.Array:
		return member{kind: kind}, d.array(schema.TypeNone)
	case scan.Object:
		before := d.scan.SetLimit(d.limits.MaxDepth)
		if !d.event(schema.TypeNone) {
			return member{}, d.malformed()
		}
		d.scan.SetLimit(before)
		return member{kind: kind}, nil
	}
	v, _ := d.scan.Read()
	return memberOf(v), nil
}

// Members of an event, and of its properties, that mean something to Amplitude only.
const (
	amplitudeOther = iota
	amplitudeUserProperties
	amplitudeGroupProperties
	amplitudeGroups
	amplitudeIP
	amplitudeLibrary
	amplitudeAgent
	amplitudeLanguage
	amplitudeOS
	amplitudeOSVersion
	amplitudeCountry
	amplitudeCity
	amplitudePrice
	amplitudeQuantity
	amplitudeRevenue

	// From here on of the properties.
	amplitudeOwnRevenue // revenue
	amplitudeThatRevenue
	amplitudeThatPrice
	amplitudeThatQuantity
	amplitudeLocation
	amplitudeURL
	amplitudePath
	amplitudeReferrer
	amplitudeSource
	amplitudeMedium
	amplitudeCampaign
	amplitudeScreen
	numAmplitude
)

// amplitudeSlot finds what a member of an event is: what every family has, or one of Amplitude's own. What is neither is kept in the context.
func amplitudeSlot(key []byte) (slot, int) {
	switch string(key) {
	case "insert_id":
		return slotID, amplitudeOther
	case "event_type":
		return slotEvent, amplitudeOther
	case "user_id":
		return slotUserID, amplitudeOther
	case "device_id":
		return slotAnonymousID, amplitudeOther
	case "session_id":
		return slotSessionID, amplitudeOther
	case "time":
		return slotTime, amplitudeOther
	case "event_properties":
		return slotProperties, amplitudeOther
	case "user_properties":
		return slotTraits, amplitudeUserProperties
	case "group_properties":
		return slotNone, amplitudeGroupProperties
	case "groups":
		return slotGroupID, amplitudeGroups
	case "ip":
		return slotNone, amplitudeIP
	case "library":
		return slotNone, amplitudeLibrary
	case "user_agent":
		return slotNone, amplitudeAgent
	case "language":
		return slotNone, amplitudeLanguage
	case "os_name":
		return slotNone, amplitudeOS
	case "os_version":
		return slotNone, amplitudeOSVersion
	case "country":
		return slotNone, amplitudeCountry
	case "city":
		return slotNone, amplitudeCity
	case "price":
		return slotNone, amplitudePrice
	case "quantity":
		return slotNone, amplitudeQuantity
	case "revenue":
		return slotNone, amplitudeRevenue
	}
	return slotNone, amplitudeOther
}

// amplitudeProperty finds what a member of an event's properties is.
func amplitudeProperty(key []byte) int {
	switch string(key) {
	case "revenue":
		return amplitudeOwnRevenue
	case "$revenue":
		return amplitudeThatRevenue
	case "$price":
		return amplitudeThatPrice
	case "$quantity":
		return amplitudeThatQuantity
	case "[Amplitude] Page Location":
		return amplitudeLocation
	case "[Amplitude] Page URL":
		return amplitudeURL
	case "[Amplitude] Page Path":
		return amplitudePath
	case "[Amplitude] Screen Name":
		return amplitudeScreen
	case "referrer":
		return amplitudeReferrer
	case "utm_source":
		return amplitudeSource
	case "utm_medium":
		return amplitudeMedium
	case "utm_campaign":
		return amplitudeCampaign
	}
	return amplitudeOther
}

// amplitudeMembers walks over the event at the cursor, notes the members that mean something, and composes its context of the others. It returns false after a grammar error.
func (d *Decoder) amplitudeMembers() bool {
	d.values = [numSlots]member{}
	d.ctx = [numContextSlots]member{}
	d.own = [numOwn]member{}
	d.flags = 0
	rest := d.compose()
	d.scan.Enter()
	for first := true; ; first = false {
		key, ok := d.scan.NextMember(first)
		if !ok {
			break
		}
		name := d.name(key)
		sl, own := amplitudeSlot(name)
		if sl == slotNone && own == amplitudeOther {
			secret := string(name) == "api_key"
			v, ok := d.scan.Read()
			if !ok {
				return false
			}
			if m := memberOf(v); m.there() && !secret {
				rest.copy(key, &m)
			}
		} else if !d.amplitudeMember(sl, own) {
			return false
		}
		if f := d.scan.TakeFlags(); f != 0 {
			d.flag(f, sl)
		}
	}
	if d.scan.Err() != nil {
		return false
	}
	d.amplitudeContext(&rest)
	d.values[slotContext] = rest.end()
	d.amplitudeDevice()
	return true
}

// amplitudeMember notes the value at the cursor.
func (d *Decoder) amplitudeMember(sl slot, own int) bool {
	if sl == slotProperties {
		return d.amplitudeProperties()
	}
	v, ok := d.scan.Read()
	if !ok {
		return false
	}
	if own == amplitudeOther {
		d.values[sl] = memberOf(v)
	} else {
		d.own[own] = memberOf(v)
	}
	return true
}

// amplitudeProperties walks over the properties at the cursor. A second one replaces the first whole.
func (d *Decoder) amplitudeProperties() bool {
	clear(d.own[amplitudeOwnRevenue:numAmplitude])
	if d.scan.Peek() != scan.Object {
		v, ok := d.scan.Read()
		d.values[slotProperties] = memberOf(v)
		return ok
	}
	m := member{start: uint32(d.scan.Pos()), kind: scan.Object}
	d.scan.Enter()
	for first := true; ; first = false {
		key, ok := d.scan.NextMember(first)
		if !ok {
			break
		}
		own := amplitudeProperty(d.name(key))
		v, ok := d.scan.Read()
		if !ok {
			return false
		}
		m.members++
		if own != amplitudeOther {
			d.own[own] = memberOf(v)
		}
	}
	m.end = uint32(d.scan.Pos())
	d.values[slotProperties] = m
	return d.scan.Err() == nil
}
