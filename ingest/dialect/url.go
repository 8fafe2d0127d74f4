package dialect

import (
	"bytes"
	"math"
	"strconv"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
)

// part is a piece of a text: text[start:end]. The empty part is none.
type part struct{ start, end int }

func (p part) of(text []byte) []byte { return text[p.start:p.end] }

// splitURL finds the host name (without user, port and brackets) and the path of an absolute or scheme-relative URL (RFC 3986 §3), the path of
// any other that begins with a slash, and the query of all of them. It never fails: an address bar holds what it holds.
func splitURL(u []byte) (host, path, query part) {
	host.end = len(u)
	if i := bytes.IndexByte(u, '#'); i >= 0 {
		host.end = i
	}
	if i := bytes.IndexByte(u[:host.end], '?'); i >= 0 {
		query = part{i + 1, host.end}
		host.end = i
	}
	i := bytes.Index(u[:host.end], []byte("//"))
	if i < 0 || i > 0 && !isScheme(u[:i]) {
		if host.end > 0 && u[0] == '/' {
			return part{}, host, query
		}
		return part{}, part{}, query
	}
	host.start = i + 2
	if i := bytes.IndexByte(host.of(u), '/'); i >= 0 {
		path = part{host.start + i, host.end}
		host.end = path.start
	}
	host.start += bytes.LastIndexByte(host.of(u), '@') + 1
	if name := host.of(u); len(name) > 0 && name[0] == '[' {
		host.start++
		host.end = host.start + max(bytes.IndexByte(name[1:], ']'), 0)
	} else if i := bytes.IndexByte(name, ':'); i >= 0 {
		host.end = host.start + i
	}
	return host, path, query
}

// isScheme tells whether text is a URL's scheme with its colon.
func isScheme(text []byte) bool {
	n := len(text) - 1
	if n < 1 || text[n] != ':' || text[0]|0x20 < 'a' || text[0]|0x20 > 'z' {
		return false
	}
	for _, c := range text[:n] {
		if l := c | 0x20; (l < 'a' || l > 'z') && (c < '0' || c > '9') && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// setHost and setPath set a field to a part of a member's value: as a span of the body where that is the same text, else as text appended to the batch's
// buffer. Host names are lowered (ASCII). value is the member's value.
func (d *Decoder) setHost(e *schema.Event, f schema.Field, m *member, value []byte, p part) {
	switch name := p.of(value); {
	case len(name) == 0:
	case m.escaped() || hasUpper(name):
		t := d.appendText(name)
		lower(t.In(d.batch.Buf))
		e.Set(f, t)
	default:
		e.Set(f, schema.TextAt(int(m.start)+p.start, int(m.start)+p.end, false))
	}
}

func (d *Decoder) setPath(e *schema.Event, f schema.Field, m *member, value []byte, p part) {
	switch path := p.of(value); {
	case len(path) == 0:
	case m.escaped():
		e.Set(f, d.appendText(path))
	default:
		e.Set(f, schema.TextAt(int(m.start)+p.start, int(m.start)+p.end, false))
	}
}

// appendText appends a value to the batch's buffer as the text of a JSON string.
func (d *Decoder) appendText(value []byte) schema.Text {
	buf := &d.batch.Buf
	start := len(*buf)
	text, escaped := scan.AppendEscaped(*buf, value)
	*buf = text
	return schema.TextAt(start, len(text), escaped)
}

func hasUpper(text []byte) bool {
	for _, c := range text {
		if c-'A' <= 'Z'-'A' {
			return true
		}
	}
	return false
}

// lower lowers the ASCII letters of a JSON string's text. Escapes as AppendEscaped writes them have none in upper case.
func lower(text []byte) {
	for i, c := range text {
		if c-'A' <= 'Z'-'A' {
			text[i] = c + 'a' - 'A'
		}
	}
}

// saturate reads a JSON number as an unsigned 16-bit count: fractions are cut, what is negative is 0, what is too large is the largest.
func saturate(text []byte) uint16 {
	if n, ok := smallInt(text); ok {
		return uint16(min(n, math.MaxUint16))
	}
	// A number out of range gives an infinity beside its error.
	switch f, _ := strconv.ParseFloat(view(text), 64); {
	case f >= math.MaxUint16:
		return math.MaxUint16
	case f > 0:
		return uint16(f)
	}
	return 0
}
