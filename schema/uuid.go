package schema

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
)

// UUID is an id of 16 bytes (RFC 9562). The zero value stands for none.
type UUID [16]byte

// uuidLen is the length of a UUID's text: 8-4-4-4-12 hexadecimal digits.
const uuidLen = 36

// String returns the canonical text.
func (u UUID) String() string { return string(u.AppendText(nil)) }

// hexPairs are the bytes as text.
var hexPairs = func() (t [256][2]byte) {
	const hex = "0123456789abcdef"
	for i := range t {
		t[i] = [2]byte{hex[i>>4], hex[i&15]}
	}
	return t
}()

// AppendText appends the canonical text in lower case.
func (u UUID) AppendText(dst []byte) []byte {
	var t [uuidLen]byte
	u.put(&t)
	return append(dst, t[:]...)
}

// put writes the canonical text. Constant places spare the bounds checks of a loop.
func (u *UUID) put(t *[uuidLen]byte) {
	t[8], t[13], t[18], t[23] = '-', '-', '-', '-'
	two := func(at int, b byte) { t[at], t[at+1] = hexPairs[b][0], hexPairs[b][1] }
	two(0, u[0])
	two(2, u[1])
	two(4, u[2])
	two(6, u[3])
	two(9, u[4])
	two(11, u[5])
	two(14, u[6])
	two(16, u[7])
	two(19, u[8])
	two(21, u[9])
	two(24, u[10])
	two(26, u[11])
	two(28, u[12])
	two(30, u[13])
	two(32, u[14])
	two(34, u[15])
}

// hexDigit maps a byte to its value as a hexadecimal digit; 0xff marks any other byte.
var hexDigit = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i := range byte(10) {
		t['0'+i] = i
	}
	for i := range byte(6) {
		t['a'+i], t['A'+i] = 10+i, 10+i
	}
	return t
}()

// ParseUUID reads the hyphenated text of a UUID in either case. Any version is taken: the id is the client's.
func ParseUUID(text []byte) (u UUID, ok bool) {
	if len(text) != uuidLen {
		return u, false
	}
	t := (*[uuidLen]byte)(text)
	if t[8] != '-' || t[13] != '-' || t[18] != '-' || t[23] != '-' {
		return u, false
	}
	var bad byte
	two := func(at int) byte {
		hi, lo := hexDigit[t[at]], hexDigit[t[at+1]]
		bad |= hi | lo
		return hi<<4 | lo&15
	}
	u = UUID{
		two(0), two(2), two(4), two(6), two(9), two(11), two(14), two(16),
		two(19), two(21), two(24), two(26), two(28), two(30), two(32), two(34),
	}
	if bad&0x80 != 0 {
		return UUID{}, false
	}
	return u, true
}

// NewUUIDv7 makes a UUID of version 7 (RFC 9562 §5.7) for the given time in Unix milliseconds, with 74 random bits.
func NewUUIDv7(ms int64) UUID {
	var u UUID
	binary.BigEndian.PutUint64(u[0:], uint64(ms)<<16|rand.Uint64()&0xffff)
	binary.BigEndian.PutUint64(u[8:], rand.Uint64())
	return u.tag(7)
}

// UnixMilli is the time inside a UUID of version 7; ok is false for other versions.
func (u UUID) UnixMilli() (ms int64, ok bool) {
	return int64(binary.BigEndian.Uint64(u[:]) >> 16), u[6]>>4 == 7
}

// tag sets version and variant.
func (u UUID) tag(version byte) UUID {
	u[6] = u[6]&0x0f | version<<4
	u[8] = u[8]&0x3f | 0x80
	return u
}

// Kinds of derived id: the first byte of what is hashed, so that ids of different origin never meet by construction.
const (
	derivedClient byte = iota + 1
	derivedIdempotency
	derivedContent
	derivedSession
)

// derive hashes what follows kind and project with SHA-256 into a UUID of version 8 (RFC 9562 §5.8).
func derive(scratch []byte, kind byte, project uint32, parts ...[]byte) (UUID, []byte) {
	scratch = append(scratch[:0], kind)
	scratch = binary.BigEndian.AppendUint32(scratch, project)
	for _, p := range parts {
		scratch = binary.AppendUvarint(scratch, uint64(len(p)))
		scratch = append(scratch, p...)
	}
	sum := sha256.Sum256(scratch)
	return UUID(sum[:16]).tag(8), scratch
}
