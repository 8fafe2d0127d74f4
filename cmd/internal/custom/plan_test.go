package custom

import (
	"slices"
	"strings"
	"testing"
)

func TestPlanAndList(t *testing.T) {
	w := newWorld(t)
	w.history(100)
	m, sales := w.metrics(), parseOne(t, salesYAML)
	daily := parseOne(t, "  - {name: daily, interval: day}")
	plan := func(d ...Definition) []Change {
		t.Helper()
		changes, err := m.Plan(within(t), d)
		if err != nil {
			t.Fatal(err)
		}
		return changes
	}
	c := plan(sales)
	if len(c) != 1 || c[0].Action != Create || len(c[0].Statements) != 4 || !strings.Contains(c[0].String(), strings.ReplaceAll("CREATE MATERIALIZED VIEW IF NOT EXISTS {db}.metric_sales__1_mv TO {db}.metric_sales__1 AS", "{db}", w.db.Database())) {
		t.Errorf("%+v", c)
	}
	if left := w.leftovers(); len(left) != 0 {
		t.Errorf("Plan has made %v", left)
	}
	// The statements are SQL.
	for _, s := range c[0].Statements {
		if !strings.Contains(s, "…") {
			w.exec("EXPLAIN AST " + s)
		}
	}
	w.apply(m, sales)
	w.apply(m, daily)
	if c = plan(sales, daily); c[0].Action != Unchanged || c[1].Action != Unchanged || len(c[0].Statements) != 0 {
		t.Errorf("%+v", c)
	}
	if c = plan(parseOne(t, strings.Replace(salesYAML, "[Buy, Refund]", "[Buy]", 1))); len(c) != 2 || c[0].Action != Rebuild || !strings.Contains(c[0].String(), "metric_sales__2") || !strings.Contains(c[1].Why, "millrace metrics drop daily") {
		t.Errorf("%+v", c)
	}
	all, err := List(within(t), w.db)
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	if s := all[1]; s.Metric != "sales" || s.Read != "metric_sales" || s.Phase != complete || s.Problem != "" || s.Rows == 0 || s.Bytes == 0 || s.Definition.Name != "sales" || len(s.Boundary) != partitions || s.EventsDone != s.Events || s.Events == 0 {
		t.Errorf("%+v", s)
	}
	views, tables, err := Relations(within(t), w.db)
	if err != nil || !slices.Equal(views, []string{"metric_daily", "metric_sales"}) || !slices.Equal(tables, []string{"metric_daily__1", "metric_sales__1"}) {
		t.Errorf("%v, %v, %v", views, tables, err)
	}
	// A table is gone.
	w.exec("DROP VIEW {db}.metric_sales__1_mv SYNC")
	if all, err = List(within(t), w.db); err != nil || !strings.Contains(all[1].Problem, "is gone") || all[1].Read != "" {
		t.Errorf("%+v, %v", all, err)
	}
	w.apply(m, sales)
	w.mustHaveSales()
	// A relation of somebody else is left alone.
	w.exec("CREATE TABLE {db}.metric_theirs (x UInt8) ENGINE = MergeTree ORDER BY x")
	theirs := parseOne(t, "  - {name: theirs, interval: day}")
	for _, err := range []error{second(m.Plan(within(t), []Definition{theirs})), second(m.Apply(within(t), theirs, nil))} {
		if err == nil || !strings.Contains(err.Error(), "is a MergeTree called metric_theirs that is none of its own") {
			t.Error(err)
		}
	}
	// Every table and column says what it is.
	if n := w.number("SELECT count() FROM system.tables WHERE database = '{db}' AND comment = '' AND (startsWith(name, 'metric_') AND name != 'metric_theirs' OR name = 'metrics')"); n != 0 {
		t.Errorf("%d tables without a comment", n)
	}
	if n := w.number("SELECT count() FROM system.columns WHERE database = '{db}' AND comment = '' AND (startsWith(table, 'metric_') AND table != 'metric_theirs' AND NOT endsWith(table, '_mv') OR table = 'metrics')"); n != 0 {
		t.Errorf("%d columns without a comment", n)
	}
}

func second[T any](_ T, err error) error { return err }
