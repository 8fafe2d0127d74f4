package audit

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/schema/clickhouse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// lab is a database with all tables and somebody who inserts like sinks do.
type lab struct {
	t   testing.TB
	db  *clickhouse.DB
	set *metrics.Set
	log *lockedBuffer

	mu         sync.Mutex
	partitions []Pending
}

// lockedBuffer is what was logged.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var databases struct {
	sync.Mutex
	n int
}

func newLab(t testing.TB, engine *enginetest.Engine, partitions int) *lab {
	t.Helper()
	databases.Lock()
	databases.n++
	name := fmt.Sprintf("lab%d", databases.n)
	databases.Unlock()
	cfg := clickhouse.DefaultConfig()
	cfg.Addresses, cfg.Database = []string{engine.TCP}, name
	db, err := clickhouse.Open(within(t), cfg)
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
	l := &lab{t: t, db: db, set: metrics.NewSet(), log: &lockedBuffer{}}
	for p := range partitions {
		l.partitions = append(l.partitions, Pending{Topic: "events", Partition: int32(p)})
	}
	return l
}

// auditor returns an Auditor without much patience.
func (l *lab) auditor() *Auditor {
	a := New(Config{Interval: 10 * time.Millisecond}, Deps{DB: l.db, Pending: l.pending, Logger: slog.New(slog.NewTextHandler(l.log, nil)), Metrics: l.set})
	a.poll, a.pause, a.rest, a.restLook = 5*time.Millisecond, 50*time.Millisecond, 0, 0
	return a
}

func (l *lab) pending(context.Context) ([]Pending, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.partitions), nil
}

func (l *lab) exec(statement string) {
	l.t.Helper()
	statement = strings.ReplaceAll(statement, "{db}", l.db.Database())
	if err := l.db.Do(within(l.t), call(nil, mutationSettings), func(ctx context.Context) error { return l.db.Conn().Exec(ctx, statement) }); err != nil {
		l.t.Fatalf("%s: %v", statement, err)
	}
}

