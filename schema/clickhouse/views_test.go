package clickhouse

import (
	"regexp"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/enginetest"
)

func TestOwnViewsAreThoseOfTheMigrations(t *testing.T) {
	views, err := (&DB{database: "some_db"}).ownViews()
	if err != nil {
		t.Fatal(err)
	}
	all, err := migrations("some_db")
	if err != nil {
		t.Fatal(err)
	}
	made := 0
	for _, m := range all {
		for _, s := range m.Statements {
			made += strings.Count(s, "CREATE MATERIALIZED VIEW")
		}
	}
	if len(views) != made || made < 4 {
		t.Errorf("%d views are known, the migrations make %d", len(views), made)
	}
	for _, v := range views {
		if v.name.table != v.target.table+"_mv" || v.name.database != "some_db" || rollupColumns[v.target.table] == nil {
			t.Errorf("view %s fills %s", v.name, v.target)
		}
	}
}

// Each case breaks a view; the statement in the message must be the cure.
func TestAssertNamesTheCureOfAView(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "v1")
	for _, c := range []struct {
		name   string
		damage []string
		names  []string
		before string // what the message says must be done before its statement
	}{
		{"dropped", []string{"DROP VIEW {db}.rollup_1m_mv SYNC"}, []string{"view v1.rollup_1m_mv is missing, so events would not get into v1.rollup_1m", "millrace sink reconcile"}, ""},
		{"detached", []string{"DETACH TABLE {db}.user_day_mv PERMANENTLY"}, []string{"view v1.user_day_mv is missing", "ATTACH TABLE v1.user_day_mv"}, ""},
		{
			"changed",
			[]string{"ALTER TABLE {db}.sessions_mv MODIFY QUERY SELECT project_id, session_id, toInt64(count()) AS events FROM {db}.events GROUP BY project_id, session_id"},
			[]string{"view v1.sessions_mv has been changed", "toInt64(count()) AS events", "millrace sink reconcile"},
			"",
		},
		{
			"a little changed",
			[]string{"ALTER TABLE {db}.user_day_mv MODIFY QUERY SELECT project_id, toDate32(ts) AS day, user_h, toInt64(count()) AS n, min(ts) AS first_ts, max(client_ts) AS last_ts FROM {db}.events GROUP BY project_id, day, user_h"},
			[]string{"view v1.user_day_mv has been changed", "max(client_ts)"},
			"",
		},
		{
			"fills another table",
			[]string{
				"CREATE TABLE {db}.other AS {db}.user_day",
				"DROP VIEW {db}.user_day_mv SYNC",
				"CREATE MATERIALIZED VIEW {db}.user_day_mv TO {db}.other AS SELECT project_id, toDate32(ts) AS day, user_h, toInt64(count()) AS n, min(ts) AS first_ts, max(ts) AS last_ts FROM {db}.events GROUP BY project_id, day, user_h",
			},
			[]string{"view v1.user_day_mv does not fill v1.user_day", "DROP VIEW v1.user_day_mv SYNC"},
			"DROP VIEW {db}.user_day_mv SYNC",
		},
		{
			"is a table",
			[]string{"DROP VIEW {db}.rollup_1h_mv SYNC", "CREATE TABLE {db}.rollup_1h_mv (n UInt8) ENGINE = Memory"},
			[]string{"view v1.rollup_1h_mv does not fill v1.rollup_1h"},
			"DROP TABLE {db}.rollup_1h_mv SYNC",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, s := range c.damage {
				exec(t, db, s)
			}
			err := Assert(within(t), db)
			mustContain(t, err, c.names...)
			if c.before != "" {
				exec(t, db, c.before)
			}
			cure := regexp.MustCompile("(ALTER TABLE|ATTACH TABLE|CREATE MATERIALIZED VIEW IF NOT EXISTS) v1.*").FindString(err.Error())
			if cure == "" {
				t.Fatalf("no statement in: %v", err)
			}
			exec(t, db, cure)
			if err := Assert(within(t), db); err != nil {
				t.Errorf("after the cure %s: %v", cure, err)
			}
		})
	}
	// The cures leave views that work.
	exec(t, db, "INSERT INTO {db}.events (project_id, event, ts, lag_ms, session_id) VALUES (1, 'a', now64(3), 0, generateUUIDv7())")
	for table := range rollupColumns {
		if got := text(t, db, "SELECT toString(count()) FROM {db}."+table); got != "1" {
			t.Errorf("%s has %s rows after an event, want 1", table, got)
		}
	}
}
