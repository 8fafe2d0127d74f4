package segment

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/go-faster/city"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/schema/clickhouse/question"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is for a machine that does much else.
const patience = 3 * time.Minute

// world is an engine with the tables, and a door that stores what is sent to it.
type world struct {
	t       *testing.T
	ctx     context.Context
	db      *clickhouse.DB
	store   *Store
	door    *door
	cfg     Config
	clock   atomic.Int64 // Unix milliseconds
	epoch   uint64
	offsets uint64
}

// tests that one engine serves, one after the other.
var tests = map[string]func(w *world){
	"members follow events":         testMembersFollowEvents,
	"identities change silently":    testIdentitiesChangeMembersSilently,
	"who has no id":                 testWhoHasNoID,
	"segments of segments":          testSegmentsOfSegments,
	"crash after each step":         testCrashAfterEachStep,
	"broken off again and again":    testBrokenOffAgainAndAgain,
	"stale leader":                  testStaleLeaderDoesNotSwitch,
	"run":                           testRun,
	"new leader waits":              testNewLeaderWaitsForWhatWasSent,
	"switch is atomic":              testSwitchIsAtomic,
	"memory is bounded":             testMemoryIsBounded,
	"time is bounded":               testTimeIsBounded,
	"many changes go in slices":     testManyChangesGoInSlices,
	"declared together":             testDeclaredTogether,
	"dropped":                       testDropped,
	"members by page":               testMembersByPage,
	"definitions that do not build": testDefinitionsThatDoNotBuild,
}

func TestSegments(t *testing.T) {
	db := openTables(t)
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		t.Run(name, func(t *testing.T) { tests[name](newWorld(t, db)) })
	}
}

// openTables starts an engine with the tables.
func openTables(t *testing.T) *clickhouse.DB {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	engine := enginetest.ClickHouse(t)
	cfg := clickhouse.DefaultConfig()
	cfg.Addresses, cfg.Database = []string{engine.TCP}, "seg"
	db, err := clickhouse.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := clickhouse.Up(ctx, db, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	return db
}

// newWorld empties the tables.
func newWorld(t *testing.T, db *clickhouse.DB) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	w := &world{t: t, ctx: ctx, db: db, store: NewStore(db.Source()), cfg: DefaultConfig()}
	for _, table := range []string{"events", "identity_edges", "identity_overrides", "profiles", "segments", "segment_builds", "segment_members", "segment_changes"} {
		w.exec("TRUNCATE TABLE {db}." + table)
	}
	w.exec("SYSTEM RELOAD DICTIONARY {db}.identity")
	w.cfg.RetryInterval, w.cfg.MaxRetryInterval, w.cfg.PollInterval, w.cfg.ResumeWait = time.Millisecond, 20*time.Millisecond, 10*time.Millisecond, 0
	w.clock.Store(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC).UnixMilli())
	w.store.now = w.now
	w.door = newDoor(w)
	return w
}

func (w *world) now() time.Time { return time.UnixMilli(w.clock.Load()).UTC() }

func (w *world) pass(d time.Duration) { w.clock.Add(d.Milliseconds()) }

func (w *world) exec(statement string) {
	w.t.Helper()
	if err := w.db.Conn().Exec(w.ctx, strings.ReplaceAll(statement, "{db}", "seg")); err != nil {
		w.t.Fatalf("%s: %v", statement, err)
	}
}

func (w *world) strings(statement string) (all []string) {
	w.t.Helper()
	rows, err := w.db.Conn().Query(w.ctx, strings.ReplaceAll(statement, "{db}", "seg"))
	if err != nil {
		w.t.Fatalf("%s: %v", statement, err)
	}
	defer rows.Close() //nolint:errcheck // read only
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			w.t.Fatal(err)
		}
		all = append(all, one)
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return all
}

// did stores an event of each user, a minute before now.
func (w *world) did(project uint32, event string, users ...string) {
	w.t.Helper()
	var rows []string
	for _, user := range users {
		w.offsets++
		rows = append(rows, fmt.Sprintf("(%d, 'track', '%s', fromUnixTimestamp64Milli(%d, 'UTC'), generateUUIDv4(), '%s', %d, %d)", project, event, w.now().Add(-time.Minute).UnixMilli(), user, hash(user), w.offsets))
	}
	w.exec("INSERT INTO {db}.events (project_id, type, event, ts, event_id, distinct_id, user_h, _offset) VALUES " + strings.Join(rows, ", "))
}

func hash(id string) uint64 { return city.CH64([]byte(id)) }

// is says that ids are one person, whose id is the first of them, from now on.
func (w *world) is(project uint32, person string, others ...string) {
	w.t.Helper()
	for _, other := range others {
		w.offsets++
		w.exec(fmt.Sprintf("INSERT INTO {db}.identity_overrides VALUES (%d, %d, %d, %d)", project, hash(other), hash(person), w.offsets))
	}
	w.exec("SYSTEM RELOAD DICTIONARY {db}.identity")
}

func (w *world) declare(project uint32, definitions ...string) {
	w.t.Helper()
	all, err := Parse([]byte("[" + strings.Join(definitions, ",") + "]"))
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.store.Declare(w.ctx, project, all); err != nil {
		w.t.Fatal(err)
	}
}

const buyers = `{"name":"buyers","every":"15m","where":{"did":{"event":"buy","within":"1h"}}}`

// testLeader is a leadership that nobody contests unless fenced is set.
type testLeader struct {
	db     *clickhouse.DB
	epoch  uint64
	n      atomic.Uint64
	fenced atomic.Bool
}

