package dialect

import (
	"bytes"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
)

// What the SDKs of PostHog send: {"api_key":…,"batch":[…],"sent_at":…}, one event, or an array of events; and in the protocol that answers for each event, {"created_at":…,"batch":[…]}, with the
// key and the time of sending in the header. An event is {"event":…,"distinct_id":…,"uuid":…,"timestamp":…,"properties":{…}}; everything that means anything beside these is a property whose name begins
// with $. Browsers put distinct_id and the key among the properties, too.

var posthogFamily = family{
	names: names{
		slotID: "/uuid", slotEvent: "/event", slotName: "/properties/$screen_name", slotDistinctID: "/distinct_id", slotUserID: "/distinct_id", slotAnonymousID: "/properties/$anon_distinct_id",
		slotGroupID: "/properties/$group_key", slotPreviousID: "/properties/alias", slotSessionID: "/session_id", slotTime: "/timestamp", slotTimeAlias: "/offset", slotSentAt: "/sent_at",
		slotProperties: "/properties", slotSet: "/$set", slotSetOnce: "/$set_once", slotUnset: "/$unset", slotEvents: "/batch",
	},
	read:      func(d *Decoder, r *Route, _ Options) error { return d.posthog(r) },
	members:   (*Decoder).posthogMembers,
	interpret: func(d *Decoder, e *schema.Event, _ schema.Type) { d.posthogEvent(e) },
	key:       (*Decoder).posthogKey,
}

// posthogState is what the decoder remembers of a body and of an event of PostHog beside what it does of every family's.
type posthogState struct {
	// Of the body.
	sentAt, historical, around member
	met                        bool // an array of events was read
	whole                      bool // what is walked over is the whole body
	// single: the keys of events count, because the body is one event or an array of them.
	single bool
	lib    struct {
		name, version schema.Text
		known         bool
	}

	// Of the event.
	m    [numPosthog]member
	cuts []cut  // the members of properties that may not stay there
	rest []span // the members of the event that mean nothing here
}

// cut is a member of an object: text[start:end], from the quote before its name to the end of its value.
type cut struct {
	start, end uint32
	what       posthogMember
}

// span is text[start:end].
type span struct{ start, end uint32 }

// maxNoted is how many members the state keeps memory for.
const maxNoted = 1024

func (st *posthogState) begin() {
	cuts, rest := st.cuts[:0], st.rest[:0]
	if cap(cuts) > maxNoted {
		cuts = nil
	}
	if cap(rest) > maxNoted {
		rest = nil
	}
	*st = posthogState{cuts: cuts, rest: rest}
}

// posthog reads a body.
func (d *Decoder) posthog(r *Route) error {
	d.ph.begin()
	switch {
	case d.scan.Peek() == scan.Object:
		return d.posthogObject(r.Shape)
	case d.scan.Peek() == scan.Array && r.Shape != Capture:
		d.ph.single = true
		if err := d.array(schema.TypeNone); err != nil {
			return err
		}
		return d.taken()
	case r.Shape == Capture:
		return d.misshapen("", `expected {"batch":[…]}`)
	}
	return d.misshapen("", `expected an event, an array of events or {"batch":[…]}`)
}

// posthogObject reads an object of which only the walk shows what it is: with an array "batch" it stands around events, else it is one.
func (d *Decoder) posthogObject(shape Shape) error {
	st := &d.ph
	start := d.scan.Pos()
	d.outermost, st.whole = true, true
	ok := d.posthogMembers()
	d.outermost = false
	if !ok {
		if d.scan.Err() == nil {
			return d.tooMany() // the walk ended inside "batch"
		}
		return d.malformed()
	}
	end := d.scan.Pos()
	if err := d.finished(); err != nil {
		return err
	}
	switch {
	case st.around.kind == scan.Array:
		d.sentAt(&st.sentAt)
		if d.truth(&st.historical) == yes {
			for i := range d.batch.Events {
				d.batch.Events[i].TrustClock = true
			}
		}
		return d.taken()
	case st.around.there():
		return shapeError("/batch", "batch must be an array", st.around.kind)
	case shape == Capture:
		return &Error{Fault: Misshapen, Pointer: "/batch", Detail: `the member "batch" is missing: send {"batch":[…]}`}
	}
	if st.met {
		// A later null has undone the array. Its events are gone, and what was noted is theirs.
		d.batch.Events = d.batch.Events[:0]
		d.scan.Seek(start)
		d.posthogMembers()
	}
	st.single = true
	d.sentAt(&st.sentAt)
	d.fill(d.batch.Add(), schema.TypeNone, start, end)
	return nil
}

