package verify

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// RollupDrift is how one rollup differs from what the rows of table events add up to.
type RollupDrift struct {
	Table string `json:"table"`
	// Keys that were compared: those of either side.
	Keys uint64 `json:"keys"`
	// Missing keys are only in events, Surplus ones only in the rollup, and Different ones in both, with another value in any column.
	Missing   uint64 `json:"missing"`
	Surplus   uint64 `json:"surplus"`
	Different uint64 `json:"different"`
	// Rows is the sum, over all keys, of how far the numbers of events lie apart.
	Rows int64 `json:"rows"`
	// Example is one key that drifted, with what is wrong there; empty: none.
	Example string `json:"example,omitempty"`
}

// Drifted tells whether the rollup differs anywhere.
func (d RollupDrift) Drifted() bool { return d.Missing+d.Surplus+d.Different > 0 }

// String is a line for people.
func (d RollupDrift) String() string {
	if !d.Drifted() {
		return fmt.Sprintf("%s: %d keys, all exact", d.Table, d.Keys)
	}
	return fmt.Sprintf("%s: of %d keys %d are missing, %d surplus, %d different, by %d events in all; one is %s", d.Table, d.Keys, d.Missing, d.Surplus, d.Different, d.Rows, d.Example)
}

// rollup says, column by column, what a rollup must hold and how it is read. The first value is the number of events; a key of the rollup where all
// the sums are zero was taken back and counts as absent.
type rollup struct {
	table  string
	keys   []column
	values []column
	rows   string // which rows of events belong in it
	kept   string // which keys of it are compared, with the computed keys' names
}

// column is one of a rollup: as it is computed from rows of events, and as it is read from the rollup.
type column struct{ name, raw, merged string }

// The keys of time are Unix seconds, so that no type's range matters. Other than the views, which divide, they take the remainder away.
const (
	minuteOf = "intDiv(toUnixTimestamp64Milli(ts) - positiveModulo(toUnixTimestamp64Milli(ts), 60000), 1000)"
	hourOf   = "intDiv(toUnixTimestamp64Milli(ts) - positiveModulo(toUnixTimestamp64Milli(ts), 3600000), 1000)"
	dayOf    = "intDiv(toUnixTimestamp64Milli(ts) - positiveModulo(toUnixTimestamp64Milli(ts), 86400000), 86400000)"
	// The upper 48 bits of a UUIDv7 are milliseconds, which reach further than dates do; other ids have none.
	sessionDayOf = "if(substring(toString(session_id), 15, 1) = '7', least(toInt64(intDiv(bitShiftRight(reinterpretAsUInt64(session_id), 16), 86400000)), " + lastDay + "), 0)"
	lastDay      = "toInt64(toInt32(toDate32(toDateTime64(253402214400, 0, 'UTC'))))"
)

// minutesKept is for how long rollup_1m is compared: its TTL is a day longer.
const minutesKept = 59 * 24 * time.Hour

