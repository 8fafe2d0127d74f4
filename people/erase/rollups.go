package erase

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// rollup is a table that counts events by keys, the project and a time among them. The auditor counts down what erased rows were counted in, but leaves a key that nobody has any
// longer, and what stands in it, with a count of 0.
type rollup struct {
	table string
	count string // column of the count
	hour  string // expression: Unix seconds of the hour that a row is of, or of its day
	days  bool   // hour is of a day
	keys  []string
}

const hourOf = "3600 * (intDiv(toUnixTimestamp64Second(%s), 3600) - (toUnixTimestamp64Second(%[1]s) %% 3600 < 0))"

// fixedRollups are those that each installation has. Those by user and session are deleted from by id, too.
var fixedRollups = []rollup{
	{"rollup_1m", "n", fmt.Sprintf(hourOf, "minute"), false, []string{"project_id", "event", "minute"}},
	{"rollup_1h", "n", fmt.Sprintf(hourOf, "hour"), false, []string{"project_id", "event", "hour", "country", "device"}},
	{"user_day", "n", "toInt64(toInt32(day)) * 86400", true, []string{"project_id", "day", "user_h"}},
}

// rollups lists the tables, those of complete custom metrics among them.
func (r *run) rollups(ctx context.Context) ([]rollup, error) {
	all := fixedRollups[:len(fixedRollups):len(fixedRollups)]
	var table, text string
	var broken error
	err := r.query(ctx, "SELECT concat('metric_', name, '__', toString(build)), rollup FROM {db}.metrics FINAL WHERE phase = 'complete' ORDER BY name, build", nil, func() {
		var d struct {
			Interval   string
			Keys, Sums []struct{ Name string }
		}
		err := json.Unmarshal([]byte(text), &d)
		if err == nil && (len(d.Sums) == 0 || len(d.Keys) < 2) {
			err = errors.New("it lacks the keys or the count")
		}
		if err != nil {
			broken = fmt.Errorf("the description of table %s cannot be read: %w", table, err)
			return
		}
		m := rollup{table: table, count: quoted(d.Sums[0].Name), hour: fmt.Sprintf(hourOf, quoted(d.Interval))}
		if d.Interval == "day" {
			m.hour, m.days = "toInt64(toInt32(day)) * 86400", true
		}
		for _, k := range d.Keys {
			m.keys = append(m.keys, quoted(k.Name))
		}
		all = append(all, m)
	}, &table, &text)
	if err != nil {
		return nil, fmt.Errorf("read the custom metrics: %w", err)
	}
	return all, broken
}

func quoted(column string) string { return "`" + strings.ReplaceAll(column, "`", "``") + "`" }

// mostKeys is how many keys one mutation names.
const mostKeys = 2000

// sweep takes away the keys that nobody has any longer, in the hours that rows were erased of within the last days. It takes away only what counts as absent; should an event of the
// key arrive at the same moment, the auditor puts it back.
func (r *run) sweep(ctx context.Context) error {
	var rows uint64
	if err := r.query(ctx, "SELECT count() FROM {db}.erased_rows", nil, func() {}, &rows); err != nil {
		return fmt.Errorf("look for erased rows: %w", err)
	}
	if rows == 0 {
		return nil
	}
	all, err := r.rollups(ctx)
	if err != nil {
		return err
	}
	for _, t := range all {
		hour := "toUnixTimestamp64Second(hour)"
		if t.days {
			hour = "86400 * (intDiv(" + hour + ", 86400) - (" + hour + " % 86400 < 0))"
		}
		keys := "cityHash64(" + strings.Join(t.keys, ", ") + ")"
		var h uint64
		var empty []uint64
		err := r.query(ctx, fmt.Sprintf("SELECT %s AS h FROM {db}.%s WHERE (project_id, %s) IN (SELECT project_id, %s FROM {db}.erased_rows) GROUP BY h HAVING sum(%s) = 0 LIMIT %d",
			keys, t.table, t.hour, hour, t.count, mostKeys), nil, func() { empty = append(empty, h) }, &h)
		if err != nil {
			return fmt.Errorf("look for empty keys of %s: %w", t.table, err)
		}
		if len(empty) == 0 {
			continue
		}
		err = r.exec(ctx, fmt.Sprintf("ALTER TABLE {db}.%s DELETE WHERE %s IN {keys:Array(UInt64)}", t.table, keys), parameters{"keys": list(empty)}, mutationSettings)
		if err != nil {
			return fmt.Errorf("delete empty keys of %s: %w", t.table, err)
		}
	}
	return nil
}
