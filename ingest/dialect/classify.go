package dialect

import (
	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
)

// Classify tells which family's route of a shared path a body is for, by its shape: an object with "events" is of Amplitude, one with "batch" and
// "writeKey" of Segment, one with "api_key" or "token" of PostHog. Where the body has no such mark, the dialect that its key is registered for decides (has tells whether it is for any), then
// the order of the table. A body that is not JSON is for the first: its decoder says what is wrong. sure tells that the path or the body decided. The result no
// longer counts as shared.
func (d *Decoder) Classify(r *Route, body []byte, registered schema.Dialect, has bool) (found *Route, sure bool) {
	if !r.Shared() {
		return r, true
	}
	if v := r.of(d.familyOf(body)); v != nil {
		return v, true
	}
	if has {
		if v := r.of(registered); v != nil {
			return v, false
		}
	}
	return r, false
}

// familyOf tells the family that the members at the top level of a body show, DialectNative when they show none. It reads no further than it must.
func (d *Decoder) familyOf(body []byte) schema.Dialect {
	d.begin(body)
	defer d.end()
	if d.scan.Peek() != scan.Object {
		return schema.DialectNative
	}
	token := false
	d.scan.Enter()
	for first := true; ; first = false {
		key, ok := d.scan.NextMember(first)
		if !ok {
			break
		}
		switch string(d.name(key)) {
		case "events":
			return amplitude
		case "writeKey":
			return segment
		case "api_key", "token":
			token = true
		case "batch":
			if token {
				return posthog
			}
		}
		if _, ok := d.scan.Read(); !ok {
			break
		}
	}
	if token {
		return posthog
	}
	return schema.DialectNative
}

// Key finds the write key that a body of the route carries, where its family puts it; nil when there is none. It is an extra walk over the body, for requests that show no
// key in header or query. The error is an *Error: the body is not JSON, and no key was found before the place where it breaks. The key is valid until the decoder's next
// use, and as long as body is.
func (d *Decoder) Key(r *Route, body []byte) ([]byte, error) {
	f := families[r.Dialect]
	if f.key == nil {
		return nil, nil
	}
	d.begin(body)
	defer d.end()
	if !d.scan.More() {
		return nil, d.empty()
	}
	return f.key(d)
}

// keyMember finds a key among the members at the top level of the body at the cursor, by their names; of several the last counts.
func (d *Decoder) keyMember(names ...string) ([]byte, error) {
	if d.scan.Peek() != scan.Object {
		if _, ok := d.scan.Read(); !ok {
			return nil, d.malformed()
		}
		return nil, nil
	}
	var found member
	d.scan.Enter()
	for first := true; ; first = false {
		key, ok := d.scan.NextMember(first)
		if !ok {
			break
		}
		name, ours := d.name(key), false
		for _, n := range names {
			ours = ours || string(name) == n
		}
		v, ok := d.scan.Read()
		if !ok {
			break
		}
		if ours {
			found = memberOf(v)
		}
	}
	if found.kind == scan.String && found.start < found.end {
		return d.valueOf(&found), nil
	}
	if d.scan.Err() != nil {
		return nil, d.malformed()
	}
	return nil, nil
}
