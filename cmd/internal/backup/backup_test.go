package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/millrace/millrace/broker"
)

// While three partitions are loaded, a backup is made; it is brought back over the tables that went on.
func TestBackupUnderLoadIsAPrefix(t *testing.T) {
	w := newWorld(t)
	in := w.startInserters()
	for in.blocks() < 3*partitions {
		if t.Failed() {
			return
		}
		if _, err := tables(within(t), w.DB, "millrace"); err != nil {
			t.Fatal(err)
		}
	}
	var m *Manifest
	for try := 0; ; try++ {
		before := in.blocks()
		m = w.make(fmt.Sprint("b", try))
		if in.blocks() > before {
			break // blocks were stored meanwhile
		}
		if try == 50 {
			t.Fatal("no block was ever stored while a backup was made: nothing was proven")
		}
	}
	for at := in.blocks(); in.blocks() < at+2*partitions && !t.Failed(); {
		if _, err := tables(within(t), w.DB, "millrace"); err != nil {
			t.Fatal(err)
		}
	}
	in.stop()
	all := w.number("count() FROM millrace.events")

	if _, err := w.restore(m.Name, false); !errors.Is(err, ErrNotEmpty) || !strings.Contains(err.Error(), "--replace") || !strings.Contains(err.Error(), fmt.Sprint("events ", all, " rows")) {
		t.Errorf("without --replace: %v", err)
	}
	if n := w.number("count() FROM millrace.events"); n != all {
		t.Fatalf("%d rows after a restore that was refused, %d before", n, all)
	}
	report, err := w.restore(m.Name, true)
	if err != nil {
		t.Fatal(err)
	}
	restored := w.number("count() FROM millrace.events")
	if restored >= all || restored == 0 {
		t.Errorf("%d rows were restored, %d were there: loading did not go on after the backup", restored, all)
	}
	for _, p := range m.Topics[0].Partitions {
		where := fmt.Sprintf("FROM millrace.events WHERE _log = %d AND _partition = %d", w.log, p.Partition)
		rows := w.number("count() " + where)
		if distinct, top := w.number("uniqExact(_offset) "+where), w.number("max(_offset) + 1 "+where); rows != distinct || rows != top {
			t.Errorf("partition %d: %d rows, %d offsets, up to %d: not a prefix", p.Partition, rows, distinct, top)
		}
		end := p.Committed // of what the manifest announces
		if p.Metadata != "" {
			var first int64
			if n, err := fmt.Sscanf(p.Metadata, "announced %d %d", &first, &end); n != 2 || err != nil || first != p.Committed {
				t.Errorf("partition %d: committed %d with %q", p.Partition, p.Committed, p.Metadata)
			}
		}
		if int64(rows) < p.StoredBelow || int64(rows) > end || p.StoredBelow < 0 || p.Committed < p.StoredBelow {
			t.Errorf("partition %d: rows below %d, manifest: stored below %d, committed %d, announced to %d", p.Partition, rows, p.StoredBelow, p.Committed, end)
		}
		now := in.loaders[p.Partition].offset
		if got := report.Topics[0].Partitions[p.Partition]; got.Committed != now || got.StoredBelow != p.StoredBelow {
			t.Errorf("partition %d: the report says %+v, committed is %d", p.Partition, got, now)
		}
		if want := fmt.Sprintf("millrace sink rewind --topic events --partition %d --to %d\n", p.Partition, p.StoredBelow); !strings.Contains(report.Advice(), want) {
			t.Errorf("the advice lacks %q:\n%s", want, report.Advice())
		}
	}
	if strings.Contains(report.Advice(), "--topic quarantine") {
		t.Errorf("nothing was loaded into quarantine:\n%s", report.Advice())
	}
	if got, err := w.Broker.FetchOffsets(within(t), w.Group, "events", []int32{0}); err != nil || got[0].Offset != in.loaders[0].offset {
		t.Errorf("the group's offsets were changed: %+v, %v", got, err)
	}
	if ev := m.table("events"); ev == nil || restored < ev.RowsBefore || restored > ev.RowsAfter || m.Bytes == 0 || m.Files == 0 || m.Build != "test" || m.Topics[0].Log != w.log {
		t.Errorf("%d rows, manifest %+v", restored, m)
	}
	if n := w.number("count() FROM system.databases WHERE name LIKE '%restore\\_check%'"); n != 0 {
		t.Error("the database of the check is left over")
	}
	// The tables take blocks again; tokens of before are not in the way.
	l := in.loaders[0]
	l.offset = int64(w.number("max(_offset) + 1 FROM millrace.events WHERE _partition = 0"))
	if err := l.block(within(t)); err != nil || w.number("count() FROM millrace.events") != restored+blockRows {
		t.Errorf("a block after the restore: %v, %d rows", err, w.number("count() FROM millrace.events"))
	}
}

