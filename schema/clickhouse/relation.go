package clickhouse

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// relationName is a table or view with its database.
type relationName struct{ database, table string }

// String is the name as statements write it.
func (n relationName) String() string { return quoted(n.database) + "." + quoted(n.table) }

// plainName needs no quotes in a statement.
var plainName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

var nameEscapes = strings.NewReplacer(`\`, `\\`, "`", "\\`")

func quoted(name string) string {
	if plainName.MatchString(name) {
		return name
	}
	return "`" + nameEscapes.Replace(name) + "`"
}

// relation is a table or view as the server knows it.
type relation struct {
	name       relationName
	uuid       string
	engine     string
	engineFull string // with ORDER BY, SETTINGS and so on
	partition  string // PARTITION BY; empty: none
	create     string
	query      string         // the SELECT of a view
	dependents []relationName // materialized views that an insert sets off
}

// relation reads one; ok is false when it does not exist or this user may not see it.
func (db *DB) relation(ctx context.Context, name relationName) (r relation, ok bool, err error) {
	r.name = name
	var databases, names []string
	err = db.conn.QueryRow(parameters(ctx, map[string]string{"database": name.database, "table": name.table}),
		`SELECT toString(uuid), engine, engine_full, partition_key, create_table_query, as_select, dependencies_database, dependencies_table
		FROM system.tables WHERE database = {database:String} AND name = {table:String}`).
		Scan(&r.uuid, &r.engine, &r.engineFull, &r.partition, &r.create, &r.query, &databases, &names)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return r, false, nil
	case err != nil:
		return r, false, fmt.Errorf("read the definition of %s: %w", name, err)
	}
	for i := range names {
		r.dependents = append(r.dependents, relationName{databases[i], names[i]})
	}
	return r, true, nil
}

// identifierText is a name as the server writes it in a statement.
const identifierText = "(`(?:[^`\\\\]|\\\\.)*`|[a-zA-Z_][a-zA-Z0-9_]*)"

// viewTarget is the head of a materialized view's statement as far as the table it fills.
var viewTarget = regexp.MustCompile(`^CREATE MATERIALIZED VIEW ` + identifierText + `\.` + identifierText + `(?: UUID '[^']*')?(?: REFRESH [^(]*?)? TO ` + identifierText + `\.` + identifierText + `[ (]`)

var nameUnescapes = strings.NewReplacer(`\\`, `\`, "\\`", "`")

func unquoted(name string) string {
	if !strings.HasPrefix(name, "`") {
		return name
	}
	return nameUnescapes.Replace(name[1 : len(name)-1])
}

// target is the table that a materialized view fills: the one behind TO, else one of the view's own.
func (r relation) target() relationName {
	if m := viewTarget.FindStringSubmatch(r.create); m != nil {
		return relationName{unquoted(m[3]), unquoted(m[4])}
	}
	if r.uuid == "00000000-0000-0000-0000-000000000000" { // of a database whose tables have no ids
		return relationName{r.name.database, ".inner." + r.name.table}
	}
	return relationName{r.name.database, ".inner_id." + r.uuid}
}

// replicated tells whether tables of the engine remember tokens outside themselves.
func (r relation) replicated() bool {
	return strings.HasPrefix(r.engine, "Replicated") || strings.HasPrefix(r.engine, "Shared")
}

// remembers tells whether tables of the engine can remember tokens at all.
func (r relation) remembers() bool { return strings.HasSuffix(r.engine, "MergeTree") }
