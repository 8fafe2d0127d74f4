package erased

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/google/uuid"

	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/schema/clickhouse"
)

func newSet(t *testing.T, dir string, cfg clickhouse.Config) (*Set, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	return New(dir, cfg, slog.New(slog.NewTextHandler(&log, nil)), metrics.NewSet()), &log
}

func has(s *Set, project uint32, h uint64) bool {
	of := s.Of(project)
	return of != nil && of(h)
}

// The set follows the table, and the next process begins with what this one knew.
func TestSetFollowsTheTable(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	engine := enginetest.ClickHouse(t)
	cfg := clickhouse.DefaultConfig()
	cfg.Addresses = []string{engine.TCP}
	db, err := clickhouse.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // of a test
	if err := clickhouse.Up(ctx, db, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s, _ := newSet(t, dir, cfg)
	if s.current.Load() != nil || s.Of(7) != nil {
		t.Error("a new set is not empty")
	}
	insert := func(project uint32, h, version uint64, deleted uint8) {
		t.Helper()
		batch, err := db.Conn().PrepareBatch(ctx, "INSERT INTO millrace.erasures (project_id, user_h, erasure, requested_at, version, is_deleted)")
		if err != nil {
			t.Fatal(err)
		}
		defer batch.Close() //nolint:errcheck // Send has told
		if err := batch.Append(project, h, uuid.New(), time.Now(), version, deleted); err != nil {
			t.Fatal(err)
		}
		if err := batch.Send(); err != nil {
			t.Fatal(err)
		}
	}
	var seen version
	refresh := func() {
		t.Helper()
		if err := s.refresh(ctx, db, &seen); err != nil {
			t.Fatal(err)
		}
	}
	refresh()
	if s.current.Load() != nil {
		t.Error("nobody is erased, and the set is there")
	}
	insert(7, 1<<63+5, 10, 0)
	insert(8, 6, 11, 0)
	refresh()
	if !has(s, 7, 1<<63+5) || !has(s, 8, 6) || has(s, 7, 6) || has(s, 8, 1<<63+5) || has(s, 9, 6) {
		t.Error("the set is not the table")
	}
	// A process that starts while ClickHouse is away, and one whose file was changed.
	away := cfg
	away.Addresses = []string{"127.0.0.1:1"}
	if next, _ := newSet(t, dir, away); !has(next, 7, 1<<63+5) || !has(next, 8, 6) || next.count.Load() != 2 {
		t.Error("the next process does not know who is erased")
	}
	insert(8, 6, 12, 1)
	refresh()
	if has(s, 8, 6) || s.Of(8) != nil || !has(s, 7, 1<<63+5) {
		t.Error("who may come back is refused")
	}
	path := filepath.Join(dir, "erased.bin")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range content {
		damaged := bytes.Clone(content)
		damaged[i] ^= 4
		if _, err := decode(damaged); err == nil {
			t.Fatalf("damage of byte %d is not noticed", i)
		}
		if _, err := decode(content[:i]); err == nil {
			t.Fatalf("a file that ends at byte %d is taken", i)
		}
	}
	if err := os.WriteFile(path, content[:len(content)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	if next, log := newSet(t, dir, away); next.current.Load() != nil || !bytes.Contains(log.Bytes(), []byte("damaged")) {
		t.Error("a damaged file is taken, or nobody is told")
	}
}

// told ends a context when something is logged.
type told struct{ cancel context.CancelFunc }

func (t told) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("cannot be read again")) {
		t.cancel()
	}
	return len(b), nil
}

// Without ClickHouse Run keeps the set, says so, and ends when it is told to.
func TestRunWithoutTheTable(t *testing.T) {
	cfg := clickhouse.DefaultConfig()
	cfg.Addresses = []string{"127.0.0.1:1"}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s := New(t.TempDir(), cfg, slog.New(slog.NewTextHandler(told{cancel}, nil)), metrics.NewSet())
	s.publish(ids{7: {5: {}}})
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(ctx.Err(), context.Canceled) {
		t.Error("nobody is told that the set is old")
	}
	if !has(s, 7, 5) {
		t.Error("the set was lost")
	}
}
