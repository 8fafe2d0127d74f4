package backup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/millrace/millrace/cmd/internal/datadir"
	"github.com/millrace/millrace/schema/clickhouse"
)

// manifestVersion is the layout of the manifest that this build writes, and the newest that it reads.
const manifestVersion = 1

// Manifest says what a backup holds and which offsets belong to it.
type Manifest struct {
	Version     int       `json:"version"`
	Name        string    `json:"name,omitempty"` // in the Store; empty: it lies elsewhere
	Build       string    `json:"build"`
	ClickHouse  string    `json:"clickhouse"` // version of the server
	Begun       time.Time `json:"begun"`
	Ended       time.Time `json:"ended"`
	Database    string    `json:"database"`
	Destination string    `json:"destination"` // without secrets
	Files       uint64    `json:"files"`
	Bytes       uint64    `json:"bytes"`
	ClusterID   string    `json:"cluster_id"` // of the broker
	Group       string    `json:"group"`      // of the sinks
	Topics      []Topic   `json:"topics"`
	Tables      []Table   `json:"tables"`
}

// Topic is a topic that the tables were loaded from.
type Topic struct {
	Name       string      `json:"name"`
	Log        uint16      `json:"log"` // number of this life of it, which rows carry; 0: none was allotted
	Partitions []Partition `json:"partitions"`
}

// Partition is what was known of a partition around the backup. An offset of -1 says that nothing was committed.
type Partition struct {
	Partition   int32  `json:"partition"`
	StoredBelow int64  `json:"stored_below"` // committed before: every row below it is in the backup
	Committed   int64  `json:"committed"`    // committed after
	Metadata    string `json:"metadata"`     // of that commit: what was announced
	Start       int64  `json:"log_start"`    // the records that the topic held after
	End         int64  `json:"log_end"`
}

// Table is a table with its number of rows, which moves while a backup is made.
type Table struct {
	Name       string `json:"name"`
	RowsBefore uint64 `json:"rows_before"`
	RowsAfter  uint64 `json:"rows_after"`
}

// Errors of manifests.
var (
	// ErrNoManifest says that there is none: not a backup, or one that never came to its end.
	ErrNoManifest = errors.New("no manifest")
	// ErrManifest says that a manifest cannot be read by this build.
	ErrManifest = errors.New("unreadable manifest")
)

// WriteManifest writes the manifest durably; path must not exist or be ours.
func WriteManifest(path string, m *Manifest) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	if err := datadir.WriteFile(path, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	return nil
}

// ReadManifest reads what WriteManifest wrote. ErrNoManifest and ErrManifest are among its errors.
func ReadManifest(path string) (*Manifest, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s is missing", ErrNoManifest, path)
	}
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	// A manifest of a newer build may have anything beside its version.
	var v struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrManifest, path, err)
	}
	if v.Version < 1 || v.Version > manifestVersion {
		return nil, fmt.Errorf("%w: %s has version %d, this build reads 1 to %d: use the build that made the backup", ErrManifest, path, v.Version, manifestVersion)
	}
	m := &Manifest{}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrManifest, path, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: %s: something follows its end", ErrManifest, path)
	}
	if m.Database == "" || m.Begun.IsZero() {
		return nil, fmt.Errorf("%w: %s: names no database or no time", ErrManifest, path)
	}
	// The name goes into a statement.
	cfg := clickhouse.DefaultConfig()
	cfg.Database = m.Database
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrManifest, path, err)
	}
	return m, nil
}

// table returns the entry of a table, nil when there is none.
func (m *Manifest) table(name string) *Table {
	for i := range m.Tables {
		if m.Tables[i].Name == name {
			return &m.Tables[i]
		}
	}
	return nil
}
