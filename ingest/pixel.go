package ingest

import (
	"bytes"
	"slices"
	"strings"

	"github.com/millrace/millrace/schema/scan"
)

// branch is an object, or a text, of an event that stands member by member in a query: properties.color=red&context.page.url=…
type branch struct {
	text    []byte
	names   []string // of members, in order
	members map[string]*branch
}

// maxBranches is how deep the dots of a name nest; the last name holds the rest.
const maxBranches = 16

// put sets a value. Of what cannot stand together the last counts.
func (b *branch) put(path string, text []byte) {
	for _, name := range strings.SplitN(path, ".", maxBranches) {
		next := b.members[name]
		if next == nil {
			if b.members == nil {
				b.members = map[string]*branch{}
			}
			next = &branch{}
			b.members[name] = next
			b.names = append(b.names, name)
		}
		b = next
	}
	b.text, b.names, b.members = text, nil, nil
}

// append appends the branch as JSON.
func (b *branch) append(dst []byte) []byte {
	if b.members == nil {
		dst, _ = scan.AppendEscaped(append(dst, '"'), b.text)
		return append(dst, '"')
	}
	lead := byte('{')
	for _, name := range b.names {
		dst = append(dst, lead, '"')
		lead = ','
		dst, _ = scan.AppendEscaped(dst, []byte(name))
		dst = b.members[name].append(append(dst, '"', ':'))
	}
	return append(dst, '}')
}

// takePixel puts the event that stands member by member in the query, as RudderStack's pixels have it, into the batch's buffer as JSON. The key is no member of it.
func (r *request) takePixel() *refusal {
	var root branch
	for name, value := range r.ctx.QueryArgs().All() {
		switch string(name) {
		case "writeKey", "api_key", "token":
			continue
		case "anonymousId":
			// Pages of AMP put quotes around it.
			if inner, ok := bytes.CutPrefix(value, []byte(`"`)); ok {
				value = bytes.TrimSuffix(inner, []byte(`"`))
			}
		}
		root.put(string(name), value)
	}
	if root.members == nil {
		return refuse(codeEmptyBatch, "the query holds no event: send its members (event=…&properties.color=red) or data, base64 of JSON")
	}
	text := root.append(nil)
	if refused := r.charge(int64(len(text))); refused != nil {
		return refused
	}
	r.batch.Buf = append(slices.Grow(r.batch.Buf[:0], len(text)+bodySlack), text...)
	r.size = len(text)
	return nil
}
