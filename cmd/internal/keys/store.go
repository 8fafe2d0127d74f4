package keys

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/cmd/internal/datadir"
)

// lockWait is how long Create and Adopt wait for another process that is writing: it holds the lock for a few milliseconds.
const lockWait = 5 * time.Second

// Store is the set of valid keys. Its methods are safe for concurrent use.
type Store struct {
	path string
	dev  *devKey // nil when the development key is not valid here
	own  *ownKey

	// current is what Lookup reads. Storing it publishes a finished snapshot, which is never changed afterwards.
	current atomic.Pointer[snapshot]
	// writing orders Create, Adopt and Reload within the process; the lock file orders Create and Adopt among processes.
	writing sync.Mutex
}

// snapshot is what keys.yaml says.
type snapshot struct {
	all    []Key
	byID   map[keyID]*entry          // those made here
	byText map[[sha256.Size]byte]Key // the adopted ones, by the hash of the whole text
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
	// The keys first: the development key may be none of them.
	if err := s.Reload(); err != nil {
		return nil, err
	}
	if err := s.openDev(dir, profile, devKey); err != nil {
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
		if own, ok := s.own.matches(key); ok {
			return own, true
		}
		return s.current.Load().adopted(key)
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
func (s *Store) Len() int { return len(s.current.Load().all) }

// Projects lists the projects that have a key, the development key's among them, in ascending order.
func (s *Store) Projects() []uint32 {
	var all []uint32
	if s.dev != nil {
		all = append(all, s.dev.key.Project)
	}
	for _, k := range s.current.Load().all {
		all = append(all, k.Project)
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
	next := newSnapshot(records)
	if err := next.clash(s.dev); err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	s.current.Store(next)
	return nil
}

// newSnapshot makes the valid keys of records, which have been checked.
func newSnapshot(records []record) *snapshot {
	next := &snapshot{all: make([]Key, 0, len(records)), byID: make(map[keyID]*entry, len(records)), byText: map[[sha256.Size]byte]Key{}}
	for i := range records {
		r := &records[i]
		key, hashes, err := r.parse()
		if err != nil {
			panic("BUG: keys: unchecked record: " + err.Error())
		}
		next.all = append(next.all, key)
		if !r.Adopted {
			next.byID[keyID([]byte(r.ID))] = &entry{key: key, hashes: hashes}
			continue
		}
		for _, sum := range hashes {
			next.byText[sum] = key
		}
	}
	return next
}

// Create makes a key as k says, whose ID is ignored. It adds the key to keys.yaml, which is durable when it returns, and to the valid keys of this process; others see
// it after Reload. The key itself is in the result and nowhere else.
func (s *Store) Create(k Key) (Secret, error) {
	if err := k.check(); err != nil {
		return Secret{}, err
	}
	secret := newSecret()
	id, err := s.add(k, sha256.Sum256([]byte(secret)), false)
	if err != nil {
		return Secret{}, err
	}
	return NewSecret(compose(k.Env, id, secret)), nil
}

// add gives k an id and puts it among the keys. sum is the hash of its secret or, when it is adopted, of its whole text.
func (s *Store) add(k Key, sum [sha256.Size]byte, adopted bool) (id keyID, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	lock, err := datadir.Acquire(context.Background(), s.path+".lock", lockWait, slog.New(slog.DiscardHandler))
	if err != nil {
		return id, fmt.Errorf("create key: %w", err)
	}
	id, err = s.addLocked(k, sum, adopted)
	return id, errors.Join(err, lock.Release())
}

func (s *Store) addLocked(k Key, sum [sha256.Size]byte, adopted bool) (id keyID, err error) {
	records, err := readFile(s.path)
	if err != nil {
		return id, fmt.Errorf("create key: %w", err)
	}
	if adopted {
		// What the file says now: another process may have adopted the text since this one has read it.
		if there, ok := newSnapshot(records).byText[sum]; ok {
			return id, fmt.Errorf("%w: the text to adopt is adopted already, as key %s of project %d: go on with that one, or remove it from %s first", ErrBadKey, there.ID, there.Project, s.path)
		}
	}
	taken := map[string]bool{}
	for i := range records {
		taken[records[i].ID] = true
	}
	id = newID()
	for taken[string(id[:])] {
		id = newID()
	}
	k.ID = string(id[:])
	records = append(records, newRecord(k, sum, adopted, time.Now().UTC().Truncate(time.Second)))
	if err := writeFile(s.path, records); err != nil {
		return id, fmt.Errorf("create key: %w", err)
	}
	s.current.Store(newSnapshot(records))
	return id, nil
}
