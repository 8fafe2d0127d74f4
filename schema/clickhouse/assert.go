package clickhouse

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// tableColumns is a table and the columns that are written to it.
type tableColumns struct {
	name    string
	columns []Column
}

// tables are the ones that the sink and its auditor write to.
var tables = []tableColumns{
	{"events", EventColumns},
	{"quarantine", QuarantineColumns},
	{"rollup_1m", rollupColumns["rollup_1m"]},
	{"rollup_1h", rollupColumns["rollup_1h"]},
	{"user_day", rollupColumns["user_day"]},
	{"sessions", rollupColumns["sessions"]},
	{"audit_queue", auditColumns},
}

// Assert checks everything that the sink's inserts and repairs rely on:
//
//   - the server's version, and that all migrations are applied
//   - the settings that inserts pin: that they may be set and mean what they should
//   - that the tables have the columns that are written
//   - that the views of the migrations are there, unchanged
//   - that events, quarantine and every table that any view fills from them, users' own views included, remember enough deduplication tokens, and that no insert of
//     one month reaches many partitions of them
//   - the rights of the user, and that the staging database can be written
//
// Every failure is reported, with its cure. ErrPending and ErrChecksum are among them. It makes and drops an empty table in the staging database.
func Assert(ctx context.Context, db *DB) error {
	if err := db.assertVersion(ctx); err != nil {
		return err
	}
	pending, err := Plan(ctx, db)
	if err != nil {
		return err
	}
	if len(pending) > 0 {
		return fmt.Errorf("%w: database %s lacks %d migrations, the first is %04d_%s: run `millrace migrate up`", ErrPending, db.database, len(pending), pending[0].Version, pending[0].Name)
	}
	errs := []error{db.assertPinned(ctx), db.assertInherited(ctx)}
	for _, t := range tables {
		errs = append(errs, db.assertColumns(ctx, t.name, t.columns))
	}
	errs = append(errs, db.assertViews(ctx), db.assertTargets(ctx), db.assertRights(ctx, slices.Concat(rights, ofPeople)), db.assertStaging(ctx))
	return errors.Join(errs...)
}

func (db *DB) assertVersion(ctx context.Context) error {
	var text string
	if err := db.conn.QueryRow(ctx, "SELECT version()").Scan(&text); err != nil {
		return fmt.Errorf("read the server's version: %w", err)
	}
	return checkVersion(text)
}

func checkVersion(text string) error {
	parts := strings.Split(text, ".")
	if len(parts) >= 2 {
		major, majorErr := strconv.Atoi(parts[0])
		minor, minorErr := strconv.Atoi(parts[1])
		if majorErr == nil && minorErr == nil && slices.Compare([]int{major, minor}, leastVersion[:]) >= 0 {
			return nil
		}
	}
	return fmt.Errorf("the ClickHouse server is version %s, inserts need %d.%d or later: upgrade it, or name another in clickhouse.addresses", text, leastVersion[0], leastVersion[1])
}

// assertColumns compares the table with what is written to it. Further columns are fine: each has a default.
func (db *DB) assertColumns(ctx context.Context, table string, want []Column) error {
	have, err := db.columns(ctx, table)
	if err != nil {
		return err
	}
	if len(have) == 0 {
		return fmt.Errorf("table %s.%s is gone, although its migration was applied: bring it back from a backup, or drop table %s.schema_migrations and run `millrace migrate up` for empty ones", db.database, table, db.database)
	}
	var errs []error
	for _, c := range want {
		switch typ, ok := have[c.Name]; {
		case !ok:
			errs = append(errs, fmt.Errorf("table %s.%s has no column %s, which inserts write: ALTER TABLE %s.%s ADD COLUMN `%s` %s", db.database, table, c.Name, db.database, table, c.Name, c.Type))
		case typ != c.Type:
			errs = append(errs, fmt.Errorf("column %s of %s.%s is %s, inserts need %s: ALTER TABLE %s.%s MODIFY COLUMN `%s` %s", c.Name, db.database, table, typ, c.Type, db.database, table, c.Name, c.Type))
		}
	}
	return errors.Join(errs...)
}

