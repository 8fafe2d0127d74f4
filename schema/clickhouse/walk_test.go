package clickhouse

import (
	"regexp"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/enginetest"
)

// Whatever a view fills must be exact when an insert is repeated, be it a view of ours or of the user, in whichever database and however far down.
func TestAssertWalksToEveryTarget(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "w1")
	const window = " SETTINGS non_replicated_deduplication_window = 20000"
	exec(t, db, "CREATE DATABASE mine")
	for _, c := range []struct {
		name    string
		damage  []string
		names   []string
		healthy []string // "" or what undoes the damage when the message has no statement
	}{
		{
			"window of a rollup",
			[]string{"ALTER TABLE {db}.sessions RESET SETTING non_replicated_deduplication_window"},
			[]string{"non_replicated_deduplication_window of table w1.sessions, which view w1.sessions_mv fills, is 0,"},
			nil,
		},
		{
			"window of a user's target",
			[]string{
				"CREATE TABLE mine.`my counts` (n UInt64) ENGINE = SummingMergeTree ORDER BY tuple() SETTINGS non_replicated_deduplication_window = 7",
				"CREATE MATERIALIZED VIEW mine.`a\\`view` TO mine.`my counts` AS SELECT count() AS n FROM {db}.events",
			},
			[]string{"table mine.`my counts`, which view mine.`a\\`view` fills, is 7, inserts need 20000"},
			nil,
		},
		{
			"a view's own table",
			[]string{"CREATE MATERIALIZED VIEW mine.own ENGINE = MergeTree ORDER BY n AS SELECT count() AS n FROM {db}.quarantine"},
			[]string{"table mine.`.inner_id.", "which view mine.own fills, is 0,"},
			nil,
		},
		{
			"a target's dependents",
			[]string{
				"CREATE TABLE mine.far (n Int64) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 19999",
				"CREATE MATERIALIZED VIEW mine.far_mv TO mine.far AS SELECT n FROM {db}.rollup_1h",
			},
			[]string{"table mine.far, which view mine.far_mv fills, is 19999,"},
			nil,
		},
		{
			"a view's dependents",
			[]string{
				"CREATE TABLE mine.behind (n Int64) ENGINE = MergeTree ORDER BY n",
				"CREATE MATERIALIZED VIEW mine.behind_mv TO mine.behind AS SELECT n FROM {db}.user_day_mv",
			},
			[]string{"table mine.behind, which view mine.behind_mv fills, is 0,"},
			nil,
		},
		{
			"behind a Null table",
			[]string{
				"CREATE TABLE mine.nothing (n UInt64) ENGINE = Null",
				"CREATE MATERIALIZED VIEW mine.nothing_mv TO mine.nothing AS SELECT count() AS n FROM {db}.events",
				"CREATE TABLE mine.beyond (n UInt64) ENGINE = MergeTree ORDER BY n",
				"CREATE MATERIALIZED VIEW mine.beyond_mv TO mine.beyond AS SELECT n FROM mine.nothing",
			},
			[]string{"table mine.beyond, which view mine.beyond_mv fills, is 0,"},
			nil,
		},
		{
			"many partitions",
			[]string{
				"CREATE TABLE mine.parted (event String, n UInt64) ENGINE = MergeTree PARTITION BY event ORDER BY n" + window,
				"CREATE MATERIALIZED VIEW mine.parted_mv TO mine.parted AS SELECT event, count() AS n FROM {db}.events GROUP BY event",
			},
			[]string{"table mine.parted, which view mine.parted_mv fills, is partitioned by \"event\"", "toYYYYMM(column)"},
			[]string{"DROP VIEW mine.parted_mv SYNC"},
		},
		{
			"partitions by day",
			[]string{
				"CREATE TABLE mine.days (day Date, n UInt64) ENGINE = MergeTree PARTITION BY (day, n) ORDER BY n" + window,
				"CREATE MATERIALIZED VIEW mine.days_mv TO mine.days AS SELECT toDate(ts) AS day, count() AS n FROM {db}.events GROUP BY day",
			},
			[]string{"table mine.days, which view mine.days_mv fills, is partitioned by \"(day, n)\""},
			[]string{"DROP VIEW mine.days_mv SYNC"},
		},
		{
			"an engine without tokens",
			[]string{
				"CREATE TABLE mine.memory (n UInt64) ENGINE = Memory",
				"CREATE MATERIALIZED VIEW mine.memory_mv TO mine.memory AS SELECT count() AS n FROM {db}.events",
			},
			[]string{"table mine.memory, which view mine.memory_mv fills, has engine Memory", "window of 20000"},
			[]string{"DROP VIEW mine.memory_mv SYNC"},
		},
		{
			"a target that is gone",
			[]string{
				"CREATE TABLE mine.gone (n UInt64) ENGINE = MergeTree ORDER BY n" + window,
				"CREATE MATERIALIZED VIEW mine.gone_mv TO mine.gone AS SELECT count() AS n FROM {db}.events",
				"DROP TABLE mine.gone SYNC",
			},
			[]string{"table mine.gone, which view mine.gone_mv fills, does not exist", "DROP VIEW mine.gone_mv"},
			[]string{"DROP VIEW mine.gone_mv SYNC"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, s := range c.damage {
				exec(t, db, s)
			}
			err := Assert(within(t), db)
			mustContain(t, err, c.names...)
			if n := strings.Count(err.Error(), "\n"); n != 0 {
				t.Errorf("%d more failures than damages:\n%v", n, err)
			}
			for _, s := range c.healthy {
				exec(t, db, s)
			}
			if len(c.healthy) == 0 {
				exec(t, db, regexp.MustCompile(`ALTER TABLE .*`).FindString(err.Error()))
			}
			if err := Assert(within(t), db); err != nil {
				t.Errorf("after the cure: %v", err)
			}
		})
	}
	// What is as it should be: every form of partitions, a view that a timer fills, an ordinary view.
	for _, s := range []string{
		"CREATE TABLE mine.month (day Date32, n UInt64) ENGINE = SummingMergeTree PARTITION BY toStartOfMonth(day) ORDER BY day" + window,
		"CREATE MATERIALIZED VIEW mine.month_mv TO mine.month AS SELECT toDate32(ts) AS day, count() AS n FROM {db}.events GROUP BY day",
		"CREATE TABLE mine.whole (n UInt64) ENGINE = MergeTree PARTITION BY tuple() ORDER BY n" + window,
		"CREATE MATERIALIZED VIEW mine.whole_mv TO mine.whole AS SELECT count() AS n FROM {db}.events",
		"CREATE TABLE mine.timed (n UInt64) ENGINE = Memory",
		"CREATE MATERIALIZED VIEW mine.timed_mv REFRESH EVERY 1 YEAR TO mine.timed AS SELECT count() AS n FROM {db}.events",
		"CREATE VIEW mine.ordinary AS SELECT * FROM {db}.events",
	} {
		exec(t, db, s)
	}
	if err := Assert(within(t), db); err != nil {
		t.Errorf("healthy views of the user: %v", err)
	}
}

