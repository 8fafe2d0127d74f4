package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// run executes a statement in which {db} is the database.
func run(t testing.TB, s *Store, statement string) {
	t.Helper()
	ctx := clickhouse.Context(within(t), clickhouse.WithSettings(clickhouse.Settings{"mutations_sync": 2, "lightweight_deletes_sync": 2, "insert_deduplicate": 0, "max_partitions_per_insert_block": 0}))
	if err := s.conn().Exec(ctx, strings.ReplaceAll(statement, "{db}", s.db.Database())); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// some inserts n events in b blocks: 3 projects, 5 names, users and sessions as many as n/4, over 90 minutes of yesterday.
func some(t testing.TB, s *Store, n, b int) {
	t.Helper()
	for i := range b {
		run(t, s, fmt.Sprintf(`INSERT INTO {db}.events (project_id, event, country, device, url_path, referrer_host, utm_source, ts, session_id, user_h, revenue, lag_ms, _log, _partition, _offset)
			SELECT number %% 3, ['$pageview', 'Buy', 'a b', '', 'é'][1 + number %% 5], ['', 'DE'][1 + number %% 2], ['', 'phone', 'desktop'][1 + number %% 3], concat('/p', toString(number %% 11)),
				['', 'example.org'][1 + number %% 2], ['x', ''][1 + number %% 2],
				toDateTime64(toStartOfDay(now('UTC') - toIntervalDay(1)), 3, 'UTC') + toIntervalMillisecond(79200000 + number * 7919 %% 5400000),
				reinterpret(bitOr(bitShiftLeft(toUInt128(cityHash64('s', number %% %d)), 64), toUInt128(bitShiftLeft(toUInt64(toUnixTimestamp(toStartOfDay(now() - toIntervalDay(1 + number %% 2))) * 1000), 16) + 0x7000)), 'UUID'),
				cityHash64(number %% %d), toDecimal64(number %% 1000 - 300, 4), 5, 1, number %% 4, number
			FROM numbers(%d, %d)`, 1+n/4, 1+n/4, n/b*i, n/b))
	}
}

func drifts(t testing.TB, s *Store) map[string]RollupDrift {
	t.Helper()
	all, err := s.Rollups(within(t))
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]RollupDrift{}
	for _, d := range all {
		by[d.Table] = d
	}
	if len(all) != 4 || len(by) != 4 {
		t.Fatalf("rollups: %v", all)
	}
	return by
}

// With nothing wrong there is nothing to find, whichever times, numbers and blocks the rows came in. The number of users is beyond the exact range of
// its estimate, which must not depend on the order of merges.
func TestRollupsAreExact(t *testing.T) {
	s := openStore(t)
	for table, d := range drifts(t, s) {
		if d.Drifted() || d.Keys != 0 || d.Example != "" {
			t.Errorf("empty %s: %s", table, d)
		}
	}
	some(t, s, 60_000, 6)
	var estimated uint64
	if err := s.conn().QueryRow(within(t), "SELECT countIf(a != b) FROM (SELECT uniqCombined64(12)(user_h) AS a, uniqExact(user_h) AS b FROM "+s.db.Database()+".events GROUP BY project_id, event)").Scan(&estimated); err != nil || estimated == 0 {
		t.Fatalf("%d estimates differ from the truth, %v: too few users for this test", estimated, err)
	}
	// The ends of time, ids of all kinds, negative money, beyond what the views were made for.
	run(t, s, `INSERT INTO {db}.events (event, ts, lag_ms, session_id, user_h, revenue) SELECT 'end', ts, 0, id, 18446744073709551615, -99999999999999.9999 FROM
		(SELECT arrayJoin(['1900-01-01 00:00:00.000', '1900-01-01 00:00:59.999', '1969-12-31 23:59:59.999', '1970-01-01 00:00:00.000', '2106-02-07 06:28:16.000', '2149-06-07 00:00:00.000', '2299-12-31 23:59:59.999']::Array(DateTime64(3, 'UTC'))) AS ts) AS a,
		(SELECT arrayJoin(['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '6ba7b810-9dad-41d1-80b4-00c04fd430c8', '0978a65f-77ff-7000-8000-000000000002', 'e704b0ce-7c14-7f03-01a1-f6ef95b87000', '00000000-0000-7000-8000-000000000001']::Array(UUID)) AS id) AS b`)
	check := func(when string) {
		t.Helper()
		for table, d := range drifts(t, s) {
			if d.Drifted() || d.Keys == 0 || d.Rows != 0 || d.Example != "" {
				t.Errorf("%s: %s", when, d)
			}
			if table == "user_day" && d.Keys < 15_000 {
				t.Errorf("user_day: %d keys", d.Keys)
			}
		}
	}
	check("in parts")
	for _, table := range []string{"events", "rollup_1m", "rollup_1h", "user_day", "sessions"} {
		run(t, s, "OPTIMIZE TABLE {db}."+table+" FINAL")
	}
	check("merged")
	// A key that was taken back, and keys that were corrected to and fro.
	run(t, s, "INSERT INTO {db}.rollup_1h (event, hour, n, revenue) VALUES ('back', now(), 3, 1), ('back', now(), -3, -1)")
	run(t, s, "INSERT INTO {db}.user_day (project_id, day, user_h, n, first_ts, last_ts) SELECT project_id, day, user_h, delta, first_ts, last_ts FROM {db}.user_day ARRAY JOIN [5, -5] AS delta")
	check("with a key of nothing")
}

