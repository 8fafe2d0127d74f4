package erase

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/google/uuid"

	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/people"
	"github.com/millrace/millrace/schema/clickhouse"
)

// patience bounds every wait for a condition.
const patience = time.Minute

const (
	eventsLog     = 3
	quarantineLog = 4
	pastLog       = 2
	project       = uint32(7)
)

// hour is of the events of the tests.
var hour = time.Now().UTC().Truncate(time.Hour).Add(-48 * time.Hour)

// world is a ClickHouse with the tables, and what the job is told of the rest of the world.
type world struct {
	t      testing.TB
	engine *enginetest.Engine
	db     *clickhouse.DB
	store  *Store
	task   *Task
	leader *testLeader
	memory *memory
	logs   *bytes.Buffer
	set    *metrics.Set
	// audited are the hours that were queued for the auditor.
	audited map[int64]bool
	// job tells that a real one works out identities: the test must not say how far it is.
	job bool
	mu  sync.Mutex // guards leader.confirmed, next and audited while a job runs
	// next offsets of events and quarantine, partition 0.
	next map[source]uint64
}

// testLeader stands for the leadership: what is confirmed and who belongs together is the test's to say.
type testLeader struct {
	db        *clickhouse.DB
	confirmed []people.Confirmed
	members   map[uint64][]uint64
	forgotten [][]uint64
	failing   map[string]error // by method
}

func (l *testLeader) DB() *clickhouse.DB          { return l.db }
func (l *testLeader) Still(context.Context) error { return l.failing["Still"] }

func (l *testLeader) Confirmed(context.Context) ([]people.Confirmed, error) {
	return l.confirmed, l.failing["Confirmed"]
}

func (l *testLeader) Members(_ uint32, hashes ...uint64) (all []uint64) {
	for _, h := range hashes {
		all = append(append(all, h), l.members[h]...)
	}
	return all
}

func (l *testLeader) Forget(_ context.Context, _ uint32, hashes []uint64) error {
	l.forgotten = append(l.forgotten, hashes)
	return l.failing["Forget"]
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, engine: enginetest.ClickHouse(t), logs: &bytes.Buffer{}, audited: map[int64]bool{}, next: map[source]uint64{}, set: metrics.NewSet()}
	cfg := clickhouse.DefaultConfig()
	cfg.Addresses = []string{w.engine.TCP}
	var err error
	if w.db, err = clickhouse.Open(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := clickhouse.Up(t.Context(), w.db, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	w.store = NewStore(w.db.Source(), nil)
	w.leader = &testLeader{db: w.db, members: map[uint64][]uint64{}, failing: map[string]error{}}
	w.restart()
	for log, topic := range map[uint16]string{pastLog: "events", eventsLog: "events", quarantineLog: "quarantine"} {
		w.insert("logs (log, cluster_id, topic, partitions, since)", []any{log, "c", topic, uint16(1), time.Now()})
	}
	return w
}

// restart makes a new Task with a new memory, as a new leader has it.
func (w *world) restart() {
	w.t.Helper()
	var err error
	w.set = metrics.NewSet()
	w.task, err = New(DefaultConfig(), Deps{
		Quarantine: func(context.Context) ([]people.Confirmed, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return []people.Confirmed{{Log: quarantineLog, Offset: w.next[source{quarantineLog, 0}]}}, nil
		},
		Audit: func(_ context.Context, _ *clickhouse.DB, hours []int64) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, h := range hours {
				w.audited[h] = true
			}
			return nil
		},
		Logger: slog.New(slog.NewTextHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug})), Metrics: w.set,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.memory = &memory{waits: map[uuid.UUID][]people.Confirmed{}}
}

// insert sends rows as a native block: no text of theirs is in a statement.
func (w *world) insert(into string, rows ...[]any) {
	w.t.Helper()
	batch, err := w.db.Conn().PrepareBatch(w.t.Context(), "INSERT INTO millrace."+into)
	if err != nil {
		w.t.Fatal(err)
	}
	defer batch.Close() //nolint:errcheck // Send has told
	for _, row := range rows {
		if err := batch.Append(row...); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		w.t.Fatal(err)
	}
}

