package dialect

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
)

// operations are the native members that say what is done to the properties of a person or a group, in the order in which they stand in the traits, which is
// that in which they apply.
var operations = [...]struct {
	slot slot
	kind scan.Kind
	lead string // what stands before it in the traits
}{
	{slotClear, scan.Bool, `"$clear":`},
	{slotSet, scan.Object, `"$set":`},
	{slotSetOnce, scan.Object, `"$set_once":`},
	{slotAdd, scan.Object, `"$add":`},
	{slotAppend, scan.Object, `"$append":`},
	{slotConcat, scan.Object, `"$concat":`},
	{slotPrepend, scan.Object, `"$prepend":`},
	{slotUnion, scan.Object, `"$union":`},
	{slotRemove, scan.Object, `"$remove":`},
	{slotUnset, scan.Array, `"$unset":`},
}

// partSet is the place of set among them.
const partSet = 1

// setOperations composes the traits of an event that says what is done to properties. Traits beside operations other than set are what is set. A clear that is false
// is none.
func (d *Decoder) setOperations(e *schema.Event) {
	v := &d.values
	kinds := scan.Invalid
	for i := range operations {
		kinds |= v[operations[i].slot].kind
	}
	if kinds == scan.Invalid {
		return // as most events
	}
	var parts [len(operations)]*member
	found := false
	for i := range operations {
		o := &operations[i]
		if m := &v[o.slot]; d.is(e, o.slot, m, o.kind) && (o.kind != scan.Bool || d.text[m.start] == 't') {
			d.countMembers(e, d.family.names[o.slot], m.members)
			parts[i], found = m, true
		}
	}
	if !found {
		return
	}
	if traits := &v[slotTraits]; parts[partSet] == nil && traits.kind == scan.Object {
		parts[partSet] = traits
	} else if parts[partSet] != nil && traits.there() {
		e.Refuse(schema.InvalidType, d.family.names[slotTraits], "traits stand beside set, and both say what to set: send one of them")
	}
	if v[slotAdd].kind == scan.Object {
		d.checkNumbers(e, &v[slotAdd])
	}
	if v[slotUnset].kind == scan.Array {
		d.checkTexts(e, &v[slotUnset])
	}
	buf := &d.batch.Buf
	start := len(*buf)
	*buf = append(*buf, '{')
	for i, m := range parts {
		if m == nil {
			continue
		}
		if len(*buf) > start+1 {
			*buf = append(*buf, ',')
		}
		*buf = append(append(*buf, operations[i].lead...), d.text[m.start:m.end]...)
	}
	*buf = append(*buf, '}')
	e.Set(schema.FieldTraits, schema.TextAt(start, len(*buf), false))
}

// checkNumbers refuses an event that adds what is no number. It is a second walk over the object, with a scanner of its own: the first has noted what is wrong with
// its bytes.
func (d *Decoder) checkNumbers(e *schema.Event, m *member) {
	text := d.text[m.start:m.end]
	s := &d.part
	s.Reset(text, d.limits.MaxDepth)
	s.Enter()
	for first := true; ; first = false {
		key, ok := s.NextMember(first)
		if !ok {
			return
		}
		v, ok := s.Read()
		if !ok {
			return
		}
		if v.Kind == scan.Number {
			continue
		}
		name := text[key.Start:key.End]
		if key.Escaped() {
			name = d.unescapedName(name)
		}
		e.Refuse(schema.InvalidType, memberPointer(d.family.names[slotAdd], name), fmt.Sprintf("add must have numbers only, found %v for %s", v.Kind, Quote(name)))
		return
	}
}

// checkTexts refuses an event that unsets what is no name.
func (d *Decoder) checkTexts(e *schema.Event, m *member) {
	s := &d.part
	s.Reset(d.text[m.start:m.end], d.limits.MaxDepth)
	s.Enter()
	for i := 0; s.NextElement(i == 0); i++ {
		v, ok := s.Read()
		if !ok {
			return
		}
		if v.Kind != scan.String {
			e.Refuse(schema.InvalidType, fmt.Sprintf("%s/%d", d.family.names[slotUnset], i), fmt.Sprintf("unset must have names only, as strings, found %v", v.Kind))
			return
		}
	}
}

// maxPointerName is the longest name that a pointer ends with; of a longer one, the pointer is that of the object.
const maxPointerName = 200

var escapePointer = strings.NewReplacer("~", "~0", "/", "~1")

// memberPointer is the JSON pointer (RFC 6901) of a member of the object that parent points at.
func memberPointer(parent string, name []byte) string {
	if len(name) > maxPointerName {
		return parent
	}
	return parent + "/" + escapePointer.Replace(string(name))
}
