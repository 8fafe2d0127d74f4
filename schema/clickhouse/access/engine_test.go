package access_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/schema/clickhouse/access"
	"github.com/millrace/millrace/schema/clickhouse/access/escapes"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	database = "millrace"
	own      = 1
	canary   = 2
)

func password(user string) string { return "password of " + user }

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// migrated is an engine with the users of the plan and all tables.
func migrated(t testing.TB, plan access.Plan) *enginetest.Engine {
	t.Helper()
	engine := enginetest.ClickHouseFor(t, plan)
	cfg := clickhouse.DefaultConfig()
	cfg.Addresses, cfg.Database = []string{engine.TCP}, database
	db, err := clickhouse.Open(within(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // nothing is left to be written
	if err := clickhouse.Up(within(t), db, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if err := access.Mirror(within(t), server{db.Conn()}, database); err != nil {
		t.Fatal(err)
	}
	return engine
}

// server is what Mirror asks, by way of the driver.
type server struct{ conn driver.Conn }

func (s server) Exec(ctx context.Context, statement string) error { return s.conn.Exec(ctx, statement) }

func (s server) Rows(ctx context.Context, query string) ([][]string, error) {
	rows, err := s.conn.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err tells
	var all [][]string
	for rows.Next() {
		row := make([]string, len(rows.Columns()))
		into := make([]any, len(row))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

// withheld are the tables that users of projects do not see: how the data came to be, and what was refused of it.
var withheld = []string{
	"schema_migrations", "quarantine", "logs", "audit_queue", "metrics", "people_progress", "erasures", "erasure_log", "erased_offsets", "erased_rows",
	"identity", "identity_edges", "identity_overrides", "profile_ops", "profiles", "groups", "segments", "segment_builds", "segment_members", "segment_changes", // of these there are views, *_q
}

// Every table and view of the migrations is either mirrored or withheld on purpose.
func TestMirrorShowsEveryTableAndView(t *testing.T) {
	engine := migrated(t, access.Users(database, []uint32{own}, password))
	all, analyst := overHTTP(engine, "default"), overHTTP(engine, access.Analyst(own))
	relations := func(of asker, database string) []string {
		t.Helper()
		return strings.Fields(must(t, of, "SELECT name FROM system.tables WHERE database = '"+database+"' AND engine != 'MaterializedView' ORDER BY name"))
	}
	want := slices.DeleteFunc(relations(all, database), func(name string) bool { return slices.Contains(withheld, name) })
	views := access.ViewsDatabase(database)
	if got := relations(analyst, views); !slices.Equal(got, want) {
		t.Errorf("mirrored are %q, want %q", got, want)
	}
	// What analysts read about them is there, and speaks of no database that they cannot read.
	for _, check := range []string{
		"SELECT name FROM system.tables WHERE database = '" + views + "' AND (comment = '' OR position(comment, '" + database + ".') > 0)",
		"SELECT table, name FROM system.columns WHERE database = '" + views + "' AND comment = ''",
	} {
		if got := must(t, all, check); got != "" {
			t.Errorf("%s: %s", check, got)
		}
	}
	columns := "SELECT name, type, comment FROM system.columns WHERE table = 'events' AND database = "
	if got, want := must(t, analyst, columns+"'"+views+"'"), must(t, all, columns+"'"+database+"'"); got != want || !strings.Contains(got, "received_at") {
		t.Errorf("columns of events: %s\nwant\n%s", got, want)
	}
	// What is made later is mirrored by the next run, and read through the filter that was there before it.
	for _, sql := range []string{
		"CREATE TABLE {db}.metric_orders__1 (project_id UInt32, n UInt64) ENGINE = MergeTree ORDER BY project_id",
		"INSERT INTO {db}.metric_orders__1 VALUES (1, 10), (2, 20)",
		"CREATE VIEW {db}.metric_orders (project_id UInt32 COMMENT 'it''s \\\\ `one`', n UInt64) SQL SECURITY INVOKER AS SELECT * FROM {db}.metric_orders__1 COMMENT 'it''s metric_orders'",
		"CREATE VIEW {db}.odd SQL SECURITY INVOKER AS SELECT n FROM {db}.metric_orders__1",
		"CREATE VIEW {db}.open SQL SECURITY DEFINER AS SELECT * FROM {db}.metric_orders__1",
		"ALTER TABLE {db}.events ADD COLUMN p_plan LowCardinality(String) DEFAULT JSONExtractString(props, 'plan') COMMENT 'property plan'",
		// As somebody might who does not think of projects.
		"CREATE VIEW {views}.log SQL SECURITY DEFINER DEFINER = millrace_definer AS SELECT * FROM {db}.logs",
	} {
		must(t, all, strings.NewReplacer("{db}", database, "{views}", views).Replace(sql))
	}
	if answer, err := analyst("SELECT * FROM "+views+".log", nil, nil); err == nil || !strings.Contains(err.Error(), "project_id") {
		t.Errorf("a table without projects was read: %s, %v", answer, err)
	}
	if answer, err := analyst("SELECT p_plan FROM "+views+".events", nil, nil); err == nil {
		t.Errorf("the column is there before the mirror is: %s", answer)
	}
	mirror(t, engine)
	for sql, want := range map[string]string{
		"SELECT n FROM metric_orders": "10",
		// It would read all in the name of its maker, if the filter were not on views too.
		"SELECT n FROM open":               "10",
		"SELECT count(p_plan) FROM events": "0",
		"SELECT comment FROM system.columns WHERE table = 'metric_orders' AND name = 'project_id' FORMAT TSVRaw": "it's \\ `one`",
		"SELECT comment FROM system.tables WHERE name = 'metric_orders' FORMAT TSVRaw":                           "it's metric_orders",
		"SELECT name FROM system.tables WHERE name IN ('odd', 'log', 'metric_orders__1')":                        "",
	} {
		if got, err := analyst(sql, nil, map[string]string{"database": views}); err != nil || strings.TrimSuffix(got, "\n") != want {
			t.Errorf("%s: %q, %v, want %q", sql, got, err, want)
		}
	}
	must(t, all, "DROP VIEW "+database+".metric_orders")
	mirror(t, engine)
	if got := must(t, analyst, "SELECT count() FROM system.tables WHERE name = 'metric_orders'"); got != "0" {
		t.Error("the view of a view that is gone is left")
	}
}

// mirror runs Mirror, as the account that makes tables.
func mirror(t *testing.T, engine *enginetest.Engine) {
	t.Helper()
	conn, err := driver.Open(&driver.Options{Addr: []string{engine.TCP}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // nothing is left to be written
	if err := access.Mirror(within(t), server{conn}, database); err != nil {
		t.Fatal(err)
	}
}

func TestFilterCostsOthersNothingAndUsesTheKey(t *testing.T) {
	engine := migrated(t, access.Users(database, []uint32{own, canary}, password))
	all := overHTTP(engine, "default")
	events := database + ".events"
	must(t, all, "INSERT INTO "+events+" (project_id, event) SELECT 1 + number % 2, 'e' FROM numbers(100000)")
	if got := must(t, all, "SELECT count() FROM "+events); got != "100000" {
		t.Errorf("the account that makes tables sees %s rows", got)
	}
	if plan := must(t, all, "EXPLAIN SELECT count() FROM "+events); !strings.Contains(plan, "Optimized trivial count") {
		t.Errorf("counting reads:\n%s", plan)
	}
	backup, err := os.ReadFile(filepath.Join(engine.Dir, "backup-password"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := driver.Open(&driver.Options{Addr: []string{engine.TCP}, Auth: driver.Auth{Username: "backup", Password: strings.TrimSpace(string(backup))}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // nothing is left to be written
	var n uint64
	if err := conn.QueryRow(within(t), "SELECT count() FROM "+events).Scan(&n); err != nil || n != 100000 {
		t.Errorf("the account that makes backups sees %d rows, %v", n, err)
	}
	analyst := overHTTP(engine, access.Analyst(own))
	view := access.ViewsDatabase(database) + ".events"
	if got := must(t, analyst, "SELECT count() FROM "+view); got != "50000" {
		t.Errorf("an analyst sees %s rows", got)
	}
	plan := must(t, analyst, "EXPLAIN indexes = 1 SELECT uniq(event_id) FROM "+view)
	if !strings.Contains(plan, "Row level filter column:  project_id = 1") || !strings.Contains(plan, "(project_id in [1, 1])") {
		t.Errorf("the filter is not a condition on the primary key:\n%s", plan)
	}
	// The views are not for others, and whoever is no user of a project has no project.
	if got := must(t, all, "SELECT count() FROM "+view); got != "0" {
		t.Errorf("the account that makes tables sees %s rows by way of the view", got)
	}
	for _, user := range []string{access.Definer, "p3_analyst"} {
		for _, secret := range []string{"", "0", password(user)} {
			if answer, err := overHTTPWith(engine, user, secret)("SELECT 1", nil, nil); err == nil || !strings.Contains(err.Error(), "AUTHENTICATION_FAILED") {
				t.Errorf("%s logged in: %s, %v", user, answer, err)
			}
		}
	}
}

func TestLimits(t *testing.T) {
	plan := access.Users(database, []uint32{own, canary}, password)
	plan.Limits.MaxMemoryBytes, plan.Limits.MaxResultRows, plan.Limits.QuotaQueries = 100<<20, 1000, 30
	engine := migrated(t, plan)
	analyst := overHTTP(engine, access.Analyst(own))
	for _, c := range []struct {
		sql      string
		settings map[string]string
		want     string // of the error, or the answer
	}{
		{"SELECT number FROM numbers(1001)", nil, "TOO_MANY_ROWS_OR_BYTES"},
		{"SELECT count() FROM (SELECT number FROM numbers(100000))", nil, "100000"},
		{"SELECT number FROM numbers(100)", map[string]string{"max_result_rows": "10"}, "TOO_MANY_ROWS_OR_BYTES"},
		{"SELECT length(groupArray(number)) FROM numbers(30000000)", nil, "MEMORY_LIMIT_EXCEEDED"},
		{"SELECT length(groupArray(number)) FROM (SELECT number FROM numbers(30000000) SETTINGS max_memory_usage = 0)", nil, "MEMORY_LIMIT_EXCEEDED"},
		{"SELECT sum(sleepEachRow(0.1)) FROM numbers(1000) SETTINGS max_block_size = 1", nil, "READONLY"},
		{"SELECT sum(sleepEachRow(0.01)) FROM (SELECT number FROM numbers(100000) SETTINGS max_block_size = 1)", map[string]string{"max_execution_time": "1"}, "TIMEOUT_EXCEEDED"},
		{"SELECT sum(sleepEachRow(0.01)) FROM (SELECT number FROM numbers(100000) SETTINGS max_execution_time = 0, max_block_size = 1)", map[string]string{"max_execution_time": "1"}, "TIMEOUT_EXCEEDED"},
		{"SELECT sum(number) FROM system.numbers LIMIT 1", map[string]string{"max_execution_time": "1", "max_rows_to_read": "1000000"}, "T"},
	} {
		answer, err := analyst(c.sql, nil, c.settings)
		if err != nil {
			answer = err.Error()
		}
		if !strings.Contains(answer, c.want) {
			t.Errorf("%s with %v: %.300s, want %s", c.sql, c.settings, answer, c.want)
		}
	}
	// The quota is the project's: both its users use it up, and nobody else.
	reader := overHTTP(engine, access.Reader(own))
	for range 30 {
		_, _ = reader("SELECT * FROM numbers(1)", nil, nil)
	}
	for _, user := range []string{access.Reader(own), access.Analyst(own)} {
		if answer, err := overHTTP(engine, user)("SELECT * FROM numbers(1)", nil, nil); err == nil || !strings.Contains(err.Error(), "QUOTA_EXCEEDED") {
			t.Errorf("%s beyond the quota: %s, %v", user, answer, err)
		}
	}
	must(t, overHTTP(engine, access.Analyst(canary)), "SELECT * FROM numbers(1)")
}

// What the statements for a server of one's own say is what the users file says, which the engine has read.
func TestSQLSaysWhatXMLSays(t *testing.T) {
	plan := access.Users(database, []uint32{own, 4294967295}, password)
	all := overHTTP(enginetest.ClickHouseFor(t, plan), "default")
	statements := plan.SQL("default", "o'dd `name`")
	for _, sql := range append(statements, access.Withdraw(own)...) {
		if _, err := all("SELECT formatQuery({sql:String})", map[string]string{"sql": sql}, nil); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	text := strings.Join(statements, "\n")
	said := 0
	for _, query := range []string{
		"SELECT 'GRANT ' || access_type || ' ON ' || database || '.* TO ' || user_name FROM system.grants WHERE user_name NOT IN ('default', 'backup')",
		"SELECT ' ON ' || database || '.* AS PERMISSIVE FOR SELECT USING ' || select_filter || ' TO ' || apply_to_list[1] FROM system.row_policies WHERE apply_to_list[1] = 'millrace_definer'",
		"SELECT setting_name || ' = \\'' || value || '\\'' || if(isNull(max), '', ' MIN ' || min || ' MAX ' || max) || if(writability = 'CHANGEABLE_IN_READONLY', ' CHANGEABLE_IN_READONLY', '') FROM system.settings_profile_elements WHERE profile_name = 'millrace_project'",
		"SELECT 'QUOTA OR REPLACE ' || quota_name || ' FOR INTERVAL 1 HOUR MAX queries = ' || max_queries::String || ', execution_time = ' || max_execution_time::String FROM system.quota_limits WHERE duration = 3600",
		"SELECT 'USER OR REPLACE ' || name || ' IDENTIFIED WITH sha256_hash BY ' FROM system.users WHERE name LIKE 'p%'",
	} {
		for line := range strings.Lines(must(t, all, query+" FORMAT TSVRaw")) {
			said++
			if line = strings.TrimSuffix(line, "\n"); !strings.Contains(text, line) {
				t.Errorf("the users file says %q, and the statements do not", line)
			}
		}
	}
	if said < 20 {
		t.Errorf("the users file says %d things only", said)
	}
	// Every row policy and grant is of the definer and the database as a whole, but for the grants on the views.
	if got := must(t, all, "SELECT count() FROM system.row_policies WHERE NOT (database = '"+database+"' AND table = '')"); got != "0" {
		t.Errorf("%s row policies are on something else", got)
	}
}

// A client can write any name into the packet of a query; it is not whom the filter goes by.
func TestNameInPacketsIsNotBelieved(t *testing.T) {
	engine, w := seeded(t, access.Users(database, []uint32{own, canary}, password))
	for _, claimed := range []string{access.Analyst(canary), access.Definer, "default", ""} {
		answer := askAs(t, engine.TCP, access.Analyst(own), claimed, "SELECT concat('rows ', toString(count()), ' of ', toString(max(project_id)), ' as ', currentUser()) FROM "+w.Views+".events")
		if !strings.Contains(answer, fmt.Sprintf("rows %d of %d as %s", escapes.OwnRows, own, claimed)) {
			t.Errorf("claiming to be %q: %q", claimed, answer)
		}
		if answer := askAs(t, engine.TCP, access.Analyst(own), claimed, "SELECT concat('rows ', toString(count()), ' as ', currentUser()) FROM "+database+".events"); !strings.Contains(answer, "Not enough privileges") {
			t.Errorf("claiming to be %q, of the tables: %q", claimed, answer)
		}
	}
}
