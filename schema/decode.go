package schema

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"github.com/millrace/millrace/schema/scan"
)

// Why a record cannot be read. The texts are spelled out by the errors that wrap them.
var (
	// ErrVersion: the record was written by a newer Millrace.
	ErrVersion = errors.New("unknown codec version")
	// ErrIndex: the index does not fit the value, so one of them was damaged or forged.
	ErrIndex = errors.New("index does not fit the value")
	// ErrValue: the value is no event.
	ErrValue = errors.New("value is not an event")
)

// DecodeRecord reads a record by its index, without parsing JSON: every literal between the fields is compared, every span bounded, every typed field
// read, so that a wrong index is an error and never a wrong row. The envelope's texts are spans of value afterwards.
func (e *Envelope) DecodeRecord(value, ix []byte) error {
	if len(ix) < 1+maskBytes {
		return fmt.Errorf("%w: it has %d bytes", ErrIndex, len(ix))
	}
	if ix[0] != CodecVersion {
		return fmt.Errorf("%w: %d, this build reads %d: upgrade the sink first", ErrVersion, ix[0], CodecVersion)
	}
	var mask uint64
	for i := range maskBytes {
		mask |= uint64(ix[1+i]) << (8 * i)
	}
	if mask>>NumFields != 0 || mask&alwaysPresent != alwaysPresent {
		return fmt.Errorf("%w: fields %012x", ErrIndex, mask)
	}
	ix = ix[1+maskBytes:]
	e.Reset()
	e.present = mask
	if len(value) < len(start) || string(value[:len(start)]) != start {
		return fmt.Errorf("%w: it does not begin with %s", ErrIndex, start)
	}
	pos := len(start)
	current := groupNone
	literal := func(s string) bool {
		if len(value)-pos < len(s) || string(value[pos:pos+len(s)]) != s {
			return false
		}
		pos += len(s)
		return true
	}
	for m := mask &^ (1 << FieldVersion); m != 0; m &= m - 1 {
		f := Field(bits.TrailingZeros64(m))
		l := &layouts[f]
		if l.spec.group == current {
			if !literal(l.lead) {
				return misfit(f, pos)
			}
		} else {
			if (current != groupNone && !literal("}")) || !literal(l.open) {
				return misfit(f, pos)
			}
			current = l.spec.group
		}
		n, escaped := 0, false
		switch l.spec.form {
		case formUUID:
			n = uuidLen
		case formTime:
			n = timeLen
		case formBool:
			n = len("true")
		default:
			v, size := uint64(0), 1
			if len(ix) > 0 && ix[0] < 0x80 { // as most are
				v = uint64(ix[0])
			} else if v, size = binary.Uvarint(ix); size <= 0 {
				return misfit(f, pos)
			}
			if v>>1 > uint64(len(value)-pos) {
				return misfit(f, pos)
			}
			ix = ix[size:]
			n, escaped = int(v>>1), v&1 != 0
			if escaped && l.spec.form != formText {
				return misfit(f, pos)
			}
		}
		if len(value)-pos < n || !e.read(f, value, pos, n, escaped) {
			return misfit(f, pos)
		}
		pos += n
		if l.quoted && !literal(`"`) {
			return misfit(f, pos)
		}
	}
	if (current != groupNone && !literal("}")) || !literal("}") || pos != len(value) || len(ix) != 0 {
		return fmt.Errorf("%w: %d bytes of value and %d of index are left at the end", ErrIndex, len(value)-pos, len(ix))
	}
	return nil
}

func misfit(f Field, pos int) error {
	return fmt.Errorf("%w: field %s at byte %d", ErrIndex, f, pos)
}

// read takes the field's value from value[pos:pos+n].
func (e *Envelope) read(f Field, value []byte, pos, n int, escaped bool) bool {
	text := value[pos : pos+n]
	switch fieldSpecs[f].form {
	case formText:
		if escaped && !scan.ValidText(text) {
			return false
		}
		e.texts[f] = TextAt(pos, pos+n, escaped)
		return true
	case formJSON:
		e.texts[f] = TextAt(pos, pos+n, false)
		return n >= 2 && text[0] == '{' && text[n-1] == '}'
	case formNumber:
		return e.setNumber(f, text)
	case formWord:
		return e.setWord(f, text)
	case formUUID:
		u, ok := ParseUUID(text)
		*e.uuid(f) = u
		return ok
	case formTime:
		ms, ok := parseISO(text)
		*e.time(f) = ms
		return ok
	case formBool:
		e.Bot = string(text) == "true"
		return e.Bot
	}
	return false
}

func (e *Envelope) setNumber(f Field, text []byte) bool {
	if len(text) == 0 || len(text) > 10 {
		return false
	}
	var bad bool
	n := uint64(number(text, len(text), &bad))
	if bad {
		return false
	}
	var limit uint64
	switch f {
	case FieldProject:
		limit, e.Project = math.MaxUint32, uint32(n)
	case FieldHops:
		limit, e.Hops = math.MaxUint8, uint8(n)
	case FieldScreenW:
		limit, e.ScreenW = math.MaxUint16, uint16(n)
	case FieldScreenH:
		limit, e.ScreenH = math.MaxUint16, uint16(n)
	}
	return n <= limit
}

func (e *Envelope) setWord(f Field, text []byte) bool {
	switch f {
	case FieldType:
		e.Type = ParseType(text)
		return e.Type != TypeNone
	case FieldTSSource:
		n := parseWord(text, tsSourceNames[:])
		e.TSSource = TSSource(n)
		return string(text) == tsSourceNames[n]
	case FieldDialect:
		n := parseWord(text, dialectNames[:])
		e.Dialect = Dialect(n)
		return string(text) == dialectNames[n]
	}
	return false
}
