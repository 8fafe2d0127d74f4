package schema

import "github.com/millrace/millrace/schema/scan"

// Text is the text of a JSON string or value as a span of a buffer that is named beside it. Offsets, not slices: they stay right when the
// buffer grows, and a thousand events of them fit a cache.
type Text struct {
	off uint32
	len uint32 // top bit: the string has escapes
}

const escapedBit = 1 << 31

// TextAt describes buf[start:end]. Buffers are bounded far below 2 GiB by the limits of the door.
func TextAt(start, end int, escaped bool) Text {
	t := Text{off: uint32(start), len: uint32(end - start)}
	if escaped {
		t.len |= escapedBit
	}
	return t
}

// TextOf describes a value found by the scanner, base being the scanned text's offset in the buffer.
func TextOf(v scan.Value, base int) Text { return TextAt(base+v.Start, base+v.End, v.Escaped()) }

// Len is the length of the text in bytes.
func (t Text) Len() int { return int(t.len &^ escapedBit) }

// Escaped tells whether the text has backslash escapes.
func (t Text) Escaped() bool { return t.len&escapedBit != 0 }

// In returns the text itself, a part of buf.
func (t Text) In(buf []byte) []byte {
	end := t.off + t.len&^escapedBit
	return buf[t.off:end:end]
}

// AppendValue appends the string that the text stands for.
func (t Text) AppendValue(dst, buf []byte) []byte {
	if !t.Escaped() {
		return append(dst, t.In(buf)...)
	}
	return scan.AppendUnescaped(dst, t.In(buf))
}

// Value returns the string that the text stands for: a part of buf when nothing is escaped, else scratch[:0] grown. It is valid as
// long as both are.
func (t Text) Value(buf, scratch []byte) []byte {
	if !t.Escaped() {
		return t.In(buf)
	}
	return scan.AppendUnescaped(scratch[:0], t.In(buf))
}
