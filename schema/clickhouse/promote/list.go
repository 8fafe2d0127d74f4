package promote

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	schema "github.com/millrace/millrace/schema/clickhouse"
)

// Property is what is known about one key, over all names of events.
type Property struct {
	Key string
	// Types are what values were found, the most frequent first.
	Types []TypeShare
	// Share is the share of all events that have the property, null included; Events is how many that makes, of the last 30 days. Both are estimates from samples.
	Share  float64
	Events uint64
	// Names is how many names of events have it.
	Names uint64
	// Cardinality estimates how many different values there are, at least.
	Cardinality uint64
	// Value is one of them, as JSON, cut after 80 characters.
	Value string
	// FirstSeen and LastSeen are times of events in samples. Zero: it is promoted, and was not found.
	FirstSeen, LastSeen time.Time

	// Column is the property's column; nil: it is not promoted.
	Column *Column
	// Stored is the share of the rows whose part of the table has the column; the others compute it when they are read. Filling tells that a Materialize is under way. Bytes is what the column
	// takes on disk.
	Stored  float64
	Filling bool
	Bytes   uint64

	// Usage is of the queries that took the property out of props. Of a promoted property these are queries that could read the column instead.
	Usage Usage
	// Spared estimates how much CPU those queries would not have used with a column.
	Spared time.Duration
	// Suggested is the type to promote it with, and Fits the share of its values that are of this type; empty: no column can hold enough of them.
	Suggested Type
	Fits      float64
}

// TypeShare is how much of a property's values are of a type: string, time (a string that is one), integer, number, bool, null, array, object.
type TypeShare struct {
	Type  string
	Share float64
}

// Listing is what List finds.
type Listing struct {
	// Properties are those whose queries would gain most first, then the most frequent.
	Properties []Property
	// Events is how many events the catalogue knows of, of the last 30 days.
	Events uint64
	// UsageKnown is false when the server keeps no query log that this user may read.
	UsageKnown bool
}

// listQuery sums up a key over the names of events.
const listQuery = `
SELECT key, groupArray((type, n)) AS types, sum(n) AS total, max(different) AS cardinality, argMax(example, n) AS value, min(first) AS first_seen, max(last) AS last_seen, uniqExactMerge(names) AS of
FROM
(
    SELECT key, type, sum(events) AS n, max(cardinality) AS different, argMax(value, (type != 'null', events)) AS example, min(first_seen) AS first, max(last_seen) AS last, uniqExactState(project_id, event) AS names
    FROM {db}.properties_q
    WHERE {project:UInt32} = 0 OR project_id = {project:UInt32}
    GROUP BY key, type
)
GROUP BY key
ORDER BY total DESC, key
LIMIT {keys:UInt64}`

// List says which properties there are: of one project, or of all with project 0; the keys most frequent properties, and all that are promoted. It reads the catalogue as it is, and
// queries of the time since from; see Surveyor.Look for bringing it up to date.
func List(ctx context.Context, db *schema.DB, project uint32, keys int, from time.Time) (Listing, error) {
	var l Listing
	promoted, err := Columns(ctx, db)
	if err != nil {
		return l, err
	}
	p := parameters{"project": strconv.FormatUint(uint64(project), 10), "keys": strconv.Itoa(keys)}
	err = db.Conn().QueryRow(with(ctx, p), inDatabase("SELECT sum(total) FROM (SELECT max(latest).total AS total FROM {db}.properties WHERE type = '' AND ({project:UInt32} = 0 OR project_id = {project:UInt32}) GROUP BY project_id, event)", db)).
		Scan(&l.Events)
	if err != nil {
		return l, fmt.Errorf("read the catalogue of properties: %w", err)
	}
	if l.Properties, err = listed(ctx, db, p); err != nil {
		return l, err
	}
	for i := range promoted {
		if !slices.ContainsFunc(l.Properties, func(p Property) bool { return p.Key == promoted[i].Key }) {
			l.Properties = append(l.Properties, Property{Key: promoted[i].Key})
		}
	}
	used, known, err := usage(ctx, db, from)
	if err != nil {
		return l, err
	}
	l.UsageKnown = known
	disk, err := storedColumns(ctx, db)
	if err != nil {
		return l, err
	}
	for i := range l.Properties {
		p := &l.Properties[i]
		if l.Events > 0 {
			p.Share = min(1, float64(p.Events)/float64(l.Events))
		}
		p.Usage = used[p.Key]
		p.Suggested, p.Fits = suggest(p.Types, p.Cardinality)
		p.Spared = p.Usage.spared()
		for j := range promoted {
			if c := promoted[j]; c.Key == p.Key {
				p.Column, p.Stored, p.Filling, p.Bytes = &c, disk[c.Name].share, disk[c.Name].filling, disk[c.Name].bytes
			}
		}
	}
	slices.SortStableFunc(l.Properties, func(a, b Property) int {
		return cmp.Or(cmp.Compare(b.Spared, a.Spared), cmp.Compare(b.Usage.Queries, a.Usage.Queries), cmp.Compare(b.Events, a.Events), cmp.Compare(a.Key, b.Key))
	})
	return l, nil
}

