package dialect

import (
	"bytes"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
)

// What the SDKs of Mixpanel send: events, {"event":…,"properties":{…}}, of which everything but the name is a property, the write key included; and updates of what is known of a person,
// {"$token":…,"$distinct_id":…,"$set":{…}}, or of a group, {"$token":…,"$group_key":…,"$group_id":…,"$set":{…}}. Each body is one of them, an array of them, or NDJSON.

var mixpanelFamily = family{
	names: names{
		slotID: "/properties/$insert_id", slotEvent: "/event", slotDistinctID: "/properties/distinct_id", slotUserID: "/properties/$user_id", slotAnonymousID: "/properties/$device_id",
		slotPreviousID: "/properties/distinct_id", slotSessionID: "/properties/$session_id", slotTime: "/properties/time", slotProperties: "/properties",
	},
	read:      (*Decoder).mixpanel,
	members:   (*Decoder).mixpanelMembers,
	interpret: func(d *Decoder, e *schema.Event, _ schema.Type) { d.mixpanelEvent(e) },
	key:       (*Decoder).mixpanelKey,
}

// mixpanelUpdates and mixpanelGroups take the family's place where a route takes nothing else.
var (
	mixpanelUpdates = family{
		names:     mixpanelUpdateNames,
		members:   func(d *Decoder) bool { return d.mixpanelUpdateMembers(false) },
		interpret: func(d *Decoder, e *schema.Event, _ schema.Type) { d.mixpanelUpdate(e) },
	}
	mixpanelGroups = family{
		names:     mixpanelUpdateNames,
		members:   func(d *Decoder) bool { return d.mixpanelUpdateMembers(true) },
		interpret: func(d *Decoder, e *schema.Event, _ schema.Type) { d.mixpanelGroup(e) },
	}
)

var mixpanelUpdateNames = names{
	slotDistinctID: "/$distinct_id", slotUserID: "/$user_id", slotAnonymousID: "/$device_id", slotGroupID: "/$group_id", slotTime: "/$time",
	slotSet: "/$set", slotSetOnce: "/$set_once", slotAdd: "/$add", slotAppend: "/$append", slotUnion: "/$union", slotRemove: "/$remove", slotUnset: "/$unset",
}

// mixpanel reads a body.
func (d *Decoder) mixpanel(r *Route, opt Options) error {
	switch r.Shape {
	case Updates:
		d.family = &mixpanelUpdates
	case Groups:
		d.family = &mixpanelGroups
	}
	if err := d.mixpanelBody(opt); err != nil {
		return err
	}
	if r.Shape == Import {
		for i := range d.batch.Events {
			d.batch.Events[i].TrustClock = true // of the past, whenever they are sent
		}
	}
	return nil
}

func (d *Decoder) mixpanelBody(opt Options) error {
	if opt.Lines {
		return d.lines(d.scan.Pos())
	}
	switch d.scan.Peek() {
	case scan.Array:
		if err := d.array(schema.TypeNone); err != nil {
			return err
		}
		return d.taken()
	case scan.Object:
		if !d.event(schema.TypeNone) {
			return d.malformed()
		}
		end := d.scan.Pos()
		if !d.scan.More() {
			return nil
		}
		next := d.scan.Pos()
		if d.scan.Peek() != scan.Object || bytes.IndexByte(d.text[end:next], '\n') < 0 {
			return d.finished()
		}
		return d.lines(next)
	}
	return d.misshapen("", "expected an event, an array of events or one event per line")
}

// mixpanelKey finds the write key in the first event or update of a body.
func (d *Decoder) mixpanelKey() ([]byte, error) {
	if d.scan.Peek() == scan.Array {
		d.scan.Enter()
		if !d.scan.NextElement(true) {
			return d.mixpanelFound(member{})
		}
	}
	if d.scan.Peek() != scan.Object {
		d.scan.Read()
		return d.mixpanelFound(member{})
	}
	var found, property member
	d.scan.Enter()
	for first := true; ; first = false {
		key, ok := d.scan.NextMember(first)
		if !ok {
			break
		}
		name := d.name(key)
		ofUpdate, ofEvent := string(name) == "$token", string(name) == "properties"
		if ofEvent && d.scan.Peek() == scan.Object {
			property = d.mixpanelToken()
			continue
		}
		v, ok := d.scan.Read()
		if !ok {
			break
		}
		switch {
		case ofUpdate:
			found = memberOf(v)
		case ofEvent:
			property = member{}
		}
	}
	if !found.there() {
		found = property
	}
	return d.mixpanelFound(found)
}

func (d *Decoder) mixpanelFound(m member) ([]byte, error) {
	if m.kind == scan.String && m.there() {
		return d.valueOf(&m), nil
	}
	if d.scan.Err() != nil {
		return nil, d.malformed()
	}
	return nil, nil
}

// mixpanelToken walks over the properties at the cursor and returns the key among them.
func (d *Decoder) mixpanelToken() (token member) {
	d.scan.Enter()
	for first := true; ; first = false {
		key, ok := d.scan.NextMember(first)
		if !ok {
			return token
		}
		ours := string(d.name(key)) == "token"
		if v, ok := d.scan.Read(); ok && ours {
			token = memberOf(v)
		}
	}
}

// mixpanelKeyed refuses an event that bears another key than the request.
func (d *Decoder) mixpanelKeyed(e *schema.Event, pointer string) {
	m := &d.own[mixpanelBears]
	if d.opt.Key == nil || !m.there() || m.kind == scan.String && bytes.Equal(d.valueOf(m), d.opt.Key) {
		return
	}
	e.Refuse(schema.InvalidType, pointer, "the event bears another key than the request: send events of one project per request")
}
