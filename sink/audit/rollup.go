package audit

import (
	"fmt"
	"strings"
)

// kind says how a column of a rollup comes about, and so how it is compared and mended.
type kind uint8

const (
	key   kind = iota
	sum        // signed: mended by the difference
	users      // a state of uniqCombined64(12): mended by what is missing, never by what is too much
	least      // a minimum, likewise
	most       // a maximum, likewise
)

type column struct {
	name string
	kind kind
	raw  string // expression over table events; of all but keys an aggregate
}

// rollup is a table that a view fills from table events.
type rollup struct {
	table   string
	columns []column
	count   string // the column that counts events
	unit    int64  // seconds of a bucket
	where   string // which rows of events count
	raw     string // the bucket of a row of events
	own     string // the bucket of a row of the table
	// rawRange and ownRange select the buckets {low:Int64} to {high:Int64} in terms that an index understands. rawRange is empty where buckets do not follow ts.
	rawRange, ownRange string
}

const (
	daySeconds  = 24 * 60 * 60
	hourSeconds = 60 * 60
	hoursPerDay = 24
)

// floorSeconds is the beginning, in Unix seconds, of the period of so many milliseconds that ts lies in, before 1970 too.
func floorSeconds(millis int) string {
	return fmt.Sprintf("%d * (intDiv(toUnixTimestamp64Milli(ts), %[2]d) - (toUnixTimestamp64Milli(ts) %% %[2]d < 0))", millis/1000, millis)
}

// hourly fills in what rollups by hour have in common; time is their column of time.
func hourly(r rollup, time string) rollup {
	r.count, r.unit, r.where = "n", hourSeconds, "1"
	r.raw = "toInt64(intDiv(toUnixTimestamp64Milli(ts), 3600000) - (toUnixTimestamp64Milli(ts) % 3600000 < 0))"
	r.own = fmt.Sprintf("toInt64(intDiv(toUnixTimestamp64Second(%s), 3600) - (toUnixTimestamp64Second(%[1]s) %% 3600 < 0))", time)
	r.rawRange = "ts >= fromUnixTimestamp64Milli({low:Int64} * 3600000, 'UTC') AND ts <= fromUnixTimestamp64Milli({high:Int64} * 3600000 + 3599999, 'UTC')"
	r.ownRange = fmt.Sprintf("%s >= fromUnixTimestamp64Second({low:Int64} * 3600, 'UTC') AND %[1]s < fromUnixTimestamp64Second({high:Int64} * 3600 + 3600, 'UTC')", time)
	return r
}

// daily is hourly for rollups by day of ts, whose column of time is day.
func daily(r rollup) rollup {
	r.count, r.unit, r.where = "n", daySeconds, "1"
	r.raw = "toInt64(toInt32(toDate32(ts)))"
	r.own = "toInt64(toInt32(day))"
	r.rawRange = "ts >= fromUnixTimestamp64Milli({low:Int64} * 86400000, 'UTC') AND ts <= fromUnixTimestamp64Milli({high:Int64} * 86400000 + 86399999, 'UTC')"
	r.ownRange = dayRange
	return r
}

// dayRange selects days by a column day.
const dayRange = "day >= addDays(toDate32('1970-01-01'), {low:Int64}) AND day <= addDays(toDate32('1970-01-01'), {high:Int64})"

// rollups are the built-in tables, in the order in which they are compared; custom metrics follow, see all. What they hold is stated here a second time and not taken from the views, so that a view
// that was changed shows.
var rollups = []*rollup{
	new(hourly(rollup{table: "rollup_1m", columns: []column{
		{"project_id", key, "project_id"},
		{"event", key, "event"},
		{"minute", key, "toDateTime64(" + floorSeconds(60_000) + ", 0, 'UTC')"},
		{"n", sum, "toInt64(count())"},
		{"revenue", sum, "sum(revenue)"},
		{"users", users, "uniqCombined64State(12)(user_h)"},
	}}, "minute")),
	new(hourly(rollup{table: "rollup_1h", columns: []column{
		{"project_id", key, "project_id"},
		{"event", key, "event"},
		{"hour", key, "toDateTime64(" + floorSeconds(3600_000) + ", 0, 'UTC')"},
		{"country", key, "country"},
		{"device", key, "device"},
		{"n", sum, "toInt64(count())"},
		{"revenue", sum, "sum(revenue)"},
		{"users", users, "uniqCombined64State(12)(user_h)"},
	}}, "hour")),
	new(daily(rollup{table: "user_day", columns: []column{
		{"project_id", key, "project_id"},
		{"day", key, "toDate32(ts)"},
		{"user_h", key, "user_h"},
		{"n", sum, "toInt64(count())"},
		{"first_ts", least, "min(ts)"},
		{"last_ts", most, "max(ts)"},
	}})),
	{
		table: "sessions",
		columns: []column{
			{"project_id", key, "project_id"},
			{"day", key, "toDate32(UUIDv7ToDateTime(session_id, 'UTC'))"},
			{"session_id", key, "session_id"},
			{"first", least, "CAST(min((ts, user_h, CAST(url_path, 'String'), CAST(referrer_host, 'String'), CAST(utm_source, 'String'))), 'Tuple(ts DateTime64(3, \\'UTC\\'), user_h UInt64, path String, referrer String, utm_source String)')"},
			{"last", most, "CAST(max((ts, CAST(url_path, 'String'))), 'Tuple(ts DateTime64(3, \\'UTC\\'), path String)')"},
			{"events", sum, "toInt64(count())"},
			{"pageviews", sum, "toInt64(countIf(event = '$pageview'))"},
			{"revenue", sum, "sum(revenue)"},
		},
		count: "events", unit: daySeconds, where: "session_id != toUUID('00000000-0000-0000-0000-000000000000')",
		raw:      "toInt64(toInt32(toDate32(UUIDv7ToDateTime(session_id, 'UTC'))))",
		own:      "toInt64(toInt32(day))",
		ownRange: dayRange,
	},
}

// bucketsPerDay is 24 or 1.
func (r *rollup) bucketsPerDay() int64 { return daySeconds / r.unit }

// each joins what f makes of the columns of some kinds, of all when none is named. f may return "" for nothing.
func (r *rollup) each(separator string, f func(c column) string, kinds ...kind) string {
	var parts []string
	for _, c := range r.columns {
		wanted := len(kinds) == 0
		for _, k := range kinds {
			wanted = wanted || c.kind == k
		}
		if !wanted {
			continue
		}
		if text := f(c); text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, separator)
}

func (r *rollup) keys() string {
	return r.each(", ", func(c column) string { return "k_" + c.name }, key)
}
