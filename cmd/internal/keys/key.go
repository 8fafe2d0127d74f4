package keys

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/millrace/millrace/schema"
)

// ErrBadKey reports a name, project, environment, scope, dialect, address or text that a key cannot have.
var ErrBadKey = errors.New("cannot create key")

// maxNameLen bounds the name of a key, which is shown in lists.
const maxNameLen = 100

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
	// Dialect is the SDK family that the key's clients belong to. It counts when HasDialect is set.
	Dialect    schema.Dialect
	HasDialect bool
	// Address is what becomes of the addresses that the key's events come from.
	Address schema.AddressPolicy
}

func (k *Key) check() error {
	switch {
	case k.Scopes.String() == "":
		return fmt.Errorf("%w: it has no scope", ErrBadKey)
	case k.Project == 0:
		return fmt.Errorf("%w: project 0: projects are numbered from 1", ErrBadKey)
	case !validEnv(k.Env):
		return fmt.Errorf("%w: environment %q: use 1 to %d lower-case letters or digits, such as prod", ErrBadKey, k.Env, maxEnvLen)
	case !validName(k.Name):
		return fmt.Errorf("%w: name %q: use 1 to %d printable characters", ErrBadKey, k.Name, maxNameLen)
	}
	return nil
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
