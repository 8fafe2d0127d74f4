package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/millrace/millrace/cmd/internal/datadir"
)

// Store is the folder that the embedded ClickHouse writes backups to. Its methods may be called by several processes at once.
type Store struct{ dir string }

// NewStore returns the store in the folder dir, which is made when the first backup is.
func NewStore(dir string) Store { return Store{dir} }

// Errors of a Store.
var (
	// ErrExists says that a name is taken.
	ErrExists = errors.New("backup exists")
	// ErrUnknown says that there is no backup of a name.
	ErrUnknown = errors.New("no such backup")
)

const (
	manifestFile = "manifest.json"
	tablesDir    = "tables"
)

// Entry is a backup in a store.
type Entry struct {
	Name     string
	Manifest *Manifest // nil: it is not complete, or cannot be read
	Err      error     // why; ErrNoManifest: it is being made, or never came to its end
}

// List returns all backups, the oldest first and those without a manifest last.
func (s Store) List() ([]Entry, error) {
	dirs, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list backups: %w", err)
	}
	var all []Entry
	for _, d := range dirs {
		if !d.IsDir() {
			continue
		}
		m, err := ReadManifest(filepath.Join(s.dir, d.Name(), manifestFile))
		all = append(all, Entry{d.Name(), m, err})
	}
	slices.SortStableFunc(all, func(a, b Entry) int {
		switch {
		case a.Manifest != nil && b.Manifest != nil:
			return a.Manifest.Begun.Compare(b.Manifest.Begun)
		case a.Manifest != nil:
			return -1
		case b.Manifest != nil:
			return 1
		}
		return 0
	})
	return all, nil
}

// Open returns a complete backup and where it lies. ErrUnknown, ErrNoManifest and ErrManifest are among its errors.
func (s Store) Open(name string) (*Manifest, Destination, error) {
	if err := checkName(name); err != nil {
		return nil, Destination{}, err
	}
	folder := filepath.Join(s.dir, name)
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		return nil, Destination{}, fmt.Errorf("%w: %s: `millrace backup list` shows those of %s", ErrUnknown, name, s.dir)
	}
	m, err := ReadManifest(filepath.Join(folder, manifestFile))
	if errors.Is(err, ErrNoManifest) {
		err = fmt.Errorf("%w: backup %s is being made, or never came to its end", err, name)
	}
	if err != nil {
		return nil, Destination{}, err
	}
	if _, err := os.Stat(filepath.Join(folder, tablesDir)); err != nil {
		return nil, Destination{}, fmt.Errorf("the tables of backup %s are gone: %w", name, err)
	}
	return m, named(name), nil
}

// Slot is the place of a backup that is being made.
type Slot struct {
	Destination
	folder string
}

// Reserve takes a name; ErrExists when it is taken. Either Keep or Discard must follow.
func (s Store) Reserve(name string) (*Slot, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("reserve backup: %w", err)
	}
	folder := filepath.Join(s.dir, name)
	switch err := os.Mkdir(folder, 0o700); {
	case errors.Is(err, fs.ErrExist):
		if _, manifestErr := os.Stat(filepath.Join(folder, manifestFile)); errors.Is(manifestErr, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: %s is being made, or never came to its end: choose another name, or remove %s when no backup is running", ErrExists, name, folder)
		}
		return nil, fmt.Errorf("%w: %s: choose another name, or remove %s", ErrExists, name, folder)
	case err != nil:
		return nil, fmt.Errorf("reserve backup: %w", err)
	}
	return &Slot{named(name), folder}, nil
}

// Keep makes the backup durable and complete.
func (s *Slot) Keep(m *Manifest) error {
	err := filepath.WalkDir(s.folder, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return datadir.SyncDir(path) // which works on files as well
	})
	if err != nil {
		return fmt.Errorf("sync backup: %w", err)
	}
	if err := WriteManifest(filepath.Join(s.folder, manifestFile), m); err != nil {
		return err
	}
	return datadir.SyncDir(filepath.Dir(s.folder))
}

// Discard removes what there is of the backup. Its error says what could not be removed.
func (s *Slot) Discard() error {
	if err := os.RemoveAll(s.folder); err != nil {
		return fmt.Errorf("half of a backup is left in %s, remove it: %w", s.folder, err)
	}
	return nil
}

// named is where ClickHouse, whose paths begin at the store, finds a backup.
func named(name string) Destination {
	sql := "File('" + name + "/" + tablesDir + "')"
	return Destination{sql: sql, masked: sql}
}
