package scan

import (
	"math/bits"
	"unicode/utf8"
)

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// special marks, with the high bit of each byte, the bytes of w that need a look: a quote, a backslash, a control character or a byte
// that is not ASCII. SWAR after "Bit Twiddling Hacks", "Determine if a word has a byte less than n"; a borrow can mark a byte above a marked
// one wrongly, never below the first, and only the first is used.
func special(w uint64) uint64 {
	quote := w ^ lowBits*'"'
	slash := w ^ lowBits*'\\'
	return ((quote - lowBits) | (slash - lowBits) | (w - lowBits*0x20) | w) & highBits
}

// string walks over the string whose opening quote is at the cursor.
func (s *Scanner) string() (v Value, ok bool) {
	start := s.pos + 1
	end := plain(s.text, start)
	if end < len(s.text) && s.text[end] == '"' {
		s.pos = end + 1
		return Value{Start: start, End: end, Kind: String}, true
	}
	return s.unplain(start, end)
}

// plain returns the offset of the first byte from i on that needs a look, or where fewer than eight bytes are left.
func plain(t []byte, i int) int {
	for i+8 <= len(t) {
		if m := special(word(t, i)); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
	return i
}

// unplain goes on at i in the string that starts at start: there is an escape, a byte that is not ASCII, an error or the end of the text.
func (s *Scanner) unplain(start, i int) (v Value, ok bool) {
	t := s.text
	v.Start, v.Kind = start, String
	for {
		if i >= len(t) {
			s.fail(len(t), "unterminated string")
			return v, false
		}
		switch c := t[i]; {
		case c == '"':
			v.End = i
			s.pos = i + 1
			return v, true
		case c == '\\':
			v.Members++
			n := escape(t[i:])
			if n == 0 {
				s.fail(i, "invalid escape")
				return v, false
			}
			i += n
		case c < 0x20:
			s.fail(i, "control character in a string")
			return v, false
		case c < utf8.RuneSelf:
			i = plain(t, i+1)
		case c-0xe1 <= 0xef-0xe1 && c != 0xed && i+2 < len(t) && t[i+1]&0xc0 == 0x80 && t[i+2]&0xc0 == 0x80:
			i += 3 // any three bytes but those that begin with e0 or ed, of which not all are right
		case c-0xc2 <= 0xdf-0xc2 && i+1 < len(t) && t[i+1]&0xc0 == 0x80:
			i += 2
		default:
			r, n := utf8.DecodeRune(t[i:])
			if r == utf8.RuneError && n <= 1 {
				s.flags |= BadUTF8
			}
			i += n
		}
	}
}

// escape returns the length of the escape sequence at the start of t, or 0 when it is not one.
func escape(t []byte) int {
	if len(t) < 2 {
		return 0
	}
	if unescaped[t[1]] != 0 {
		return 2
	}
	if t[1] == 'u' && len(t) >= 6 && isHex(t[2]) && isHex(t[3]) && isHex(t[4]) && isHex(t[5]) {
		return 6
	}
	return 0
}

func isHex(c byte) bool { return c-'0' <= 9 || c|0x20-'a' <= 5 }

func hexValue(t []byte) (r rune) {
	for _, c := range t[:4] {
		d := c - '0'
		if d > 9 {
			d = c | 0x20 - 'a' + 10
		}
		r = r<<4 | rune(d)
	}
	return r
}

// AppendUnescaped appends the value of a JSON string, given the valid text between its quotes. A lone surrogate becomes U+FFFD, as
// encoding/json has it.
func AppendUnescaped(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		c := text[i]
		if c != '\\' {
			dst = append(dst, c)
			i++
			continue
		}
		if text[i+1] != 'u' {
			dst = append(dst, unescaped[text[i+1]])
			i += 2
			continue
		}
		r := hexValue(text[i+2:])
		i += 6
		if r >= 0xD800 && r < 0xE000 {
			high := r
			r = utf8.RuneError
			if high < 0xDC00 && len(text) >= i+6 && text[i] == '\\' && text[i+1] == 'u' {
				if low := hexValue(text[i+2:]); low >= 0xDC00 && low < 0xE000 {
					r = (high-0xD800)<<10 | (low - 0xDC00) + 0x10000
					i += 6
				}
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// unescaped is what follows a backslash, by what it stands for; 0: nothing, or u.
var unescaped = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// AppendEscaped appends value as the text of a JSON string, without quotes, and tells whether anything had to be escaped. Bytes that are
// not UTF-8 become U+FFFD, so the result is always valid JSON.
func AppendEscaped(dst, value []byte) (text []byte, escaped bool) {
	const hex = "0123456789abcdef"
	for i := 0; i < len(value); {
		c := value[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
			escaped = true
			i++
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			escaped = true
			i++
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			i++
		default:
			r, n := utf8.DecodeRune(value[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
		}
	}
	return dst, escaped
}

// ValidText tells whether text can stand between the quotes of a JSON string.
func ValidText(text []byte) bool {
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '"' || c < 0x20:
			return false
		case c == '\\':
			n := escape(text[i:])
			if n == 0 {
				return false
			}
			i += n
		default:
			i++
		}
	}
	return true
}
