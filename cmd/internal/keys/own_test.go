package keys

import (
	"strings"
	"testing"
)

// A store takes its own keys, for sending events of the project they name and nothing else, and those of no other process.
func TestOwnKey(t *testing.T) {
	open := func() *Store {
		s, err := Open(t.TempDir(), "prod", "")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s, other := open(), open()
	key := s.Own(7).Reveal()
	if found, ok := s.Lookup([]byte(key)); !ok || found.Project != 7 || found.Scopes != Ingest {
		t.Errorf("Lookup(own key) is %+v, %v", found, ok)
	}
	if found, ok := other.Lookup([]byte(key)); ok {
		t.Errorf("another process takes it: %+v", found)
	}
	for _, forged := range []string{strings.Replace(key, "own_7_", "own_8_", 1), strings.Replace(key, "own_7_", "own_07_", 1), key[:len(key)-1], key + "0", "own_", "own_7_", strings.ToUpper(key)} {
		if found, ok := s.Lookup([]byte(forged)); ok {
			t.Errorf("Lookup(%q) is %+v", forged, found)
		}
	}
	if n := len(s.Projects()); n != 0 {
		t.Errorf("own keys count as %d projects", n)
	}
}
