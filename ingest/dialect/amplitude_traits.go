package dialect

import (
	"fmt"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
)

// The operations of Amplitude, in the order of those that they become.
const (
	amplitudeClear = iota
	amplitudeSet
	amplitudeSetOnce
	amplitudeAdd
	amplitudeAppend
	amplitudePrepend
	amplitudePreInsert
	amplitudePostInsert
	amplitudeRemove
	amplitudeUnset
	numAmplitudeOperations
	amplitudePlain // what is no operation
)

func amplitudeOperation(key []byte) int {
	switch string(key) {
	case "$clearAll":
		return amplitudeClear
	case "$set":
		return amplitudeSet
	case "$setOnce":
		return amplitudeSetOnce
	case "$add":
		return amplitudeAdd
	case "$append":
		return amplitudeAppend
	case "$prepend":
		return amplitudePrepend
	case "$preInsert":
		return amplitudePreInsert
	case "$postInsert":
		return amplitudePostInsert
	case "$remove":
		return amplitudeRemove
	case "$unset":
		return amplitudeUnset
	}
	return amplitudePlain
}

// amplitudeOperations are what an object of properties says is to be done.
type amplitudeOperations struct {
	members [numAmplitudeOperations]member // of duplicates the last
	plain   uint32                         // members beside them
}

// has tells whether the operation is to be done.
func (o *amplitudeOperations) has(op int) bool {
	switch m := &o.members[op]; op {
	case amplitudeClear:
		return m.there()
	case amplitudeUnset:
		return m.kind == scan.Object || m.kind == scan.Array
	default:
		return m.kind == scan.Object
	}
}

// count is how many properties the operation is about.
func (o *amplitudeOperations) count(op int) uint32 {
	if op == amplitudeClear || !o.has(op) {
		return 0
	}
	return o.members[op].members
}

// property tells whether a member of that name is no operation, but a property like any other.
func (o *amplitudeOperations) property(name []byte) bool {
	op := amplitudeOperation(name)
	return op == amplitudePlain || op != amplitudeClear && !o.has(op) && o.members[op].kind > scan.Null
}

// operations finds the operations among properties, and tells whether there is any.
func (d *Decoder) operations(m *member) (o amplitudeOperations, found bool) {
	s := d.inside(m)
	for first := true; ; first = false {
		key, ok := s.NextMember(first)
		if !ok {
			break
		}
		op := amplitudeOperation(d.name(key))
		v, ok := s.Read()
		if !ok {
			break
		}
		if op == amplitudePlain {
			o.plain++
		} else {
			o.members[op] = memberOf(v)
		}
	}
	if clear := &o.members[amplitudeClear]; clear.kind == scan.Bool && d.text[clear.start] == 'f' {
		*clear = member{}
	}
	for op := range o.members {
		switch {
		case o.has(op):
			found = true
		case op != amplitudeClear && o.members[op].kind > scan.Null:
			o.plain++
		}
	}
	return o, found
}

// amplitudeTraits are the traits that the properties of a person or a group amount to: these themselves when no operation is among them. What stands beside operations is set, too, although
// Amplitude asks not to send such a thing.
func (d *Decoder) amplitudeTraits(e *schema.Event, m *member, pointer string) member {
	switch {
	case !m.there() || emptyList(m):
		return member{}
	case m.kind != scan.Object:
		e.Refuse(schema.InvalidType, pointer, fmt.Sprintf("%s must be an object, found %v", pointer[1:], m.kind))
		return member{}
	}
	o, found := d.operations(m)
	if !found {
		d.countMembers(e, pointer, m.members)
		return *m
	}
	for op := range o.members {
		n := o.count(op)
		switch op {
		case amplitudeSet:
			n += o.plain
		case amplitudePreInsert:
			n += o.count(amplitudePostInsert)
		}
		d.countMembers(e, pointer, n)
	}
	t := d.compose()
	t.done("$clear", o.has(amplitudeClear))
	set := t.open("$set")
	set.some(m, func(name []byte, _ scan.Kind) bool { return o.property(name) })
	set.every(&o, amplitudeSet)
	set.close()
	t.whole("$set_once", &o, amplitudeSetOnce)
	t.whole("$add", &o, amplitudeAdd)
	if o.has(amplitudeAppend) {
		items := t.open("$append")
		items.some(&o.members[amplitudeAppend], func(_ []byte, value scan.Kind) bool { return value != scan.Array })
		items.close()
		lists := t.open("$concat")
		lists.some(&o.members[amplitudeAppend], func(_ []byte, value scan.Kind) bool { return value == scan.Array })
		lists.close()
	}
	t.whole("$prepend", &o, amplitudePrepend)
	union := t.open("$union")
	union.every(&o, amplitudePreInsert)
	union.every(&o, amplitudePostInsert)
	union.close()
	t.whole("$remove", &o, amplitudeRemove)
	t.whole("$unset", &o, amplitudeUnset)
	composed := t.end()
	composed.members = 0 // they were counted
	return composed
}

// done appends true under a name, if it is.
func (o *object) done(name string, is bool) {
	if is {
		o.name()
		o.d.batch.Buf = append(append(o.d.batch.Buf, name...), `":true`...)
	}
}

// whole appends an operation as it stands.
func (o *object) whole(name string, from *amplitudeOperations, op int) {
	if from.has(op) {
		o.add(name, &from.members[op])
	}
}

// every appends all that one operation is about.
func (o *object) every(from *amplitudeOperations, op int) {
	if from.has(op) {
		o.some(&from.members[op], func([]byte, scan.Kind) bool { return true })
	}
}

// some appends those members of an object of the body that are to be kept.
func (o *object) some(of *member, keep func(name []byte, value scan.Kind) bool) {
	s := o.d.inside(of)
	for first := true; ; first = false {
		key, ok := s.NextMember(first)
		if !ok {
			return
		}
		v, ok := s.Read()
		if !ok {
			return
		}
		if keep(o.d.name(key), v.Kind) {
			m := memberOf(v)
			o.copy(key, &m)
		}
	}
}

// nested is an object inside another, of which nothing else may be written until it is closed.
type nested struct {
	object
	outer  *object
	before int // members of the outer
	begin  int // where its name begins
}

// open begins an object under a name.
func (o *object) open(name string) nested {
	in := nested{outer: o, before: o.members, begin: len(o.d.batch.Buf)}
	o.name()
	o.d.batch.Buf = append(append(o.d.batch.Buf, name...), '"', ':')
	in.object = o.d.compose()
	return in
}

// close ends the object. One without members is taken away again, with its name.
func (n *nested) close() {
	if m := n.end(); m.kind == scan.Invalid {
		n.outer.members = n.before
		n.d.batch.Buf = n.d.batch.Buf[:n.begin]
	}
}
