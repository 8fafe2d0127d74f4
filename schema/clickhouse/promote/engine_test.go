package promote

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/enginetest"
	schema "github.com/millrace/millrace/schema/clickhouse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds a test's whole talk with the server.
const patience = 2 * time.Minute

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// migrated opens a database of the name with all tables.
func migrated(t testing.TB, engine *enginetest.Engine, database string) *schema.DB {
	t.Helper()
	cfg := schema.DefaultConfig()
	cfg.Addresses, cfg.Database = []string{engine.TCP}, database
	db, err := schema.Open(within(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := schema.Up(within(t), db, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	return db
}

func exec(t testing.TB, db *schema.DB, statement string) {
	t.Helper()
	err := db.Conn().Exec(with(within(t), nil, schema.Setting{Name: "mutations_sync", Value: "2"}), strings.ReplaceAll(statement, "{db}", db.Database()))
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// text runs a query that returns one string.
func text(t testing.TB, db *schema.DB, query string) string {
	t.Helper()
	var s string
	if err := db.Conn().QueryRow(within(t), strings.ReplaceAll(query, "{db}", db.Database())).Scan(&s); err != nil {
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
