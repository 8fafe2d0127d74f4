package ingest

import (
	"bytes"
	"encoding/base64"
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
}

// Keyring knows the write keys.
type Keyring interface {
	// Lookup finds a key by the text that clients show. It keeps nothing of key, may be called concurrently, and takes the same time for an unknown key as
	// for a known one.
	Lookup(key []byte) (Key, bool)
}

// maxKeyBytes is the longest text that is looked up as a key.
const maxKeyBytes = 512

// credential finds the key that header or query show, in this order: Authorization (Basic user or Bearer token), X-Write-Key, the query's writeKey or api_key. The
// first that is there decides, whatever the others and the body say. ok is false when there is none. The result may be a part of scratch.
func credential(h *header, query queryArgs, scratch []byte) (key []byte, ok bool) {
	if h.authorizations > 1 {
		return nil, true // two of them: no telling which a proxy has checked
	}
	if scheme, rest, found := bytes.Cut(h.authorization, []byte(" ")); found {
		rest = bytes.TrimSpace(rest)
		switch {
		case equalFold(scheme, "basic"):
			user, decoded := basicUser(rest, scratch)
			if !decoded {
				return nil, true // a credential, but one that no key matches
			}
			if len(user) > 0 {
				return user, true
			}
		case equalFold(scheme, "bearer") && len(rest) > 0:
			return rest, true
		}
	}
	if len(h.writeKey) > 0 {
		return h.writeKey, true
	}
	for _, name := range [...]string{"writeKey", "api_key"} {
		if key := query.Peek(name); len(key) > 0 {
			return key, true
		}
	}
	return nil, false
}

// queryArgs is the part of fasthttp.Args that is needed here.
type queryArgs interface{ Peek(name string) []byte }

// basicUser decodes the user of Basic credentials (RFC 7617) into scratch; the password is ignored. Missing padding is accepted.
func basicUser(encoded, scratch []byte) (user []byte, ok bool) {
	encoded = bytes.TrimRight(encoded, "=")
	if base64.RawStdEncoding.DecodedLen(len(encoded)) > cap(scratch) {
		return nil, false
	}
	n, err := base64.RawStdEncoding.Decode(scratch[:cap(scratch)], encoded)
	if err != nil {
		return nil, false
	}
	user, _, _ = bytes.Cut(scratch[:n], []byte(":"))
	return user, true
}
