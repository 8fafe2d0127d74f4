package access

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestSecretIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sql-secret")
	if _, err := ReadSecret(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
	// Servers, and whoever else needs it, start at once.
	passwords := make([]string, 8)
	var wg sync.WaitGroup
	for i := range passwords {
		wg.Go(func() {
			s, err := MakeSecret(path)
			if err != nil {
				t.Error(err)
				return
			}
			passwords[i] = s.Password("p1_analyst")
		})
	}
	wg.Wait()
	for _, p := range passwords {
		if p != passwords[0] || len(p) != 52 {
			t.Errorf("passwords %q", passwords)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("left beside it: %v, %v", entries, err)
	}
	s, err := ReadSecret(path)
	if err != nil || s.Password("p1_analyst") != passwords[0] || s.Password("p2_analyst") == passwords[0] {
		t.Errorf("read again: %v", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if shown := fmt.Sprintf("%v %+v %#v %s", s, s, s, s); strings.Contains(shown, strings.TrimSpace(string(text))) || strings.Contains(shown, "[") {
		t.Errorf("printed: %s", shown)
	}
}

// The passwords are in other people's settings: a release must not change them.
func TestPasswordsStay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("\n0123456789abcdef0123456789abcdef \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := ReadSecret(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Password("p1_analyst"); got != "G3WV5HKKFH25MAPYCR254EHLPOVLRHNS3JI5WHKFF5T64Q73GYUA" {
		t.Errorf("password %s", got)
	}
}

func TestShortSecretIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]func(string) (Secret, error){"read": ReadSecret, "make": MakeSecret} {
		if _, err := read(path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "32") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
