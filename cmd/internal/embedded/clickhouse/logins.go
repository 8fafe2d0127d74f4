package clickhouse

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"

	"github.com/millrace/millrace/cmd/internal/embedded/clickhouse/relay"
	"github.com/millrace/millrace/schema/clickhouse/access"
)

// logins are all who may log in: the engine's users file and the relay are made of the same.
type logins struct {
	plan   access.Plan // empty: no projects
	backup [sha256.Size]byte
}

// readLogins reads the plan and the password of BackupUser.
func readLogins(cfg Config) (*logins, error) {
	l := &logins{}
	var err error
	if l.backup, err = backupPassword(cfg.Dir); err != nil {
		return nil, err
	}
	if cfg.Access == "" {
		return l, nil
	}
	text, err := os.ReadFile(cfg.Access)
	if err != nil {
		return nil, fmt.Errorf("read the users of projects: %w", err)
	}
	if err := json.Unmarshal(text, &l.plan); err != nil {
		return nil, fmt.Errorf("read the users of projects: %s: %w", cfg.Access, err)
	}
	if err := l.plan.Validate(); err != nil {
		return nil, fmt.Errorf("the users of projects in %s: %w", cfg.Access, err)
	}
	return l, nil
}

// fragments are the projects' part of the users file; empty without a plan.
func (l *logins) fragments() access.Fragments {
	if l.plan.Database == "" {
		return access.Fragments{}
	}
	return l.plan.XML()
}

// accounts are the logins as the relay checks them.
func (l *logins) accounts() relay.Accounts {
	all := relay.Accounts{
		"default":  {AnyPassword: true},
		BackupUser: {PasswordHash: l.backup},
	}
	for _, u := range l.plan.Users {
		var a relay.Account
		if n, err := hex.Decode(a.PasswordHash[:], []byte(u.PasswordHash)); err != nil || n != sha256.Size {
			panic("BUG: a valid plan with a hash that is none")
		}
		all[u.Name] = a
	}
	return all
}