// columns returns name and type of those that can be written; none when the table does not exist.
func (db *DB) columns(ctx context.Context, table string) (map[string]string, error) {
	rows, err := db.conn.Query(parameters(ctx, map[string]string{"database": db.database, "table": table}),
		"SELECT name, type FROM system.columns WHERE database = {database:String} AND table = {table:String} AND default_kind != 'ALIAS'")
	if err != nil {
		return nil, fmt.Errorf("read the columns of %s: %w", table, err)
	}
	defer rows.Close() //nolint:errcheck // Err has told
	have := map[string]string{}
	for rows.Next() {
		var name, typ string
		if err := rows.Scan(&name, &typ); err != nil {
			return nil, fmt.Errorf("read the columns of %s: %w", table, err)
		}
		have[name] = typ
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the columns of %s: %w", table, err)
	}
	return have, nil
}

// assertWindow demands that the table remembers the tokens of enough inserts, and, where it is replicated, for long enough. What the table does not say is the server's default,
// which for plain tables is none at all. role says in the message what the table is for.
func (db *DB) assertWindow(ctx context.Context, r relation, role string) error {
	if !r.replicated() {
		return db.assertTableSetting(ctx, r, role, "system.merge_tree_settings", "non_replicated_deduplication_window", DeduplicationWindow)
	}
	return errors.Join(
		db.assertTableSetting(ctx, r, role, "system.replicated_merge_tree_settings", "replicated_deduplication_window", DeduplicationWindow),
		db.assertTableSetting(ctx, r, role, "system.replicated_merge_tree_settings", "replicated_deduplication_window_seconds", deduplicationSeconds),
	)
}

func (db *DB) assertTableSetting(ctx context.Context, r relation, role, defaults, setting string, least uint64) error {
	value, ok := tableSetting(r.engineFull, setting)
	if !ok {
		var text string
		if err := db.conn.QueryRow(parameters(ctx, map[string]string{"name": setting}), "SELECT value FROM "+defaults+" WHERE name = {name:String}").Scan(&text); err != nil {
			return fmt.Errorf("read the default of %s: %w", setting, err)
		}
		var err error
		if value, err = strconv.ParseUint(text, 10, 64); err != nil {
			return fmt.Errorf("default of %s: %w", setting, err)
		}
	}
	if value < least {
		return fmt.Errorf("setting %s of table %s%s is %d, inserts need %d or more to be exact: ALTER TABLE %s MODIFY SETTING %s = %d", setting, r.name, role, value, least, r.name, setting, least)
	}
	return nil
}

// tableSetting finds a number among the SETTINGS of a table's engine_full.
func tableSetting(engineFull, setting string) (uint64, bool) {
	m := regexp.MustCompile(`[ ,]` + setting + ` = (\d+)`).FindStringSubmatch(engineFull)
	if m == nil {
		return 0, false
	}
	value, err := strconv.ParseUint(m[1], 10, 64)
	return value, err == nil
}

// assertPinned sends each pinned setting with a query, as inserts do, and reads back what the server made of it. Constraints of every kind show only so.
func (db *DB) assertPinned(ctx context.Context) error {
	var errs []error
	for _, s := range InsertSettings("assert") {
		var value string
		err := db.conn.QueryRow(parameters(with(ctx, s), map[string]string{"name": s.Name}), "SELECT value FROM system.settings WHERE name = {name:String}").Scan(&value)
		var refused *clickhouse.Exception
		switch {
		case errors.As(err, &refused), errors.Is(err, sql.ErrNoRows):
			errs = append(errs, fmt.Errorf("setting %s cannot be set to %q, which inserts need: %w: lift the constraint, or readonly, in the settings profile of this user", s.Name, s.Value, err))
		case err != nil:
			errs = append(errs, fmt.Errorf("check setting %s: %w", s.Name, err))
		case value != s.Value:
			errs = append(errs, fmt.Errorf("setting %s stays %q for this user, inserts need %q: lift the constraint in the user's settings profile", s.Name, value, s.Value))
		}
	}
	return errors.Join(errs...)
}

// assertInherited looks at the settings that inserts take from the user's profile.
func (db *DB) assertInherited(ctx context.Context) error {
	var errs []error
	for _, s := range inherited {
		var value string
		err := db.conn.QueryRow(parameters(ctx, map[string]string{"name": s.name}), "SELECT value FROM system.settings WHERE name = {name:String}").Scan(&value)
		switch {
		case errors.Is(err, sql.ErrNoRows): // an older server
		case err != nil:
			errs = append(errs, fmt.Errorf("read setting %s: %w", s.name, err))
		case !slices.Contains(s.values, value):
			errs = append(errs, fmt.Errorf("setting %s is %q for this user, inserts need %q: set it in the user's settings profile", s.name, value, s.values[0]))
		}
	}
	return errors.Join(errs...)
}
