package keys

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unicode"
	"unicode/utf8"

	"github.com/millrace/millrace/cmd/internal/datadir"
)

// DevKeyEnv is the environment variable that sets the development key.
const DevKeyEnv = "MILLRACE_DEV_KEY"

// ErrDevKey reports a development key where none is allowed, or one that cannot be used.
var ErrDevKey = errors.New("development key")

const (
	profileDev  = "dev"
	profileProd = "prod"
)

// devKey is the development key: any text, compared as a whole.
type devKey struct {
	key    Key
	secret Secret
	hash   [sha256.Size]byte
}

func newDevKey(text string) *devKey {
	return &devKey{
		key:    Key{ID: "dev", Project: 1, Name: "development", Env: "dev", Scopes: Ingest | Query | Manage},
		secret: NewSecret(text),
		hash:   sha256.Sum256([]byte(text)),
	}
}

// matches hashes first, so that neither length nor a common beginning shows in the time it takes.
func (d *devKey) matches(key []byte) bool {
	if d == nil {
		return false
	}
	sum := sha256.Sum256(key)
	return subtle.ConstantTimeCompare(sum[:], d.hash[:]) == 1
}

// DevKey returns the development key, false when there is none.
func (s *Store) DevKey() (Secret, bool) {
	if s.dev == nil {
		return Secret{}, false
	}
	return s.dev.secret, true
}

// openDev finds the development key that is valid here: with the profile dev the given one or that of the file, with other profiles
// only one that was given on purpose, and none at all with prod.
func (s *Store) openDev(dir, profile, given string) error {
	if given != "" {
		if profile == profileProd {
			return fmt.Errorf("%w: %s is set, but the profile prod takes no key that stands somewhere in clear: unset it", ErrDevKey, DevKeyEnv)
		}
		if err := checkDevKey(given); err != nil {
			return fmt.Errorf("%w: %s %w", ErrDevKey, DevKeyEnv, err)
		}
		if err := s.takeDev(given); err != nil {
			return err
		}
	}
	if profile != profileDev {
		return nil
	}
	path := filepath.Join(dir, "dev-key")
	stored, err := readDevKey(path)
	if err != nil {
		return err
	}
	if given == "" {
		given = stored
	}
	if given == "" {
		given = compose("dev", newID(), newSecret())
	}
	if err := s.takeDev(given); err != nil {
		return err
	}
	// The file follows the variable: other commands find the key there.
	if given != stored {
		if err := datadir.WriteFile(path, []byte(given+"\n"), 0o600); err != nil {
			return fmt.Errorf("write development key: %w", err)
		}
	}
	return nil
}

// takeDev makes text the development key, unless it is adopted.
func (s *Store) takeDev(text string) error {
	dev := newDevKey(text)
	if err := s.current.Load().clash(dev); err != nil {
		return err
	}
	s.dev = dev
	return nil
}

// ReadDevKey returns the development key kept in the data directory dir, for commands that talk to a running server. It fails with
// os.ErrNotExist when there is none.
func ReadDevKey(dir string) (Secret, error) {
	text, err := readDevKey(filepath.Join(dir, "dev-key"))
	if err != nil {
		return Secret{}, err
	}
	if text == "" {
		return Secret{}, fmt.Errorf("%w in %s: %w", ErrDevKey, dir, os.ErrNotExist)
	}
	return NewSecret(text), nil
}

// readDevKey returns the text of the file, empty when there is no file.
func readDevKey(path string) (string, error) {
	text, err := readPrivate(path)
	if err != nil {
		return "", fmt.Errorf("read development key: %w", err)
	}
	if text == nil {
		return "", nil
	}
	key := string(bytes.TrimRight(text, "\r\n"))
	if err := checkDevKey(key); err != nil {
		return "", fmt.Errorf("%w: the text in %s %w, or remove the file to get a new one", ErrDevKey, path, err)
	}
	return key, nil
}

// checkDevKey accepts what a client can send in a header.
func checkDevKey(key string) error {
	if key == "" {
		return errors.New("is empty: write a text into it")
	}
	if len(key) > maxLen {
		return fmt.Errorf("has %d bytes, more than the %d a key may have: shorten it", len(key), maxLen)
	}
	if !utf8.ValidString(key) {
		return errors.New("is not UTF-8: choose another")
	}
	for _, r := range key {
		if unicode.IsControl(r) || unicode.IsSpace(r) {
			return errors.New("contains white space or control characters, which headers do not carry: choose another")
		}
	}
	return nil
}
