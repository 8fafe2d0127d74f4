package custom

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// field is a column of a rollup's table.
type field struct {
	name, typ, codec, comment string
	sql                       string // expression over table events; of sums an aggregate
}

// rollup is what a definition becomes: a table, and how it is computed from events.
type rollup struct {
	definition Definition
	keys       []field // project_id, time, dimensions: all of the table's key but fillColumn
	sums       []field // n first
	users      bool
	conditions []string
}

// fillColumn ends the key of each table. Rows that the view adds have 0, those of the back-fill the number of their piece: so that it can be seen, not guessed, which pieces are in.
const fillColumn = "_fill"

const (
	usersType = "AggregateFunction(uniqCombined64(12), UInt64)"
	usersSQL  = "uniqCombined64State(12)(events.user_h)"
	sumNumber = "Decimal(38, 6)"
)

// compile makes the rollup of a definition that Parse has returned.
func compile(d Definition) *rollup {
	r := &rollup{definition: d, users: len(d.Uniques) > 0, conditions: d.conditions()}
	at := field{name: d.Interval, typ: "DateTime64(0, 'UTC')", codec: " CODEC(Delta, ZSTD(1))", comment: d.Interval + " of ts, by its beginning, UTC", sql: bucket(d.Interval)}
	if d.Interval == day {
		at.typ, at.comment = "Date32", "day of ts, UTC"
	}
	r.keys = []field{{name: "project_id", typ: "UInt32", comment: "project that owns the events", sql: "events.project_id"}, at}
	for _, g := range d.By {
		r.keys = append(r.keys, g.column())
	}
	r.sums = []field{{name: "n", typ: "Int64", comment: "events: read sum(n)", sql: "toInt64(count())"}}
	for _, s := range d.Sums {
		x := "toDecimal128(events.revenue, 6)"
		if object, member, ok := key(s.Field); ok {
			x = numberOf(object, member)
		}
		r.sums = append(r.sums, field{name: s.As, typ: sumNumber, comment: fmt.Sprintf("%s of the events: read sum(%s)", s.Field, s.As), sql: "sum(" + x + ")"})
	}
	return r
}

// column is the column of a dimension.
func (g Dimension) column() field {
	object, member, ok := key(g.Field)
	if !ok {
		c := columns[g.Field]
		return field{name: g.As, typ: c.typ, comment: c.comment, sql: "events." + g.Field}
	}
	switch g.Type {
	case "string":
		return field{g.As, "String", " CODEC(ZSTD(1))", fmt.Sprintf("property %s as text, the first %d characters; empty: none", member, textLength), fmt.Sprintf("leftUTF8(%s, %d)", textOf(object, member), textLength)}
	case "integer":
		return field{g.As, "Int64", " CODEC(ZSTD(1))", fmt.Sprintf("property %s when it is a whole number of 64 bits, else 0", member), "toInt64OrZero(" + rawOf(object, member) + ")"}
	default:
		return field{g.As, "UInt8", "", fmt.Sprintf("1: property %s is true", member), rawOf(object, member) + " = 'true'"}
	}
}

// readerName is the view that people read.
func readerName(metric string) string { return "metric_" + metric }

func tableName(metric string, build uint32) string {
	return fmt.Sprintf("metric_%s__%d", metric, build)
}

func viewName(metric string, build uint32) string { return tableName(metric, build) + "_mv" }

// createTable makes a table of a build: with as much memory for tokens, and as durable, as the built-in rollups. The partition has one value for all events of a month.
func (r *rollup) createTable(table string) string {
	var b strings.Builder
	column := func(name, typ, codec, comment string) {
		fmt.Fprintf(&b, "    %s %s COMMENT %s%s,\n", name, typ, literal(comment), codec)
	}
	var key []string
	for _, k := range r.keys {
		column(k.name, k.typ, k.codec, k.comment)
		key = append(key, k.name)
	}
	column(fillColumn, "UInt16", "", "0: added as it came; else the piece of the back-fill that it is from")
	for _, s := range r.sums {
		column(s.name, "SimpleAggregateFunction(sum, "+s.typ+")", "", s.comment)
	}
	if r.users {
		column("users", usersType, "", usersComment)
	}
	partition := "toYear"
	if r.definition.Interval == minute {
		partition = "toYYYYMM"
	}
	return fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s\n(\n%s\n)\nENGINE = AggregatingMergeTree\nPARTITION BY %s(%s)\nORDER BY (%s, %s)\n%sSETTINGS non_replicated_deduplication_window = 20000, fsync_after_insert = 1, fsync_part_directory = 1\nCOMMENT %s",
		table, strings.TrimSuffix(b.String(), ",\n"), partition, r.definition.Interval, strings.Join(key, ", "), fillColumn, r.ttl(), literal(r.about()+". A build of it; read view "+readerName(r.definition.Name)))
}

const usersComment = "different user_h, within about 1 %: read uniqCombined64Merge(12)(users)"

