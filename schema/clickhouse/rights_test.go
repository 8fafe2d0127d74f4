package clickhouse

import (
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/internal/enginetest"
)

// The embedded engine's user may do everything inside the database, but not say who else may.
func TestAssertRightsNamesWhatIsLacking(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "r1")
	err := db.assertRights(within(t), append([]right{{"sessions", "SELECT, CREATE ROW POLICY, INSERT, DROP ROW POLICY"}, {"user_day", "ALTER ROW POLICY"}}, append(rights, ofPeople...)...))
	mustContain(t, err, "this user lacks CREATE ROW POLICY, DROP ROW POLICY on table r1.sessions: GRANT SELECT, CREATE ROW POLICY, INSERT, DROP ROW POLICY ON r1.sessions TO",
		"lacks ALTER ROW POLICY on table r1.user_day:")
	if n := strings.Count(err.Error(), "lacks"); n != 2 {
		t.Errorf("%d tables lack rights, want 2:\n%v", n, err)
	}
	// Every table that is written to has its rights asked for.
	asked := map[string]bool{}
	for _, r := range rights {
		asked[r.table] = strings.Contains(r.privileges, "SELECT") && strings.Contains(r.privileges, "INSERT")
	}
	for _, table := range tables {
		if !asked[table.name] {
			t.Errorf("nothing asks for SELECT and INSERT on %s", table.name)
		}
	}
	// What a repair deletes from.
	for _, r := range rights {
		_, rolled := rollupColumns[r.table]
		if repaired := rolled || splitBy[r.table] != ""; repaired != strings.Contains(r.privileges, "ALTER DELETE") {
			t.Errorf("rights on %s are %s", r.table, r.privileges)
		}
	}
}

func TestAssertStaging(t *testing.T) {
	engine := enginetest.ClickHouse(t)
	db := migrated(t, engine, "r2")
	if db.StagingDatabase() != "r2_staging" {
		t.Errorf("the staging database is %s", db.StagingDatabase())
	}
	mustContain(t, Assert(with(within(t), Setting{"allow_ddl", "0"}), db),
		"in database r2_staging a sink must make and drop tables, for repairs", "GRANT SELECT, INSERT, CREATE TABLE, DROP TABLE ON r2_staging.*")
	exec(t, db, "DROP DATABASE {db}_staging SYNC")
	err := Assert(within(t), db)
	mustContain(t, err, "database r2_staging is missing")
	_, cure, _ := strings.Cut(err.Error(), "by way of it: ")
	exec(t, db, cure)
	// Gateways and sinks start at once.
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				if err := db.assertStaging(within(t)); err != nil {
					t.Error(err)
				}
			}
			if err := Assert(within(t), db); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := text(t, db, "SELECT toString(count()) FROM system.tables WHERE database = 'r2_staging'"); got != "0" {
		t.Errorf("%s tables are left in r2_staging", got)
	}
}

// The server lists a view whose database this user may not look into as a dependent, and says no more of it.
func TestAssertHiddenView(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "r3")
	w := walk{db: db, visited: map[relationName]bool{}}
	if err := w.dependents(within(t), relation{name: relationName{"r3", "events"}, dependents: []relationName{{"hidden one", "counts_mv"}}}); err != nil {
		t.Fatal(err)
	}
	if len(w.errs) != 1 {
		t.Fatalf("findings %v, want 1", w.errs)
	}
	mustContain(t, w.errs[0], "view `hidden one`.counts_mv is filled by inserts into r3.events, but this user may not see it: GRANT SHOW ON `hidden one`.*")
}
