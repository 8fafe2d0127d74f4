package people

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/go-faster/city"
	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/schema/clickhouse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is for a machine that does much else.
const patience = 2 * time.Minute

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// await returns when the condition holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	awaitFor(t, patience, what, holds)
}

// awaitFor is await with a patience of its own.
func awaitFor(t testing.TB, patience time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("still not so after %v: %s", patience, what)
		}
	}
}

// engines are shared by the labs of one test.
type engines struct {
	tables *enginetest.Engine
	broker *enginetest.Engine
}

func start(t testing.TB) engines {
	t.Helper()
	return engines{tables: enginetest.ClickHouse(t), broker: enginetest.Broker(t, 1)}
}

var labs struct {
	sync.Mutex
	n int
}

// lab is a database, a topic of jobs, and events that are loaded and confirmed.
type lab struct {
	t      testing.TB
	client *broker.Client
	tables clickhouse.Config
	db     *clickhouse.DB
	cfg    Config
	told   journal

	jobs     []*running // all that were started
	reported sync.Once

	mu        sync.Mutex
	confirmed map[source]uint64
	events    []*said           // all that were inserted, in the order of their offsets
	next      map[source]uint64 // offsets
}

func newLab(t testing.TB, e engines) *lab {
	t.Helper()
	labs.Lock()
	labs.n++
	name := fmt.Sprintf("lab%d", labs.n)
	labs.Unlock()
	bc := broker.DefaultConfig()
	bc.Addresses = []string{e.broker.Broker}
	client, err := broker.New(bc)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if err := client.CreateTopic(within(t), broker.TopicSpec{Name: name, Partitions: 1, Replication: 1}); err != nil {
		t.Fatal(err)
	}
	tables := clickhouse.DefaultConfig()
	tables.Addresses, tables.Database = []string{e.tables.TCP}, name
	db, err := clickhouse.Open(within(t), tables)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := clickhouse.Up(within(t), db, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.Topic, cfg.Group = name, name
	cfg.SessionTimeout, cfg.HeartbeatInterval, cfg.RebalanceTimeout = 6*time.Second, 100*time.Millisecond, time.Second
	cfg.JoinBackoff, cfg.Interval, cfg.MaxIDs = 10*time.Millisecond, 10*time.Millisecond, 5
	cfg.RangeOffsets, cfg.ProfileChunk = 150, 40
	return &lab{t: t, client: client, tables: tables, db: db, cfg: cfg, told: journal{t: t}, confirmed: map[source]uint64{}, next: map[source]uint64{}}
}

// running is a job that runs.
type running struct {
	*Job
	set  *metrics.Set
	stop func() // returns when Run has
}

// run starts a job. change may be nil.
func (l *lab) run(change func(*Job)) *running {
	l.t.Helper()
	r := &running{set: metrics.NewSet()}
	log := slog.New(slog.NewTextHandler(&l.told, &slog.HandlerOptions{Level: slog.LevelDebug})).With("job", len(l.jobs))
	j, err := New(l.cfg, Deps{Broker: l.client, ClickHouse: l.tables, Confirmed: l.ask, Logger: log, Metrics: r.set})
	if err != nil {
		l.t.Fatal(err)
	}
	r.Job = j
	if change != nil {
		change(j)
	}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- j.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-over; err != nil {
			l.t.Error(err)
		}
	})
	l.jobs = append(l.jobs, r)
	l.t.Cleanup(func() {
		l.reported.Do(l.report) // before the first of them is stopped
		r.stop()
	})
	return r
}

// leadPatience is for a job that has no other beside it: the session of one that died, and a takeover.
const leadPatience = 30 * time.Second

// awaitEpoch returns the epoch of a job when it leads.
func (l *lab) awaitEpoch(r *running) (epoch uint64) {
	l.t.Helper()
	awaitFor(l.t, leadPatience, "the job leads", func() bool {
		if s := r.status.Load(); s != nil && s.leads {
			epoch = s.epoch
		}
		return epoch != 0
	})
	return epoch
}

// report says how things are when a test has failed.
func (l *lab) report() {
	if !l.t.Failed() {
		return
	}
	for i, r := range l.jobs {
		detail, err := r.Check(context.Background())
		l.t.Logf("job %d: %q, error %v", i, detail, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), leadPatience) // the broker may be what is wrong
	defer cancel()
	group, err := l.client.DescribeGroup(ctx, l.cfg.Group)
	l.t.Logf("group %s: %+v, error %v", l.cfg.Group, group, err)
	offsets, err := l.client.FetchOffsets(ctx, l.cfg.Group, l.cfg.Topic, []int32{0})
	l.t.Logf("its commit: %+v, error %v", offsets, err)
	l.t.Logf("what the jobs have logged last:\n%s", &l.told)
}

// journal holds the last lines that were logged. Safe for concurrent use.
type journal struct {
	t     testing.TB
	mu    sync.Mutex
	lines []string // guarded by mu
}

