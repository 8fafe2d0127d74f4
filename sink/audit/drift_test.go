package audit

import (
	"testing"
	"time"

	"github.com/millrace/millrace/internal/enginetest"
)

func TestWhatIsEqualIsFine(t *testing.T) {
	l := newLab(t, enginetest.ClickHouse(t), 2)
	for i := range 4 {
		l.load(i%2, 5000, today().AddDate(0, 0, -i), 10*time.Second)
	}
	l.mustBeExact()
	a := l.auditor()
	steps, last := 0, 0
	report := l.reconcile(a, ReconcileOptions{Repair: true, Progress: func(done, total int) {
		if steps++; done != steps || done > total {
			t.Errorf("progress %d of %d at step %d", done, total, steps)
		}
		last = total
	}})
	if !report.Exact() || steps == 0 || steps != last {
		t.Errorf("after %d of %d steps:\n%v", steps, last, report)
	}
	for _, r := range report.Rollups {
		if r.Buckets < 4 || r.Drifted+r.Repaired+r.Unjudged != 0 || r.DriftRows != 0 {
			t.Errorf("%+v", r)
		}
	}
	if l.metric("millrace_rollup_repairs_total") != 0 || l.metric("millrace_rollup_buckets_checked_total") == 0 {
		t.Error("repairs were counted, or checks were not")
	}
}

// drifts is everything that can be wrong with a rollup, made by hand.
var drifts = []struct {
	table, name, statement string
	rows                   uint64 // of drift; 0: not stated
}{
	{"rollup_1m", "keys are missing", "ALTER TABLE {db}.rollup_1m DELETE WHERE event = 'Buy' AND project_id = 1", 0},
	{"rollup_1m", "everything is doubled", "INSERT INTO {db}.rollup_1m SELECT * FROM {db}.rollup_1m", 6000},
	{"rollup_1m", "too many", "INSERT INTO {db}.rollup_1m (project_id, event, minute, n) SELECT project_id, event, minute, 5 FROM {db}.rollup_1m GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT 1", 5},
	{"rollup_1m", "too few", "INSERT INTO {db}.rollup_1m (project_id, event, minute, n) SELECT project_id, event, minute, -1 FROM {db}.rollup_1m GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT 3", 3},
	{"rollup_1m", "a key that events does not have", "INSERT INTO {db}.rollup_1m (project_id, event, minute, n, revenue, users) SELECT 9, 'Never', minute, 7, 1, uniqCombined64State(12)(toUInt64(1)) FROM {db}.rollup_1m GROUP BY minute ORDER BY minute LIMIT 1", 7},
	{"rollup_1m", "revenue alone", "INSERT INTO {db}.rollup_1m (project_id, event, minute, revenue) SELECT project_id, event, minute, -0.0001 FROM {db}.rollup_1m GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT 1", 1},
	{"rollup_1m", "users that events does not have", "INSERT INTO {db}.rollup_1m (project_id, event, minute, users) SELECT project_id, event, minute, uniqCombined64State(12)(toUInt64(123456789)) FROM {db}.rollup_1m GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT 2", 2},
	{"rollup_1m", "users are missing", "ALTER TABLE {db}.rollup_1m UPDATE users = initializeAggregation('uniqCombined64State(12)', toUInt64(1)) WHERE project_id = 1", 0},
	{"rollup_1h", "everything is gone", "TRUNCATE TABLE {db}.rollup_1h", 6000},
	{"rollup_1h", "everything is doubled", "INSERT INTO {db}.rollup_1h SELECT * FROM {db}.rollup_1h", 6000},
	{"rollup_1h", "a row in the wrong country", "INSERT INTO {db}.rollup_1h SELECT project_id, event, hour, arrayJoin(['FR', 'XX']) AS c, device, if(c = 'FR', -3, 3), if(c = 'FR', -1, 1), users FROM (SELECT * FROM {db}.rollup_1h WHERE country = 'FR' LIMIT 1)", 6},
	{"user_day", "a day is missing", "ALTER TABLE {db}.user_day DELETE WHERE user_h % 3 = 0", 0},
	{"user_day", "too many", "INSERT INTO {db}.user_day SELECT * FROM {db}.user_day LIMIT 10", 0},
	{"user_day", "first is too early", "INSERT INTO {db}.user_day SELECT project_id, day, user_h, 0, first_ts - INTERVAL 1 MINUTE, last_ts FROM {db}.user_day LIMIT 1", 1},
	{"user_day", "last is too late", "INSERT INTO {db}.user_day SELECT project_id, day, user_h, 0, first_ts, last_ts + INTERVAL 1 MINUTE FROM {db}.user_day LIMIT 1", 1},
	{"user_day", "first is too late, last too early", "ALTER TABLE {db}.user_day UPDATE first_ts = first_ts + INTERVAL 1 MILLISECOND, last_ts = last_ts - INTERVAL 1 MILLISECOND WHERE user_h = 17", 0},
	{"user_day", "a user that events does not have", "INSERT INTO {db}.user_day SELECT project_id, day, 987654321, 2, first_ts, last_ts FROM {db}.user_day LIMIT 1", 2},
	{"sessions", "sessions are missing", "ALTER TABLE {db}.sessions DELETE WHERE cityHash64(session_id) % 2 = 0", 0},
	{"sessions", "everything is doubled", "INSERT INTO {db}.sessions SELECT * FROM {db}.sessions", 0},
	{"sessions", "page views alone", "INSERT INTO {db}.sessions SELECT project_id, day, session_id, first, last, 0, 1, 0 FROM {db}.sessions LIMIT 1", 1},
	{"sessions", "first is another", "INSERT INTO {db}.sessions SELECT project_id, day, session_id, (first.ts, first.user_h, '', first.referrer, first.utm_source), last, 0, 0, 0 FROM {db}.sessions LIMIT 1", 1},
	{"sessions", "last is another", "INSERT INTO {db}.sessions SELECT project_id, day, session_id, first, (last.ts, concat(last.path, 'x')), 0, 0, 0 FROM {db}.sessions LIMIT 1", 1},
	{"sessions", "first and last are missing", "ALTER TABLE {db}.sessions UPDATE first = (first.ts + INTERVAL 1 SECOND, first.user_h, 'x', 'x', 'x'), last = (last.ts - INTERVAL 1 SECOND, '') WHERE project_id = 2", 0},
}

