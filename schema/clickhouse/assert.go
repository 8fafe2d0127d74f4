package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
)

// tables are the ones that inserts go to.
var tables = []struct {
	name    string
	columns []Column
}{{"events", EventColumns}, {"quarantine", QuarantineColumns}}

// Assert checks everything that the sink's inserts rely on: that all migrations are applied, that the tables have the columns the sink writes, that they remember enough
// deduplication tokens, and that the settings it pins may be set. Every failure is reported, with its cure. ErrPending and ErrChecksum are among them.
func Assert(ctx context.Context, db *DB) error {
	pending, err := Plan(ctx, db)
	if err != nil {
		return err
	}
	if len(pending) > 0 {
		return fmt.Errorf("%w: database %s lacks %d migrations, the first is %04d_%s: run `millrace migrate up`", ErrPending, db.database, len(pending), pending[0].Version, pending[0].Name)
	}
	errs := []error{db.assertSettings(ctx)}
	for _, t := range tables {
		errs = append(errs, db.assertColumns(ctx, t.name, t.columns), db.assertWindow(ctx, t.name))
	}
	return errors.Join(errs...)
}

// assertColumns compares the table with what is written to it. Further columns are fine when they have a default, which every column has.
func (db *DB) assertColumns(ctx context.Context, table string, want []Column) error {
	have, err := db.columns(ctx, table)
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range want {
		switch typ, ok := have[c.Name]; {
		case !ok:
			errs = append(errs, fmt.Errorf("table %s.%s has no column %s: bring it back: ALTER TABLE %s.%s ADD COLUMN `%s` %s", db.database, table, c.Name, db.database, table, c.Name, c.Type))
		case typ != c.Type:
			errs = append(errs, fmt.Errorf("column %s of %s.%s is %s, inserts need %s: ALTER TABLE %s.%s MODIFY COLUMN `%s` %s", c.Name, db.database, table, typ, c.Type, db.database, table, c.Name, c.Type))
		}
	}
	return errors.Join(errs...)
}

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

var windowSetting = regexp.MustCompile(`\b(?:non_)?replicated_deduplication_window = (\d+)`)

// assertWindow demands that the table remembers the tokens of enough inserts; the server's default is none at all.
func (db *DB) assertWindow(ctx context.Context, table string) error {
	var engine, full string
	err := db.conn.QueryRow(parameters(ctx, map[string]string{"database": db.database, "table": table}),
		"SELECT engine, engine_full FROM system.tables WHERE database = {database:String} AND name = {table:String}").Scan(&engine, &full)
	if err != nil {
		return fmt.Errorf("read the settings of %s: %w", table, err)
	}
	setting := "non_replicated_deduplication_window"
	if len(engine) > 10 && engine[:10] == "Replicated" {
		setting = "replicated_deduplication_window"
	}
	window := 0
	if m := windowSetting.FindStringSubmatch(full); m != nil {
		window, _ = strconv.Atoi(m[1]) // digits; more than an int holds would be plenty, and is refused
	}
	if window < DeduplicationWindow {
		return fmt.Errorf("table %s.%s remembers %d deduplication tokens, %d are needed: ALTER TABLE %s.%s MODIFY SETTING %s = %d", db.database, table, window, DeduplicationWindow, db.database, table, setting, DeduplicationWindow)
	}
	return nil
}

// assertSettings demands that the pinned settings exist, and that this user may set them or finds them as they must be.
func (db *DB) assertSettings(ctx context.Context) error {
	var errs []error
	for _, s := range InsertSettings("") {
		var value string
		var readonly uint8
		err := db.conn.QueryRow(parameters(ctx, map[string]string{"name": s.Name}), "SELECT value, readonly FROM system.settings WHERE name = {name:String}").Scan(&value, &readonly)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("setting %s: %w: this server is too old, or not ClickHouse: 24.8 or later is needed", s.Name, err))
		case readonly != 0 && value != s.Value:
			errs = append(errs, fmt.Errorf("setting %s is fixed at %q for this user, inserts need %q: remove the constraint from the user's settings profile", s.Name, value, s.Value))
		}
	}
	return errors.Join(errs...)
}
