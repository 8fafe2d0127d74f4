package clickhouse

import (
	"errors"
	"fmt"
	"path/filepath"
)

// DefaultMaxMemoryBytes is what the engine may use when nothing else is said.
const DefaultMaxMemoryBytes = 4 << 30

const minMemoryBytes = 512 << 20

// Config is what the child needs to know; the parent hands it over as JSON.
type Config struct {
	Dir            string // absolute path of the engine's folder; made when missing
	HTTPPort       int    // port on 127.0.0.1 for clients; never 0, so that a restart uses the same
	TCPPort        int    // port of the native protocol on 127.0.0.1 for clients; never 0
	MaxMemoryBytes int64  // all queries and merges together; default 4 GiB
	Backups        string // absolute path of the folder that BACKUP writes to; made when missing; empty: DIR/backups
	Access         string // absolute path of a file with an access.Plan as JSON: who may read which project, read at each start; empty: nobody
	Library        string // path of libchdb.so; empty: Locate finds it
	Binary         string // path of a clickhouse program; empty: Locate finds it. Not together with Library
	// OpenDictionaries lets the account default make dictionaries, and so run commands: for engines of tests and benchmarks, whose migrations run as that account.
	OpenDictionaries bool
}

// DefaultConfig returns the defaults; Dir and the ports are the caller's.
func DefaultConfig() Config { return Config{MaxMemoryBytes: DefaultMaxMemoryBytes} }

// Validate reports every problem at once.
func (c *Config) Validate() error {
	var errs []error
	if !filepath.IsAbs(c.Dir) {
		errs = append(errs, fmt.Errorf("clickhouse.dir: %q, want an absolute path", c.Dir))
	}
	if c.Backups != "" && !filepath.IsAbs(c.Backups) {
		errs = append(errs, fmt.Errorf("clickhouse.backups: %q, want an absolute path", c.Backups))
	}
	if c.Access != "" && !filepath.IsAbs(c.Access) {
		errs = append(errs, fmt.Errorf("clickhouse.access: %q, want an absolute path", c.Access))
	}
	if c.HTTPPort < 1 || c.HTTPPort > 65535 {
		errs = append(errs, fmt.Errorf("clickhouse.http_port: %d, want 1 to 65535", c.HTTPPort))
	}
	if c.TCPPort < 1 || c.TCPPort > 65535 || c.TCPPort == c.HTTPPort {
		errs = append(errs, fmt.Errorf("clickhouse.tcp_port: %d, want 1 to 65535 and not the HTTP port %d", c.TCPPort, c.HTTPPort))
	}
	if c.MaxMemoryBytes < minMemoryBytes {
		errs = append(errs, fmt.Errorf("clickhouse.embedded_max_memory_bytes: %d, want at least %d: a merge needs that much", c.MaxMemoryBytes, int64(minMemoryBytes)))
	}
	if c.Library != "" && c.Binary != "" {
		errs = append(errs, fmt.Errorf("clickhouse.library: %s and clickhouse.binary %s are both set: keep one", c.Library, c.Binary))
	}
	return errors.Join(errs...)
}
