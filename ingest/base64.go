package ingest

const (
	armorEnd   = 64 // of the values
	armorSkip  = 64 // line breaks
	armorPad   = 65
	armorWrong = 128
)

// armorValues are the values of base64 characters in both alphabets (RFC 4648 §4 and §5), also mixed. A space is a plus sign that something took for form
// encoding.
var armorValues = func() (values [256]uint8) {
	for c := range values {
		values[c] = armorWrong
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		values[c] = uint8(i)
	}
	values['-'], values[' '], values['_'] = values['+'], values['+'], values['/']
	values['\r'], values['\n'], values['='] = armorSkip, armorSkip, armorPad
	return values
}()

// unbase64 decodes text in place, into its first n bytes. Line breaks may stand anywhere and padding may be missing. bad is the index of the first byte that
// cannot be there, len(text) when the text is cut off, or -1.
func unbase64(text []byte) (n, bad int) {
	held, quad := 0, uint32(0) // characters of four, and their values
	for i := 0; i < len(text); i++ {
		for held == 0 && len(text)-i >= 4 {
			a, b, c, d := armorValues[text[i]], armorValues[text[i+1]], armorValues[text[i+2]], armorValues[text[i+3]]
			if a|b|c|d >= armorEnd {
				break
			}
			quad := uint32(a)<<18 | uint32(b)<<12 | uint32(c)<<6 | uint32(d)
			text[n], text[n+1], text[n+2] = byte(quad>>16), byte(quad>>8), byte(quad)
			n += 3
			i += 4
		}
		if i == len(text) {
			break
		}
		switch v := armorValues[text[i]]; {
		case v < armorEnd:
			quad = quad<<6 | uint32(v)
			held++
			if held == 4 {
				text[n], text[n+1], text[n+2] = byte(quad>>16), byte(quad>>8), byte(quad)
				n += 3
				held, quad = 0, 0
			}
		case v == armorSkip:
		case v == armorPad:
			if bad := wrongPadding(text, i, held); bad >= 0 {
				return n, bad
			}
			return n + endArmor(text[n:], held, quad), -1
		default:
			return n, i
		}
	}
	if held == 1 {
		return n, len(text)
	}
	return n + endArmor(text[n:], held, quad), -1
}

// wrongPadding is the index of the first byte from i on that is no padding behind the held last characters, or -1. Some of it may be missing.
func wrongPadding(text []byte, i, held int) int {
	left := 4 - held
	for ; i < len(text); i++ {
		switch armorValues[text[i]] {
		case armorSkip:
		case armorPad:
			if left--; left < 0 || held < 2 {
				return i
			}
		default:
			return i
		}
	}
	return -1
}

// endArmor writes what the last two or three characters hold.
func endArmor(dst []byte, held int, quad uint32) int {
	switch held {
	case 2:
		dst[0] = byte(quad >> 4)
		return 1
	case 3:
		dst[0], dst[1] = byte(quad>>10), byte(quad>>2)
		return 2
	}
	return 0
}

// isArmored tells by its first characters whether text can be base64 of JSON or of something compressed. JSON itself, numbers and words included, and most other
// text cannot, so that it is called what it is.
func isArmored(text []byte) bool {
	var head [8]byte
	n, _ := unbase64(head[:copy(head[:], text)])
	return n > 0 && (beginsJSON(head[:n]) || isBlank(head[0]) || sniff(head[:n]) != identity)
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
