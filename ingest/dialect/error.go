package dialect

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/millrace/millrace/schema/scan"
)

// Fault is what is wrong with a body as a whole.
type Fault uint8

// The faults of a body.
const (
	// Malformed: not JSON.
	Malformed Fault = iota + 1
	// Misshapen: JSON, but not of the shape that the route takes.
	Misshapen
	// Empty: no event in it.
	Empty
	// TooMany: more events than allowed.
	TooMany
)

// Error is why a body as a whole could not be read as events.
type Error struct {
	Fault Fault
	// Pointer is the JSON pointer (RFC 6901) inside the body of the member at fault, "" for the body itself.
	Pointer string
	// Detail says in words what was found, what was expected and the cure.
	Detail string
}

func (e *Error) Error() string { return e.Detail }

// malformed describes the grammar error that ended the scanner's walk.
func (d *Decoder) malformed() error {
	var err *scan.Error
	if !errors.As(d.scan.Err(), &err) {
		panic("BUG: no grammar error to describe")
	}
	return d.malformedAt(err.Offset, err.Reason)
}

func (d *Decoder) malformedAt(offset int, reason string) error {
	return &Error{Fault: Malformed, Detail: "invalid JSON: " + d.grammar(offset, reason)}
}

// excerptBytes is how much of the body is shown where it breaks.
const excerptBytes = 24

// grammar says where the text breaks, what was expected there and what stands there.
func (d *Decoder) grammar(offset int, reason string) string {
	if offset >= len(d.text) {
		return fmt.Sprintf("%s at byte %d, the end of the text", reason, offset)
	}
	return fmt.Sprintf("%s at byte %d, near %s", reason, offset, Quote(d.text[offset:min(offset+excerptBytes, len(d.text))]))
}

// maxQuoted is how much of the client's input a message repeats, in bytes after escaping.
const maxQuoted = 64

// Quote renders the client's bytes for a message or a log line: in quotes, everything but printable characters escaped, cut to 64 bytes.
func Quote(text []byte) string {
	out := make([]byte, 1, maxQuoted+8)
	out[0] = '"'
	var one [16]byte
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		var c []byte
		if r == utf8.RuneError && n == 1 {
			const hex = "0123456789abcdef"
			c = append(one[:0], '\\', 'x', hex[text[0]>>4], hex[text[0]&15])
		} else {
			c = strconv.AppendQuoteRune(one[:0], r)
			c = c[1 : len(c)-1]
			switch r {
			case '"':
				c = append(one[:0], '\\', '"')
			case '\'':
				c = append(one[:0], '\'')
			}
		}
		if len(out)-1+len(c) > maxQuoted {
			return string(append(out, "…\""...))
		}
		out = append(out, c...)
		text = text[n:]
	}
	return string(append(out, '"'))
}
