package clickhouse

import (
	"context"
	"regexp"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/millrace/millrace/internal/enginetest"
)

// Each case breaks one thing; Assert must name it, and the statement in its message must be the cure.
func TestAssertNamesTheCure(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "a1")
	if err := Assert(within(t), db); err != nil {
		t.Fatalf("healthy tables: %v", err)
	}
	for _, c := range []struct {
		name, damage string
		names        []string
	}{
		{"window too small", "ALTER TABLE {db}.events MODIFY SETTING non_replicated_deduplication_window = 100", []string{"non_replicated_deduplication_window", "a1.events", "100", "20000"}},
		{"window is the server's default", "ALTER TABLE {db}.quarantine RESET SETTING non_replicated_deduplication_window", []string{"non_replicated_deduplication_window", "a1.quarantine", " 0,"}},
		{"column is missing", "ALTER TABLE {db}.events DROP COLUMN name", []string{"a1.events", "name"}},
		{"column has another type", "ALTER TABLE {db}.events MODIFY COLUMN hops UInt16", []string{"hops", "UInt16", "UInt8"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			exec(t, db, c.damage)
			err := Assert(within(t), db)
			mustContain(t, err, c.names...)
			cure := regexp.MustCompile(`ALTER TABLE .*`).FindString(err.Error())
			if cure == "" {
				t.Fatalf("no statement in: %v", err)
			}
			exec(t, db, cure)
			if err := Assert(within(t), db); err != nil {
				t.Errorf("after the cure %s: %v", cure, err)
			}
		})
	}
	exec(t, db, "DROP TABLE {db}.quarantine SYNC")
	mustContain(t, Assert(within(t), db), "a1.quarantine is gone", "millrace migrate up")
}

func TestAssertReportsAllAtOnce(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "a2")
	exec(t, db, "ALTER TABLE {db}.events RESET SETTING non_replicated_deduplication_window")
	exec(t, db, "ALTER TABLE {db}.quarantine RESET SETTING non_replicated_deduplication_window")
	exec(t, db, "ALTER TABLE {db}.events DROP COLUMN bot")
	mustContain(t, Assert(within(t), db), "a2.events is 0", "a2.quarantine is 0", "no column bot")
}

// session is a DB of one connection with statements already said on it, as a settings profile of the user would have them.
func session(t *testing.T, engine *enginetest.Engine, database string, statements ...string) *DB {
	t.Helper()
	conn, err := clickhouse.Open(&clickhouse.Options{Addr: []string{engine.TCP}, MaxOpenConns: 1, MaxIdleConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, s := range statements {
		if err := conn.Exec(context.Background(), s); err != nil {
			t.Fatal(err)
		}
	}
	return &DB{conn: conn, database: database}
}

// A user whose profile forbids or overrides what inserts send.
func TestAssertSettingsOfTheUser(t *testing.T) {
	engine := enginetest.ClickHouse(t)
	migrated(t, engine, "a3")
	for _, c := range []struct {
		name, statement string
		names           []string
	}{
		{"nothing may be set", "SET readonly = 1", []string{"setting async_insert", "settings profile"}},
		{"deduplication is off", "SET deduplicate_insert = 'disable'", []string{"deduplicate_insert", `"disable"`, `"enable"`, "settings profile"}},
		{"blocks are cut", "SET use_strict_insert_block_limits = 1", []string{"use_strict_insert_block_limits", `"1"`, `"0"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := session(t, engine, "a3", c.statement)
			mustContain(t, Assert(context.Background(), db), c.names...)
		})
	}
	// What inserts pin overrides other defaults of the user.
	db := session(t, engine, "a3", "SET async_insert = 1, insert_deduplicate = 0, materialized_views_ignore_errors = 1")
	if err := Assert(context.Background(), db); err != nil {
		t.Errorf("defaults that are overridden: %v", err)
	}
}

func TestCheckVersion(t *testing.T) {
	for version, ok := range map[string]bool{"26.7.2.1": true, "24.8.1": true, "24.7.9.1": false, "23.12.1": false, "25.1": true, "": false, "x.y": false, "1": false} {
		if err := checkVersion(version); (err == nil) != ok {
			t.Errorf("version %q: %v", version, err)
		}
	}
	mustContain(t, checkVersion("24.7.9.1"), "24.7.9.1", "24.8", "clickhouse.addresses")
}

func TestTableSetting(t *testing.T) {
	const full = "ReplicatedMergeTree('/a', 'b') ORDER BY a SETTINGS non_replicated_deduplication_window = 5, replicated_deduplication_window_seconds = 7, index_granularity = 8192"
	for setting, want := range map[string]uint64{"non_replicated_deduplication_window": 5, "replicated_deduplication_window_seconds": 7} {
		if got, ok := tableSetting(full, setting); !ok || got != want {
			t.Errorf("%s: %d, %v, want %d", setting, got, ok, want)
		}
	}
	// The name is the end of one setting and the beginning of another.
	if got, ok := tableSetting(full, "replicated_deduplication_window"); ok {
		t.Errorf("replicated_deduplication_window: %d, but it is not there", got)
	}
}