func listed(ctx context.Context, db *schema.DB, p parameters) ([]Property, error) {
	rows, err := db.Conn().Query(with(ctx, p), inDatabase(listQuery, db))
	if err != nil {
		return nil, fmt.Errorf("read the catalogue of properties: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err has told
	var all []Property
	for rows.Next() {
		var p Property
		var types [][]any
		if err := rows.Scan(&p.Key, &types, &p.Events, &p.Cardinality, &p.Value, &p.FirstSeen, &p.LastSeen, &p.Names); err != nil {
			return nil, fmt.Errorf("read the catalogue of properties: %w", err)
		}
		for _, t := range types {
			share := 1.
			if p.Events > 0 {
				share = float64(t[1].(uint64)) / float64(p.Events)
			}
			p.Types = append(p.Types, TypeShare{Type: t[0].(string), Share: share})
		}
		slices.SortStableFunc(p.Types, func(a, b TypeShare) int {
			return cmp.Or(cmp.Compare(b.Share, a.Share), cmp.Compare(a.Type, b.Type))
		})
		all = append(all, p)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the catalogue of properties: %w", err)
	}
	return all, nil
}

// onDisk is what the parts of the table hold of a column.
type onDisk struct {
	share   float64
	bytes   uint64
	filling bool
}

// storedColumns asks what the parts hold of the columns whose names begin as those of promoted ones do.
func storedColumns(ctx context.Context, db *schema.DB) (map[string]onDisk, error) {
	p := parameters{"database": db.Database(), "table": eventsTable}
	rows, err := db.Conn().Query(with(ctx, p), `
		SELECT column, sum(rows) / greatest(any(total), 1) AS share, sum(column_data_compressed_bytes) AS bytes,
			column IN (SELECT extract(command, 'MATERIALIZE COLUMN `+"`?([A-Za-z0-9_]+)"+`') FROM system.mutations WHERE database = {database:String} AND table = {table:String} AND NOT is_done) AS filling
		FROM system.parts_columns,
			(SELECT sum(rows) AS total FROM system.parts WHERE database = {database:String} AND table = {table:String} AND active) AS whole
		WHERE database = {database:String} AND table = {table:String} AND active AND startsWith(column, '`+prefix+`')
		GROUP BY column`)
	if err != nil {
		return nil, fmt.Errorf("read the parts of %s: %w", eventsTable, err)
	}
	defer rows.Close() //nolint:errcheck // Err has told
	all := map[string]onDisk{}
	for rows.Next() {
		var column string
		var d onDisk
		var filling uint8
		if err := rows.Scan(&column, &d.share, &d.bytes, &filling); err != nil {
			return nil, fmt.Errorf("read the parts of %s: %w", eventsTable, err)
		}
		d.filling = filling != 0
		all[column] = d
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the parts of %s: %w", eventsTable, err)
	}
	return all, nil
}

const (
	// fits is the share of a property's values, null apart, that must be of a type for the type to be suggested.
	fits = 0.95
	// manyValues is from where on text is stored as it is rather than by a dictionary.
	manyValues = 10_000
)

// suggest chooses the type that most values are of.
func suggest(types []TypeShare, cardinality uint64) (Type, float64) {
	share := map[string]float64{}
	sum := 0.
	for _, t := range types {
		if t.Type != "null" {
			share[t.Type] += t.Share
			sum += t.Share
		}
	}
	if sum == 0 {
		return "", 0
	}
	texts := String
	if cardinality >= manyValues {
		texts = Text
	}
	// In the order of preference: what says more first.
	for _, c := range []struct {
		t     Type
		share float64
	}{
		{Time, share["time"]}, {Bool, share["bool"]}, {Integer, share["integer"]}, {Number, share["integer"] + share["number"]}, {texts, share["string"] + share["time"]},
	} {
		if c.share/sum >= fits {
			return c.t, c.share / sum
		}
	}
	return "", 0
}
