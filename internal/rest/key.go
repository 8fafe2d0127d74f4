package rest

import (
	"encoding/base64"
	"net/http"
	"strings"
)

// MaxKeyBytes is the longest text that is taken for a key.
const MaxKeyBytes = 512

// Key finds the key that the header shows: the user of Basic, a Bearer token, or X-Write-Key. A key in the URL is not taken: URLs are written down everywhere.
// Authorization decides when it is there. The result is "" when there is no key or one that cannot be.
func Key(h http.Header) string {
	if len(h["Authorization"]) > 1 || len(h["X-Write-Key"]) > 1 {
		return "" // two of them: no telling which a proxy has checked
	}
	key := shown(h)
	if len(key) > MaxKeyBytes {
		return ""
	}
	return key
}

func shown(h http.Header) string {
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
	if base64.RawStdEncoding.DecodedLen(len(encoded)) > 2*MaxKeyBytes {
		return "", false
	}
	text, err := base64.RawStdEncoding.DecodeString(encoded)
	if err != nil {
		return "", false
	}
	user, _, _ = strings.Cut(string(text), ":")
	return user, true
}