// Each kind of damage in each table is found, counted, and named with its key and columns; and no other table is accused.
func TestRollupsFindsDrift(t *testing.T) {
	s := openStore(t)
	some(t, s, 2_000, 2)
	for _, table := range []string{"rollup_1m", "rollup_1h", "user_day", "sessions"} {
		run(t, s, "OPTIMIZE TABLE {db}."+table+" FINAL")
		run(t, s, "CREATE TABLE {db}.good_"+table+" AS {db}."+table+" ENGINE = MergeTree ORDER BY tuple()")
		run(t, s, "INSERT INTO {db}.good_"+table+" SELECT * FROM {db}."+table)
	}
	one := func(table, columns string) string { // a row of the table, always the same
		return "(SELECT * FROM {db}.good_" + table + " ORDER BY " + columns + " LIMIT 1)"
	}
	const (
		minuteKey  = "project_id, event, minute"
		hourKey    = "project_id, event, hour, country, device"
		dayKey     = "project_id, day, user_h"
		sessionKey = "project_id, day, session_id"
	)
	for _, c := range []struct {
		name, table, damage         string
		missing, surplus, different uint64
		rows                        int64 // -1: as many as the damaged key has
		example                     []string
	}{
		{"row removed", "rollup_1m", "DELETE FROM {db}.rollup_1m WHERE (" + minuteKey + ") IN (SELECT " + minuteKey + " FROM " + one("rollup_1m", minuteKey) + ")", 1, 0, 0, -1, []string{`project_id 0 event "" minute 20`, ":00 missing, n "}},
		{"row removed", "rollup_1h", "DELETE FROM {db}.rollup_1h WHERE (" + hourKey + ") IN (SELECT " + hourKey + " FROM " + one("rollup_1h", hourKey) + ")", 1, 0, 0, -1, []string{`event "" hour 20`, `country "" device ""`, "missing, n "}},
		{"row removed", "user_day", "DELETE FROM {db}.user_day WHERE (" + dayKey + ") IN (SELECT " + dayKey + " FROM " + one("user_day", dayKey) + ")", 1, 0, 0, -1, []string{"project_id 0 day 20", "user_h ", "missing, n "}},
		{"row removed", "sessions", "DELETE FROM {db}.sessions WHERE (" + sessionKey + ") IN (SELECT " + sessionKey + " FROM " + one("sessions", sessionKey) + ")", 1, 0, 0, -1, []string{"session_id ", "missing, events "}},

		{"row doubled", "rollup_1m", "INSERT INTO {db}.rollup_1m SELECT * FROM " + one("rollup_1m", minuteKey), 0, 0, 1, -1, []string{"different: n \"", "revenue \""}},
		{"row doubled", "rollup_1h", "INSERT INTO {db}.rollup_1h SELECT * FROM " + one("rollup_1h", hourKey), 0, 0, 1, -1, []string{"different: n \"", "revenue \""}},
		{"row doubled", "user_day", "INSERT INTO {db}.user_day SELECT * FROM " + one("user_day", dayKey), 0, 0, 1, -1, []string{"different: n \"", "events say"}},
		{"row doubled", "sessions", "INSERT INTO {db}.sessions SELECT * FROM " + one("sessions", sessionKey), 0, 0, 1, -1, []string{"different: events \"", "revenue \""}},

		{"another key", "rollup_1m", "INSERT INTO {db}.rollup_1m SELECT * REPLACE ('ghost' AS event) FROM " + one("rollup_1m", minuteKey), 0, 1, 0, -1, []string{`event "ghost"`, "surplus, n "}},
		{"another key", "rollup_1h", "INSERT INTO {db}.rollup_1h SELECT * REPLACE ('ghost' AS device) FROM " + one("rollup_1h", hourKey), 0, 1, 0, -1, []string{`device "ghost"`, "surplus, n "}},
		{"another key", "user_day", "INSERT INTO {db}.user_day SELECT * REPLACE (day + 1 AS day) FROM " + one("user_day", dayKey), 0, 1, 0, -1, []string{"surplus, n "}},
		{"another key", "sessions", "INSERT INTO {db}.sessions SELECT * REPLACE (day + 1 AS day) FROM " + one("sessions", sessionKey), 0, 1, 0, -1, []string{"surplus, events "}},

		{"money", "rollup_1m", "INSERT INTO {db}.rollup_1m (" + minuteKey + ", revenue) SELECT " + minuteKey + ", 0.0001 FROM " + one("rollup_1m", minuteKey), 0, 0, 1, 0, []string{"different: revenue \""}},
		{"money", "rollup_1h", "INSERT INTO {db}.rollup_1h (" + hourKey + ", revenue) SELECT " + hourKey + ", 0.0001 FROM " + one("rollup_1h", hourKey), 0, 0, 1, 0, []string{"different: revenue \""}},
		{"money", "sessions", "INSERT INTO {db}.sessions SELECT * REPLACE (0 AS events, 0 AS pageviews, 0.0001 AS revenue) FROM " + one("sessions", sessionKey), 0, 0, 1, 0, []string{"different: revenue \""}},
		{"money without events", "rollup_1h", "INSERT INTO {db}.rollup_1h (event, hour, revenue) VALUES ('gift', now(), 1)", 0, 1, 0, 0, []string{`event "gift"`, "surplus, n 0"}},
		{"users", "rollup_1m", "INSERT INTO {db}.rollup_1m (" + minuteKey + ", users) SELECT " + minuteKey + ", uniqCombined64State(12)(toUInt64(number)) FROM " + one("rollup_1m", minuteKey) + " AS a, numbers(3) AS b GROUP BY " + minuteKey, 0, 0, 1, 0, []string{"different: users \""}},
		{"users", "rollup_1h", "INSERT INTO {db}.rollup_1h (" + hourKey + ", users) SELECT " + hourKey + ", uniqCombined64State(12)(toUInt64(1)) FROM " + one("rollup_1h", hourKey) + " GROUP BY " + hourKey, 0, 0, 1, 0, []string{"different: users \""}},
		{"first time", "user_day", "INSERT INTO {db}.user_day SELECT * REPLACE (0 AS n, first_ts - toIntervalMillisecond(1) AS first_ts) FROM " + one("user_day", dayKey), 0, 0, 1, 0, []string{"different: first_ts \""}},
		{"last time", "user_day", "INSERT INTO {db}.user_day SELECT * REPLACE (0 AS n, last_ts + toIntervalMillisecond(1) AS last_ts) FROM " + one("user_day", dayKey), 0, 0, 1, 0, []string{"different: last_ts \""}},
		{"page views", "sessions", "INSERT INTO {db}.sessions SELECT * REPLACE (0 AS events, 1 AS pageviews, 0 AS revenue) FROM " + one("sessions", sessionKey), 0, 0, 1, 0, []string{"different: pageviews \""}},
		{
			"first page", "sessions", "INSERT INTO {db}.sessions SELECT * REPLACE (0 AS events, 0 AS pageviews, 0 AS revenue, (first.1, first.2, '', first.4, first.5)::Tuple(ts DateTime64(3, 'UTC'), user_h UInt64, path String, referrer String, utm_source String) AS first) FROM " + one("sessions", sessionKey),
			0, 0, 1, 0,
			[]string{"different: first.path \"\", events say \"/p"},
		},
		{
			"last page", "sessions", "INSERT INTO {db}.sessions SELECT * REPLACE (0 AS events, 0 AS pageviews, 0 AS revenue, (last.1, 'z')::Tuple(ts DateTime64(3, 'UTC'), path String) AS last) FROM " + one("sessions", sessionKey),
			0, 0, 1, 0,
			[]string{"different: last.path \"z\""},
		},
	} {
		t.Run(c.table+" "+c.name, func(t *testing.T) {
			run(t, s, c.damage)
			for table, d := range drifts(t, s) {
				if table != c.table {
					if d.Drifted() {
						t.Errorf("accused for nothing: %s", d)
					}
					continue
				}
				if d.Missing != c.missing || d.Surplus != c.surplus || d.Different != c.different || (c.rows < 0) != (d.Rows > 0) {
					t.Errorf("want %d, %d, %d, found %s", c.missing, c.surplus, c.different, d)
				}
				for _, part := range c.example {
					if !strings.Contains(d.String(), part) {
						t.Errorf("%q is not in: %s", part, d)
					}
				}
			}
			run(t, s, "TRUNCATE TABLE {db}."+c.table)
			run(t, s, "INSERT INTO {db}."+c.table+" SELECT * FROM {db}.good_"+c.table)
		})
	}
	for _, d := range drifts(t, s) {
		if d.Drifted() {
			t.Errorf("after all is put back: %s", d)
		}
	}
	// A row of events that no view saw, and one that is gone from events.
	run(t, s, "CREATE TABLE {db}.aside AS {db}.events")
	run(t, s, "INSERT INTO {db}.aside SELECT * FROM {db}.events ORDER BY _offset LIMIT 1")
	run(t, s, "ALTER TABLE {db}.events ATTACH PARTITION ID '"+month(t, s)+"' FROM {db}.aside")
	for _, d := range drifts(t, s) {
		if d.Different != 1 || d.Missing+d.Surplus != 0 || d.Rows != 1 {
			t.Errorf("a row beside the views: %s", d)
		}
	}
	run(t, s, "ALTER TABLE {db}.events DELETE WHERE _offset = 0 OR _offset = 1")
	for _, d := range drifts(t, s) {
		if !d.Drifted() || d.Rows != 2 {
			t.Errorf("two rows gone: %s", d)
		}
	}
}