var errFenced = errors.New("another process leads")

func (l *testLeader) DB() *clickhouse.DB { return l.db }
func (l *testLeader) Version() uint64    { return l.epoch<<32 + l.n.Add(1) }
func (l *testLeader) Still(context.Context) error {
	if l.fenced.Load() {
		return errFenced
	}
	return nil
}

// leader is the next leadership.
func (w *world) leader() *testLeader {
	w.epoch++
	return &testLeader{db: w.db, epoch: w.epoch}
}

func (w *world) builder() *Builder {
	w.t.Helper()
	b, err := New(w.cfg, Deps{Send: w.door.send, Logger: slog.New(slog.NewTextHandler(testWriter{w.t}, &slog.HandlerOptions{Level: slog.LevelWarn})), Metrics: metrics.NewSet(), Now: w.now})
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(string(bytes.TrimSpace(p)))
	return len(p), nil
}

// turn is a new leader who builds what is due now and announces it.
func (w *world) turn(b *Builder) error {
	x := b.newWork(w.leader())
	if err := x.takeOver(w.ctx); err != nil {
		return err
	}
	if err := x.round(w.ctx); err != nil {
		return err
	}
	for _, one := range x.announcer.take() {
		if err := x.announcer.announce(w.ctx, one); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) mustTurn() {
	w.t.Helper()
	if err := w.turn(w.builder()); err != nil {
		w.t.Fatal(err)
	}
}

// mustHave demands who is in a segment, as ids, by the view.
func (w *world) mustHave(project uint32, segment string, want ...string) {
	w.t.Helper()
	byHash := map[string]string{}
	for _, id := range want {
		byHash[fmt.Sprint(hash(id))] = id
	}
	var got []string
	for _, h := range w.strings(fmt.Sprintf("SELECT toString(person_h) FROM {db}.segment_members_q WHERE project_id = %d AND segment = '%s'", project, segment)) {
		if id, ok := byHash[h]; ok {
			h = id
		}
		got = append(got, h)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		w.t.Errorf("members of %s: %q, want %q", segment, got, want)
	}
}

func (w *world) last(project uint32, segment string) Build {
	w.t.Helper()
	info, err := w.store.Get(w.ctx, project, segment)
	if err != nil || info.Last == nil {
		w.t.Fatal(info, err)
	}
	return *info.Last
}

// door is /v1/events: it stores what it takes.
type door struct {
	w      *world
	server *httptest.Server
	// fault says what happens to a request: whether its events are taken, and the status, 0: the connection breaks off.
	fault func(request int) (taken bool, status int)
	// lag keeps events out of the table.
	lag bool

	mu       sync.Mutex
	requests int
	got      map[string]event // by id
	times    map[string]int   // that an id was taken
}

func newDoor(w *world) *door {
	d := &door{w: w, got: map[string]event{}, times: map[string]int{}}
	d.server = httptest.NewServer(http.HandlerFunc(d.serve))
	w.t.Cleanup(d.server.Close)
	return d
}

func (d *door) send(ctx context.Context, project uint32, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("%s/v1/events?project=%d", d.server.URL, project), bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := d.server.Client().Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // read only
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}

func (d *door) serve(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.requests++
	taken, status := true, http.StatusOK
	if d.fault != nil {
		taken, status = d.fault(d.requests)
	}
	if taken {
		var batch struct{ Events []event }
		if err := json.NewDecoder(r.Body).Decode(&batch); err != nil {
			d.w.t.Error(err)
		}
		for _, e := range batch.Events {
			d.got[e.ID] = e
			d.times[e.ID]++
			if e.Type != "track" || e.Hops != 1 || e.DistinctID == "" || e.CausationID != e.Properties.Build {
				d.w.t.Errorf("%+v", e)
			}
			if d.lag {
				continue
			}
			statement := fmt.Sprintf("INSERT INTO seg.events (project_id, type, event, ts, event_id, distinct_id, user_h, causation_id, hops) VALUES (%s, 'track', '%s', parseDateTime64BestEffort('%s', 3, 'UTC'), '%s', '%s', %d, '%s', 1)",
				r.URL.Query().Get("project"), e.Event, e.TS, e.ID, e.DistinctID, hash(e.DistinctID), e.CausationID)
			if err := d.w.db.Conn().Exec(d.w.ctx, statement); err != nil {
				d.w.t.Error(err)
			}
		}
	}
	if status == 0 {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(status)
}

// told are the changes that were told of since the last call, as "+buyers anna" and "-buyers bert", sorted.
func (d *door) told() (all []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, e := range maps.All(d.got) {
		sign := map[string]string{question.EventSegmentEntered: "+", question.EventSegmentLeft: "-"}[e.Event]
		all = append(all, sign+e.Properties.Segment+" "+e.DistinctID)
		delete(d.got, id)
	}
	slices.Sort(all)
	return all
}

func (w *world) mustTell(want ...string) {
	w.t.Helper()
	slices.Sort(want)
	if got := w.door.told(); !slices.Equal(got, want) {
		w.t.Errorf("told %q, want %q", got, want)
	}
}

// onceOnly demands that no event was taken twice.
func (w *world) onceOnly() {
	w.t.Helper()
	w.door.mu.Lock()
	defer w.door.mu.Unlock()
	for id, n := range w.door.times {
		if n != 1 {
			w.t.Errorf("event %s was taken %d times", id, n)
		}
	}
}
