package custom

import (
	"context"
	"strings"
	"testing"

	"github.com/millrace/millrace/schema/clickhouse"
)

// The trial finds an expression that throws on some row.
func TestTrialFindsExpressionsThatThrow(t *testing.T) {
	w := newWorld(t)
	m := w.metrics()
	m.pace.odd = oddRows
	all, err := Parse("f", []byte(`metrics:
  - name: every_kind
    project: 3
    events: [Buy, "it's"]
    where:
      - {field: country, op: contains, values: ["x"]}
      - {field: city, op: not_contains, values: ["x"]}
      - {field: os, op: starts_with, values: ["x"]}
      - {field: device, op: set}
      - {field: browser, op: not_set}
      - {field: user_id, op: is_not, values: ["x", "y"]}
      - {field: hops, op: gte, values: [3]}
      - {field: screen_w, op: is, values: [3, 4]}
      - {field: revenue, op: is, values: [3.5, -99999999999999.9999]}
      - {field: revenue, op: lte, values: [3.5]}
      - {field: properties.a, op: gt, values: [-999999999999999999.999999]}
      - {field: properties.a, op: lte, values: [999999999999999999]}
      - {field: properties.a, op: is, values: ["x", 5]}
      - {field: properties.b'\, op: set}
      - {field: traits.a, op: not_set}
      - {field: traits.b, op: contains, values: ["\\'"]}
    by: [event, bot, group_id, {field: properties.a, type: string}, {field: properties.c, type: integer}, {field: properties.c, type: bool, as: d}]
    sums: [revenue, {field: properties.a, as: e}, {field: properties.f}]
    uniques: [user]
    interval: minute
    keep: 30d
  - {name: hours, by: [country], interval: hour, keep: 30d}
  - {name: days, by: [country], interval: day, keep: 30d}
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		if err := w.builder(m, d).try(within(t)); err != nil {
			t.Errorf("%s: %v", d.Name, err)
		}
	}
	for what, spoil := range map[string]func(r *rollup){
		"a cast":           func(r *rollup) { r.keys[2].sql = "toInt64(" + rawOf("props", "a") + ")" },
		"a sum":            func(r *rollup) { r.sums[1].sql = "sum(toDecimal64(" + rawOf("props", "a") + ", 6))" },
		"a condition":      func(r *rollup) { r.conditions = append(r.conditions, "toDate(events.country) > '2026-01-01'") },
		"a division":       func(r *rollup) { r.sums[0].sql = "sum(intDiv(1, events.bot))" },
		"a value":          func(r *rollup) { r.keys[2].sql = "throwIf(events.user_h = 18446744073709551615)" },
		"a type":           func(r *rollup) { r.keys[2].sql, r.keys[2].typ = "events.country", "FixedString(1)" },
		"a name of an own": func(r *rollup) { r.conditions = append(r.conditions, "throwIf(events.event = 'it\\'s') = 0") },
	} {
		b := w.builder(m, all[0])
		spoil(b.rollup)
		if err := b.try(within(t)); err == nil || !strings.Contains(err.Error(), "would fail on some event") {
			t.Errorf("%s that throws is not found: %v", what, err)
		}
	}
	if n := w.number("SELECT count() FROM system.tables WHERE database = '{db}_staging' AND startsWith(name, 'metric_')"); n != 0 {
		t.Errorf("%d tables are left in staging", n)
	}
	// What a killed process has left is dropped when it is old, and not before.
	w.exec("CREATE TABLE {db}_staging.metric_probe_x (x UInt8) ENGINE = Memory")
	if err := w.builder(m, all[2]).dropProbes(within(t)); err != nil {
		t.Error(err)
	}
	if n := w.number("SELECT count() FROM system.tables WHERE database = '{db}_staging' AND name = 'metric_probe_x'"); n != 1 {
		t.Error("a trial that may be under way was dropped")
	}
	// A view on a real table takes those rows as well.
	w.apply(m, all[0])
	if err := (server{w.db}).exec(within(t), compile(all[0]).insertOdd(w.db.Database()+".events", oddRows), nil, trialSettings...); err != nil {
		t.Errorf("%.200s", err)
	}
	w.exec("ALTER TABLE {db}.metric_every_kind__1 MODIFY TTL toDateTime(least(minute, toDateTime64('2100-01-01 00:00:00', 0, 'UTC')), 'UTC') + INTERVAL 40 YEAR")
	if err := clickhouse.Assert(context.WithoutCancel(within(t)), w.db); err != nil {
		t.Error(err)
	}
}
