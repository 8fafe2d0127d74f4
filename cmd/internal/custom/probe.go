package custom

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/schema/clickhouse"
)

// probePrefix begins the names of tables in the staging database on which a view is tried.
const probePrefix = "metric_probe_"

// trialSettings let an INSERT reach every month that there is, and be as long as odd rows are.
var trialSettings = []clickhouse.Setting{{Name: "max_partitions_per_insert_block", Value: "0"}, {Name: "max_query_size", Value: "67108864"}}

// oddRows is how many there are: enough that each value of every column meets many of the others.
const oddRows = 4000

// try has every expression of the metric computed on odd rows, in tables of the same types: one that throws would stop the sink.
func (b *builder) try(ctx context.Context) (err error) {
	b.tell(Progress{What: "tries the view on odd rows"})
	if err := b.dropProbes(ctx); err != nil {
		return err
	}
	from := b.db.StagingDatabase() + "." + probePrefix + rand.Text()
	into := from + "_target"
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
		defer cancel()
		for _, table := range []string{from, into} {
			if dropErr := b.exec(ctx, "DROP TABLE IF EXISTS "+table+" SYNC", nil); dropErr != nil {
				err = errors.Join(err, fmt.Errorf("drop %s: %w", table, dropErr))
			}
		}
	}()
	for _, statement := range []string{
		"CREATE TABLE " + from + " AS " + b.db.Database() + ".events ENGINE = Memory",
		b.rollup.createTable(into),
		b.rollup.insertOdd(from, b.pace.odd),
	} {
		if err := b.exec(ctx, statement, nil, trialSettings...); err != nil {
			return fmt.Errorf("prepare a trial of the view: %w", err)
		}
	}
	if err := b.rollup.tryOn(ctx, b.server, from, into); err != nil {
		return fmt.Errorf("its view would fail on some event, and stop the sink: %s", firstLine(err))
	}
	return nil
}

// tryOn computes everything for all rows of from: the conditions, and, whether these hold or not, the columns, which it inserts into into; and then all of it as the view does.
func (r *rollup) tryOn(ctx context.Context, s server, from, into string) error {
	source := from + " AS events"
	conditions := slices.Clone(r.conditions)
	boundary := boundary{log: 1, offsets: []uint64{0, 1 << 62}}
	for _, statement := range []string{
		"SELECT count() FROM " + source + " WHERE NOT ignore(" + strings.Join(append(conditions, boundary.view()), ", ") + ") FORMAT Null",
		"INSERT INTO " + into + " (" + r.names() + ")\n" + r.selection(0, source),
		"INSERT INTO " + into + " (" + r.names() + ")\n" + r.selection(0, source, append(conditions, boundary.view())...),
	} {
		if err := s.exec(ctx, statement, nil, trialSettings...); err != nil {
			return err
		}
	}
	return nil
}

// dropProbes drops what a process that was killed has left.
func (b *builder) dropProbes(ctx context.Context) error {
	var left []string
	var name string
	err := b.query(ctx, "SELECT name FROM system.tables WHERE database = {database:String} AND startsWith(name, {prefix:String}) AND metadata_modification_time < now() - INTERVAL 1 HOUR",
		names{"database": b.db.StagingDatabase(), "prefix": probePrefix}, nil, func() { left = append(left, name) }, &name)
	if err != nil {
		return fmt.Errorf("look for former trials: %w", err)
	}
	for _, name := range left {
		if err := b.exec(ctx, "DROP TABLE IF EXISTS "+b.db.StagingDatabase()+"."+name+" SYNC", nil); err != nil {
			return fmt.Errorf("drop a former trial: %w", err)
		}
	}
	return nil
}

// oddValues of a JSON member.
var oddValues = []string{
	`"a"`, `""`, `"12.5"`, `"NaN"`, `"\u0000"`, `"\ud83d\ude00"`, `"\ud800"`, `"'); DROP"`, `"ü\\\"\n"`, "\"\xff\xfe\"", `"` + strings.Repeat("ü", 5000) + `"`,
	`0`, `-0`, `-0.0`, `1`, `1.0`, `0.29`, `-5.9999999`, `1e3`, `1e18`, `999999999999999999`, `999999999999999999.9999999`, `1e19`, `1e32`, `1e33`, `-1e33`, `1e308`, `-1e308`, `1e400`, `5e-324`, `1e-400`,
	`9223372036854775807`, `-9223372036854775808`, `9223372036854775808`, `18446744073709551615`, `18446744073709551616`, strings.Repeat("9", 80), `0.` + strings.Repeat("1", 80),
	`true`, `false`, `null`, `[]`, `[1,"a",{}]`, `{}`, `{"x":{"x":1}}`, strings.Repeat("[", 2000) + strings.Repeat("]", 2000), `01`, `tru`, `1 2`, ``,
}

