package schema

import (
	"fmt"

	"github.com/millrace/millrace/schema/scan"
)

// foreignDepth bounds the nesting of records that others wrote.
const foreignDepth = hardDepth

// DecodeForeign reads the value of a record that came without an index, written by some other producer: the same object, its members in any order,
// unknown ones ignored, everything checked. timestamp is the record's own time in Unix milliseconds and stands in for a missing received_at and
// ts. Required are id (a UUID), project, distinct_id, and event or a type that has an event name of its own.
func (e *Envelope) DecodeForeign(value []byte, timestamp int64) error {
	e.Reset()
	var d foreignDecoder
	d.e, d.value = e, value
	d.s.Reset(value, foreignDepth)
	d.object(groupNone)
	if err := d.s.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrValue, err)
	}
	switch {
	case d.err != nil:
		return d.err
	case d.s.More():
		return fmt.Errorf("%w: text follows the object", ErrValue)
	case d.s.TakeFlags() != 0:
		return fmt.Errorf("%w: it is not UTF-8, or nested deeper than %d", ErrValue, foreignDepth)
	}
	return e.complete(timestamp)
}

// complete fills what a foreign record may leave out and names what it may not.
func (e *Envelope) complete(timestamp int64) error {
	if e.Type == TypeNone {
		e.Type = Track
	}
	if e.present>>FieldReceivedAt&1 == 0 {
		e.ReceivedAt = timestamp
	}
	if e.present>>FieldTS&1 == 0 {
		e.TS, e.TSSource = e.ReceivedAt, TSReceived
	}
	switch {
	case e.ID == UUID{}:
		return fmt.Errorf("%w: id is missing: give every record a UUID, so that it can be told from a repeat", ErrValue)
	case e.Project == 0:
		return fmt.Errorf("%w: project is missing", ErrValue)
	case e.Text(FieldDistinctID).Len() == 0:
		return fmt.Errorf("%w: distinct_id is missing", ErrValue)
	case e.Text(FieldEvent).Len() == 0:
		return fmt.Errorf("%w: event is missing", ErrValue)
	}
	return nil
}

type foreignDecoder struct {
	s     scan.Scanner
	e     *Envelope
	value []byte
	key   []byte
	err   error
}

// object walks over the object at the cursor, whose members belong to group g.
func (d *foreignDecoder) object(g group) {
	if kind := d.s.Peek(); kind != scan.Object {
		d.s.Read()
		if g == groupNone || kind != scan.Null {
			d.refuse("%s where an object belongs", kind)
		}
		return
	}
	d.s.Enter()
	for first := true; ; first = false {
		key, ok := d.s.NextMember(first)
		if !ok {
			return
		}
		name := TextOf(key, 0).Value(d.value, d.key)
		if g == groupNone {
			if inner := findGroup(name); inner != groupNone {
				d.object(inner)
				continue
			}
		}
		f := findField(g, name)
		v, ok := d.s.Read()
		if !ok {
			return
		}
		if f == NumFields || v.Kind == scan.Null {
			continue
		}
		d.member(f, v)
	}
}

func (d *foreignDecoder) member(f Field, v scan.Value) {
	spec := fieldSpecs[f]
	want := scan.String
	switch spec.form {
	case formJSON:
		want = scan.Object
	case formNumber, formVersion:
		want = scan.Number
	case formBool:
		want = scan.Bool
	}
	if v.Kind != want {
		d.refuse("%s is %s where %s belongs", f, v.Kind, want)
		return
	}
	text := d.value[v.Start:v.End]
	switch {
	case spec.form == formVersion:
		if string(text) != "1" {
			d.err = fmt.Errorf("%w: v is %.20s, this build reads %d", ErrVersion, text, CodecVersion)
		}
		return
	case spec.form == formBool && string(text) == "false":
		return
	case spec.form == formTime:
		ms, ok := ParseTime(text)
		if !ok {
			d.refuse("%s: %.40q is not a time", f, text)
			return
		}
		*d.e.time(f) = ms
	case !d.e.read(f, d.value, v.Start, v.End-v.Start, v.Escaped()):
		d.refuse("%s: %.60q cannot be read", f, text)
		return
	}
	d.e.present |= 1 << f
}

func (d *foreignDecoder) refuse(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", ErrValue, fmt.Sprintf(format, args...))
	}
}

func findGroup(name []byte) group { return group(parseWord(name, groupNames[:])) }

func findField(g group, name []byte) Field {
	for f := range fieldSpecs {
		if fieldSpecs[f].group == g && fieldSpecs[f].name == string(name) {
			return Field(f)
		}
	}
	return NumFields
}