// event is a row of table events.
type event struct {
	project                           uint32
	kind, distinct, user, anon, prior string
	props, traits                     string
	session                           uuid.UUID
	log, partition                    uint16
	offset                            uint64
	id                                uuid.UUID
	ts                                time.Time
}

// add inserts events; log, offset, id and time are filled in when they are not set, and what is inserted counts as confirmed.
func (w *world) add(events ...event) {
	w.t.Helper()
	var rows [][]any
	for _, e := range events {
		if e.project == 0 {
			e.project = project
		}
		if e.kind == "" {
			e.kind = "track"
		}
		if e.log == 0 {
			e.log = eventsLog
			s := source{e.log, e.partition}
			e.offset = w.next[s]
			w.next[s]++
		}
		if e.id == uuid.Nil {
			e.id = uuid.New()
		}
		if e.ts.IsZero() {
			e.ts = hour.Add(time.Duration(e.offset) * time.Minute)
		}
		rows = append(rows, []any{e.project, e.kind, "Paid", e.ts, e.id, e.session, e.distinct, e.user, e.anon, e.prior, hashID(e.distinct), e.props, e.traits, e.log, e.partition, e.offset})
	}
	w.insert("events (project_id, type, event, ts, event_id, session_id, distinct_id, user_id, anonymous_id, previous_id, user_h, props, traits, _log, _partition, _offset)", rows...)
	w.confirm()
}

// confirm says that all there is is confirmed, and that identities are worked out of it.
func (w *world) confirm() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leader.confirmed = nil
	var rows [][]any
	for s, n := range w.next {
		if s.log == quarantineLog {
			continue
		}
		w.leader.confirmed = append(w.leader.confirmed, people.Confirmed{Log: s.log, Partition: s.partition, Offset: n})
		rows = append(rows, []any{s.log, s.partition, n, uint64(time.Now().UnixNano())})
	}
	if w.job {
		return
	}
	w.insert("people_progress (_log, _partition, next, version)", rows...)
}

// refuse inserts rows of table quarantine.
func (w *world) refuse(of uint32, payloads ...string) {
	w.t.Helper()
	var rows [][]any
	for _, p := range payloads {
		s := source{quarantineLog, 0}
		rows = append(rows, []any{time.Now().UTC(), of, "ingest", "invalid_type", p, uint16(quarantineLog), uint16(0), w.next[s]})
		w.next[s]++
	}
	w.insert("quarantine (at, project_id, stage, reason, payload, _log, _partition, _offset)", rows...)
}

func (w *world) once() {
	w.t.Helper()
	if err := w.task.once(w.t.Context(), w.leader, w.memory); err != nil {
		w.t.Fatal(err)
	}
}

