package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
)

// splitBy is how the sink splits its blocks: one INSERT for each partition of the table.
var splitBy = map[string]string{"events": "toYYYYMM(ts)", "quarantine": "toYYYYMM(at)"}

// walk goes from the tables of the sink's inserts to every view that they set off, and to what those fill and set off, and looks whether each of them is filled exactly once when
// an insert is repeated.
type walk struct {
	db      *DB
	visited map[relationName]bool
	errs    []error
}

// assertTargets checks all tables that an insert of the sink reaches.
func (db *DB) assertTargets(ctx context.Context) error {
	w := walk{db: db, visited: map[relationName]bool{}}
	for _, root := range []string{"events", "quarantine"} {
		r, ok, err := db.relation(ctx, relationName{db.database, root})
		if err != nil {
			return err
		}
		if !ok {
			continue // assertColumns says so
		}
		if want := splitBy[root]; r.partition != want {
			w.add("table %s is partitioned by %q, inserts are split by %q: make it anew with PARTITION BY %s and move the rows", r.name, r.partition, want, want)
		}
		w.errs = append(w.errs, db.assertWindow(ctx, r, ""))
		if err := w.dependents(ctx, r); err != nil {
			return err
		}
	}
	return errors.Join(w.errs...)
}

func (w *walk) add(format string, args ...any) { w.errs = append(w.errs, fmt.Errorf(format, args...)) }

// dependents visits the views that inserts into r set off. Its error is of the reading.
func (w *walk) dependents(ctx context.Context, r relation) error {
	for _, name := range r.dependents {
		if w.visited[name] {
			continue
		}
		w.visited[name] = true
		view, ok, err := w.db.relation(ctx, name)
		if err != nil {
			return err
		}
		if !ok {
			w.add("view %s is filled by inserts into %s, but this user may not see it: GRANT SHOW ON %s.* TO the user in clickhouse.username", name, r.name, quoted(name.database))
			continue
		}
		if view.engine != "MaterializedView" {
			w.add("view %s on table %s is a %s, which cannot tell a repeated insert: DROP VIEW %s, or make it a MATERIALIZED VIEW", name, r.name, view.engine, name)
			continue
		}
		if err := w.target(ctx, view); err != nil {
			return err
		}
		if err := w.dependents(ctx, view); err != nil {
			return err
		}
	}
	return nil
}

// oneValue are the partition keys that have one value for all rows of a month.
var oneValue = regexp.MustCompile("^(|tuple\\(\\)|(toYYYYMM|toYear|toStartOfMonth|toStartOfQuarter|toStartOfYear)\\(" + identifierText + "\\))$")

// target visits what the view fills.
func (w *walk) target(ctx context.Context, view relation) error {
	name := view.target()
	if w.visited[name] {
		return nil
	}
	w.visited[name] = true
	t, ok, err := w.db.relation(ctx, name)
	switch {
	case err != nil:
		return err
	case !ok && w.db.ours(name):
		return nil // assertColumns says so
	case !ok:
		w.add("table %s, which view %s fills, does not exist or may not be seen by this user, so inserts would fail: make it, grant SHOW and INSERT on it, or DROP VIEW %s", name, view.name, view.name)
		return nil
	case t.engine == "Null": // keeps nothing, and hands on
		return w.dependents(ctx, t)
	case !t.remembers():
		w.add("table %s, which view %s fills, has engine %s, which cannot drop a repeated insert: make it a MergeTree with a deduplication window of %d, or DROP VIEW %s",
			name, view.name, t.engine, DeduplicationWindow, view.name)
		return nil
	}
	if !oneValue.MatchString(t.partition) {
		w.add("table %s, which view %s fills, is partitioned by %q: an insert of one month could reach more partitions than the server allows and fail for good; allowed are none, toYYYYMM(column), toYear(column): make it anew with one of them, or DROP VIEW %s",
			name, view.name, t.partition, view.name)
	}
	w.errs = append(w.errs, w.db.assertWindow(ctx, t, fmt.Sprintf(", which view %s fills,", view.name)))
	return w.dependents(ctx, t)
}

// ours tells whether the table is one of the migrations.
func (db *DB) ours(name relationName) bool {
	return name.database == db.database && slices.ContainsFunc(tables, func(t tableColumns) bool { return t.name == name.table })
}
