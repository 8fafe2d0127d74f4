package custom

import (
	"strings"
	"testing"
)

// A view that fails is taken away by what the server says to the sink's INSERT; the same INSERT then goes through, and the metric is built anew.
func TestFailingViewIsDetached(t *testing.T) {
	w := newWorld(t)
	w.history(200)
	m, sales := w.metrics(), parseOne(t, salesYAML)
	w.apply(m, sales)
	other := parseOne(t, "  - {name: other, uniques: [user], interval: day}")
	w.apply(m, other)
	r := w.build("sales")
	w.exec("ALTER TABLE {db}." + r.table() + " ADD CONSTRAINT impossible CHECK n < 0")
	failed := w.load(within(t), 1, 50)
	if failed == nil {
		t.Fatal("the view does not fail")
	}
	if name, err := Detach(within(t), w.db, "Code: 241. Memory limit exceeded"); err != nil || name != "" {
		t.Errorf("an error of no view: %q, %v", name, err)
	}
	for range 2 { // the second time is a sink of another partition
		if name, err := Detach(within(t), w.db, failed.Error()); err != nil || name != "sales" {
			t.Fatalf("%q, %v: %v", name, err, failed)
		}
	}
	if err := w.load(within(t), 1, 0); err != nil {
		t.Fatalf("the same INSERT: %v", err)
	}
	if n := w.number("SELECT count() FROM system.tables WHERE database = '{db}' AND name IN ('metric_sales', '" + r.view() + "')"); n != 0 {
		t.Error("the broken metric can be read")
	}
	all, err := List(within(t), w.db)
	if err != nil || len(all) != 2 || all[1].Phase != broken || !strings.Contains(all[1].Problem, "impossible") || all[1].Read != "" || all[0].Read != "metric_other" {
		t.Errorf("%+v, %v", all, err)
	}
	otherTruth := truth{counts: func(event) bool { return true }, group: func(event) string { return "" }, period: daySpan}
	w.mustEqual("other", "day", []string{"''"}, nil, otherTruth)
	w.apply(m, sales)
	w.mustHaveSales()
	w.history(50)
	w.mustHaveSales()
	if left := w.leftovers(w.build("sales"), w.build("other")); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}