// oddObjects are what columns of JSON may hold, whatever is asked of them.
var oddObjects = []string{"", "{}", "{", "[]", "null", "1", `"x"`, "\x00", "\xff", strings.Repeat(`{"x":`, 1200), strings.Repeat("[", 100_000)}

// oddTexts are what columns of text may hold.
var oddTexts = []string{"", "a", "$pageview", "NaN", "\x00", "\xff\xfe", "'); DROP", strings.Repeat("ü", 3*textLength)}

// oddTimes are Unix milliseconds around the ends of all types of time, of hours and months, and beyond what any stands for.
var oddTimes = []int64{
	-2208988800000, -2208988799999, 10413791999999, 10413791999998, -1, 0, 1, -86_400_000, 59_999, 3_599_999, 951_782_400_000, 1_793_491_199_999, 1_793_491_200_000,
	-2147483648_000, 2147483647_999, 4294967295_999, 4294967296_000, 65_535 * 86_400_000, 65_536 * 86_400_000,
	-9223372036854775808, 9223372036854775807, -2208988800001, 10413792000000, 253402300800000,
}

// insertOdd fills a table like events with odd rows. The columns walk through their values with steps of different length, so that they meet.
func (r *rollup) insertOdd(table string, rows int) string {
	d := r.definition
	texts := append(slices.Clone(d.Events), oddTexts...)
	for _, c := range d.Where {
		texts = append(texts, c.Values...)
	}
	objects := append(slices.Clone(oddObjects), r.oddMembers()...)
	var columnNames, values []string
	step := 1
	add := func(name, array string, n int) {
		step += 2
		columnNames = append(columnNames, name)
		values = append(values, fmt.Sprintf("[%s][1 + intDiv(number * %d, 7) %% %d]", array, step, n))
	}
	numbers := func(format string, all ...string) string {
		out := make([]string, len(all))
		for i, n := range all {
			out[i] = fmt.Sprintf(format, n)
		}
		return strings.Join(out, ", ")
	}
	for _, name := range slices.Sorted(maps.Keys(columns)) {
		switch columns[name].kind {
		case text:
			add(name, literals(texts), len(texts))
		case whole:
			add(name, "0, 1, 255", 3)
		case money:
			add(name, numbers("reinterpret(toInt64(%s), 'Decimal(18, 4)')", "0", "1", "-1", "999999999999999999", "-999999999999999999", "9223372036854775807", "-9223372036854775808"), 7)
		}
	}
	add("props", literals(objects), len(objects))
	add("traits", literals(objects), len(objects))
	times := make([]string, len(oddTimes))
	for i, at := range oddTimes {
		times[i] = fmt.Sprint(at)
	}
	add("ts", numbers("reinterpret(toInt64('%s'), 'DateTime64(3, \\'UTC\\')')", times...), len(times))
	add("project_id", fmt.Sprintf("toUInt32(%d), 0, 1, 4294967295", d.Project), 4)
	add("user_h", "toUInt64(0), 1, 18446744073709551615", 3)
	add("_log", "0, 1, 65535", 3)
	add("_partition", "0, 1, 2, 65535", 4)
	add("_offset", "toUInt64(0), 1, 18446744073709551615", 3)
	return fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM numbers(%d)", table, strings.Join(columnNames, ", "), strings.Join(values, ", "), rows)
}

// oddMembers are objects with odd values of the keys that the definition names.
func (r *rollup) oddMembers() []string {
	keys := map[string]bool{}
	note := func(field string) {
		if _, member, ok := key(field); ok {
			keys[member] = true
		}
	}
	for _, c := range r.definition.Where {
		note(c.Field)
	}
	for _, g := range r.definition.By {
		note(g.Field)
	}
	for _, s := range r.definition.Sums {
		note(s.Field)
	}
	var objects []string
	for i, v := range oddValues {
		var members []string
		for j, k := range slices.Sorted(maps.Keys(keys)) {
			if j > 0 {
				v = oddValues[(i*7+j*11)%len(oddValues)]
			}
			members = append(members, encode(k)+":"+v)
		}
		objects = append(objects, "{"+strings.Join(members, ",")+"}")
	}
	return objects
}
