package dialect

import "github.com/millrace/millrace/schema/scan"

// groupID composes the id of a group of a kind (an account, a team), "kind:key", so that groups of two kinds with one key stay two. In the kind a colon is written as %3A and % as %25. Without
// a kind it is the key. The families whose groups have kinds share it, so that their events meet in one group.
func (d *Decoder) groupID(kind, key *member) member {
	if !kind.there() {
		return *key
	}
	text, escaped := d.text[kind.start:kind.end], key.escaped()
	if kind.escaped() {
		// Written anew, so that a colon stands for itself.
		var again bool
		d.value, again = scan.AppendEscaped(d.value[:0], scan.AppendUnescaped(nil, text))
		text, escaped = d.value, escaped || again
	}
	buf := &d.batch.Buf
	start := len(*buf)
	for _, c := range text {
		switch c {
		case ':':
			*buf = append(*buf, "%3A"...)
		case '%':
			*buf = append(*buf, "%25"...)
		default:
			*buf = append(*buf, c)
		}
	}
	*buf = append(append(*buf, ':'), d.text[key.start:key.end]...)
	id := member{start: uint32(start), end: uint32(len(*buf)), kind: scan.String}
	if escaped {
		id.members = 1
	}
	return id
}

// groupActor composes the id under which a group acts where nobody is named, "$kind_key", as PostHog's SDKs do.
func (d *Decoder) groupActor(kind, key *member) member {
	buf := &d.batch.Buf
	start := len(*buf)
	*buf = append(append(*buf, '$'), d.text[kind.start:kind.end]...)
	*buf = append(append(*buf, '_'), d.text[key.start:key.end]...)
	id := member{start: uint32(start), end: uint32(len(*buf)), kind: scan.String}
	if kind.escaped() || key.escaped() {
		id.members = 1
	}
	return id
}
