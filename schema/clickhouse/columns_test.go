package clickhouse

import (
	"reflect"
	"slices"
	"strconv"
	"testing"

	"github.com/millrace/millrace/internal/enginetest"
)

type serverColumn struct{ Name, Type, Kind, Comment string }

func serverColumns(t *testing.T, db *DB, table string) []serverColumn {
	t.Helper()
	rows, err := db.conn.Query(parameters(within(t), map[string]string{"database": db.database, "table": table}),
		"SELECT name, type, default_kind, comment FROM system.columns WHERE database = {database:String} AND table = {table:String} ORDER BY position")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close() //nolint:errcheck // Err has told
	var all []serverColumn
	for rows.Next() {
		var c serverColumn
		if err := rows.Scan(&c.Name, &c.Type, &c.Kind, &c.Comment); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// What the sink writes is what the tables have, in the same order, and every table and column says what it is.
func TestColumnsAreThoseOfTheServer(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "c1")
	notWritten := map[string][]string{"events": {"received_at"}, "quarantine": {"replayed_at"}}
	for _, table := range tables {
		have := serverColumns(t, db, table.name)
		var written []Column
		var others []string
		for i, c := range have {
			if i < len(table.columns) {
				written = append(written, Column{c.Name, c.Type})
			} else {
				others = append(others, c.Name)
			}
		}
		if !reflect.DeepEqual(written, table.columns) {
			t.Errorf("table %s has\n%v\nthe contract says\n%v", table.name, written, table.columns)
		}
		if !reflect.DeepEqual(others, notWritten[table.name]) {
			t.Errorf("table %s has further columns %v, want %v", table.name, others, notWritten[table.name])
		}
	}
	materialized := []string{"rollup_1m_mv", "rollup_1h_mv", "user_day_mv", "sessions_mv"}
	known := append([]string{
		"events", "quarantine", "logs", "schema_migrations", "rollup_1m", "rollup_1h", "user_day", "sessions", "sessions_q", "audit_queue", "metrics", "properties", "properties_q", "events_q", "user_day_q",
		"identity_edges", "identity_overrides", "identity", "profile_ops", "profiles", "groups", "people_progress", "segments", "segment_builds", "segment_members", "segment_changes", "erasures", "erasure_log", "erased_offsets", "erased_rows",
		"identities_q", "profiles_q", "groups_q", "segments_q", "segment_sizes_q", "segment_members_q",
	}, materialized...)
	// What columns a view with parameters has is not known without them.
	asked := []string{"trends", "uniques", "funnel", "funnel_by", "funnel_any", "retention", "paths", "stickiness", "lifecycle", "session_metrics", "timeline", "event_by_id"}
	for _, table := range append(slices.Clone(known), asked...) {
		if text(t, db, "SELECT comment FROM system.tables WHERE database = '{db}' AND name = '"+table+"'") == "" {
			t.Errorf("table %s has no comment", table)
		}
		columns := serverColumns(t, db, table)
		if len(columns) == 0 && !slices.Contains(asked, table) {
			t.Errorf("table %s does not exist", table)
		}
		for _, c := range columns {
			if c.Comment == "" && !slices.Contains(materialized, table) && table != "identity" { // what is read through such a view is its target; columns of a dictionary take none
				t.Errorf("column %s.%s has no comment", table, c.Name)
			}
		}
	}
	if got := text(t, db, "SELECT toString(count()) FROM system.tables WHERE database = '{db}'"); got != strconv.Itoa(len(known)+len(asked)) {
		t.Errorf("%s tables: one that this test does not know", got)
	}
}

// The same block under the same token is stored once, whichever table it goes to, also after the server was killed; another token stores it again.
func TestTokenStoresOnce(t *testing.T) {
	engine := enginetest.ClickHouse(t)
	db := migrated(t, engine, "c2")
	insert := func(table, column, token string) {
		t.Helper()
		batch, err := db.conn.PrepareBatch(with(within(t), InsertSettings(token)...), "INSERT INTO "+db.database+"."+table+" ("+column+")")
		if err != nil {
			t.Fatal(err)
		}
		if err := batch.Column(0).Append([]string{"a", "b"}); err != nil {
			t.Fatal(err)
		}
		if err := batch.Send(); err != nil {
			t.Fatal(err)
		}
	}
	count := func(table string) string { return text(t, db, "SELECT toString(count()) FROM {db}."+table) }
	// A default time would be 1970, which the quarantine's TTL drops at once.
	exec(t, db, "ALTER TABLE {db}.quarantine REMOVE TTL")
	for table, column := range map[string]string{"events": "distinct_id", "quarantine": "detail"} {
		insert(table, column, "t1")
		insert(table, column, "t1")
		if got := count(table); got != "2" {
			t.Errorf("%s: %s rows after a repeat, want 2", table, got)
		}
	}
	engine.Kill()
	engine.Start()
	for table, column := range map[string]string{"events": "distinct_id", "quarantine": "detail"} {
		insert(table, column, "t1")
		if got := count(table); got != "2" {
			t.Errorf("%s: %s rows after kill and repeat, want 2", table, got)
		}
		insert(table, column, "t2")
		if got := count(table); got != "4" {
			t.Errorf("%s: %s rows under another token, want 4", table, got)
		}
	}
}

// The row of the first steps in the README.
func TestReceivedAtAndShow(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "c3")
	exec(t, db, `INSERT INTO {db}.events (event, distinct_id, props, ts, lag_ms, user_h) SELECT 'Hello', 'u1', '{"n":1}', '2026-01-02 03:04:05.678', -1000, cityHash64('u1')`)
	if got := text(t, db, "SELECT concat(event, ' ', distinct_id, ' ', props, ' ', toString(received_at)) FROM {db}.events"); got != `Hello u1 {"n":1} 2026-01-02 03:04:04.678` {
		t.Errorf("got %s", got)
	}
}
