package clickhouse

import (
	"bytes"
	_ "embed"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"text/template"

	"github.com/millrace/millrace/cmd/internal/datadir"
	"github.com/millrace/millrace/schema/clickhouse/access"
)

//go:embed config.xml.tmpl
var configText string

//go:embed users.xml.tmpl
var usersText string

var (
	configTemplate = template.Must(template.New("config.xml").Funcs(template.FuncMap{"xml": escapeXML}).Parse(configText))
	usersTemplate  = template.Must(template.New("users.xml").Parse(usersText))
)

const queryLogDays = 3

// tableEngines are those that keep their data inside the database.
var tableEngines = []string{
	"MergeTree", "AggregatingMergeTree", "CollapsingMergeTree", "CoalescingMergeTree", "ReplacingMergeTree", "SummingMergeTree",
	"VersionedCollapsingMergeTree", "Buffer", "GenerateRandom", "Join", "Log", "Memory", "Merge", "Null", "Set", "StripeLog", "TinyLog",
}

// systemUUID names the folder of the database system. It only has to be the same each time.
const systemUUID = "6d696c6c-7261-4365-8000-000000000001"

// systemDatabase, put where ClickHouse looks for it, makes `clickhouse local` keep the database system on disk, as a server
// does. Without it the database lives in memory: each start finds the folder of the last query_log, which it cannot use,
// and no longer writes one.
const systemDatabase = "ATTACH DATABASE _ UUID '" + systemUUID + "' ENGINE = Atomic\n"

// shadowed are functions of ClickHouse's that reach files or hidden rows, which no grant and, in a subquery, no constraint keeps anybody from: as `clickhouse local` runs
// them, file gives the content of any file, and formatRow reads templates and writes schemas wherever settings say. And factorial, which claims to be monotonic: ClickHouse
// computes it on the bounds of granules before any row filter, where it fails for negative and large values, and so tells of rows of others. A function of a user's own comes first, and
// one with the name of ClickHouse's can be neither dropped nor replaced by a statement.
var shadowed = []string{"file", "formatRow", "formatRowNoNewline", "factorial"}

// writeShadows puts a function that always fails in the place of each, from where ClickHouse reads them at its start.
func writeShadows(db string) error {
	folder := filepath.Join(db, "user_defined")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("make folder of functions: %w", err)
	}
	for _, name := range shadowed {
		text := fmt.Sprintf("CREATE FUNCTION %s AS x -> toString(throwIf(toUInt8(1), 'function %[1]s is not allowed'))\n", name)
		if err := datadir.WriteFile(filepath.Join(folder, "function_"+name+".sql"), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// fileValues is what the two templates know.
type fileValues struct {
	Config
	enginePorts
	Projects         access.Fragments
	Path             string // ClickHouse's own folder, with a slash at the end
	UsersFile        string
	DisplayName      string
	MarkCacheBytes   int64
	QueryMemoryBytes int64
	SpillBytes       int64
	MergeThreads     int
	QueryLogDays     int
	TableEngines     []string

	BackupUser         string
	BackupPasswordHash string // SHA-256, hexadecimal
}

// writeFiles makes the engine's folder and its configuration, and returns the path of config.xml. The lock must be held.
func writeFiles(cfg Config, who *logins, ports enginePorts, displayName string) (string, error) {
	db := filepath.Join(cfg.Dir, "db")
	if err := os.MkdirAll(filepath.Join(db, "metadata"), 0o700); err != nil {
		return "", fmt.Errorf("make data folder: %w", err)
	}
	if err := writeShadows(db); err != nil {
		return "", err
	}
	if cfg.Backups == "" {
		cfg.Backups = filepath.Join(cfg.Dir, "backups")
	}
	if err := os.MkdirAll(cfg.Backups, 0o700); err != nil {
		return "", fmt.Errorf("make folder of backups: %w", err)
	}
	system := filepath.Join(db, "metadata", "system.sql")
	if _, err := os.Stat(system); errors.Is(err, fs.ErrNotExist) {
		if err := datadir.WriteFile(system, []byte(systemDatabase), 0o600); err != nil {
			return "", err
		}
	}
	if err := removeEmptyDefinitions(filepath.Join(db, "store", systemUUID[:3], systemUUID)); err != nil {
		return "", err
	}
	v := fileValues{
		Config:           cfg,
		enginePorts:      ports,
		Projects:         who.fragments(),
		Path:             db + "/",
		UsersFile:        filepath.Join(cfg.Dir, "users.xml"),
		DisplayName:      displayName,
		MarkCacheBytes:   min(cfg.MaxMemoryBytes/16, 512<<20),
		QueryMemoryBytes: cfg.MaxMemoryBytes / 4 * 3,
		SpillBytes:       cfg.MaxMemoryBytes / 4,
		MergeThreads:     max(2, runtime.NumCPU()/2),
		QueryLogDays:     queryLogDays,
		TableEngines:     tableEngines,

		BackupUser:         BackupUser,
		BackupPasswordHash: hex.EncodeToString(who.backup[:]),
	}
	config := filepath.Join(cfg.Dir, "config.xml")
	for path, tmpl := range map[string]*template.Template{config: configTemplate, v.UsersFile: usersTemplate} {
		var buf bytes.Buffer
		if err := tmpl.Execute(&buf, v); err != nil {
			return "", fmt.Errorf("write %s: %w", path, err)
		}
		if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
			return "", fmt.Errorf("write configuration: %w", err)
		}
	}
	return config, nil
}

// removeEmptyDefinitions removes table definitions without content from the folder of the database system. A full disk leaves them, the engine refuses to
// start with one, also when there is room again, and it makes its logs anew. Elsewhere an empty definition is a table of somebody's, and not ours to remove.
func removeEmptyDefinitions(folder string) error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for empty table definitions: %w", err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			return fmt.Errorf("look for empty table definitions: %w", err)
		}
		if info.Size() > 0 || filepath.Ext(entry.Name()) != ".sql" {
			continue
		}
		if err := os.Remove(filepath.Join(folder, entry.Name())); err != nil {
			return fmt.Errorf("remove empty table definition: %w", err)
		}
	}
	return nil
}

func escapeXML(s string) (string, error) {
	var b strings.Builder
	err := xml.EscapeText(&b, []byte(s))
	return b.String(), err
}
