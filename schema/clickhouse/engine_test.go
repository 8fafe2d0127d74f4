package clickhouse

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/enginetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds a test's whole talk with the server.
const patience = time.Minute

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// openDB connects to an empty database of the name on the engine.
func openDB(t testing.TB, engine *enginetest.Engine, database string) *DB {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Addresses, cfg.Database = []string{engine.TCP}, database
	db, err := Open(within(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// migrated is openDB with all tables.
func migrated(t testing.TB, engine *enginetest.Engine, database string) *DB {
	t.Helper()
	db := openDB(t, engine, database)
	if err := Up(within(t), db, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	return db
}

func exec(t testing.TB, db *DB, statement string) {
	t.Helper()
	if err := db.conn.Exec(with(within(t), Setting{"mutations_sync", "2"}), strings.ReplaceAll(statement, "{db}", db.database)); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// text runs a query that returns one string.
func text(t testing.TB, db *DB, query string) string {
	t.Helper()
	var s string
	if err := db.conn.QueryRow(within(t), strings.ReplaceAll(query, "{db}", db.database)).Scan(&s); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return s
}

func mustContain(t testing.TB, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error lacks %q:\n%v", p, err)
		}
	}
}

func TestParametersArriveUnchanged(t *testing.T) {
	db := openDB(t, enginetest.ClickHouse(t), "p1")
	for _, want := range []string{"", "plain", "a'b", `a"b`, `back\slash`, "\\", `\n`, "tab\t", "line\nend", "\r\x00", "ümläut 🎉", "{x:String}", "'); DROP TABLE x"} {
		var got string
		if err := db.conn.QueryRow(parameters(within(t), map[string]string{"v": want}), "SELECT {v:String}").Scan(&got); err != nil || got != want {
			t.Errorf("sent %q, got %q, %v", want, got, err)
		}
	}
}
