package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// ownView is a materialized view of the migrations.
type ownView struct {
	name, target relationName
	query        string // its SELECT
	create       string // the whole statement
}

// viewStatement is the form in which the migrations make materialized views.
var viewStatement = regexp.MustCompile(`(?s)^CREATE MATERIALIZED VIEW IF NOT EXISTS (\w+)\.(\w+) TO (\w+)\.(\w+) AS\n(SELECT.*)\nCOMMENT '[^']*'$`)

// ownViews are the materialized views that the migrations make, as the last of them made each.
func (db *DB) ownViews() ([]ownView, error) {
	all, err := migrations(db.database)
	if err != nil {
		return nil, err
	}
	var views []ownView
	for _, m := range all {
		for _, statement := range m.Statements {
			if g := viewStatement.FindStringSubmatch(statement); g != nil {
				views = append(views, ownView{relationName{g[1], g[2]}, relationName{g[3], g[4]}, oneLine(g[5]), oneLine(statement)})
			}
		}
	}
	return views, nil
}

func oneLine(statement string) string { return strings.Join(strings.Fields(statement), " ") }

// afterwards is what a view's absence makes necessary.
const afterwards = "then `millrace sink reconcile`, which adds what was missed"

// assertViews demands that each view of the migrations is there and says what this build's migrations say.
func (db *DB) assertViews(ctx context.Context) error {
	views, err := db.ownViews()
	if err != nil {
		return err
	}
	var errs []error
	for _, v := range views {
		errs = append(errs, db.assertView(ctx, v))
	}
	return errors.Join(errs...)
}

func (db *DB) assertView(ctx context.Context, want ownView) error {
	have, ok, err := db.relation(ctx, want.name)
	switch {
	case err != nil:
		return err
	case !ok:
		cure := want.create
		if db.detached(ctx, want.name) {
			cure = "ATTACH TABLE " + want.name.String()
		}
		return fmt.Errorf("view %s is missing, so events would not get into %s: run this, %s: %s", want.name, want.target, afterwards, cure)
	case have.engine != "MaterializedView" || have.target() != want.target:
		return fmt.Errorf("view %s does not fill %s, as it should: DROP VIEW %s SYNC, and run this, %s: %s", want.name, want.target, want.name, afterwards, want.create)
	}
	// The server's own way of writing a query does away with differences in layout.
	var same bool
	err = db.conn.QueryRow(parameters(ctx, map[string]string{"have": have.query, "want": want.query}),
		"SELECT formatQuerySingleLine({have:String}) = formatQuerySingleLine({want:String})").Scan(&same)
	if err != nil {
		return fmt.Errorf("compare view %s: %w", want.name, err)
	}
	if !same {
		return fmt.Errorf("view %s has been changed to %q, so %s would differ from what readers and the auditor expect: run this, %s: ALTER TABLE %s MODIFY QUERY %s",
			want.name, have.query, want.target, afterwards, want.name, want.query)
	}
	return nil
}

// detached tells whether the view was detached for good. A server that cannot say so says no.
func (db *DB) detached(ctx context.Context, name relationName) bool {
	var n uint64
	err := db.conn.QueryRow(parameters(ctx, map[string]string{"database": name.database, "table": name.table}),
		"SELECT count() FROM system.detached_tables WHERE database = {database:String} AND table = {table:String}").Scan(&n)
	return err == nil && n > 0
}