func TestAssertPartitionsOfTheTables(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "w2")
	exec(t, db, "CREATE TABLE {db}.other AS {db}.events ENGINE = MergeTree PARTITION BY toYYYYMMDD(ts) ORDER BY (project_id, toDate(ts), event, user_h) SETTINGS non_replicated_deduplication_window = 20000")
	exec(t, db, "EXCHANGE TABLES {db}.events AND {db}.other")
	mustContain(t, Assert(within(t), db), `table w2.events is partitioned by "toYYYYMMDD(ts)", inserts are split by "toYYYYMM(ts)"`)
}

func TestAssertReportsEveryTargetAtOnce(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "w3")
	exec(t, db, "ALTER TABLE {db}.rollup_1m RESET SETTING non_replicated_deduplication_window")
	exec(t, db, "ALTER TABLE {db}.user_day MODIFY SETTING non_replicated_deduplication_window = 1")
	exec(t, db, "ALTER TABLE {db}.rollup_1h MODIFY COLUMN device String")
	exec(t, db, "DROP VIEW {db}.sessions_mv SYNC")
	exec(t, db, "DROP TABLE {db}.audit_queue SYNC")
	exec(t, db, "DROP DATABASE {db}_staging SYNC")
	mustContain(t, Assert(within(t), db), "w3.rollup_1m, which view w3.rollup_1m_mv fills, is 0", "w3.user_day, which view w3.user_day_mv fills, is 1", "view w3.sessions_mv is missing",
		"column device of w3.rollup_1h is String", "w3.audit_queue is gone", "database w3_staging is missing")
	exec(t, db, "DROP TABLE {db}.user_day SYNC")
	err := Assert(within(t), db)
	mustContain(t, err, "table w3.user_day is gone")
	if strings.Contains(err.Error(), "table w3.user_day, which view") {
		t.Errorf("one table is named twice:\n%v", err)
	}
}

func TestTargetOfAView(t *testing.T) {
	for create, want := range map[string]relationName{
		"CREATE MATERIALIZED VIEW a.b TO c.d (`n` UInt64) AS SELECT 1":                                              {"c", "d"},
		"CREATE MATERIALIZED VIEW a.b UUID '1' TO c.d (`n` UInt64) AS SELECT 1":                                     {"c", "d"},
		"CREATE MATERIALIZED VIEW a.b REFRESH EVERY 1 YEAR APPEND TO c.d (`n` UInt64) AS SELECT 1":                  {"c", "d"},
		"CREATE MATERIALIZED VIEW `a b`.`c\\`TO e.f (` TO `x.y`.`z\\\\` AS SELECT 1":                                {"x.y", `z\`},
		"CREATE MATERIALIZED VIEW a.b (`n` UInt64) ENGINE = MergeTree ORDER BY n AS SELECT 1 COMMENT ' TO c.d (x)'": {"a", ".inner_id.u"},
	} {
		r := relation{name: relationName{"a", "b"}, uuid: "u", create: create}
		if got := r.target(); got != want {
			t.Errorf("%s: %v, want %v", create, got, want)
		}
	}
	r := relation{name: relationName{"a", "b"}, uuid: "00000000-0000-0000-0000-000000000000", create: "CREATE MATERIALIZED VIEW a.b ENGINE = MergeTree"}
	if got, want := r.target().String(), "a.`.inner.b`"; got != want {
		t.Errorf("without an id: %s, want %s", got, want)
	}
	for _, name := range []string{"a", "a b", "`", `\`, "a`\\``b"} {
		if q := quoted(name); unquoted(q) != name {
			t.Errorf("%q became %q, and %q again", name, q, unquoted(q))
		}
	}
}