// A server that was just set up holds bookkeeping only, one that was lost nothing at all: both take a backup without --replace.
func TestRestoreIntoNothing(t *testing.T) {
	w := newWorld(t)
	w.load(2)
	w.make("b")
	want := w.number("sum(cityHash64(event_id, _offset)) FROM millrace.events")
	for _, c := range []struct {
		what       string
		statements []string
	}{
		{"lost", []string{"DROP DATABASE millrace SYNC"}},
		{"just set up", []string{
			"TRUNCATE TABLE millrace.events", "TRUNCATE TABLE millrace.quarantine", "TRUNCATE TABLE millrace.rollup_1m", "TRUNCATE TABLE millrace.rollup_1h",
			"TRUNCATE TABLE millrace.user_day", "TRUNCATE TABLE millrace.sessions",
		}},
	} {
		for _, statement := range c.statements {
			w.exec(statement)
		}
		report, err := w.restore("b", false)
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		if got := w.number("sum(cityHash64(event_id, _offset)) FROM millrace.events"); got != want {
			t.Errorf("%s: the rows are others", c.what)
		}
		if !strings.Contains(report.Advice(), "Nothing was loaded since the backup") {
			t.Errorf("%s:\n%s", c.what, report.Advice())
		}
	}
}

// Under another name of the database the views must lead to the new tables.
func TestRestoreUnderAnotherName(t *testing.T) {
	w := newWorld(t)
	w.load(1)
	w.make("b")
	other := *w
	other.System.DB = w.open("elsewhere")
	if _, err := other.restore("b", false); err != nil {
		t.Fatal(err)
	}
	if n := w.number("count() FROM elsewhere.events"); n != partitions*blockRows {
		t.Errorf("%d rows", n)
	}
	if n := w.number("count() FROM system.tables WHERE database = 'elsewhere' AND create_table_query LIKE '%millrace.%'"); n != 0 {
		t.Errorf("%d tables refer to the old database", n)
	}
}

