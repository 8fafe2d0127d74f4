package keys

import (
	"fmt"
	"slices"
	"strings"
)

// Scopes is a set of what a key may be used for. The zero value is nothing.
type Scopes uint8

// The scopes.
const (
	Ingest Scopes = 1 << iota // send events
	Query                     // ask questions
	Manage                    // declare segments, erase people
)

// scopeNames are the scopes as keys.yaml has them, in the order of their bits.
var scopeNames = []string{"ingest", "query", "manage"}

// ParseScopes reads names, in any order. ErrBadKey when there is none, or one is unknown or occurs twice.
func ParseScopes(names []string) (s Scopes, err error) {
	for _, name := range names {
		i := slices.Index(scopeNames, name)
		if i < 0 {
			return 0, fmt.Errorf("%w: scope %q: choose from %s", ErrBadKey, name, strings.Join(scopeNames, ", "))
		}
		if s.Has(1 << i) {
			return 0, fmt.Errorf("%w: scope %q occurs twice: name it once", ErrBadKey, name)
		}
		s |= 1 << i
	}
	if s == 0 {
		return 0, fmt.Errorf("%w: no scope: choose from %s", ErrBadKey, strings.Join(scopeNames, ", "))
	}
	return s, nil
}

// Has tells whether all of want are in the set.
func (s Scopes) Has(want Scopes) bool { return s&want == want }

// String lists the scopes as a YAML list does inside its brackets.
func (s Scopes) String() string {
	var names []string
	for i, name := range scopeNames {
		if s.Has(1 << i) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}
