package keys

import (
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

const (
	prefix    = "mr_"
	idLen     = 8
	secretLen = 32
	crcLen    = 7
	maxEnvLen = 16
	// tailLen is what follows the environment: three underscores and the parts of fixed length.
	tailLen = 1 + idLen + 1 + secretLen + 1 + crcLen
	// maxLen bounds what is looked at; a development key may be longer than a real one.
	maxLen = 256
)

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

var encoding = base32.NewEncoding(alphabet).WithPadding(base32.NoPadding)

type keyID [idLen]byte

// parts are the pieces of a well-formed key. The slices alias the text that was parsed.
type parts struct {
	env    []byte
	id     keyID
	secret []byte
}

// parse takes a key apart. It is false for everything that Create cannot have made, with one pass and no allocation.
func parse(key []byte) (p parts, ok bool) {
	env := len(key) - len(prefix) - tailLen
	if env < 1 || env > maxEnvLen || string(key[:len(prefix)]) != prefix {
		return p, false
	}
	body := key[len(prefix):]
	p.env = body[:env]
	tail := body[env:]
	id := tail[1 : 1+idLen]
	p.secret = tail[2+idLen : 2+idLen+secretLen]
	crc := tail[tailLen-crcLen:]
	if tail[0] != '_' || tail[1+idLen] != '_' || tail[tailLen-crcLen-1] != '_' {
		return p, false
	}
	var want [crcLen]byte
	putCRC(&want, key[:len(key)-crcLen-1])
	// The check part is no secret: it follows from the rest.
	if !bytes.Equal(want[:], crc) {
		return p, false
	}
	p.id = keyID(id)
	return p, true
}

// putCRC writes the check part of the text in front of it.
func putCRC(dst *[crcLen]byte, text []byte) {
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], crc32.ChecksumIEEE(text))
	encoding.Encode(dst[:], sum[:])
}

// compose puts a key together.
func compose(env string, id keyID, secret string) string {
	text := fmt.Appendf(nil, "%s%s_%s_%s", prefix, env, id[:], secret)
	var crc [crcLen]byte
	putCRC(&crc, text)
	return string(text) + "_" + string(crc[:])
}

// newSecret returns 160 random bits as text.
func newSecret() string {
	var b [secretLen * 5 / 8]byte
	rand.Read(b[:]) // never fails: it ends the process instead
	return encoding.EncodeToString(b[:])
}

// newID returns a random id. Its first character is a letter, so that no reader of YAML takes it for a number.
func newID() keyID {
	var b [idLen]byte
	rand.Read(b[:]) // never fails: it ends the process instead
	var id keyID
	for i := range id {
		id[i] = alphabet[b[i]%32]
	}
	// 22 letters do not divide 256: an id needs to be unique, not uniform.
	id[0] = alphabet[10+b[0]%22]
	return id
}

func validID(id string) bool {
	return len(id) == idLen && id[0] >= 'a' && inAlphabet(id)
}

func inAlphabet(s string) bool {
	for i := range len(s) {
		if bytes.IndexByte([]byte(alphabet), s[i]) < 0 {
			return false
		}
	}
	return true
}

func validEnv(env string) bool {
	if len(env) < 1 || len(env) > maxEnvLen {
		return false
	}
	for i := range len(env) {
		if c := env[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
