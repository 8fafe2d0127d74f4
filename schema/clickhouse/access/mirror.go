package access

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Server is what Mirror needs of a connection.
type Server interface {
	// Rows runs a query without parameters, and returns the rows of an answer that has texts only.
	Rows(ctx context.Context, query string) ([][]string, error)
	// Exec runs a statement.
	Exec(ctx context.Context, statement string) error
}

// tables are those that a view of the same name shows. Of the other tables there is nothing to be seen.
var tables = []string{"events", "rollup_1m", "rollup_1h", "user_day", "sessions", "properties"}

// Mirror makes the database of views that the users of projects read: one for each of the tables and for each view of the database, also those that somebody has
// added, with the same columns and comments. It is to be run after whatever changes them: migrations, custom metrics, promoted properties. Each view is
// replaced at once, so queries may run meanwhile; a view without a counterpart is dropped. The plan's users must be there, Definer above all.
//
// A view without project_id among its columns can be read if it has parameters: its query is repeated, and reads tables through the filter. Any other is left out.
// So are the columns of table and view of events that are named: they are about to be dropped.
func Mirror(ctx context.Context, server Server, database string, without ...string) error {
	if !identifier.MatchString(database) {
		return fmt.Errorf("mirror: %q is no name of a database", database)
	}
	originals, err := readRelations(ctx, server, database)
	if err != nil {
		return fmt.Errorf("mirror: read database %s: %w", database, err)
	}
	views := ViewsDatabase(database)
	if err := server.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+views+" COMMENT 'What the users of projects read, made from database "+database+": changes are lost'"); err != nil {
		return fmt.Errorf("mirror: %w", err)
	}
	there, err := server.Rows(ctx, "SELECT name FROM system.tables WHERE database = "+quote(views))
	if err != nil {
		return fmt.Errorf("mirror: read database %s: %w", views, err)
	}
	settings, err := readGuards(ctx, server)
	if err != nil {
		return fmt.Errorf("mirror: %w", err)
	}
	made := map[string]bool{}
	for _, o := range originals {
		if !o.shown() {
			continue
		}
		if o.name == "events" || o.name == "events_q" {
			o.columns = slices.DeleteFunc(o.columns, func(c column) bool { return slices.Contains(without, c.name) })
		}
		if err := server.Exec(ctx, o.mirror(database, settings)); err != nil {
			return fmt.Errorf("mirror: make view %s.%s: %w", views, o.name, err)
		}
		made[o.name] = true
	}
	for _, r := range there {
		if made[r[0]] {
			continue
		}
		if err := server.Exec(ctx, "DROP TABLE IF EXISTS "+views+"."+quoteName(r[0])+" SYNC"); err != nil {
			return fmt.Errorf("mirror: drop view %s.%s: %w", views, r[0], err)
		}
	}
	return nil
}

// relation is a table or view as the server describes it.
type relation struct {
	name, engine, query, comment string
	columns                      []column
}

type column struct{ name, kind, comment string }

// readRelations reads those of a database.
func readRelations(ctx context.Context, server Server, database string) ([]relation, error) {
	rows, err := server.Rows(ctx, "SELECT name, engine, as_select, comment FROM system.tables WHERE database = "+quote(database)+" ORDER BY name")
	if err != nil {
		return nil, err
	}
	var all []relation
	at := map[string]int{}
	for _, r := range rows {
		at[r[0]] = len(all)
		all = append(all, relation{name: r[0], engine: r[1], query: r[2], comment: r[3]})
	}
	rows, err = server.Rows(ctx, "SELECT table, name, type, comment FROM system.columns WHERE database = "+quote(database)+" ORDER BY table, position")
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		if i, ok := at[r[0]]; ok {
			all[i].columns = append(all[i].columns, column{r[1], r[2], r[3]})
		}
	}
	return all, nil
}

// parameter is one of a view: {name:Type} in its query.
var parameter = regexp.MustCompile(`\{\w+:`)

// shown tells whether the users of projects have a view of it.
func (r relation) shown() bool {
	if r.engine != "View" {
		return slices.Contains(tables, r.name)
	}
	return parameter.MatchString(r.query) || slices.ContainsFunc(r.columns, func(c column) bool { return c.name == "project_id" })
}

// guards are settings of the views themselves, which come after all that a query sets: a subquery's SETTINGS are held to no constraint.
//
// Additional filters would run in the name of Definer, who may look into tables. With pruning of parts, ClickHouse computes a query's conditions on the bounds of whole parts, before
// any filter: the rows of all projects lie in them, and an expression that fails there would tell of those. The primary key, which begins with the project, finds the same granules.
//
// The primary key itself is looked into in the same way, and nothing but giving it up would prevent that: an expression over one of its columns that fails for the first row of a granule, such as
// accurateCast of a hash, tells that a granule of some project begins so; of days and hours the error may name the value. It does not tell whose that is, and texts cannot be had.
var guards = []struct{ name, value string }{
	{"additional_table_filters", "{}"},
	{"use_partition_pruning", "0"},
	{"use_partition_minmax_for_primary_key_pruning", "0"},
	{"use_statistics_for_part_pruning", "0"},
}

// readGuards writes those that the server knows as a list: not all versions have each of them, and what goes with it.
func readGuards(ctx context.Context, server Server) (string, error) {
	var names []string
	for _, g := range guards {
		names = append(names, quote(g.name))
	}
	rows, err := server.Rows(ctx, "SELECT name FROM system.settings WHERE name IN ("+strings.Join(names, ", ")+")")
	if err != nil {
		return "", fmt.Errorf("read the names of settings: %w", err)
	}
	var known []string
	for _, g := range guards {
		if slices.ContainsFunc(rows, func(r []string) bool { return r[0] == g.name }) {
			known = append(known, g.name+" = "+g.value)
		}
	}
	return strings.Join(known, ", "), nil
}

// mirror is the statement that makes the view.
func (r relation) mirror(database, settings string) string {
	views := ViewsDatabase(database)
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE OR REPLACE VIEW %s.%s\n", views, quoteName(r.name))
	query := r.query
	if !parameter.MatchString(r.query) {
		var names []string
		for i, c := range r.columns {
			fmt.Fprintf(&b, "%s    %s %s COMMENT %s", map[bool]string{true: "(\n", false: ",\n"}[i == 0], quoteName(c.name), c.kind, quote(c.comment))
			names = append(names, quoteName(c.name))
		}
		b.WriteString("\n)\n")
		query = "SELECT " + strings.Join(names, ", ") + " FROM " + database + "." + quoteName(r.name)
	}
	fmt.Fprintf(&b, "DEFINER = %s SQL SECURITY DEFINER\nAS SELECT * FROM\n(\n%s\n)\nSETTINGS %s\nCOMMENT %s", Definer, query, settings, quote(r.comment))
	return b.String()
}

var (
	textEscapes = strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	nameEscapes = strings.NewReplacer(`\`, `\\`, "`", "\\`")
)

// quote writes a string as SQL does.
func quote(s string) string { return "'" + textEscapes.Replace(s) + "'" }

// quoteName writes the name of anything as SQL does.
func quoteName(s string) string { return "`" + nameEscapes.Replace(s) + "`" }
