package clickhouse

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/cmd/internal/datadir"
)

// BackupUser is the account that may BACKUP, which the account default must not: BACKUP sends tables to any S3 address, and who reaches the port
// is not asked for a password there.
const BackupUser = "backup"

// BackupPasswordFile is where the password of BackupUser lies in Config.Dir: whoever may read the engine's folder may back it up. It is made at the first
// start and then stays, so that a client that comes back after a restart is not refused.
func BackupPasswordFile(dir string) string { return filepath.Join(dir, "backup-password") }

// backupPassword returns the hash of the password, which it makes when there is none.
func backupPassword(dir string) (hash [sha256.Size]byte, err error) {
	path := BackupPasswordFile(dir)
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return hash, fmt.Errorf("read the password of user %s: %w", BackupUser, err)
	}
	password := strings.TrimSpace(string(text))
	if password == "" {
		var b [16]byte
		if _, err := rand.Read(b[:]); err != nil {
			return hash, fmt.Errorf("make the password of user %s: %w", BackupUser, err)
		}
		password = hex.EncodeToString(b[:])
		if err := datadir.WriteFile(path, []byte(password+"\n"), 0o600); err != nil {
			return hash, err
		}
	}
	return sha256.Sum256([]byte(password)), nil
}