func TestEveryDriftIsFoundAndRepairedExactly(t *testing.T) {
	engine := enginetest.ClickHouse(t)
	l := newLab(t, engine, 1)
	l.load(0, 2000, today(), 5*time.Second)
	l.load(0, 2000, today().AddDate(0, -1, 0), 5*time.Second)
	l.load(0, 2000, today().Add(time.Hour), 5*time.Second)
	a := l.auditor()
	l.mustBeExact()
	for _, d := range drifts {
		t.Run(d.table+"/"+d.name, func(t *testing.T) {
			l.t = t
			repairs := l.metric("millrace_rollup_repairs_total")
			l.exec(d.statement)
			if l.wrong(d.table) == 0 {
				t.Fatal("the drift did not bite")
			}
			report := l.reconcile(a, ReconcileOptions{})
			if report.Exact() || l.drift(d.table) == 0 || l.wrong(d.table) == 0 {
				t.Errorf("only looking: gauge %v, %d wrong keys\n%v", l.drift(d.table), l.wrong(d.table), report)
			}
			report = l.reconcile(a, ReconcileOptions{Repair: true, Wait: true})
			for _, r := range report.Rollups {
				if want := r.Table == d.table; want != (r.Drifted > 0) || r.Repaired != r.Drifted || r.Unjudged != 0 || want && d.rows > 0 && r.DriftRows != d.rows {
					t.Errorf("%+v, want %d rows", r, d.rows)
				}
			}
			if !report.Exact() || l.drift(d.table) != 0 || l.metric("millrace_rollup_repairs_total") == repairs {
				t.Errorf("gauge %v\n%v", l.drift(d.table), report)
			}
			l.mustBeExact()
			if report := l.reconcile(a, ReconcileOptions{Repair: true}); !report.Exact() || report.Rollups[0].Drifted+report.Rollups[1].Drifted+report.Rollups[2].Drifted+report.Rollups[3].Drifted != 0 {
				t.Errorf("a second time:\n%v", report)
			}
		})
	}
}