// journalLines are enough for some generations of a group.
const journalLines = 100

func (j *journal) Write(line []byte) (int, error) {
	if os.Getenv("MILLRACE_TEST_LOGS") != "" {
		j.t.Log(strings.TrimSpace(string(line)))
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.lines) == journalLines {
		j.lines = slices.Delete(j.lines, 0, 1)
	}
	j.lines = append(j.lines, string(line))
	return len(line), nil
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines, "")
}

// ask is what sinks would have committed.
func (l *lab) ask(context.Context) ([]Confirmed, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []Confirmed
	for s, offset := range l.confirmed {
		all = append(all, Confirmed{Log: s.log, Partition: s.partition, Offset: offset})
	}
	return all, nil
}

// load inserts events at the next offsets of their partitions, without a confirmation.
func (l *lab) load(events []*said) {
	l.t.Helper()
	ctx := within(l.t)
	b, err := l.db.Conn().PrepareBatch(ctx, "INSERT INTO "+l.db.Database()+".events (project_id, type, dialect, event, ts, event_id, distinct_id, user_id, anonymous_id, previous_id, group_id, user_h, traits, _log, _partition, _offset)")
	if err != nil {
		l.t.Fatal(err)
	}
	defer b.Close() //nolint:errcheck // Send has told
	for _, e := range events {
		s := source{e.log, e.partition}
		e.offset = l.next[s]
		l.next[s] += 1 + uint64(len(l.events)%3) // some records have no row
		if err := b.Append(e.project, e.typ, e.dialect, e.typ, time.UnixMilli(e.ts).UTC(), uuid.UUID(e.id), e.distinct, e.user, e.anonymous, e.previous, e.group,
			city.CH64([]byte(e.distinct)), e.traits(), e.log, e.partition, e.offset); err != nil {
			l.t.Fatal(err)
		}
		l.events = append(l.events, e)
	}
	if err := b.Send(); err != nil {
		l.t.Fatal(err)
	}
}

// confirm confirms all that is loaded.
func (l *lab) confirm() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s, next := range l.next {
		l.confirmed[s] = next
	}
}

// exec runs a statement; {db} is the database.
func (l *lab) exec(statement string) {
	l.t.Helper()
	if err := l.db.Conn().Exec(within(l.t), strings.ReplaceAll(statement, "{db}", l.db.Database())); err != nil {
		l.t.Fatalf("%s: %v", statement, err)
	}
}

// rows returns the answer as texts.
func (l *lab) rows(statement string) (all []string) {
	l.t.Helper()
	var row string
	err := l.db.Query(within(l.t), clickhouse.Call{ID: uuid.NewString()}, strings.ReplaceAll(statement, "{db}", l.db.Database()), func() { all = append(all, row) }, &row)
	if err != nil {
		l.t.Fatalf("%s: %v", statement, err)
	}
	return all
}

func (l *lab) number(statement string) uint64 {
	l.t.Helper()
	n, err := strconv.ParseUint(l.rows(statement)[0], 10, 64)
	if err != nil {
		l.t.Fatal(err)
	}
	return n
}

// caughtUp tells that the progress is that of everything confirmed.
func (l *lab) caughtUp() bool {
	l.t.Helper()
	done := map[string]bool{}
	for _, row := range l.rows("SELECT concat(toString(_log), ' ', toString(_partition), ' ', toString(argMax(next, version))) FROM {db}.people_progress GROUP BY _log, _partition") {
		done[row] = true
	}
	all, _ := l.ask(context.Background())
	for _, c := range all {
		if c.Offset > 0 && !done[fmt.Sprint(c.Log, " ", c.Partition, " ", c.Offset)] {
			return false
		}
	}
	return true
}

// mustBeRight compares the tables with what follows from all events.
func (l *lab) mustBeRight(when string) {
	l.t.Helper()
	if differences := l.differences(); len(differences) > 0 {
		l.t.Fatalf("%s:\n%s", when, strings.Join(differences[:min(len(differences), 20)], "\n"))
	}
}

// differences between the tables and what follows from all events.
func (l *lab) differences() []string {
	l.t.Helper()
	w := judge(l.events, l.cfg.MaxIDs)
	var all []string
	for _, c := range []struct {
		what, statement string
		want            []string
	}{
		{"override", "SELECT concat(toString(project_id), ' ', toString(user_h), ' ', toString(person_h)) FROM {db}.identity_overrides FINAL WHERE person_h != user_h", w.overrides()},
		{"profile", "SELECT concat(toString(project_id), ' ', toString(person_h), ' ', distinct_id, ' ', toString(ids), ' ', props) FROM {db}.profiles FINAL", w.profiles()},
		{"group", "SELECT concat(toString(project_id), ' ', toString(group_h), ' ', group_id, ' ', props) FROM {db}.groups FINAL", w.groups()},
	} {
		got := slices.Sorted(slices.Values(l.rows(c.statement)))
		slices.Sort(c.want)
		for _, row := range c.want {
			if _, ok := slices.BinarySearch(got, row); !ok {
				all = append(all, fmt.Sprintf("%s missing: %s", c.what, row))
			}
		}
		for _, row := range got {
			if _, ok := slices.BinarySearch(c.want, row); !ok {
				all = append(all, fmt.Sprintf("%s wrong:   %s", c.what, row))
			}
		}
	}
	return all
}