// ttl is the clause, with its newline, or nothing. Types of time that end earlier than ours are not gone beyond.
func (r *rollup) ttl() string {
	if r.definition.KeepDays == 0 {
		return ""
	}
	at := r.definition.Interval
	if at == day {
		at = "toDateTime64(day, 0, 'UTC')"
	}
	return fmt.Sprintf("TTL toDateTime(least(greatest(%s, toDateTime64(0, 0, 'UTC')), toDateTime64('2100-01-01 00:00:00', 0, 'UTC')), 'UTC') + INTERVAL %d DAY\n", at, r.definition.KeepDays)
}

// about says in a line what is counted.
func (r *rollup) about() string {
	d := r.definition
	what := "Custom metric: events"
	if len(d.Events) > 0 {
		what += " " + strings.Join(d.Events, ", ")
	}
	what += " by " + d.Interval
	for _, g := range d.By {
		what += ", " + g.As
	}
	if d.Project != 0 {
		what += " of project " + strconv.Itoa(int(d.Project))
	}
	return what
}

// names lists the columns of the table as the SELECT fills them.
func (r *rollup) names() string {
	var names []string
	for _, k := range r.keys {
		names = append(names, k.name)
	}
	names = append(names, fillColumn)
	for _, s := range r.sums {
		names = append(names, s.name)
	}
	if r.users {
		names = append(names, "users")
	}
	return strings.Join(names, ", ")
}

// selection computes the rollup. from is table events, or another under that name. Groups are named by their expressions, because a column of events may be called as one of ours.
func (r *rollup) selection(fill int, from string, conditions ...string) string {
	var values, groups []string
	for _, k := range r.keys {
		values = append(values, k.sql+" AS "+k.name)
		groups = append(groups, k.sql)
	}
	values = append(values, fmt.Sprintf("toUInt16(%d) AS %s", fill, fillColumn))
	for _, s := range r.sums {
		values = append(values, s.sql+" AS "+s.name)
	}
	if r.users {
		values = append(values, usersSQL+" AS users")
	}
	return fmt.Sprintf("SELECT\n    %s\nFROM %s\nWHERE %s\nGROUP BY %s", strings.Join(values, ",\n    "), from, and(conditions...), strings.Join(groups, ", "))
}

// keyHash is one for all rows of a key, from events or from the table.
func (r *rollup) keyHash() string {
	var groups []string
	for _, k := range r.keys {
		groups = append(groups, k.sql)
	}
	return "cityHash64(" + strings.Join(groups, ", ") + ")"
}

// createView makes the view of a build. taken is which events are its own.
func (r *rollup) createView(database string, build uint32, taken string) string {
	name := r.definition.Name
	return fmt.Sprintf("CREATE MATERIALIZED VIEW IF NOT EXISTS %s.%s TO %[1]s.%[3]s AS\n%[4]s\nCOMMENT %[5]s", database, viewName(name, build), tableName(name, build),
		r.selection(0, database+".events", append(r.conditions[:len(r.conditions):len(r.conditions)], taken)...), literal("Fills "+tableName(name, build)+" from events"))
}

// createReader makes the view that people read, in place of the one of another build. Row filters of the table hold for it.
func (r *rollup) createReader(database string, build uint32) string {
	var columns, names []string
	column := func(name, typ, comment string) {
		columns = append(columns, fmt.Sprintf("    %s %s COMMENT %s", name, typ, literal(comment)))
		names = append(names, name)
	}
	for _, k := range r.keys {
		column(k.name, k.typ, k.comment)
	}
	for _, s := range r.sums {
		column(s.name, s.typ, s.comment)
	}
	if r.users {
		column("users", usersType, usersComment)
	}
	return fmt.Sprintf("CREATE OR REPLACE VIEW %s.%s\n(\n%s\n)\nSQL SECURITY INVOKER AS\nSELECT %s\nFROM %[1]s.%[5]s\nCOMMENT %[6]s", database, readerName(r.definition.Name),
		strings.Join(columns, ",\n"), strings.Join(names, ", "), tableName(r.definition.Name, build),
		literal(r.about()+". Sum and merge when reading: a key may have several rows"))
}

// expression is a column of the table and how it is computed from table events.
type expression struct {
	Name string `json:"name"`
	SQL  string `json:"sql"`
}

// described is column rollup of table metrics.
type described struct {
	Interval string       `json:"interval"` // and the name of the column of time
	Where    string       `json:"where"`    // which events count
	Keys     []expression `json:"keys"`
	Sums     []expression `json:"sums"` // the first counts events
	Users    bool         `json:"users"`
}

// describe is the rollup for those that compare the table with events.
func (r *rollup) describe() string {
	d := described{Interval: r.definition.Interval, Where: and(r.conditions...), Users: r.users}
	for _, k := range r.keys {
		d.Keys = append(d.Keys, expression{k.name, k.sql})
	}
	for _, s := range r.sums {
		d.Sums = append(d.Sums, expression{s.name, s.sql})
	}
	return encode(d)
}

func encode(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic("BUG: custom: " + err.Error()) // strings and numbers only
	}
	return string(text)
}

// fingerprint changes with everything that a build is made of.
func (r *rollup) fingerprint() string {
	sum := sha256.Sum256([]byte(r.createTable("t") + "\n" + r.createView("d", 0, "") + "\n" + r.createReader("d", 0)))
	return hex.EncodeToString(sum[:])
}