func month(t testing.TB, s *Store) (id string) {
	t.Helper()
	err := s.conn().QueryRow(within(t), "SELECT any(partition_id) FROM system.parts WHERE active AND table = 'aside' AND database = '"+s.db.Database()+"'").Scan(&id)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// rollup_1m drops old minutes, and that is no drift; what it should still have is compared.
func TestRollupsOfOldMinutes(t *testing.T) {
	s := openStore(t)
	for _, days := range []int{1, 58, 61, 400} {
		run(t, s, fmt.Sprintf("INSERT INTO {db}.events (event, ts, lag_ms, user_h) SELECT 'old', now64(3) - toIntervalDay(%d), 0, 1", days))
	}
	by := drifts(t, s)
	for table, keys := range map[string]uint64{"rollup_1m": 2, "rollup_1h": 4, "user_day": 4, "sessions": 0} {
		if d := by[table]; d.Drifted() || d.Keys != keys {
			t.Errorf("want %d keys: %s", keys, d)
		}
	}
	run(t, s, "ALTER TABLE {db}.rollup_1m DELETE WHERE minute < now() - toIntervalDay(57)")
	if d := drifts(t, s)["rollup_1m"]; d.Missing != 1 {
		t.Errorf("a minute of 58 days ago is gone: %s", d)
	}
}

func TestPlaces(t *testing.T) {
	s := openStore(t)
	expect := func(want uint64) {
		t.Helper()
		if got, err := s.Places(within(t)); err != nil || got != want {
			t.Errorf("%d duplicates, %v, want %d", got, err, want)
		}
	}
	expect(0)
	some(t, s, 1_000, 1)
	run(t, s, "INSERT INTO {db}.quarantine (at, _log, _partition, _offset) SELECT now64(3), 2, number % 4, number FROM numbers(100)")
	expect(0)
	// The same offset in another partition or log is another record.
	run(t, s, "INSERT INTO {db}.events (ts, lag_ms, _log, _partition, _offset) VALUES (now64(3), 0, 1, 9, 5), (now64(3), 0, 2, 1, 5)")
	run(t, s, "INSERT INTO {db}.quarantine (at, _log, _partition, _offset) VALUES (now64(3), 1, 1, 5)")
	expect(0)
	// The same record, with other contents.
	run(t, s, "INSERT INTO {db}.events (ts, lag_ms, event, _log, _partition, _offset) SELECT now64(3) - toIntervalDay(70 * number), 0, 'again', 1, 1, 5 FROM numbers(2)")
	expect(2)
	run(t, s, "INSERT INTO {db}.quarantine SELECT * FROM {db}.quarantine WHERE _log = 2 AND _offset < 3")
	expect(5)
}

// An ended context ends the comparison, and the server lives.
func TestRollupsEndWithTheirContext(t *testing.T) {
	s := openStore(t)
	ctx, cancel := context.WithCancel(within(t))
	cancel()
	if _, err := s.Rollups(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("rollups with an ended context: %v", err)
	}
	if _, err := s.Places(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("places with an ended context: %v", err)
	}
	if _, err := s.Rollups(within(t)); err != nil {
		t.Error(err)
	}
	run(t, s, "DROP TABLE {db}.user_day SYNC")
	if _, err := s.Rollups(within(t)); err == nil || !strings.Contains(err.Error(), "compare user_day") {
		t.Errorf("without a table: %v", err)
	}
}
