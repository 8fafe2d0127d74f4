package profile

import (
	"unicode/utf8"

	"github.com/millrace/millrace/schema/scan"
)

// value is the value of a property while its operations are folded. The zero value is that of a property that has none.
type value struct {
	text []byte // JSON without white space; old as long as list is not nil
	kind scan.Kind
	list *list // items of an array that an operation has opened
}

func (v *value) there() bool { return v.kind != scan.Invalid }

// appendTo appends the value.
func (v *value) appendTo(dst []byte) []byte {
	if v.list != nil {
		return v.list.appendTo(dst)
	}
	return append(dst, v.text...)
}

// items are those that an operation on a list names: the items of a list, else the value itself.
func (v *value) items() [][]byte {
	if v.kind == scan.Array {
		return split(v.text)
	}
	return [][]byte{v.text}
}

// parse reads the value of a row. ok is false when it is none that a profile can hold.
func parse(text string) (v value, ok bool) {
	if len(text) > MaxValueBytes {
		return v, false
	}
	var s scan.Scanner
	s.Reset([]byte(text), maxDepth)
	if !s.More() {
		return v, false
	}
	start := s.Pos()
	read, ok := s.Read()
	end := s.Pos()
	if !ok || s.More() || s.TakeFlags() != 0 {
		return v, false
	}
	v.text, ok = appendValue(make([]byte, 0, len(text)), []byte(text[start:end]))
	v.kind = read.Kind
	return v, ok && len(v.text) <= MaxValueBytes
}

// appendValue appends a valid JSON text as profiles have it. ok is false when it holds a number that is out of range.
func appendValue(dst, text []byte) (_ []byte, ok bool) {
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '"':
			end := closing(text, i+1)
			dst = append(appendPaired(append(dst, '"'), text[i+1:end]), '"')
			i = end + 1
		case c == '-' || c-'0' <= 9:
			end := i + 1
			for end < len(text) && inNumber(text[end]) {
				end++
			}
			if dst, ok = appendNumber(dst, text[i:end]); !ok {
				return dst, false
			}
			i = end
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst, true
}

// closing finds the quote that ends the string whose text begins at i.
func closing(text []byte, i int) int {
	for text[i] != '"' {
		if text[i] == '\\' {
			i++
		}
		i++
	}
	return i
}

// appendPaired appends the text of a JSON string with \ufffd for each half of a surrogate pair that is alone.
func appendPaired(dst, text []byte) []byte {
	const escape = len(`\uffff`)
	from := 0
	for i := 0; i < len(text); {
		switch {
		case text[i] != '\\':
			i++
			continue
		case text[i+1] != 'u':
			i += 2
			continue
		}
		switch half(text[i:]) {
		case 0:
			i += escape
			continue
		case high:
			if half(text[i+escape:]) == low {
				i += 2 * escape
				continue
			}
		}
		dst = append(append(dst, text[from:i]...), `\ufffd`...)
		i += escape
		from = i
	}
	return append(dst, text[from:]...)
}

const (
	high = 1 + iota
	low
)

// half tells which half of a surrogate pair the text begins with, 0 for none.
func half(text []byte) int {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' || text[2]|0x20 != 'd' {
		return 0
	}
	switch c := text[3] | 0x20; c {
	case '8', '9', 'a', 'b':
		return high
	case 'c', 'd', 'e', 'f':
		return low
	}
	return 0
}

// legalName tells whether a property can have the name.
func legalName(name string) bool { return len(name) <= MaxNameBytes && utf8.ValidString(name) }
