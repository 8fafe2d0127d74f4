package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Secret is what the passwords of an installation are made of. It is never printed.
type Secret struct{ key []byte }

// leastSecret is how many characters a secret must have; those made here have 64.
const leastSecret = 32

// ReadSecret reads the secret from a file that holds nothing else; white space around it is not part of it. The error is fs.ErrNotExist when there is no such
// file.
func ReadSecret(path string) (Secret, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Secret{}, fmt.Errorf("secret of the SQL users: %w", err)
	}
	key := strings.TrimSpace(string(text))
	if len(key) < leastSecret {
		return Secret{}, fmt.Errorf("secret of the SQL users: %s holds %d characters, want %d at least, such as `openssl rand -hex 32` gives", path, len(key), leastSecret)
	}
	return Secret{[]byte(key)}, nil
}

// MakeSecret reads the secret, and makes it when there is none: a file that only its owner may read. Processes that do so at once get the same.
func MakeSecret(path string) (Secret, error) {
	secret, err := ReadSecret(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	if err := writeSecret(path); err != nil {
		return Secret{}, fmt.Errorf("make the secret of the SQL users: %w", err)
	}
	return ReadSecret(path)
}

// Password is the password of a user. Safe for concurrent use.
func (s Secret) Password(user string) string {
	if len(s.key) == 0 {
		panic("BUG: a password without a secret")
	}
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(user))
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(mac.Sum(nil))
}

// String does not tell the secret.
func (s Secret) String() string { return "***" }

// GoString is String, for %#v.
func (s Secret) GoString() string { return s.String() }

// writeSecret puts a new secret in place, whole and on disk, unless somebody else was faster.
func writeSecret(path string) (err error) {
	random := make([]byte, 32)
	if _, err := rand.Read(random); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".sql-secret-*") // only its owner may read it
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.WriteString(hex.EncodeToString(random) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
