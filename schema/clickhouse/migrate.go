package clickhouse

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed migrations/*.sql
var files embed.FS

// Migration is one numbered change of the tables.
type Migration struct {
	Version    uint32
	Name       string
	Checksum   string   // SHA-256 of the file, hexadecimal
	Statements []string // with the database's name in place; of a dictionary without the account that it reads as
	// AppliedAt is when it was applied; zero: not yet.
	AppliedAt time.Time
	// Applied is the checksum it was applied with; a difference from Checksum is refused.
	Applied string
}

// ErrChecksum says that an applied migration is not the one of this build.
var ErrChecksum = errors.New("migration differs from the one that was applied")

// ErrPending says that the tables are older than this build.
var ErrPending = errors.New("the tables are not up to date")

// migrations reads the embedded files, in order.
func migrations(database string) ([]Migration, error) {
	entries, err := fs.ReadDir(files, "migrations")
	if err != nil {
		return nil, err
	}
	var all []Migration
	for _, e := range entries {
		text, err := files.ReadFile(path.Join("migrations", e.Name()))
		if err != nil {
			return nil, err
		}
		number, name, _ := strings.Cut(strings.TrimSuffix(e.Name(), ".sql"), "_")
		version, err := strconv.ParseUint(number, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("BUG: migration file %s: %w", e.Name(), err)
		}
		sum := sha256.Sum256(text)
		all = append(all, Migration{
			Version: uint32(version), Name: name, Checksum: hex.EncodeToString(sum[:]),
			Statements: statements(strings.ReplaceAll(string(text), "{database}", database)),
		})
	}
	slices.SortFunc(all, func(a, b Migration) int { return int(a.Version) - int(b.Version) })
	return all, nil
}

// statements splits a file at semicolons that end a line. None stands inside a statement of ours.
func statements(text string) []string {
	var all []string
	for part := range strings.SplitSeq(strings.TrimSpace(text)+"\n", ";\n") {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, part)
		}
	}
	return all
}

// Status lists all migrations of this build and what was applied of them. It changes nothing. ErrChecksum is among its errors.
func Status(ctx context.Context, db *DB) ([]Migration, error) {
	all, err := migrations(db.database)
	if err != nil {
		return nil, err
	}
	applied, err := db.applied(ctx)
	if err != nil {
		return nil, err
	}
	var errs []error
	for i := range all {
		m := &all[i]
		a, ok := applied[m.Version]
		if !ok {
			continue
		}
		delete(applied, m.Version)
		m.AppliedAt, m.Applied = a.AppliedAt, a.Applied
		if m.Applied != m.Checksum {
			errs = append(errs, fmt.Errorf("%w: %04d_%s: %.12s was applied to database %s, this build has %.12s: run the build that applied it, or restore the file", ErrChecksum, m.Version, m.Name, m.Applied, db.database, m.Checksum))
		}
	}
	for version, a := range applied {
		errs = append(errs, fmt.Errorf("migration %04d_%s was applied to database %s by a newer build: run that one", version, a.Name, db.database))
	}
	return all, errors.Join(errs...)
}

// Plan lists what Up would apply.
func Plan(ctx context.Context, db *DB) ([]Migration, error) {
	all, err := Status(ctx, db)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(m Migration) bool { return !m.AppliedAt.IsZero() }), nil
}

// Up applies every migration that is missing, in order. Statements can be repeated, so a run that was cut off is simply run again; two at once do no harm.
func Up(ctx context.Context, db *DB, log *slog.Logger) error {
	for _, statement := range []string{
		"CREATE DATABASE IF NOT EXISTS " + db.database,
		`CREATE TABLE IF NOT EXISTS ` + db.database + `.schema_migrations
		(
			version    UInt32               COMMENT 'number of the migration',
			name       String               COMMENT 'what it does, in a word',
			checksum   String               COMMENT 'SHA-256 of its file',
			applied_at DateTime64(3, 'UTC') COMMENT 'when it was applied'
		)
		ENGINE = MergeTree ORDER BY version SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
		COMMENT 'Changes of the tables that were applied'`,
	} {
		if err := db.conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("prepare migrations: %w", err)
		}
	}
	pending, err := Plan(ctx, db)
	if err != nil {
		return err
	}
	for _, m := range pending {
		for i, statement := range m.Statements {
			if err := db.conn.Exec(ctx, db.accounted(statement)); err != nil {
				return fmt.Errorf("migration %04d_%s, statement %d: %w", m.Version, m.Name, i+1, err)
			}
		}
		insert := "INSERT INTO " + db.database + ".schema_migrations (version, name, checksum, applied_at) SELECT {version:UInt32}, {name:String}, {checksum:String}, now64(3)"
		if err := db.conn.Exec(parameters(ctx, map[string]string{"version": strconv.Itoa(int(m.Version)), "name": m.Name, "checksum": m.Checksum}), insert); err != nil {
			return fmt.Errorf("note migration %04d_%s: %w", m.Version, m.Name, err)
		}
		log.Info("migration applied", "migration", fmt.Sprintf("%04d_%s", m.Version, m.Name), "database", db.database)
	}
	return nil
}

// applied reads schema_migrations; of a migration that two runs applied at once the first counts.
func (db *DB) applied(ctx context.Context) (map[uint32]Migration, error) {
	var exists uint8
	if err := db.conn.QueryRow(ctx, "EXISTS TABLE "+db.database+".schema_migrations").Scan(&exists); err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	found := map[uint32]Migration{}
	if exists == 0 {
		return found, nil
	}
	rows, err := db.conn.Query(ctx, "SELECT version, argMin(name, applied_at), argMin(checksum, applied_at), min(applied_at) FROM "+db.database+".schema_migrations GROUP BY version")
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err has told
	for rows.Next() {
		var m Migration
		if err := rows.Scan(&m.Version, &m.Name, &m.Applied, &m.AppliedAt); err != nil {
			return nil, fmt.Errorf("read migrations: %w", err)
		}
		found[m.Version] = m
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	return found, nil
}