func TestDamagedBackupsReplaceNothing(t *testing.T) {
	w := newWorld(t)
	w.load(1)
	manifest := func(name string) string { return filepath.Join(w.store.dir, name, manifestFile) }
	for _, c := range []struct {
		name   string
		damage func(t *testing.T)
		words  []string
	}{
		{"truncated", func(t *testing.T) {
			for _, f := range w.files("truncated", ".bin") {
				if info, err := os.Stat(f); err != nil || os.Truncate(f, info.Size()-1) != nil {
					t.Fatal(f, err)
				}
			}
		}, []string{"nothing was changed", "damaged"}},
		{"file-gone", func(t *testing.T) {
			if err := os.Remove(w.files("file-gone", ".bin")[0]); err != nil {
				t.Fatal(err)
			}
		}, []string{"nothing was changed", "damaged"}},
		{"bit-flipped", func(t *testing.T) {
			for _, f := range w.files("bit-flipped", ".bin") {
				text, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				text[len(text)/2] ^= 1
				if err := os.WriteFile(f, text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}, []string{"nothing was changed", "events"}},
		{"contents-gone", func(t *testing.T) {
			if err := os.Remove(filepath.Join(w.store.dir, "contents-gone", tablesDir, ".backup")); err != nil {
				t.Fatal(err)
			}
		}, []string{"nothing was changed", "there is no backup at this place"}},
		{"of-another-time", func(t *testing.T) {
			m, err := ReadManifest(manifest("of-another-time"))
			if err != nil {
				t.Fatal(err)
			}
			m.table("events").RowsBefore += 1000
			m.table("events").RowsAfter += 1000
			if err := WriteManifest(manifest("of-another-time"), m); err != nil {
				t.Fatal(err)
			}
		}, []string{"nothing was changed", "not what its manifest says", "1500 rows", "2500"}},
		{"tables-gone", func(t *testing.T) {
			if err := os.RemoveAll(filepath.Join(w.store.dir, "tables-gone", tablesDir)); err != nil {
				t.Fatal(err)
			}
		}, []string{"tables of backup tables-gone are gone"}},
		{"no-manifest", func(t *testing.T) {
			if err := os.Remove(manifest("no-manifest")); err != nil {
				t.Fatal(err)
			}
		}, []string{"no manifest", "never came to its end"}},
		{"half-manifest", func(t *testing.T) {
			if err := os.Truncate(manifest("half-manifest"), 100); err != nil {
				t.Fatal(err)
			}
		}, []string{"unreadable manifest", "half-manifest"}},
		{"newer", func(t *testing.T) {
			if err := os.WriteFile(manifest("newer"), []byte(`{"version": 2, "what": "ever"}`), 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{"version 2", "reads 1 to 1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.make(c.name)
			c.damage(t)
			_, err := w.restore(c.name, true)
			for _, word := range c.words {
				if !strings.Contains(fmt.Sprint(err), word) {
					t.Errorf("the error does not say %q: %v", word, err)
				}
			}
			if n := w.number("count() FROM millrace.events"); n != partitions*blockRows {
				t.Fatalf("%d rows are left", n)
			}
			if n := w.number("count() FROM system.databases WHERE name LIKE '%restore\\_check%'"); n != 0 {
				t.Error("the database of the check is left over")
			}
		})
	}
	if _, err := w.restore("never-made", true); !errors.Is(err, ErrUnknown) {
		t.Errorf("a name that is unknown: %v", err)
	}
	entries, err := w.store.List()
	if err != nil || len(entries) != 9 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	for _, e := range entries {
		bad := e.Name == "no-manifest" || e.Name == "half-manifest" || e.Name == "newer"
		if (e.Manifest == nil) != bad || (e.Err != nil) != bad {
			t.Errorf("%s: %v, %v", e.Name, e.Manifest, e.Err)
		}
	}
}

func TestNamesAreTakenOnce(t *testing.T) {
	w := newWorld(t)
	w.load(1)
	w.make("monday")
	if _, err := w.tryMake(within(t), "monday"); !errors.Is(err, ErrExists) || !strings.Contains(err.Error(), filepath.Join(w.store.dir, "monday")) {
		t.Errorf("a second monday: %v", err)
	}
	if _, err := w.restore("monday", true); err != nil {
		t.Errorf("the first one suffered: %v", err)
	}
	if _, err := w.store.Reserve("tuesday"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.tryMake(within(t), "tuesday"); !errors.Is(err, ErrExists) || !strings.Contains(err.Error(), "never came to its end") {
		t.Errorf("one that is being made: %v", err)
	}
	for _, name := range []string{"", "list", "..", "../x", "a/b", "-x", "a'b", "a b", strings.Repeat("x", 101)} {
		if _, err := w.store.Reserve(name); err == nil || errors.Is(err, ErrExists) {
			t.Errorf("%q: %v", name, err)
		}
		if _, _, err := w.store.Open(name); err == nil || errors.Is(err, ErrUnknown) {
			t.Errorf("open %q: %v", name, err)
		}
	}
}

// The broker dies while the tables are copied: without offsets the copy is of no use, and the error says that it is there.
func TestBrokerDiesUnderABackup(t *testing.T) {
	w := newWorld(t)
	w.load(3)
	slot, err := w.store.Reserve("half")
	if err != nil {
		t.Fatal(err)
	}
	killed := false
	_, err = Create(slowly(within(t), 1_000_000), w.System, slot.Destination, "test", func(p Progress) {
		if p.Total > 0 && !killed {
			killed = true
			w.broker.Kill()
		}
	})
	if !killed || err == nil || !strings.Contains(err.Error(), slot.Destination.String()) || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("killed %t: %v", killed, err)
	}
	if err := slot.Discard(); err != nil {
		t.Error(err)
	}
}

// slowly makes the server copy so many bytes per second; the tables of these tests have some 1.5 MB.
func slowly(ctx context.Context, bandwidth int) context.Context {
	return driver.Context(ctx, driver.WithSettings(driver.Settings{"max_backup_bandwidth": bandwidth}))
}

func TestCancelLeavesNothing(t *testing.T) {
	w := newWorld(t)
	w.load(3)
	ctx, cancel := context.WithCancelCause(slowly(within(t), 50_000))
	stopped := errors.New("stopped by hand")
	slot, err := w.store.Reserve("slow")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Create(ctx, w.System, slot.Destination, "test", func(p Progress) {
		if p.Total > 0 { // it has begun to copy
			cancel(stopped)
		}
	})
	if !errors.Is(err, stopped) {
		t.Fatalf("%v, want that it was stopped", err)
	}
	if n := w.number("count() FROM system.backups WHERE status = 'CREATING_BACKUP'"); n != 0 {
		t.Error("the server still works on it")
	}
	if err := slot.Discard(); err != nil {
		t.Error(err)
	}
	if entries, err := w.store.List(); err != nil || len(entries) != 0 {
		t.Errorf("left over: %+v, %v", entries, err)
	}
	w.make("slow")
}

func TestServerDiesUnderABackup(t *testing.T) {
	w := newWorld(t)
	w.load(3)
	slot, err := w.store.Reserve("cut")
	if err != nil {
		t.Fatal(err)
	}
	killed := false
	_, err = Create(slowly(within(t), 50_000), w.System, slot.Destination, "test", func(p Progress) {
		if p.Total > 0 && !killed {
			killed = true
			w.engine.Kill()
			w.engine.Start()
		}
	})
	if !killed || !errors.Is(err, ErrUnknownOutcome) {
		t.Fatalf("killed %t: %v", killed, err)
	}
	if err := slot.Discard(); err != nil {
		t.Error(err)
	}
	w.make("cut")
}

func TestCheckIdle(t *testing.T) {
	w := newWorld(t)
	if err := w.CheckIdle(within(t)); err != nil {
		t.Errorf("a group that never was: %v", err)
	}
	g, err := w.Broker.JoinGroup(broker.GroupConfig{ID: w.Group, Topics: []string{"events"}, SessionTimeout: 6 * time.Second, HeartbeatInterval: time.Second, RebalanceTimeout: 5 * time.Second, JoinBackoff: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Next(within(t)); err != nil {
		t.Fatal(err)
	}
	if err := w.CheckIdle(within(t)); !errors.Is(err, ErrLoading) || !strings.Contains(err.Error(), w.Group) {
		t.Errorf("a group of one: %v", err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.CheckIdle(within(t)); err != nil {
		t.Errorf("a group that was left: %v", err)
	}
}
