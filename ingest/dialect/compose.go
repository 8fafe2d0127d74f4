package dialect

import "github.com/millrace/millrace/schema/scan"

// object composes a JSON object at the end of the batch's buffer, out of members of the body. One is composed at a time. What it makes lies behind the body: it is a
// span of the batch's buffer, for fields, and not of the text that valueOf reads.
type object struct {
	d       *Decoder
	start   int
	members int
}

func (d *Decoder) compose() object {
	o := object{d: d, start: len(d.batch.Buf)}
	d.batch.Buf = append(d.batch.Buf, '{')
	return o
}

// add appends a member under a name that needs no escapes.
func (o *object) add(name string, m *member) {
	o.name()
	o.d.batch.Buf = append(append(o.d.batch.Buf, name...), '"', ':')
	o.value(m)
}

// copy appends a member under the name that it has in the body.
func (o *object) copy(key scan.Value, m *member) {
	o.name()
	o.d.batch.Buf = append(append(o.d.batch.Buf, o.d.text[key.Start:key.End]...), '"', ':')
	o.value(m)
}

func (o *object) name() {
	if o.members > 0 {
		o.d.batch.Buf = append(o.d.batch.Buf, ',')
	}
	o.members++
	o.d.batch.Buf = append(o.d.batch.Buf, '"')
}

func (o *object) value(m *member) {
	start, end := m.start, m.end
	if m.kind == scan.String {
		start, end = start-1, end+1 // its quotes
	}
	o.d.batch.Buf = append(o.d.batch.Buf, o.d.text[start:end]...)
}

// end closes the object. One without members is taken away again, and the member is not there.
func (o *object) end() member {
	if o.members == 0 {
		o.d.batch.Buf = o.d.batch.Buf[:o.start]
		return member{}
	}
	o.d.batch.Buf = append(o.d.batch.Buf, '}')
	return member{start: uint32(o.start), end: uint32(len(o.d.batch.Buf)), members: uint32(o.members), kind: scan.Object}
}

// without composes the members of an object of the body but those whose name drop tells.
func (d *Decoder) without(m *member, drop func(name []byte) bool) member {
	o := d.compose()
	s := d.inside(m)
	for first := true; ; first = false {
		key, ok := s.NextMember(first)
		if !ok {
			return o.end()
		}
		v, ok := s.Read()
		if !ok {
			return o.end()
		}
		if kept := memberOf(v); !drop(d.name(key)) {
			o.copy(key, &kept)
		}
	}
}

// inside points the second scanner at what is inside an object or an array of the body.
func (d *Decoder) inside(m *member) *scan.Scanner {
	s := &d.part
	s.Reset(d.text[:m.end], d.limits.MaxDepth)
	s.Seek(int(m.start))
	s.Enter()
	return s
}
