package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/people/segment"
	"github.com/millrace/millrace/schema/clickhouse"
)

func TestSegmentsCommands(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	engine := enginetest.ClickHouse(t)
	cfg := clickhouse.DefaultConfig()
	cfg.Addresses, cfg.Database = []string{engine.TCP}, "cli"
	db, err := clickhouse.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // nothing is pending on it
	if err := clickhouse.Up(ctx, db, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	run := func(words ...string) (string, error) {
		cmd := newSegments()
		misuse(cmd)
		var out bytes.Buffer
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs(append(words, "--clickhouse.addresses", engine.TCP, "--clickhouse.database", "cli", "--broker.addresses", "127.0.0.1:1", "--data", dir))
		err := cmd.ExecuteContext(ctx)
		return out.String(), err
	}
	file := func(text string) string {
		path := filepath.Join(dir, "segments.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	must := func(want string, words ...string) {
		t.Helper()
		if out, err := run(words...); err != nil || !strings.Contains(out, want) {
			t.Errorf("%q: %v\n%s\nwant %s", words, err, out, want)
		}
	}
	mustNot := func(want string, words ...string) {
		t.Helper()
		out, err := run(words...)
		var usage usageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v\n%s\nwant %s", words, err, out, want)
		}
	}
	const buyers, vips = `{"name":"buyers","every":"1h","where":{"did":{"event":"buy"}}}`, `{"name":"vips","where":{"segment":"buyers"}}`
	mustNot("/1/where: refers to nobody", "plan", file("["+buyers+`,{"name":"x","where":{"segment":"nobody"}}]`))
	mustNot("/0/wher", "apply", file(`[{"wher":1}]`))
	mustNot("no such file", "apply", filepath.Join(dir, "nothing.json"))
	mustNot("there is no such segment", "drop", "buyers")
	mustNot("projects are numbered from 1", "list", "--project", "0")
	must("segment vips: new\nsegment buyers: new\n", "plan", file("["+vips+","+buyers+"]"), "--project", "3")
	must("SEGMENT", "list", "--project", "3")
	must("segment vips: new\nsegment buyers: new\n", "apply", file("["+vips+","+buyers+"]"), "--project", "3")
	must("segment buyers: same", "apply", file(buyers), "--project", "3")
	must("segment buyers: new", "plan", file(buyers))
	must("buyers   1h0m0s  -", "list", "--project", "3")
	mustNot("vips refers to buyers", "drop", "buyers", "--project", "3")

	// Some server builds what is asked for.
	done := make(chan error, 1)
	go func() { done <- buildAsked(ctx, db) }()
	must("segment buyers has 2 members, 2 entered and 0 left; built in 15ms", "apply", file(buyers), "--project", "3", "--now")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	must("2        2        0", "list", "--project", "3")
	must("7\t-\n", "members", "buyers", "--project", "3")
	must("there are more: --after 7", "members", "buyers", "--project", "3", "--limit", "1")
	if out, err := run("members", "buyers", "--project", "3", "--after", "7"); err != nil || out != "8\t-\n" {
		t.Errorf("%v %q", err, out)
	}
	must("-- project = \"3\"", "explain", "buyers", "--project", "3")
	must("2 members, 15ms", "explain", "buyers", "--project", "3")
	must("segment vips is dropped", "drop", "vips", "--project", "3")
	must("segment buyers is dropped", "drop", "buyers", "--project", "3")
}

// buildAsked waits for a build to be asked for, and writes what the job would.
func buildAsked(ctx context.Context, db *clickhouse.DB) error {
	store := segment.NewStore(db.Source())
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		info, err := store.Get(ctx, 3, "buyers")
		if err != nil {
			return err
		}
		if info.Last != nil {
			id := "toUUID('" + info.Last.ID.String() + "')"
			return errors.Join(
				db.Conn().Exec(ctx, "INSERT INTO cli.segment_members SELECT 3, 'buyers', "+id+", number + 7, now64(3) FROM numbers(2)"),
				db.Conn().Exec(ctx, "INSERT INTO cli.segment_builds (project_id, segment, build, at, state, size, entered, took_ms, version) SELECT 3, 'buyers', "+id+", now64(3), 'active', 2, 2, 15, 4294967297"),
			)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
