package query

import "github.com/millrace/millrace/internal/rest"

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

// authenticate looks the key up. The answer is the same for a missing key and an unknown one.
func (r *request) authenticate() *refusal {
	known := false
	if key := rest.Key(r.http.Header); key != "" {
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
