package sink

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// member is who this process was in the group, kept in a file so that the next start can take the former one out of it: the group would otherwise wait a
// session timeout for a process that was killed. The data directory's lock makes it this process's alone.
type member struct {
	Group  string `json:"group"`
	Member string `json:"member"`
}

// memberFile is its place below the data directory.
const memberFile = "run/sink-member"

// saveMember writes the file. It is replaced as a whole, and not synced: after a power cut the worst is one session timeout.
func saveMember(dataDir string, m member) error {
	path := filepath.Join(dataDir, memberFile)
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// loadMember reads the file. The zero member is none.
func loadMember(dataDir string) (m member, err error) {
	path := filepath.Join(dataDir, memberFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return member{}, nil
	}
	if err != nil {
		return member{}, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return member{}, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// removeMember is for after a clean leave.
func removeMember(dataDir string) error {
	err := os.Remove(filepath.Join(dataDir, memberFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