// seedsVariable names the environment variable that scales random tests.
const seedsVariable = "MILLRACE_TEST_SEEDS"

// seeds is how many projects have random events.
func seeds(t testing.TB, usual int) int {
	t.Helper()
	text, ok := os.LookupEnv(seedsVariable)
	if !ok {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 10_000 {
		t.Fatalf("environment variable %s is %q: it must be a number from 1 to 10000, or not be set, which means %d", seedsVariable, text, usual)
	}
	return n
}

// said is an event.
type said struct {
	project                                    uint32
	typ, dialect                               string
	distinct, user, anonymous, previous, group string
	ts                                         int64
	id                                         [16]byte
	log, partition                             uint16
	offset                                     uint64 // given when it is loaded
	plain                                      bool   // traits are the properties themselves
	does                                       []deed // in the order of operations
}

// deed is an operation on a property.
type deed struct{ op, name, value string }

var operators = []string{"$clear", "$set", "$set_once", "$add", "$append", "$concat", "$prepend", "$union", "$remove", "$unset"}

// traits writes the deeds as clients do.
func (e *said) traits() string {
	if len(e.does) == 0 {
		return ""
	}
	parts := map[string][]string{}
	for _, d := range e.does {
		parts[d.op] = append(parts[d.op], strconv.Quote(d.name)+": "+d.value)
	}
	if e.plain {
		return "{" + strings.Join(parts["$set"], ", ") + "}"
	}
	var members []string
	for op, some := range parts {
		if op == "$clear" {
			members = append(members, `"$clear": true`)
			continue
		}
		members = append(members, strconv.Quote(op)+":{"+strings.Join(some, ",")+"}")
	}
	return "{" + strings.Join(members, ",") + "}"
}

// random makes n events of a project: few ids, names and times, so that all collide.
func random(r *rand.Rand, project uint32, n int) []*said {
	ids := make([]string, 4+r.IntN(10))
	for i := range ids {
		ids[i] = fmt.Sprintf("p%d-id%d", project, i)
	}
	pick := func() string { return ids[r.IntN(len(ids))] }
	var all []*said
	for range n {
		e := &said{project: project, distinct: pick(), ts: 1_790_000_000_000 + r.Int64N(40), log: uint16(1 + r.IntN(10)/9), partition: uint16(r.IntN(3))}
		for i := range e.id {
			e.id[i] = byte(r.Uint32())
		}
		switch k := r.IntN(20); {
		case k < 6:
			e.typ, e.user = "identify", e.distinct
			if r.IntN(4) > 0 {
				e.anonymous = pick()
			}
			if r.IntN(5) == 0 {
				e.user = pick()
			}
			if r.IntN(6) == 0 {
				e.user, e.anonymous = "", e.distinct
			}
		case k < 8:
			e.typ, e.previous = "alias", pick()
		case k < 10:
			e.typ, e.previous = "merge", pick()
		case k < 12:
			e.typ, e.previous = "unmerge", pick()
		case k < 15:
			e.typ, e.group = "group", fmt.Sprint("g", r.IntN(3))
		case k < 17:
			// Said by every event in some dialects, by none in the others.
			e.typ, e.dialect, e.user, e.anonymous = "track", []string{"amplitude", "mixpanel", "segment", "posthog"}[r.IntN(4)], e.distinct, pick()
		default:
			e.typ = "track"
		}
		if r.IntN(2) == 0 {
			e.do(r)
		}
		all = append(all, e)
	}
	return all
}

// do gives an event traits.
func (e *said) do(r *rand.Rand) {
	value := func() string {
		return []string{`1`, `2`, `"x"`, `null`, `[1]`, `{"a":1}`, `true`, `[2, "x", 2]`, `[[1]]`}[r.IntN(9)]
	}
	if e.plain = r.IntN(3) == 0; e.plain {
		e.does = []deed{{"$set", "a", value()}}
		return
	}
	for _, op := range operators {
		if op == "$clear" {
			if r.IntN(15) == 0 {
				e.does = append(e.does, deed{op, "", "true"})
			}
			continue
		}
		for _, name := range []string{"a", "b", "c", "d"} {
			if r.IntN(7) > 0 {
				continue
			}
			d := deed{op, name, value()}
			switch op {
			case "$add":
				d.value = strconv.Itoa(r.IntN(9) - 3)
			case "$unset":
				d.value = "true"
			}
			e.does = append(e.does, d)
		}
	}
}
