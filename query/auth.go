package query

import (
	"encoding/base64"
	"net/http"
	"strings"
)

// Caller is what a key gives access to.
type Caller struct {
	// Project is whose rows are asked for. It is 1 or higher.
	Project uint32
	// KeyID names the key in logs; it is no secret.
	KeyID string
	// Query tells that the key may ask questions.
	Query bool
}

// Keyring knows the keys.
type Keyring interface {
	// Lookup finds a key by the text that clients show. It keeps nothing of key, may be called concurrently, and takes the same time for an unknown key as
	// for a known one.
	Lookup(key []byte) (Caller, bool)
}

// maxKeyBytes is the longest text that is looked up as a key.
const maxKeyBytes = 512

// credential finds the key that the header shows: the user of Basic, a Bearer token, or X-Write-Key. A key in the URL is not taken: URLs are written down everywhere.
// Authorization decides when it is there. The result is "" when there is no key or one that cannot be.
func credential(h http.Header) string {
	if len(h["Authorization"]) > 1 || len(h["X-Write-Key"]) > 1 {
		return "" // two of them: no telling which a proxy has checked
	}
	if scheme, rest, ok := strings.Cut(h.Get("Authorization"), " "); ok {
		rest = strings.TrimSpace(rest)
		switch {
		case strings.EqualFold(scheme, "basic"):
			user, decoded := basicUser(rest)
			if !decoded || user != "" {
				return user
			}
		case strings.EqualFold(scheme, "bearer") && rest != "":
			return rest
		}
	}
	return h.Get("X-Write-Key")
}

// basicUser decodes the user of Basic credentials (RFC 7617); the password is ignored. Missing padding is accepted.
func basicUser(encoded string) (user string, ok bool) {
	encoded = strings.TrimRight(encoded, "=")
	if base64.RawStdEncoding.DecodedLen(len(encoded)) > 2*maxKeyBytes {
		return "", false
	}
	text, err := base64.RawStdEncoding.DecodeString(encoded)
	if err != nil {
		return "", false
	}
	user, _, _ = strings.Cut(string(text), ":")
	return user, true
}

// authenticate looks the key up. The answer is the same for a missing key and an unknown one.
func (r *request) authenticate() *refusal {
	key := credential(r.http.Header)
	known := false
	if key != "" && len(key) <= maxKeyBytes {
		r.caller, known = r.s.deps.Keys.Lookup([]byte(key))
	}
	switch {
	case !known:
		r.caller = Caller{}
		return refuse(codeInvalidKey, "the key is missing or not known here: send it as the user of Basic authentication, as Bearer token or in X-Write-Key")
	case !r.caller.Query:
		return refuse(codeForbiddenScope, "the key may not ask questions: use one with scope query (millrace keys create NAME --scope query)")
	}
	return nil
}
