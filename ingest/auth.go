package ingest

import (
	"bytes"
	"encoding/base64"

	"github.com/millrace/millrace/schema"
)

// Key is what a write key gives access to.
type Key struct {
	// ID names the key in logs, metrics and records; it is no secret.
	ID string
	// Project is the project that its events belong to.
	Project uint32
	// Name is the project's name.
	Name string
	// Forbidden says that the key is known and may not send events.
	Forbidden bool
	// Dialect is the SDK family that the key is registered for, when HasDialect: what a body is taken for that could be of several.
	Dialect    schema.Dialect
	HasDialect bool
	// Address is what becomes of the addresses of its events.
	Address schema.AddressPolicy
}

// Keyring knows the write keys.
type Keyring interface {
	// Lookup finds a key by the text that clients show. It keeps nothing of key, may be called concurrently, and takes the same time for an unknown key as
	// for a known one.
	Lookup(key []byte) (Key, bool)
}

// maxKeyBytes is the longest text that is looked up as a key.
const maxKeyBytes = 512

// shownKey is what a client shows as its key.
type shownKey struct {
	text []byte
	// pair is what to look up when text is no known key, else empty: keys of Jitsu and of Mixpanel's service accounts have a colon inside, which Basic credentials cut.
	pair []byte
}

// find looks the key up, and returns the text that it goes by. A pair is tried second, so that who sends a password beside a key, as some do, is known by the key.
func (k shownKey) find(keys Keyring) (key Key, text []byte, ok bool) {
	for _, text := range [...][]byte{k.text, k.pair} {
		if len(text) == 0 || len(text) > maxKeyBytes {
			continue
		}
		if key, ok := keys.Lookup(text); ok {
			return key, text, true
		}
	}
	return Key{}, nil, false
}

// keyParams are the names that a key may have in a query or a form, in the order in which they are looked for.
var keyParams = [...]string{"writeKey", "api_key", "token"}

// formKey is the key in the request's form, nil when there is none.
func (r *request) formKey() []byte {
	for _, name := range keyParams {
		if text := r.param(name); len(text) > 0 {
			return text
		}
	}
	return nil
}

// findKey finds the key that header or query show, in this order: Authorization (Basic user or Bearer token), X-Write-Key, the query's writeKey, api_key or token.
// The first that is there decides, whatever the others and the body say. ok is false when there is none. The result may be a part of scratch.
func findKey(h *header, query queryArgs, scratch []byte) (key shownKey, ok bool) {
	if h.authorizations > 1 {
		return key, true // two of them: no telling which a proxy has checked
	}
	if scheme, rest, found := bytes.Cut(h.authorization, []byte(" ")); found {
		rest = bytes.TrimSpace(rest)
		switch {
		case equalFold(scheme, "basic"):
			key, decoded := basicKey(rest, scratch)
			if !decoded {
				return key, true // a credential, but one that no key matches
			}
			if len(key.text) > 0 {
				return key, true
			}
		case equalFold(scheme, "bearer") && len(rest) > 0:
			return shownKey{text: rest}, true
		}
	}
	if len(h.writeKey) > 0 {
		return shownKey{text: h.writeKey}, true
	}
	for _, name := range keyParams {
		if text := query.Peek(name); len(text) > 0 {
			return shownKey{text: text}, true
		}
	}
	return key, false
}

// queryArgs is the part of fasthttp.Args that is needed here.
type queryArgs interface{ Peek(name string) []byte }

// basicKey decodes Basic credentials (RFC 7617) into scratch: the key is their user, else user and password with the colon between them. A colon at the end does not
// belong to that: SDKs append one to a key that they take for a user. Missing padding is accepted.
func basicKey(encoded, scratch []byte) (key shownKey, ok bool) {
	encoded = bytes.TrimRight(encoded, "=")
	if base64.RawStdEncoding.DecodedLen(len(encoded)) > cap(scratch) {
		return key, false
	}
	n, err := base64.RawStdEncoding.Decode(scratch[:cap(scratch)], encoded)
	if err != nil {
		return key, false
	}
	user, password, _ := bytes.Cut(scratch[:n], []byte(":"))
	key.text = user
	if len(user) > 0 && len(password) > 0 {
		key.pair = bytes.TrimSuffix(scratch[:n], []byte(":"))
	}
	return key, true
}