func TestViewsThatWereDetached(t *testing.T) {
	l := newLab(t, enginetest.ClickHouse(t), 1)
	l.load(0, 2000, today(), 10*time.Second)
	for table := range truths {
		l.exec("DETACH TABLE {db}." + table + "_mv")
	}
	l.load(0, 10_000, today().Add(5*time.Hour), 2*time.Second)
	l.load(0, 2000, today().AddDate(0, 0, -5), 10*time.Second)
	for table := range truths {
		l.exec("ATTACH TABLE {db}." + table + "_mv")
	}
	l.load(0, 2000, today().Add(6*time.Hour), 10*time.Second)
	report := l.reconcile(l.auditor(), ReconcileOptions{Repair: true, Wait: true})
	if !report.Exact() {
		t.Error(report)
	}
	for _, r := range report.Rollups {
		if r.Drifted == 0 || r.Table != "sessions" && r.DriftRows != 12_000 {
			t.Errorf("%+v", r)
		}
	}
	l.mustBeExact()
}

func TestRowsThatAreGoneFromEvents(t *testing.T) {
	l := newLab(t, enginetest.ClickHouse(t), 1)
	l.load(0, 2000, today(), 4*time.Second)
	l.exec("ALTER TABLE {db}.events DELETE WHERE _offset % 2 = 0 OR user_h < 100")
	if report := l.reconcile(l.auditor(), ReconcileOptions{Repair: true, Wait: true}); !report.Exact() || report.Rollups[0].DriftRows < 1000 {
		t.Error(report)
	}
	l.mustBeExact()
	// The rows come back, into keys of which the count was taken to 0 and the rest was left.
	l.partitions[0] = Pending{Topic: "events"}
	l.exec("ALTER TABLE {db}.events DELETE WHERE 1")
	if report := l.reconcile(l.auditor(), ReconcileOptions{Repair: true, Wait: true}); !report.Exact() {
		t.Error(report)
	}
	l.mustBeExact()
	l.announce(0, 5000)
	l.confirm(0)
	l.load(0, 500, today(), 10*time.Second)
	if report := l.reconcile(l.auditor(), ReconcileOptions{Repair: true, Wait: true}); !report.Exact() {
		t.Error(report)
	}
	l.mustBeExact()
}

// A state of exactly 128 users counts differently after it was merged.
func TestUsersWhereTheSketchBegins(t *testing.T) {
	l := newLab(t, enginetest.ClickHouse(t), 1)
	at := today().Format(time.DateTime)
	for _, some := range []string{"h < 4611686018427387904", "1"} {
		l.exec("INSERT INTO {db}.events (project_id, event, ts, user_h) SELECT 1 + number % 50, 'e', toDateTime64('" + at + "', 3, 'UTC'), cityHash64(number) AS h FROM numbers(6400) WHERE " + some)
	}
	plain := l.number("(SELECT countIf(a != b) FROM (SELECT project_id, uniqCombined64(12)(user_h) AS a FROM {db}.events GROUP BY 1) AS x JOIN (SELECT project_id, uniqCombined64Merge(12)(users) AS b FROM {db}.rollup_1m GROUP BY 1) AS y USING project_id)")
	distinct := l.number("(SELECT countIf(u = 128) FROM (SELECT project_id, uniqExact(user_h) AS u FROM {db}.events GROUP BY 1))")
	if distinct != 50 {
		t.Fatalf("%d projects have 128 users, want 50", distinct)
	}
	if plain == 0 {
		t.Error("all sets of 128 users count the same: the test does not bite")
	}
	if report := l.reconcile(l.auditor(), ReconcileOptions{}); !report.Exact() {
		t.Error(report)
	}
	l.mustBeExact()
}

// Users are counted by sketches, which have several forms; what was merged in any order has to count the same.
func TestManyUsersCountTheSame(t *testing.T) {
	l := newLab(t, enginetest.ClickHouse(t), 1)
	for i := range 8 {
		l.exec("INSERT INTO {db}.events (project_id, event, ts, user_h) SELECT 1 + number % 5, 'many', toDateTime64('" + today().Format(time.DateTime) + "', 3, 'UTC') + number % 3, intHash64(number % toUInt64(exp10(1 + number % 5)) + " + string(rune('0'+i)) + "000) FROM numbers(40000)")
	}
	if report := l.reconcile(l.auditor(), ReconcileOptions{}); !report.Exact() {
		t.Error(report)
	}
	l.mustBeExact()
}
