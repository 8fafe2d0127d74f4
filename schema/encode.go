package schema

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strconv"
)

// CodecVersion is the version of value and index that this package writes.
const CodecVersion = 1

// HeaderIndex is the record header that holds the index; HeaderCorrelationID and HeaderTraceparent carry what the request gave.
const (
	HeaderIndex         = "ix"
	HeaderCorrelationID = "correlation-id"
	HeaderTraceparent   = "traceparent"
)

// maskBytes is how many bytes of the index say which fields are there.
const maskBytes = 6

// The mask must hold a bit per field.
var _ [maskBytes*8 - int(NumFields)]struct{}

// layout is the literal text around each field's value.
type layout struct {
	lead   string // before the value: `,"lib":"`
	open   string // the same for the first field of its object: `,"source":{"lib":"`
	spec   fieldSpec
	quoted bool // spec.quoted
	// The same texts in fixed room, which is copied whole because that takes two instructions where a string takes a call.
	leadText, openText [literalRoom]byte
}

// literalRoom holds the longest literal.
const literalRoom = 32

const start = `{"v":1`

var layouts = func() (ls [NumFields]layout) {
	for f := FieldID; f < NumFields; f++ {
		spec := fieldSpecs[f]
		key := `"` + spec.name + `":`
		if spec.quoted() {
			key += `"`
		}
		l := layout{lead: "," + key, open: "," + key, spec: spec, quoted: spec.quoted()}
		if spec.group != groupNone {
			l.open = `,"` + groupNames[spec.group] + `":{` + key
		}
		if copy(l.leadText[:], l.lead) < len(l.lead) || copy(l.openText[:], l.open) < len(l.open) {
			panic("BUG: literalRoom is too small for " + l.open)
		}
		ls[f] = l
	}
	return ls
}()

func (s fieldSpec) quoted() bool {
	return s.form == formText || s.form == formWord || s.form == formUUID || s.form == formTime
}

// AppendRecord appends the record's value to value and its index to ix. buf is what the envelope's texts are spans of.
//
// The value is one JSON object with its members in canonical order, absent ones left out; properties, context and traits are byte for byte what the
// texts hold. The index is: one byte CodecVersion; 6 bytes little endian, a bit per Field that is there; then, in order, for each such field
// of variable length, the unsigned varint of length<<1, plus 1 when the text has escapes.
func (e *Envelope) AppendRecord(value, ix, buf []byte) (newValue, newIx []byte) {
	mask := e.mask()
	ix = append(ix, CodecVersion)
	for i := range maskBytes {
		ix = append(ix, byte(mask>>(8*i)))
	}
	value = append(value, start...)
	current := groupNone
	for m := mask &^ (1 << FieldVersion); m != 0; m &= m - 1 {
		f := Field(bits.TrailingZeros64(m))
		l := &layouts[f]
		// Room for everything that this field adds, a text apart: from here on n runs ahead of the slice.
		n := len(value)
		value = slices.Grow(value, fieldRoom)[:n+fieldRoom]
		if l.spec.group == current {
			*(*[literalRoom]byte)(value[n:]) = l.leadText
			n += len(l.lead)
		} else {
			if current != groupNone {
				value[n] = '}'
				n++
			}
			current = l.spec.group
			*(*[literalRoom]byte)(value[n:]) = l.openText
			n += len(l.open)
		}
		from := n
		switch l.spec.form {
		case formText, formJSON:
			t := e.texts[f]
			if size := t.Len(); size <= shortText && int(t.off)+shortText <= len(buf) {
				*(*[shortText]byte)(value[n:]) = *(*[shortText]byte)(buf[t.off:])
				value = value[:n+size]
			} else {
				value = append(value[:n], t.In(buf)...)
			}
			ix = appendLength(ix, t.Len(), t.Escaped())
			if l.quoted {
				value = append(value, '"')
			}
			continue
		case formNumber:
			n = len(strconv.AppendUint(value[:n], e.number(f), 10))
			ix = appendLength(ix, n-from, false)
		case formWord:
			n += copy(value[n:], e.word(f))
			ix = appendLength(ix, n-from, false)
		case formUUID:
			e.uuid(f).put((*[uuidLen]byte)(value[n:]))
			n += uuidLen
		case formTime:
			putTime((*[timeLen]byte)(value[n:]), *e.time(f))
			n += timeLen
		case formBool:
			n += copy(value[n:], "true")
		}
		if l.quoted {
			value[n] = '"'
			n++
		}
		value = value[:n]
	}
	if current != groupNone {
		value = append(value, '}')
	}
	return append(value, '}'), ix
}

const (
	// shortText is the length up to which a text is copied as so many bytes, whatever follows it: copying the exact number costs a jump that cannot be predicted.
	shortText = 64
	// fieldRoom is the most that a field takes without its long text: the end of a group, a literal, a short text or a UUID, its quote.
	fieldRoom = 1 + literalRoom + shortText + 1
)

// appendLength appends a length to the index.
func appendLength(ix []byte, n int, escaped bool) []byte {
	v := uint64(n) << 1
	if escaped {
		v |= 1
	}
	if v < 0x80 {
		return append(ix, byte(v))
	}
	return binary.AppendUvarint(ix, v)
}

// AppendKey appends the record's key: project:distinct_id. Records of one key meet in one partition.
func (e *Envelope) AppendKey(dst, buf []byte) []byte {
	dst = strconv.AppendUint(dst, uint64(e.Project), 10)
	dst = append(dst, ':')
	return e.Text(FieldDistinctID).AppendValue(dst, buf)
}

// The typed members by field. A field that has no member of the kind is a bug in the tables above.

func (e *Envelope) number(f Field) uint64 {
	switch f {
	case FieldProject:
		return uint64(e.Project)
	case FieldHops:
		return uint64(e.Hops)
	case FieldScreenW:
		return uint64(e.ScreenW)
	case FieldScreenH:
		return uint64(e.ScreenH)
	}
	panic("BUG: no number in field " + f.String())
}

func (e *Envelope) word(f Field) string {
	switch f {
	case FieldType:
		return e.Type.String()
	case FieldTSSource:
		return e.TSSource.String()
	case FieldDialect:
		return e.Dialect.String()
	}
	panic("BUG: no word in field " + f.String())
}

func (e *Envelope) uuid(f Field) *UUID {
	switch f {
	case FieldID:
		return &e.ID
	case FieldSessionID:
		return &e.SessionID
	case FieldRequestID:
		return &e.RequestID
	}
	panic("BUG: no UUID in field " + f.String())
}

func (e *Envelope) time(f Field) *int64 {
	switch f {
	case FieldTS:
		return &e.TS
	case FieldClientTS:
		return &e.ClientTS
	case FieldSentAt:
		return &e.SentAt
	case FieldReceivedAt:
		return &e.ReceivedAt
	}
	panic("BUG: no time in field " + f.String())
}
