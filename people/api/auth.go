package api

import "github.com/millrace/millrace/internal/rest"

// Caller is what a key gives access to.
type Caller struct {
	// Project is whose people are asked for. It is 1 or higher.
	Project uint32
	// KeyID names the key in logs; it is no secret.
	KeyID string
	// Read tells that the key may ask questions; Manage, that it may change what is declared and erase people.
	Read, Manage bool
}

// Keyring knows the keys.
type Keyring interface {
	// Lookup finds a key by the text that clients show. It keeps nothing of key, may be called concurrently, and takes the same time for an unknown key as
	// for a known one.
	Lookup(key []byte) (Caller, bool)
}

// authenticate looks the key up. The answer is the same for a missing key and an unknown one.
func (r *request) authenticate(manage bool) *refusal {
	known := false
	if key := rest.Key(r.http.Header); key != "" {
		r.caller, known = r.h.deps.Keys.Lookup([]byte(key))
	}
	switch {
	case !known:
		r.caller = Caller{}
		return refuse(rest.InvalidKey, "the key is missing or not known here: send it as the user of Basic authentication, as Bearer token or in X-Write-Key")
	case manage && !r.caller.Manage:
		return refuse(rest.ForbiddenScope, "the key may not change this: use one with scope manage (millrace keys create NAME --scope manage)")
	case !manage && !r.caller.Read:
		return refuse(rest.ForbiddenScope, "the key may not ask questions: use one with scope query (millrace keys create NAME --scope query)")
	}
	return nil
}
