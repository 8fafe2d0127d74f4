package backup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/broker"
	embeddedclickhouse "github.com/millrace/millrace/cmd/internal/embedded/clickhouse"
	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/schema/clickhouse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const partitions = 3

// world is both engines with tables and topics, as a server has them.
type world struct {
	t      *testing.T
	engine *enginetest.Engine
	broker *enginetest.Engine
	store  Store
	System
	log uint16 // number of topic events
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, engine: enginetest.ClickHouse(t), broker: enginetest.Broker(t, partitions)}
	w.store = NewStore(filepath.Join(w.engine.Dir, "backups"))
	cfg := broker.DefaultConfig()
	cfg.Addresses = []string{w.broker.Broker}
	client, err := broker.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	w.System = System{DB: w.open("millrace"), Broker: client, Topics: []string{"events", "quarantine"}, Group: "sinks"}
	if err := clickhouse.Up(within(t), w.DB, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	md, err := client.Metadata(within(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range w.Topics {
		l, err := clickhouse.AllotLog(within(t), w.DB, md.ClusterID, topic, partitions)
		if err != nil {
			t.Fatal(err)
		}
		if topic == "events" {
			w.log = l.Number
		}
	}
	return w
}

// open connects with the account that may back up.
func (w *world) open(database string) *clickhouse.DB {
	w.t.Helper()
	cfg := clickhouse.DefaultConfig()
	cfg.Addresses, cfg.Database = []string{w.engine.TCP}, database
	cfg.Username, cfg.PasswordFile = embeddedclickhouse.BackupUser, embeddedclickhouse.BackupPasswordFile(w.engine.Dir)
	db, err := clickhouse.Open(within(w.t), cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = db.Close() })
	return db
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func (w *world) exec(sql string) {
	w.t.Helper()
	if err := w.DB.Conn().Exec(within(w.t), sql); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

func (w *world) number(sql string) uint64 {
	w.t.Helper()
	var n uint64
	if err := w.DB.Conn().QueryRow(within(w.t), "SELECT assumeNotNull(toUInt64((SELECT "+sql+")))").Scan(&n); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// loader loads one partition as a sink does: it announces a block, inserts it, and confirms it with the announcement of the next.
type loader struct {
	*world
	partition int32
	offset    int64
	blocks    atomic.Int64
}

const blockRows = 500

// block loads one block; announced is the metadata that tells a test its end.
func (l *loader) block(ctx context.Context) error {
	next := l.offset + blockRows
	if err := l.commit(ctx, l.offset, announcement(l.offset, next)); err != nil {
		return err
	}
	token := fmt.Sprintf("%d-%d-%d", l.log, l.partition, l.offset)
	settings := driver.Settings{}
	for _, s := range clickhouse.InsertSettings(token) {
		settings[s.Name] = s.Value
	}
	err := l.DB.Conn().Exec(driver.Context(ctx, driver.WithSettings(settings)), fmt.Sprintf(
		`INSERT INTO %s.events (project_id, type, event, ts, event_id, distinct_id, user_h, props, _log, _partition, _offset)
		SELECT 1, 'track', 'Tested', toDateTime64('2026-11-02 10:00:00', 3, 'UTC') + number, generateUUIDv4(), toString(number), cityHash64(toString(number)), randomPrintableASCII(300), %d, %d, number FROM numbers(%d, %d)`,
		l.DB.Database(), l.log, l.partition, l.offset, blockRows))
	if err != nil {
		return err
	}
	l.offset = next
	l.blocks.Add(1)
	return nil
}

func announcement(first, next int64) string { return fmt.Sprintf("announced %d %d", first, next) }

func (l *loader) commit(ctx context.Context, offset int64, metadata string) error {
	tp := broker.TopicPartition{Topic: "events", Partition: l.partition}
	outcome, err := l.Broker.CommitOffsets(ctx, broker.OffsetCommit{
		Group: l.Group, Generation: -1,
		Offsets: []broker.PartitionOffset{{Topic: tp.Topic, Partition: tp.Partition, Offset: offset, Metadata: metadata}},
	})
	return errors.Join(err, outcome[tp])
}

// load loads blocks into each partition, one after the other, and confirms them.
func (w *world) load(blocks int) {
	w.t.Helper()
	for p := range int32(partitions) {
		l := &loader{world: w, partition: p}
		for range blocks {
			if err := l.block(within(w.t)); err != nil {
				w.t.Fatal(err)
			}
		}
		if err := l.commit(within(w.t), l.offset, ""); err != nil {
			w.t.Fatal(err)
		}
	}
}

// inserters load all partitions until stop.
type inserters struct {
	loaders []*loader
	quit    chan struct{}
	once    sync.Once
	wg      sync.WaitGroup
}

func (w *world) startInserters() *inserters {
	ctx := within(w.t)
	in := &inserters{quit: make(chan struct{})}
	for p := range int32(partitions) {
		l := &loader{world: w, partition: p}
		in.loaders = append(in.loaders, l)
		in.wg.Go(func() {
			for {
				select {
				case <-in.quit: // between blocks, so that the last one is whole
					if err := l.commit(ctx, l.offset, ""); err != nil {
						w.t.Error(err)
					}
					return
				default:
				}
				if err := l.block(ctx); err != nil {
					w.t.Error(err)
					return
				}
			}
		})
	}
	w.t.Cleanup(in.stop)
	return in
}

func (in *inserters) stop() {
	in.once.Do(func() { close(in.quit) })
	in.wg.Wait()
}

func (in *inserters) blocks() (n int64) {
	for _, l := range in.loaders {
		n += l.blocks.Load()
	}
	return n
}

// make makes a backup under a name.
func (w *world) make(name string) *Manifest {
	w.t.Helper()
	m, err := w.tryMake(within(w.t), name)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// tryMake does what the command does.
func (w *world) tryMake(ctx context.Context, name string) (*Manifest, error) {
	slot, err := w.store.Reserve(name)
	if err != nil {
		return nil, err
	}
	m, err := Create(ctx, w.System, slot.Destination, "test", nil)
	if err == nil {
		m.Name = name
		err = slot.Keep(m)
	}
	if err != nil {
		return nil, errors.Join(err, slot.Discard())
	}
	return m, nil
}

func (w *world) restore(name string, replace bool) (*Report, error) {
	w.t.Helper()
	m, from, err := w.store.Open(name)
	if err != nil {
		return nil, err
	}
	return Restore(within(w.t), w.System, RestoreOptions{From: from, Manifest: m, Replace: replace})
}

// files lists the files of a backup's tables with this ending.
func (w *world) files(name, ending string) (all []string) {
	w.t.Helper()
	err := filepath.WalkDir(filepath.Join(w.store.dir, name, tablesDir, "data", "millrace", "events"), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) == ending {
			all = append(all, path)
		}
		return err
	})
	if err != nil || len(all) == 0 {
		w.t.Fatalf("no files *%s in backup %s: %v", ending, name, err)
	}
	return all
}
