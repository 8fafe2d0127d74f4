package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// right is what a user must be allowed to do with a table.
type right struct{ table, privileges string }

// rights are what the sink and its auditor do to the tables. Repairs delete rows: of events and quarantine what is there twice, of a rollup the keys that hold what no insert
// takes away.
var rights = []right{
	{"events", "SELECT, INSERT, ALTER DELETE"},
	{"quarantine", "SELECT, INSERT, ALTER DELETE"},
	{"logs", "SELECT, INSERT"},
	{"rollup_1m", "SELECT, INSERT, ALTER DELETE"},
	{"rollup_1h", "SELECT, INSERT, ALTER DELETE"},
	{"user_day", "SELECT, INSERT, ALTER DELETE"},
	{"sessions", "SELECT, INSERT, ALTER DELETE"},
	{"audit_queue", "SELECT, INSERT"},
	{"metrics", "SELECT, INSERT"},
	{"properties", "SELECT, INSERT"},
}

// ofPeople are what the jobs do to tables, and what gateways and sinks read of them. It is checked wherever rights are.
var ofPeople = []right{
	{"identity", "dictGet"},
	{"people_progress", "SELECT, INSERT"},
	{"groups", "SELECT, INSERT"},
	{"segments", "SELECT, INSERT"},
	{"segment_builds", "SELECT, INSERT, ALTER DELETE"},
	{"erasures", "SELECT, INSERT"},
	{"erasure_log", "SELECT, INSERT"},
	{"erased_offsets", "SELECT, INSERT"},
	{"erased_rows", "SELECT, INSERT"},
	{"identity_edges", "SELECT, INSERT, ALTER DELETE"},
	{"identity_overrides", "SELECT, INSERT, ALTER DELETE"},
	{"profile_ops", "SELECT, INSERT, ALTER DELETE"},
	{"profiles", "SELECT, INSERT, ALTER DELETE"},
	{"segment_members", "SELECT, INSERT, ALTER DELETE"},
	{"segment_changes", "SELECT, INSERT, ALTER DELETE"},
	{"properties", "ALTER DELETE"},
}

// syntaxError is what a server answers that does not know CHECK GRANT.
const syntaxError = 62

// assertRights asks the server for each right, where it knows how to answer: before version 25 the first use tells.
func (db *DB) assertRights(ctx context.Context, wanted []right) error {
	var errs []error
	for _, r := range wanted {
		name := relationName{db.database, r.table}
		var lacking []string
		for _, privilege := range strings.Split(r.privileges, ", ") {
			var granted bool
			err := db.conn.QueryRow(ctx, "CHECK GRANT "+privilege+" ON "+name.String()).Scan(&granted)
			var refused *clickhouse.Exception
			switch {
			case errors.As(err, &refused) && refused.Code == syntaxError:
				return nil
			case err != nil:
				errs = append(errs, fmt.Errorf("check the right to %s on %s: %w", privilege, name, err))
			case !granted:
				lacking = append(lacking, privilege)
			}
		}
		if len(lacking) > 0 {
			errs = append(errs, fmt.Errorf("this user lacks %s on table %s: GRANT %s ON %s TO the user in clickhouse.username", strings.Join(lacking, ", "), name, r.privileges, name))
		}
	}
	return errors.Join(errs...)
}

// assertStaging demands that tables can be made and dropped in the staging database, by doing so: a repair is no time to find out. Any number of runs may do it at once.
func (db *DB) assertStaging(ctx context.Context) error {
	staging := db.StagingDatabase()
	var exists uint8
	if err := db.conn.QueryRow(ctx, "EXISTS DATABASE "+staging).Scan(&exists); err != nil {
		return fmt.Errorf("look for database %s: %w", staging, err)
	}
	if exists == 0 {
		return fmt.Errorf("database %s is missing or may not be seen by this user; a sink repairs tables by way of it: CREATE DATABASE %s", staging, staging)
	}
	probe := staging + ".probe" // always the same one, so that runs that were cut off leave one at most
	for _, statement := range []string{
		"CREATE TABLE IF NOT EXISTS " + probe + " (n UInt8) ENGINE = MergeTree ORDER BY n",
		"DROP TABLE IF EXISTS " + probe + " SYNC",
	} {
		if err := db.conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("in database %s a sink must make and drop tables, for repairs: %w: GRANT SELECT, INSERT, CREATE TABLE, DROP TABLE ON %s.* TO the user in clickhouse.username",
				staging, err, staging)
		}
	}
	return nil
}