// request erases a person of the tests' project.
func (w *world) request(user string, onlyThis bool) Erasure {
	w.t.Helper()
	e, err := w.store.Request(w.t.Context(), project, user, onlyThis)
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

func (w *world) proof(e Erasure) Proof {
	w.t.Helper()
	p, err := w.store.Proof(w.t.Context(), project, e.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// number asks for one.
func (w *world) number(sql string, args ...any) (n uint64) {
	w.t.Helper()
	if err := w.db.Conn().QueryRow(w.t.Context(), fmt.Sprintf(sql, args...)).Scan(&n); err != nil {
		w.t.Fatalf("%s: %v", fmt.Sprintf(sql, args...), err)
	}
	return n
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if err := w.db.Conn().Exec(w.t.Context(), fmt.Sprintf(sql, args...)); err != nil {
		w.t.Fatalf("%s: %v", fmt.Sprintf(sql, args...), err)
	}
}

// kept are the tables that tell of an erasure itself.
var kept = map[string]bool{"erasures": true}

// bearers lists the tables of the database that hold one of the hashes in a column of numbers, a tuple of them included, or one of the ids in a text.
func (w *world) bearers(ids ...string) (found []string) {
	w.t.Helper()
	hashes := make([]uint64, len(ids))
	for i, id := range ids {
		hashes[i] = hashID(id)
	}
	rows, err := w.db.Conn().Query(w.t.Context(), "SELECT c.table, c.name, c.type FROM system.columns AS c INNER JOIN system.tables AS t ON t.database = c.database AND t.name = c.table WHERE c.database = 'millrace' AND t.engine LIKE '%MergeTree' AND c.default_kind != 'ALIAS'")
	if err != nil {
		w.t.Fatal(err)
	}
	type column struct{ table, name, typ string }
	var all []column
	for rows.Next() {
		var c column
		if err := rows.Scan(&c.table, &c.name, &c.typ); err != nil {
			w.t.Fatal(err)
		}
		all = append(all, c)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		w.t.Fatal(err)
	}
	conditions := map[string][]string{}
	for _, c := range all {
		if kept[c.table] {
			continue
		}
		if c.typ == "UInt64" {
			conditions[c.table] = append(conditions[c.table], fmt.Sprintf("`%s` IN %s", c.name, list64(hashes)))
		}
		if strings.Contains(c.typ, "UInt64") && strings.Contains(c.typ, "Tuple") {
			for _, h := range hashes {
				conditions[c.table] = append(conditions[c.table], fmt.Sprintf("position(toString(`%s`), '%d') > 0", c.name, h))
			}
		}
		if strings.Contains(c.typ, "String") {
			for _, id := range ids {
				// As a hash: the text must not get into ClickHouse by way of the question.
				conditions[c.table] = append(conditions[c.table], fmt.Sprintf("arrayExists(i -> cityHash64(substring(toString(`%s`), i, %d)) = %d, range(1, length(toString(`%[1]s`)) + 1))", c.name, len(id), hashID(id)))
			}
		}
	}
	for _, target := range targets {
		if len(conditions[target.table]) == 0 {
			w.t.Fatalf("table %s has no column to look at", target.table)
		}
	}
	for table, where := range conditions {
		if n := w.number("SELECT count() FROM millrace.`%s` WHERE %s", table, strings.Join(where, " OR ")); n > 0 {
			found = append(found, fmt.Sprintf("%s %d", table, n))
		}
	}
	return found
}

func list64(all []uint64) string { return strings.NewReplacer("[", "(", "]", ")").Replace(list(all)) }

// checksums are of every row that is not of the ids, by table: what must not change.
func (w *world) checksums(conditions map[string]string) map[string]string {
	w.t.Helper()
	all := map[string]string{}
	for table, where := range conditions {
		var sum string
		if err := w.db.Conn().QueryRow(w.t.Context(), fmt.Sprintf("SELECT toString((count(), sum(cityHash64(*)))) FROM millrace.%s WHERE %s", table, where)).Scan(&sum); err != nil {
			w.t.Fatalf("%s: %v", table, err)
		}
		all[table] = sum
	}
	return all
}

// files lists the files below the engine's directory that hold one of the texts.
func (w *world) files(texts ...string) (found []string) {
	w.t.Helper()
	n := 0
	err := filepath.WalkDir(w.engine.Dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a part that was merged away meanwhile
		}
		n++
		for _, text := range texts {
			if bytes.Contains(content, []byte(text)) {
				found = append(found, path+" holds "+text)
			}
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if n < 50 {
		w.t.Fatalf("only %d files in %s", n, w.engine.Dir)
	}
	return found
}

// until polls a condition of the server. The ticker only spaces the questions.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			w.t.Fatalf("waited %v until %s", patience, what)
		}
	}
}

// failingAudit is a queue that cannot be written to.
func failingAudit(err error) func(context.Context, *clickhouse.DB, []int64) error {
	return func(context.Context, *clickhouse.DB, []int64) error { return err }
}
