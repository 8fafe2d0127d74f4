package promote

import (
	"math/bits"

	"github.com/millrace/millrace/schema/scan"
)

// Value is the value of one column in one row. Which of its fields counts is up to the column's type.
type Value struct {
	// Text is of String and Text, empty when absent. It is a part of the props, or of the Extractor's memory: valid until the next Extract, and as long as the props are.
	Text []byte
	// Float is of Number.
	Float float64
	// Int is of Integer; of Bool, 0 or 1; of Time, Unix milliseconds.
	Int int64
	// Set tells that the value is not NULL, of the types that can be.
	Set bool
}

// Extractor computes the values of promoted columns from the text of props, in one pass and, once warm, without an allocation. Not safe for concurrent use.
type Extractor struct {
	columns []Column
	// byLength has, for each length of a key, a bit per column whose key is so long; the last is for all that are longer, too.
	byLength [64]uint64
	values   []Value
	met      uint64 // bit per column: its key was met, so that further members with it do not count
	given    bool   // a column has another value than that of an absent property
	odd      bool   // ClickHouse may not be able to read the document, or may read it in another way
	scanner  scan.Scanner
	depth    int
	scratch  []byte // of one unescaped key
	texts    []byte // of unescaped values
}

// A column has a bit.
var _ [64 - MaxColumns]struct{}

// maxDepth is how deep a document may nest to be looked through. ClickHouse gives up at 1024, and the door long before.
const maxDepth = 64

// NewExtractor returns an Extractor of the columns, as Columns returned them.
func NewExtractor(columns []Column) *Extractor {
	columns = columns[:min(len(columns), MaxColumns)]
	x := &Extractor{columns: columns, values: make([]Value, len(columns))}
	for i, c := range columns {
		x.byLength[min(len(c.Key), len(x.byLength)-1)] |= 1 << i
	}
	return x
}

// Columns are those of NewExtractor, at most MaxColumns. The i-th value is of the i-th. The slice is to be read only.
func (x *Extractor) Columns() []Column { return x.columns }

// Extract reads props, which may be anything, and returns a value for each column, to be overwritten by the next call. It returns false when ClickHouse may see something else in this
// document: then only its own expressions tell.
func (x *Extractor) Extract(props []byte) (values []Value, ok bool) {
	clear(x.values)
	x.met, x.given, x.odd, x.depth = 0, false, false, 0
	x.texts = x.texts[:0]
	s := &x.scanner
	s.Reset(props, maxDepth)
	if kind := s.Peek(); kind != scan.Object {
		// Nothing else has members. What is no JSON from the first byte may yet be read: ClickHouse skips a byte order mark.
		return x.values, kind != scan.Invalid || len(props) == 0
	}
	s.Enter()
	for first := true; ; first = false {
		key, more := s.NextMember(first)
		if !more {
			break
		}
		found := x.find(x.name(key, props))
		v, read := x.walk(props)
		if !read {
			break
		}
		if found != 0 {
			x.take(found, v, props)
		}
	}
	if s.Err() != nil || s.TakeFlags() != 0 || s.More() {
		x.odd = true
	}
	// For ClickHouse, a document that it cannot read has none of the properties. When it has none here either, that is no difference.
	return x.values, !x.odd || !x.given
}

// name is the key itself.
func (x *Extractor) name(key scan.Value, props []byte) []byte {
	name := props[key.Start:key.End]
	if key.Escaped() {
		x.odd = x.odd || !paired(name)
		x.scratch = scan.AppendUnescaped(x.scratch[:0], name)
		name = x.scratch
	}
	return name
}

// find returns a bit for each column of the key whose key was not met before.
func (x *Extractor) find(key []byte) (found uint64) {
	for m := x.byLength[min(len(key), len(x.byLength)-1)]; m != 0; m &= m - 1 {
		if i := bits.TrailingZeros64(m); x.columns[i].Key == string(key) {
			found |= 1 << i
		}
	}
	found &^= x.met
	x.met |= found
	return found
}

// walk reads the value at the cursor and looks for what ClickHouse stumbles over. Of an object or array it returns no more than the kind. read is false after an error.
func (x *Extractor) walk(props []byte) (v scan.Value, read bool) {
	s := &x.scanner
	switch v.Kind = s.Peek(); v.Kind {
	case scan.Object, scan.Array:
	default:
		v, read = s.Read()
		switch {
		case !read:
		case v.Kind == scan.Number:
			x.odd = x.odd || !tame(props[v.Start:v.End])
		case v.Escaped():
			x.odd = x.odd || !paired(props[v.Start:v.End])
		}
		return v, read
	}
	if x.depth >= maxDepth {
		x.odd = true
		return s.Read()
	}
	x.depth++
	s.Enter()
	for first := true; ; first = false {
		if v.Kind == scan.Object {
			key, more := s.NextMember(first)
			if !more {
				break
			}
			if key.Escaped() {
				x.odd = x.odd || !paired(props[key.Start:key.End])
			}
		} else if !s.NextElement(first) {
			break
		}
		if _, read := x.walk(props); !read {
			return v, false
		}
	}
	x.depth--
	return v, s.Err() == nil
}

// take gives the columns of found their value.
func (x *Extractor) take(found uint64, v scan.Value, props []byte) {
	for ; found != 0; found &= found - 1 {
		i := bits.TrailingZeros64(found)
		value := &x.values[i]
		certain := true
		switch t := x.columns[i].Type; {
		case v.Kind == scan.String && (t == String || t == Text):
			value.Text = x.text(v, props)
			value.Set = len(value.Text) > 0
		case v.Kind == scan.String && t == Time:
			value.Int, value.Set, certain = parseTime(x.text(v, props))
		case v.Kind == scan.Number && t == Number:
			value.Float, value.Set, certain = parseNumber(props[v.Start:v.End])
		case v.Kind == scan.Number && t == Integer:
			value.Int, value.Set, certain = parseInteger(props[v.Start:v.End])
		case v.Kind == scan.Bool && t == Bool:
			value.Set = true
			if props[v.Start] == 't' {
				value.Int = 1
			}
		}
		x.given = x.given || value.Set || !certain
		x.odd = x.odd || !certain
	}
}

// text is the string itself.
func (x *Extractor) text(v scan.Value, props []byte) []byte {
	text := props[v.Start:v.End:v.End]
	if !v.Escaped() {
		return text
	}
	from := len(x.texts)
	x.texts = scan.AppendUnescaped(x.texts, text)
	return x.texts[from:len(x.texts):len(x.texts)]
}
