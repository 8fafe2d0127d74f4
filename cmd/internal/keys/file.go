package keys

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/millrace/millrace/cmd/internal/datadir"
	"github.com/millrace/millrace/schema"
)

// fileVersion is the layout of keys.yaml that this program writes. It reads all from 1 on: before 2 keys had no scope, and sent events; before 3 they had no dialect, no
// address, and none was adopted.
const fileVersion = 3

// record is one key in keys.yaml.
type record struct {
	ID      string         `yaml:"id"`
	Project uint32         `yaml:"project"`
	Name    string         `yaml:"name"`
	Env     string         `yaml:"env"`
	Scope   []string       `yaml:"scope"`
	Dialect string         `yaml:"dialect"` // empty: none
	Address string         `yaml:"address"` // empty: keep
	Adopted bool           `yaml:"adopted"` // the hashes are of whole texts, which were made elsewhere
	Created time.Time      `yaml:"created"`
	Secrets []secretRecord `yaml:"secrets"`
}

// newRecord is the record of k with one secret.
func newRecord(k Key, sum [sha256.Size]byte, adopted bool, now time.Time) record {
	r := record{
		ID: k.ID, Project: k.Project, Name: k.Name, Env: k.Env, Scope: strings.Split(k.Scopes.String(), ", "), Adopted: adopted, Created: now,
		Secrets: []secretRecord{{SHA256: hex.EncodeToString(sum[:]), Created: now}},
	}
	if k.HasDialect {
		r.Dialect = k.Dialect.String()
	}
	if k.Address != schema.KeepAddress {
		r.Address = k.Address.String()
	}
	return r
}

// secretRecord is one secret of a key, as its hash.
type secretRecord struct {
	SHA256  string    `yaml:"sha256"` // hexadecimal
	Created time.Time `yaml:"created"`
}

// readFile returns the keys in the file path, none when it is missing.
func readFile(path string) ([]record, error) {
	text, err := readPrivate(path)
	if err != nil || text == nil {
		return nil, err
	}
	var file struct {
		Version int      `yaml:"version"`
		Keys    []record `yaml:"keys"`
	}
	// The version first: a newer file may have fields that Strict would complain about.
	if err := yaml.Unmarshal(text, &file); err == nil && file.Version > fileVersion {
		return nil, fmt.Errorf("%s has version %d, this program knows up to %d: run the newer millrace", path, file.Version, fileVersion)
	}
	if err := yaml.UnmarshalWithOptions(text, &file, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if file.Version < 1 {
		return nil, fmt.Errorf("%s has version %d, want 1 to %d: restore the file from a backup", path, file.Version, fileVersion)
	}
	var errs []error
	seen := map[string]bool{}
	texts := map[[sha256.Size]byte]string{} // of adopted keys, with the id of the first
	for i := range file.Keys {
		r := &file.Keys[i]
		if file.Version == 1 && r.Scope == nil {
			r.Scope = []string{Ingest.String()}
		}
		_, hashes, err := r.parse()
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: key %d (id %q): %w", path, i+1, r.ID, err))
		}
		for _, sum := range hashes {
			if !r.Adopted {
				break
			}
			if first, ok := texts[sum]; ok {
				errs = append(errs, fmt.Errorf("%s: key %d (id %q): it adopts the same text as key %q: remove one of them", path, i+1, r.ID, first))
				continue
			}
			texts[sum] = r.ID
		}
		if seen[r.ID] {
			errs = append(errs, fmt.Errorf("%s: key %d: id %q occurs twice: remove one of them", path, i+1, r.ID))
		}
		seen[r.ID] = true
	}
	return file.Keys, errors.Join(errs...)
}

// parse checks the record and returns what it says.
func (r *record) parse() (k Key, hashes [][sha256.Size]byte, err error) {
	k = Key{ID: r.ID, Project: r.Project, Name: r.Name, Env: r.Env}
	switch {
	case !validID(r.ID):
		return k, nil, fmt.Errorf("the id must be %d characters of %s and begin with a letter", idLen, alphabet)
	case r.Project == 0:
		return k, nil, errors.New("the project must be 1 or higher")
	case !validEnv(r.Env):
		return k, nil, fmt.Errorf("env %q must be 1 to %d lower-case letters or digits", r.Env, maxEnvLen)
	case len(r.Secrets) == 0:
		return k, nil, errors.New("it has no secret: remove the key")
	}
	if k.Scopes, err = ParseScopes(r.Scope); err != nil {
		return k, nil, err
	}
	if r.Adopted && k.Scopes != Ingest {
		return k, nil, fmt.Errorf("scope %s is too much for an adopted key, which anybody may know: it has scope ingest only", k.Scopes)
	}
	if r.Dialect != "" {
		if k.Dialect, err = ParseDialect(r.Dialect); err != nil {
			return k, nil, err
		}
		k.HasDialect = true
	}
	if r.Address != "" {
		if k.Address, err = ParseAddress(r.Address); err != nil {
			return k, nil, err
		}
	}
	for i := range r.Secrets {
		sum, err := r.Secrets[i].hash()
		if err != nil {
			return k, nil, err
		}
		hashes = append(hashes, sum)
	}
	return k, hashes, nil
}

func (s *secretRecord) hash() (sum [sha256.Size]byte, err error) {
	if b, err := hex.DecodeString(s.SHA256); err == nil && len(b) == len(sum) {
		return [sha256.Size]byte(b), nil
	}
	return sum, fmt.Errorf("sha256 %q must be %d hexadecimal digits", s.SHA256, 2*sha256.Size)
}

// writeFile replaces the file path. It is written by hand so that every text is quoted: a hash of digits only must stay a text.
func writeFile(path string, records []record) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Keys of millrace. Only hashes stand here: a lost key cannot be read back, create a new one.\nversion: %d\nkeys:", fileVersion)
	if len(records) == 0 {
		b.WriteString(" []")
	}
	b.WriteByte('\n')
	for i := range records {
		r := &records[i]
		fmt.Fprintf(&b, "  - id: %q\n    project: %d\n    name: %s\n    env: %q\n    scope: [%s]\n",
			r.ID, r.Project, strconv.QuoteToASCII(r.Name), r.Env, strings.Join(r.Scope, ", "))
		if r.Dialect != "" {
			fmt.Fprintf(&b, "    dialect: %q\n", r.Dialect)
		}
		if r.Address != "" {
			fmt.Fprintf(&b, "    address: %q\n", r.Address)
		}
		if r.Adopted {
			b.WriteString("    adopted: true\n")
		}
		fmt.Fprintf(&b, "    created: %q\n    secrets:\n", r.Created.UTC().Format(time.RFC3339))
		for _, s := range r.Secrets {
			fmt.Fprintf(&b, "      - sha256: %q\n        created: %q\n", s.SHA256, s.Created.UTC().Format(time.RFC3339))
		}
	}
	return datadir.WriteFile(path, b.Bytes(), 0o600)
}

// readPrivate reads a file that only its owner may read, nil when it is missing. One that others can read is refused: what stands in
// it must count as known to them.
func readPrivate(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%s has mode %04o, so other users of this machine can use it: run chmod 600 %s", path, mode, path)
	}
	text, err := os.ReadFile(path)
	if err == nil && text == nil {
		text = []byte{}
	}
	return text, err
}