func (l *lab) number(query string) (n uint64) {
	l.t.Helper()
	query = strings.ReplaceAll(query, "{db}", l.db.Database())
	if err := l.db.Conn().QueryRow(within(l.t), "SELECT toUInt64("+query+")").Scan(&n); err != nil {
		l.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// announce says that the next n offsets of a partition are about to be inserted.
func (l *lab) announce(partition, n int) (first int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &l.partitions[partition]
	p.Next = p.Offset + int64(n)
	return p.Offset
}

func (l *lab) confirm(partition int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partitions[partition].Offset = l.partitions[partition].Next
}

// send inserts n rows of a partition from an offset on, a step apart from start. Few users, events, countries and sessions, so that keys meet.
func (l *lab) send(ctx context.Context, partition int, first int64, n int, start time.Time, step time.Duration) error {
	const rows = `INSERT INTO %s.events (project_id, type, event, ts, event_id, session_id, user_h, url_path, country, device, revenue, _log, _partition, _offset)
SELECT 1 + i %% 2, 'track', ['$pageview', 'Buy', 'Größe'][1 + r %% 3], fromUnixTimestamp64Milli(at, 'UTC'), reinterpretAsUUID(toUInt128(r)),
	if(r %% 7 = 0, toUUID('00000000-0000-0000-0000-000000000000'), toUUID(concat(substring(x, 5, 8), '-', substring(x, 13, 4), '-7000-8000-', leftPad(toString(r %% 40), 12, '0')))),
	r %% 500, concat('/', toString(r %% 11)), ['DE', 'FR', ''][1 + r %% 3], ['desktop', 'phone'][1 + r %% 2], toDecimal64(r %% 1000 - 200, 4) / 3, 1, {partition:UInt16}, i
FROM (SELECT {first:Int64} + number AS i, {start:Int64} + {step:Int64} * number AS at, cityHash64(i, {partition:UInt16}) AS r,
	leftPad(hex(toUInt64(intDiv(at, 86400000) * 86400000 + (r %% 5) * 3600000)), 16, '0') AS x FROM numbers({n:UInt64}))`
	token := fmt.Sprintf("1-%d-%d-%d", partition, first, first+int64(n)-1)
	p := parameters{
		"partition": strconv.Itoa(partition), "first": strconv.FormatInt(first, 10), "n": strconv.Itoa(n),
		"start": strconv.FormatInt(start.UnixMilli(), 10), "step": strconv.FormatInt(step.Milliseconds(), 10),
	}
	return l.db.Do(ctx, call(p, clickhouse.InsertSettings(token)), func(ctx context.Context) error {
		return l.db.Conn().Exec(ctx, fmt.Sprintf(rows, l.db.Database()))
	})
}

// load announces, inserts and confirms.
func (l *lab) load(partition, n int, start time.Time, step time.Duration) {
	l.t.Helper()
	if err := l.send(within(l.t), partition, l.announce(partition, n), n, start, step); err != nil {
		l.t.Fatal(err)
	}
	l.confirm(partition)
}

// today is the middle of a day that is not long ago, so that tests do not depend on the hour that they run at.
func today() time.Time { return time.Now().UTC().Truncate(24 * time.Hour).Add(-36 * time.Hour) }

// truths are the rollups as they have to be and as they are, in words of their own.
var truths = map[string][2]string{
	"rollup_1m": {
		"SELECT project_id, toString(event), toStartOfMinute(ts) AS at, toInt64(count()), sum(revenue), arrayReduce('uniqCombined64Merge(12)', arrayMap(i -> uniqCombined64State(12)(user_h), [1, 2])) FROM {db}.events GROUP BY project_id, event, at",
		"SELECT project_id, toString(event), toDateTime(minute, 'UTC'), sum(n) AS c, sum(revenue), arrayReduce('uniqCombined64Merge(12)', arrayMap(i -> uniqCombined64MergeState(12)(users), [1, 2])) FROM {db}.rollup_1m GROUP BY project_id, event, minute HAVING c != 0",
	},
	"rollup_1h": {
		"SELECT project_id, toString(event), toStartOfHour(ts) AS at, toString(country), toString(device), toInt64(count()), sum(revenue), arrayReduce('uniqCombined64Merge(12)', arrayMap(i -> uniqCombined64State(12)(user_h), [1, 2])) FROM {db}.events GROUP BY project_id, event, at, country, device",
		"SELECT project_id, toString(event), toDateTime(hour, 'UTC'), toString(country), toString(device), sum(n) AS c, sum(revenue), arrayReduce('uniqCombined64Merge(12)', arrayMap(i -> uniqCombined64MergeState(12)(users), [1, 2])) FROM {db}.rollup_1h GROUP BY project_id, event, hour, country, device HAVING c != 0",
	},
	"user_day": {
		"SELECT project_id, toDate(ts) AS at, user_h, toInt64(count()), min(ts), max(ts) FROM {db}.events GROUP BY project_id, at, user_h",
		"SELECT project_id, toDate(day), user_h, sum(n) AS c, min(first_ts), max(last_ts) FROM {db}.user_day GROUP BY project_id, day, user_h HAVING c != 0",
	},
	"sessions": {
		"SELECT project_id, toDate(UUIDv7ToDateTime(session_id, 'UTC')) AS at, session_id, toInt64(count()), toInt64(countIf(event = '$pageview')), sum(revenue), toString(min((ts, user_h, toString(url_path), '', ''))), toString(max((ts, toString(url_path)))) FROM {db}.events WHERE session_id != toUUID('00000000-0000-0000-0000-000000000000') GROUP BY project_id, at, session_id",
		"SELECT project_id, toDate(day), session_id, sum(events) AS c, sum(pageviews), sum(revenue), toString(min(first)), toString(max(last)) FROM {db}.sessions GROUP BY project_id, day, session_id HAVING c != 0",
	},
}

// wrong counts the keys of a rollup that are not as they have to be.
func (l *lab) wrong(table string) uint64 {
	l.t.Helper()
	q := truths[table]
	return l.number("(SELECT count() FROM (" + q[0] + " EXCEPT " + q[1] + ")) + (SELECT count() FROM (" + q[1] + " EXCEPT " + q[0] + "))")
}

func (l *lab) mustBeExact() {
	l.t.Helper()
	for table := range truths {
		if n := l.wrong(table); n != 0 {
			l.t.Errorf("%s: %d keys are wrong", table, n)
		}
	}
}

func (l *lab) reconcile(a *Auditor, o ReconcileOptions) Report {
	l.t.Helper()
	report, err := a.Reconcile(within(l.t), o)
	if err != nil {
		l.t.Fatal(err)
	}
	return report
}

// metric reads a metric.
func (l *lab) metric(name string) float64 {
	l.t.Helper()
	var b bytes.Buffer
	l.set.WritePrometheus(&b)
	for line := range strings.Lines(b.String()) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				l.t.Fatal(err)
			}
			return v
		}
	}
	l.t.Fatalf("no metric %s in\n%s", name, b.String())
	return 0
}

func (l *lab) drift(table string) float64 {
	l.t.Helper()
	return l.metric(fmt.Sprintf("millrace_rollup_drift_rows{rollup=%q}", table))
}
