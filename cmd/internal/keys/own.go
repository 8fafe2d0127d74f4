package keys

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

// ownKey makes keys with which this process sends events of its own to its own door. They come from a secret that is in memory only, so they are worth nothing elsewhere or later.
type ownKey struct{ secret [sha256.Size]byte }

const ownPrefix = "own_"

func newOwnKey() *ownKey {
	k := &ownKey{}
	if _, err := rand.Read(k.secret[:]); err != nil {
		panic("BUG: crypto/rand: " + err.Error()) // it never fails
	}
	return k
}

func (k *ownKey) of(project string) string {
	mac := hmac.New(sha256.New, k.secret[:])
	mac.Write([]byte(project))
	return ownPrefix + project + "_" + hex.EncodeToString(mac.Sum(nil))
}

// matches finds the project that the key is of.
func (k *ownKey) matches(key []byte) (Key, bool) {
	rest, ok := bytes.CutPrefix(key, []byte(ownPrefix))
	if !ok {
		return Key{}, false
	}
	project, _, _ := strings.Cut(string(rest), "_")
	n, err := strconv.ParseUint(project, 10, 32)
	if err != nil || n == 0 || !hmac.Equal(key, []byte(k.of(project))) {
		return Key{}, false
	}
	return Key{ID: "own", Project: uint32(n), Name: "Millrace itself", Scopes: Ingest}, true
}

// Own is the key with which this process may send events of the project to itself.
func (s *Store) Own(project uint32) Secret {
	return NewSecret(s.own.of(strconv.FormatUint(uint64(project), 10)))
}