// rollups are the rollups of the product, in the order of the answer.
func rollups() []rollup {
	project := column{"project_id", "project_id", "project_id"}
	event := column{"event", "CAST(event, 'String')", "CAST(event, 'String')"}
	n := column{"n", "toInt64(count())", "sum(n)"}
	revenue := column{"revenue", "CAST(sum(revenue), 'Decimal(38, 4)')", "sum(revenue)"}
	// The estimate of a state depends, at one size, on how it was merged; that of a state merged with itself does not.
	users := column{
		"users", "arrayReduce('uniqCombined64Merge(12)', arrayWithConstant(2, uniqCombined64State(12)(user_h)))",
		"arrayReduce('uniqCombined64Merge(12)', arrayWithConstant(2, uniqCombined64MergeState(12)(users)))",
	}
	text := func(name, raw, merged string) column { return column{name, "CAST(" + raw + ", 'String')", merged} }
	const first, last = "(ts, user_h, CAST(url_path, 'String'), CAST(referrer_host, 'String'), CAST(utm_source, 'String'))", "(ts, CAST(url_path, 'String'))"
	return []rollup{
		{
			table:  "rollup_1m",
			keys:   []column{project, event, {"minute", minuteOf, "toUnixTimestamp64Second(minute)"}},
			values: []column{n, revenue, users},
			kept:   fmt.Sprintf("tupleElement(k, 3) >= toUnixTimestamp(now()) - %d", int64(minutesKept.Seconds())),
		},
		{
			table: "rollup_1h",
			keys: []column{
				project, event,
				{"hour", hourOf, "toUnixTimestamp64Second(hour)"},
				text("country", "country", "CAST(country, 'String')"), text("device", "device", "CAST(device, 'String')"),
			},
			values: []column{n, revenue, users},
		},
		{
			table:  "user_day",
			keys:   []column{project, {"day", dayOf, "toInt64(toInt32(day))"}, {"user_h", "user_h", "user_h"}},
			values: []column{n, {"first_ts", "min(ts)", "min(first_ts)"}, {"last_ts", "max(ts)", "max(last_ts)"}},
		},
		{
			table: "sessions",
			keys:  []column{project, {"day", "toInt64(" + sessionDayOf + ")", "toInt64(toInt32(day))"}, {"session_id", "session_id", "session_id"}},
			values: []column{
				{"events", n.raw, "sum(events)"},
				{"pageviews", "toInt64(sum(event = '$pageview'))", "sum(pageviews)"},
				revenue,
				{"first.ts", "min(" + first + ").1", "tupleElement(min(first), 1)"},
				{"first.user_h", "min(" + first + ").2", "tupleElement(min(first), 2)"},
				{"first.path", "min(" + first + ").3", "tupleElement(min(first), 3)"},
				{"first.referrer", "min(" + first + ").4", "tupleElement(min(first), 4)"},
				{"first.utm_source", "min(" + first + ").5", "tupleElement(min(first), 5)"},
				{"last.ts", "max(" + last + ").1", "tupleElement(max(last), 1)"},
				{"last.path", "max(" + last + ").2", "tupleElement(max(last), 2)"},
			},
			rows: "toString(session_id) != '00000000-0000-0000-0000-000000000000'",
		},
	}
}

// sql groups each side by the rollup's key, and both sides together once more, so that a key has what events say beside what the rollup says. Groups
// that do not fit into memory go to ClickHouse's disk.
func (r rollup) sql() string {
	list := func(columns []column, get func(column) string) string {
		all := make([]string, len(columns))
		for i, c := range columns {
			all[i] = get(c)
		}
		return strings.Join(all, ", ")
	}
	raw := func(c column) string { return c.raw }
	merged := func(c column) string { return c.merged }
	texts := func(tuple string, n int) string {
		all := make([]string, n)
		for i := range all {
			all[i] = fmt.Sprintf("toString(tupleElement(%s, %d))", tuple, i+1)
		}
		return "[" + strings.Join(all, ", ") + "]"
	}
	condition := func(word, s string) string {
		if s == "" {
			return ""
		}
		return " " + word + " " + s
	}
	var empty []string
	for i, c := range r.values {
		if strings.HasPrefix(c.merged, "sum(") {
			empty = append(empty, fmt.Sprintf("tupleElement(v, %d) = 0", i+1))
		}
	}
	// The computed keys are in a query of their own, where no alias can be taken for a column.
	side := func(number, table, keys, values, rows, having string) string {
		return "SELECT " + number + " AS side, k, v FROM (SELECT tuple(" + keys + ") AS k, tuple(" + values + ") AS v FROM {database:Identifier}." + table + condition("WHERE", rows) +
			" GROUP BY k)" + condition("WHERE", having)
	}
	gone := "NOT (" + strings.Join(empty, " AND ") + ")"
	if r.kept != "" {
		gone += " AND " + r.kept
	}
	return "SELECT keys, missing, surplus, different, apart, " + texts("e.1", len(r.keys)) + ", e.2, e.3, " + texts("e.4", len(r.values)) + ", " + texts("e.5", len(r.values)) + " FROM (" +
		"SELECT count() AS keys, countIf(NOT stored) AS missing, countIf(NOT present) AS surplus, countIf(present AND stored AND a != b) AS different, " +
		"toInt64(sum(abs(tupleElement(a, 1) - tupleElement(b, 1)))) AS apart, minIf((k, present, stored, a, b), NOT present OR NOT stored OR a != b) AS e FROM (" +
		"SELECT k, anyIf(v, side = 0) AS a, anyIf(v, side = 1) AS b, max(side = 0) AS present, max(side = 1) AS stored FROM (" +
		side("0", "events", list(r.keys, raw), list(r.values, raw), r.rows, r.kept) + " UNION ALL " +
		side("1", r.table, list(r.keys, merged), list(r.values, merged), "", gone) +
		") GROUP BY k)) SETTINGS max_bytes_before_external_group_by = 268435456, max_bytes_ratio_before_external_group_by = 0"
}