// posthogKey finds the write key of a body: that of the request or of the one event, else among the properties of the first event. The first that is found counts, so that
// a body that begins with its key is not read any further.
func (d *Decoder) posthogKey() ([]byte, error) {
	var top, inner member
	if d.scan.Peek() == scan.Array {
		d.scan.Enter()
		if d.scan.NextElement(true) {
			top, inner = d.posthogKeys(false)
		}
	} else {
		top, inner = d.posthogKeys(true)
	}
	switch {
	case top.kind == scan.String:
		return d.valueOf(&top), nil
	case d.scan.Err() != nil:
		return nil, d.malformed()
	case inner.kind == scan.String:
		return d.valueOf(&inner), nil
	}
	return nil, nil
}

// posthogKeys walks over the value at the cursor and notes the key at its top level, where the walk ends, and the first one below: among the properties or in the first event of a batch.
func (d *Decoder) posthogKeys(outer bool) (top, inner member) {
	note := func(m member) {
		if inner.kind != scan.String {
			inner = m
		}
	}
	if d.scan.Peek() != scan.Object {
		d.scan.Read()
		return top, inner
	}
	d.scan.Enter()
	for first := true; ; first = false {
		key, ok := d.scan.NextMember(first)
		if !ok {
			return top, inner
		}
		kind := d.scan.Peek()
		switch what := posthogTop(d.name(key)); {
		case what == topToken:
			v, ok := d.scan.Read()
			if m := memberOf(v); ok && m.kind == scan.String && m.there() {
				return m, inner
			}
		case what == topProperties && kind == scan.Object:
			note(d.posthogToken())
		case what == topBatch && kind == scan.Array && outer:
			d.scan.Enter()
			for first := true; d.scan.NextElement(first); first = false {
				if !first {
					d.scan.Read()
					continue
				}
				t, i := d.posthogKeys(false)
				if d.finishObject(t.kind == scan.String); t.kind == scan.String {
					i = t
				}
				note(i)
			}
		default:
			d.scan.Read()
		}
	}
}

// finishObject walks over what is left of the object whose walk was ended early.
func (d *Decoder) finishObject(early bool) {
	for early {
		if _, early = d.scan.NextMember(false); early {
			d.scan.Read()
		}
	}
}

// posthogToken walks over the properties at the cursor and returns the member token.
func (d *Decoder) posthogToken() (token member) {
	d.scan.Enter()
	for first := true; ; first = false {
		key, ok := d.scan.NextMember(first)
		if !ok {
			return token
		}
		ours := string(d.name(key)) == "token"
		v, ok := d.scan.Read()
		if m := memberOf(v); ok && ours && m.there() {
			token = m
		}
	}
}

// posthogKeyed refuses an event that bears another key than the request, and tells whether the token among its properties is a key. What a server's event has there may as well be its own.
func (d *Decoder) posthogKeyed(e *schema.Event) (key bool) {
	st := &d.ph
	bears, pointer := &st.m[topToken], "/token"
	property := &st.m[propToken]
	if !bears.there() && st.single {
		bears, pointer = property, "/properties/token"
	}
	if d.opt.Key != nil && bears.there() && !d.isKey(bears) {
		e.Refuse(schema.InvalidType, pointer, "the event bears another key than the request: send events of one project per request")
	}
	if property.kind != scan.String {
		return false
	}
	if d.isSecret(property) || d.isKey(property) {
		return true
	}
	text := d.valueOf(property)
	return bytes.HasPrefix(text, []byte("phc_")) || bytes.HasPrefix(text, []byte("mr_"))
}

func (d *Decoder) isKey(m *member) bool {
	return m.kind == scan.String && d.opt.Key != nil && bytes.Equal(d.valueOf(m), d.opt.Key)
}
