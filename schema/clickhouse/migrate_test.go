package clickhouse

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/internal/enginetest"
)

func TestUpFromNothingAndAgain(t *testing.T) {
	db := openDB(t, enginetest.ClickHouse(t), "m1")
	ctx := within(t)
	pending, err := Plan(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	all, err := migrations(db.database)
	if err != nil || len(all) < 3 || len(pending) != len(all) {
		t.Fatalf("%d pending of %d, %v", len(pending), len(all), err)
	}
	if err := Assert(ctx, db); !errors.Is(err, ErrPending) {
		t.Errorf("Assert before Up: %v, want ErrPending", err)
	} else {
		mustContain(t, err, "millrace migrate up", "0001_events")
	}
	if got := text(t, db, "SELECT toString(count()) FROM system.databases WHERE name = '{db}'"); got != "0" {
		t.Error("Plan and Assert have made the database")
	}
	for range 2 {
		if err := Up(ctx, db, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		if got := text(t, db, "SELECT toString(count()) FROM {db}.schema_migrations"); got != fmt.Sprint(len(all)) {
			t.Errorf("%s rows in schema_migrations, want %d", got, len(all))
		}
	}
	status, err := Status(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range status {
		if m.AppliedAt.IsZero() || m.Applied != m.Checksum || len(m.Checksum) != 64 {
			t.Errorf("status %+v", m)
		}
	}
	if pending, err := Plan(ctx, db); err != nil || len(pending) != 0 {
		t.Errorf("still pending: %v, %v", pending, err)
	}
	if err := Assert(ctx, db); err != nil {
		t.Error(err)
	}
}

// A run that was cut off after some statements leaves tables without a row in schema_migrations.
func TestUpAfterCutOff(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "m2")
	exec(t, db, "ALTER TABLE {db}.schema_migrations DELETE WHERE version >= 2")
	exec(t, db, "DROP TABLE {db}.logs SYNC")
	if err := Up(within(t), db, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if err := Assert(within(t), db); err != nil {
		t.Error(err)
	}
	if got := text(t, db, "SELECT toString(count()) FROM {db}.logs"); got != "0" {
		t.Errorf("logs: %s", got)
	}
}

func TestUpTwiceAtOnce(t *testing.T) {
	engine := enginetest.ClickHouse(t)
	dbs := []*DB{openDB(t, engine, "m3"), openDB(t, engine, "m3"), openDB(t, engine, "m3")}
	var wg sync.WaitGroup
	for _, db := range dbs {
		wg.Go(func() {
			if err := Up(within(t), db, slog.New(slog.DiscardHandler)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := Assert(within(t), dbs[0]); err != nil {
		t.Error(err)
	}
}

func TestChangedAndUnknownMigrationsAreRefused(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "m4")
	exec(t, db, "ALTER TABLE {db}.schema_migrations UPDATE checksum = 'abcdefabcdefabcdef' WHERE version = 2")
	_, err := Status(within(t), db)
	mustContain(t, err, "0002_quarantine", "abcdefabcdef", "m4")
	if !errors.Is(err, ErrChecksum) {
		t.Errorf("Status: %v", err)
	}
	for name, err := range map[string]error{"Up": Up(within(t), db, slog.New(slog.DiscardHandler)), "Assert": Assert(within(t), db)} {
		if !errors.Is(err, ErrChecksum) {
			t.Errorf("%s: %v, want ErrChecksum", name, err)
		}
	}
	exec(t, db, "TRUNCATE TABLE {db}.schema_migrations")
	exec(t, db, "INSERT INTO {db}.schema_migrations SELECT 9999, 'later', '', now64(3)")
	mustContain(t, Up(within(t), db, slog.New(slog.DiscardHandler)), "9999_later", "newer")
}

// What was written before operations were added reads as before, and the table takes the new ones.
func TestOperationsOfBeforeStay(t *testing.T) {
	db := openDB(t, enginetest.ClickHouse(t), "m5")
	all, err := migrations(db.database)
	if err != nil {
		t.Fatal(err)
	}
	exec(t, db, "CREATE DATABASE {db}")
	added := slices.IndexFunc(all, func(m Migration) bool { return m.Name == "profile_operations" })
	for _, m := range all[:added] {
		for _, statement := range m.Statements {
			exec(t, db, db.accounted(statement))
		}
	}
	insert := func(name, op string) {
		t.Helper()
		exec(t, db, "INSERT INTO {db}.profile_ops (project_id, subject, subject_h, name, op, id, last) SELECT 1, 'user', 7, '"+name+"', '"+op+"', 'ada', (toDateTime64(1, 3, 'UTC'), 1, 0, 5, '')")
	}
	ops := func() string {
		return text(t, db, "SELECT arrayStringConcat(groupArray(concat(name, ' ', toString(op), ' ', toString(CAST(op, 'Int8')))), ', ') FROM (SELECT * FROM {db}.profile_ops FINAL ORDER BY ALL)")
	}
	insert("a", "unset")
	insert("b", "append")
	before := ops()
	if err := Up(within(t), db, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if got := ops(); got != before || got != "a unset 5, b append 4" {
		t.Errorf("%s, before: %s", got, before)
	}
	insert("", "clear")
	insert("a", "union")
	insert("a", "unset")
	exec(t, db, "OPTIMIZE TABLE {db}.profile_ops FINAL")
	if got := ops(); got != " clear 10, a unset 5, a union 8, b append 4" {
		t.Error(got)
	}
	if got := text(t, db, "SELECT toString(count()) FROM {db}.profile_ops WHERE project_id = 1 AND subject = 'user' AND subject_h = 7 AND name = 'a' AND op = 'unset'"); got != "1" {
		t.Errorf("%s rows by the whole key", got)
	}
}

func TestMigrationFiles(t *testing.T) {
	all, err := migrations("some_db")
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range all {
		if m.Version != uint32(i+1) || m.Name == "" || len(m.Statements) == 0 {
			t.Errorf("migration %d is %04d_%s with %d statements: numbers must be 1, 2, 3 …", i+1, m.Version, m.Name, len(m.Statements))
		}
		for _, s := range m.Statements {
			if strings.Contains(s, "millrace") || strings.Contains(s, "{database}") || !strings.Contains(s, "some_db.") && !strings.Contains(s, "EXISTS some_db_staging\n") || strings.HasSuffix(s, ";") {
				t.Errorf("%04d_%s: the database's name must come from the configuration:\n%s", m.Version, m.Name, s)
			}
			if !strings.Contains(s, "IF NOT EXISTS") && !strings.Contains(s, "IF EXISTS") && !strings.Contains(s, "OR REPLACE") {
				t.Errorf("%04d_%s: a statement that cannot be repeated:\n%s", m.Version, m.Name, s)
			}
		}
	}
}

func TestStatementsAreSplitAtLineEnds(t *testing.T) {
	for text, want := range map[string][]string{
		"A;\nB;\n":           {"A", "B"},
		"A;\n\n  B\n":        {"A", "B"},
		"A 'x; y';\n":        {"A 'x; y'"},
		"A;":                 {"A"},
		"":                   nil,
		";\n\n":              nil,
		"CREATE (\n a\n);\n": {"CREATE (\n a\n)"},
	} {
		if got := statements(text); !slices.Equal(got, want) {
			t.Errorf("statements(%q) = %q, want %q", text, got, want)
		}
	}
}
