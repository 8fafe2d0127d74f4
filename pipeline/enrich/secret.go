package enrich

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// leastSecret is how many characters a secret must have; those made here have 64.
const leastSecret = 32

// ReadSecret reads the secret of hashed addresses from a file that holds nothing else; white space around it is not part of it. The error is fs.ErrNotExist when there is
// no such file.
func ReadSecret(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("secret of hashed addresses: %w", err)
	}
	secret := strings.TrimSpace(string(text))
	if len(secret) < leastSecret {
		return nil, fmt.Errorf("secret of hashed addresses: %s holds %d characters, want %d at least, such as `openssl rand -hex 32` gives", path, len(secret), leastSecret)
	}
	return []byte(secret), nil
}

// MakeSecret reads the secret, and makes it when there is none: a file that only its owner may read, there whole or not at all. Its folder belongs to this process
// alone.
func MakeSecret(path string) ([]byte, error) {
	secret, err := ReadSecret(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	random := make([]byte, 32)
	if _, err := rand.Read(random); err != nil {
		return nil, fmt.Errorf("make the secret of hashed addresses: %w", err)
	}
	if err := writeFile(path, hex.EncodeToString(random)+"\n"); err != nil {
		return nil, fmt.Errorf("make the secret of hashed addresses: %w", err)
	}
	return ReadSecret(path)
}

// writeFile puts a file in place that is on disk before it has its name.
func writeFile(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".secret-*") // only its owner may read it
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
