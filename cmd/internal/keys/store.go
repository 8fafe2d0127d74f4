package keys

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/millrace/millrace/cmd/internal/datadir"
)

// Errors of Create.
var (
	// ErrBadKey reports a name, project or environment that a key cannot have.
	ErrBadKey = errors.New("cannot create key")
)

const (
	// lockWait is how long Create waits for another process that is writing: it holds the lock for a few milliseconds.
	lockWait = 5 * time.Second
	// maxNameLen bounds the name of a key, which is shown in lists.
	maxNameLen = 100
)

// Key is what a valid key stands for.
type Key struct {
	// ID is the public part of the key; "dev" for the development key.
	ID string
	// Project owns the events sent with the key. It is 1 or higher.
	Project uint32
	// Name is what the key was called when it was created.
	Name string
	// Env is the environment: dev, prod, …
	Env string
	// Scopes is what the key may be used for.
	Scopes Scopes
}

// Store is the set of valid keys. Its methods are safe for concurrent use.
type Store struct {
	path string
	dev  *devKey // nil when the development key is not valid here
	own  *ownKey

	// current is what Lookup reads. Storing it publishes a finished snapshot, which is never changed afterwards.
	current atomic.Pointer[snapshot]
	// writing orders Create and Reload within the process; the lock file orders Create among processes.
	writing sync.Mutex
}

type snapshot struct {
	byID map[keyID]*entry
}

type entry struct {
	key    Key
	hashes [][sha256.Size]byte
}

// nobody stands in for an unknown id, so that it costs what a wrong secret costs. No text hashes to zeros.
var nobody = &entry{hashes: make([][sha256.Size]byte, 1)}

// Open reads the keys of the data directory dir, which it creates when it is missing. With the profile dev it also makes the
// development key at the first call. devKey is the value of MILLRACE_DEV_KEY, empty when it is not set; the profile prod refuses it.
func Open(dir, profile, devKey string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open keys: %w", err)
	}
	s := &Store{path: filepath.Join(dir, "keys.yaml"), own: newOwnKey()}
	if err := s.openDev(dir, profile, devKey); err != nil {
		return nil, err
	}
	if err := s.Reload(); err != nil {
		return nil, err
	}
	return s, nil
}

// Lookup reports which key the text is, or false when it is none. It takes the same time for an unknown id as for a wrong secret, does
// not block, allocates nothing and keeps no reference to key. The strings of the result are shared and immutable.
func (s *Store) Lookup(key []byte) (Key, bool) {
	if len(key) == 0 || len(key) > maxLen {
		return Key{}, false
	}
	if s.dev.matches(key) {
		return s.dev.key, true
	}
	p, ok := parse(key)
	if !ok {
		return s.own.matches(key)
	}
	e, known := s.current.Load().byID[p.id]
	if !known {
		e = nobody
	}
	sum := sha256.Sum256(p.secret)
	match := 0
	for i := range e.hashes {
		match |= subtle.ConstantTimeCompare(sum[:], e.hashes[i][:])
	}
	if match == 0 || !known || e.key.Env != string(p.env) {
		return Key{}, false
	}
	return e.key, true
}

// Len is the number of keys in keys.yaml; the development key does not count.
func (s *Store) Len() int { return len(s.current.Load().byID) }

// Projects lists the projects that have a key, the development key's among them, in ascending order.
func (s *Store) Projects() []uint32 {
	var all []uint32
	if s.dev != nil {
		all = append(all, s.dev.key.Project)
	}
	for _, e := range s.current.Load().byID {
		all = append(all, e.key.Project)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Path is the file that holds the keys.
func (s *Store) Path() string { return s.path }

// Reload reads keys.yaml again, which another process may have changed. On an error the keys stay as they were.
func (s *Store) Reload() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	records, err := readFile(s.path)
	if err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	s.publish(records)
	return nil
}

// publish makes records the valid keys. They have been checked.
func (s *Store) publish(records []record) {
	next := &snapshot{byID: make(map[keyID]*entry, len(records))}
	for _, r := range records {
		scopes, err := ParseScopes(r.Scope)
		if err != nil {
			panic("BUG: keys: unchecked record: " + err.Error())
		}
		e := &entry{key: Key{ID: r.ID, Project: r.Project, Name: r.Name, Env: r.Env, Scopes: scopes}}
		for _, sr := range r.Secrets {
			sum, err := sr.hash()
			if err != nil {
				panic("BUG: keys: unchecked record: " + err.Error())
			}
			e.hashes = append(e.hashes, sum)
		}
		next.byID[keyID([]byte(r.ID))] = e
	}
	s.current.Store(next)
}

// Create makes a key, adds it to keys.yaml, which is durable when it returns, and to the valid keys of this process; others see it
// after Reload. The key itself is in the result and nowhere else.
func (s *Store) Create(name string, project uint32, env string, scopes Scopes) (Secret, error) {
	switch {
	case scopes.String() == "":
		return Secret{}, fmt.Errorf("%w: it has no scope", ErrBadKey)
	case project == 0:
		return Secret{}, fmt.Errorf("%w: project 0: projects are numbered from 1", ErrBadKey)
	case !validEnv(env):
		return Secret{}, fmt.Errorf("%w: environment %q: use 1 to %d lower-case letters or digits, such as prod", ErrBadKey, env, maxEnvLen)
	case !validName(name):
		return Secret{}, fmt.Errorf("%w: name %q: use 1 to %d printable characters", ErrBadKey, name, maxNameLen)
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	lock, err := datadir.Acquire(context.Background(), s.path+".lock", lockWait, slog.New(slog.DiscardHandler))
	if err != nil {
		return Secret{}, fmt.Errorf("create key: %w", err)
	}
	key, err := s.createLocked(name, project, env, scopes)
	if err := errors.Join(err, lock.Release()); err != nil {
		return Secret{}, fmt.Errorf("create key: %w", err)
	}
	return key, nil
}

func (s *Store) createLocked(name string, project uint32, env string, scopes Scopes) (Secret, error) {
	records, err := readFile(s.path)
	if err != nil {
		return Secret{}, err
	}
	taken := map[string]bool{}
	for _, r := range records {
		taken[r.ID] = true
	}
	id := newID()
	for taken[string(id[:])] {
		id = newID()
	}
	secret := newSecret()
	sum := sha256.Sum256([]byte(secret))
	now := time.Now().UTC().Truncate(time.Second)
	records = append(records, record{
		ID: string(id[:]), Project: project, Name: name, Env: env, Scope: strings.Split(scopes.String(), ", "), Created: now,
		Secrets: []secretRecord{{SHA256: hex.EncodeToString(sum[:]), Created: now}},
	})
	if err := writeFile(s.path, records); err != nil {
		return Secret{}, err
	}
	s.publish(records)
	return NewSecret(compose(env, id, secret)), nil
}

func validName(name string) bool {
	if name == "" || len(name) > maxNameLen || !utf8.ValidString(name) {
		return false
	}
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}