// example says what is wrong at a key.
func (r rollup) example(key []string, inEvents, inRollup bool, events, stored []string) string {
	var b strings.Builder
	for i, c := range r.keys {
		text := key[i]
		switch c.name {
		case "minute", "hour":
			text = moment(text, 1)
		case "day":
			text = moment(text, 86_400)[:len("2006-01-02")]
		case "event", "country", "device":
			text = fmt.Sprintf("%q", text)
		}
		fmt.Fprintf(&b, "%s %s ", c.name, text)
	}
	switch {
	case !inRollup:
		fmt.Fprintf(&b, "missing, %s %s in events", r.values[0].name, events[0])
	case !inEvents:
		fmt.Fprintf(&b, "surplus, %s %s in the rollup", r.values[0].name, stored[0])
	default:
		b.WriteString("different:")
		for i, c := range r.values {
			if events[i] != stored[i] {
				fmt.Fprintf(&b, " %s %q, events say %q;", c.name, stored[i], events[i])
			}
		}
	}
	return strings.TrimSuffix(b.String(), ";")
}

// moment writes a whole number of units of so many seconds since 1970.
func moment(text string, seconds int64) string {
	var n int64
	if _, err := fmt.Sscan(text, &n); err != nil {
		return text
	}
	return time.Unix(n*seconds, 0).UTC().Format("2006-01-02 15:04")
}

// Rollups adds up the rows of table events anew and compares the sums with what the rollups hold, by every key and in all columns, one answer for each
// rollup. It looks at all rows, not at those of a run, and nothing may be inserted meanwhile. rollup_1m is compared for its last 59 days. Tables with a
// TTL of the operator's own must lose old rows together. The memory that ClickHouse takes is bounded whatever the number of rows; its CPU is about half
// a microsecond for each row and rollup.
func (s *Store) Rollups(ctx context.Context) ([]RollupDrift, error) {
	var all []RollupDrift
	for _, r := range rollups() {
		d := RollupDrift{Table: r.table}
		var key, events, stored []string
		var inEvents, inRollup uint8
		err := s.one(ctx, r.sql(), func(rows driver.Rows) error {
			return rows.Scan(&d.Keys, &d.Missing, &d.Surplus, &d.Different, &d.Rows, &key, &inEvents, &inRollup, &events, &stored)
		})
		if err != nil {
			return nil, fmt.Errorf("compare %s: %w", r.table, err)
		}
		if d.Drifted() {
			d.Example = r.example(key, inEvents == 1, inRollup == 1, events, stored)
		}
		all = append(all, d)
	}
	return all, nil
}

// one reads an answer of one row, in the way of a stream: the end of ctx ends the query and leaves the server well.
func (s *Store) one(ctx context.Context, sql string, scan func(driver.Rows) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	st, err := s.open(ctx, 0, sql, func(uint64) {}, func(rows driver.Rows, _ *row) error { return scan(rows) })
	if err != nil {
		return err
	}
	defer st.close()
	return st.drain()
}
