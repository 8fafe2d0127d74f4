package promote

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/enginetest"
	schema "github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/schema/clickhouse/question"
)

func TestColumnNames(t *testing.T) {
	for key, want := range map[string]string{
		"plan": "p_plan", "Plan": "p_plan", "$Total price": "p_total_price", "a.b-c": "p_a_b_c", "__x__": "p_x", "größe": "p_gr_e", "ключ": "", "": "", "$": "", "1st": "p_1st", "__": "",
		strings.Repeat("x", 100): "p_" + strings.Repeat("x", 60),
	} {
		if got := ColumnName(key); got != want {
			t.Errorf("column of %q is %q, want %q", key, got, want)
		}
	}
}

func TestValidateNamesEveryProblem(t *testing.T) {
	mustContain(t, Column{Type: "json"}.Validate(), "key is empty", `type "json": there are string, text, number, integer, bool, time`, "no column can be called after")
	mustContain(t, Column{Key: "a\nb", Name: "plan", Type: String}.Validate(), "control characters", `column "plan": the name must be p_`)
	mustContain(t, Column{Key: "\xff", Name: "p_a b", Type: String}.Validate(), "not UTF-8", `"p_a b"`)
	mustContain(t, Column{Key: strings.Repeat("x", 201), Name: "p_x", Type: String}.Validate(), "201 bytes, 200 can")
	for _, name := range []string{"p_", "p_" + strings.Repeat("x", 61), "q_x", "p_x`", "p_é"} {
		if (Column{Key: "x", Name: name, Type: String}).Validate() == nil {
			t.Errorf("column %q is taken", name)
		}
	}
	if err := (Column{Key: "x", Name: "p_X9_", Type: Time}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestPromoteAndDemote(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "p1")
	exec(t, db, question.EventsView(db.Database(), nil))
	now := time.Now().UTC().Truncate(time.Second)
	insert(t, db, []event{{1, "e", now, 1, `{"plan":"pro","price":9.5}`}})

	plan, err := Promote(within(t), db, Column{Key: "plan", Type: String})
	if err != nil || plan.Name != "p_plan" {
		t.Fatalf("%+v, %v", plan, err)
	}
	price, err := Promote(within(t), db, Column{Key: "price", Type: Number, Name: "p_Amount"})
	if err != nil {
		t.Fatal(err)
	}
	insert(t, db, []event{{1, "e", now, 2, `{"plan":"free"}`}})
	// A writer that computes the value itself.
	exec(t, db, "INSERT INTO {db}.events (project_id, event, ts, user_h, props, p_plan) VALUES (1, 'e', now64(3), 3, '{}', 'sent')")
	for _, table := range []string{"events", "events_q"} {
		if got := text(t, db, "SELECT toString(groupArray((p_plan, p_Amount))) FROM (SELECT p_plan, p_Amount FROM {db}."+table+" ORDER BY user_h)"); got != "[('pro',9.5),('free',NULL),('sent',NULL)]" {
			t.Errorf("%s has %s", table, got)
		}
	}
	if got := text(t, db, "SELECT comment FROM system.columns WHERE database = '{db}' AND table = 'events_q' AND name = 'p_Amount'"); got != `property "price"` {
		t.Errorf("in events_q the column's comment is %s", got)
	}
	if got := text(t, db, "SELECT toString(sum(person_h)) FROM {db}.events_q"); got != "6" {
		t.Errorf("events_q has lost what it had: %s", got)
	}
	if got := text(t, db, "SELECT comment FROM system.columns WHERE database = '{db}' AND table = 'events' AND name = 'p_plan'"); got != `property "plan"` {
		t.Errorf("the column's comment is %s", got)
	}

	for _, c := range []struct {
		column Column
		is     error
		says   string
	}{
		{Column{Key: "plan", Type: String}, ErrPromoted, "column p_plan, a string"},
		{Column{Key: "plan", Type: String, Name: "p_other"}, ErrPromoted, "column p_plan, a string"},
		{Column{Key: "plan", Type: Number}, ErrClash, "column p_plan, a string: `millrace properties demote p_plan` first"},
		{Column{Key: "Plan", Type: String}, ErrClash, `column p_plan is that of property "plan": choose another name with --column`},
		{Column{Key: "x", Type: String, Name: "p_AMOUNT"}, ErrClash, `column p_Amount is that of property "price"`},
	} {
		_, err := Promote(within(t), db, c.column)
		if !errors.Is(err, c.is) {
			t.Errorf("%+v: %v, want %v", c.column, err, c.is)
		}
		mustContain(t, err, c.says)
	}
	exec(t, db, "ALTER TABLE {db}.events ADD COLUMN p_mine String")
	_, err = Promote(within(t), db, Column{Key: "mine", Type: String})
	mustContain(t, err, "has a column p_mine that was not made for a property")

	// A column that somebody has changed is not ours to fill any longer.
	if got, err := Columns(within(t), db); err != nil || !slices.Equal(got, []Column{plan, price}) {
		t.Errorf("promoted are %v, %v", got, err)
	}
	for _, change := range []struct{ do, undo string }{
		{"MODIFY COLUMN p_plan DEFAULT JSONExtractString(props, 'plan')", "MODIFY COLUMN p_plan DEFAULT " + plan.Expression()},
		{"COMMENT COLUMN p_plan 'the plan'", `COMMENT COLUMN p_plan '` + plan.Comment() + `'`},
		{`COMMENT COLUMN p_plan 'property "other"'`, `COMMENT COLUMN p_plan '` + plan.Comment() + `'`},
		{"MODIFY COLUMN p_plan MATERIALIZED " + plan.Expression(), "MODIFY COLUMN p_plan DEFAULT " + plan.Expression()},
		{"MODIFY COLUMN p_plan FixedString(8)", "MODIFY COLUMN p_plan LowCardinality(String)"},
		{"RENAME COLUMN p_plan TO plan", "RENAME COLUMN plan TO p_plan"},
	} {
		exec(t, db, "ALTER TABLE {db}.events "+change.do)
		if got, err := Columns(within(t), db); err != nil || !slices.Equal(got, []Column{price}) {
			t.Errorf("after %s promoted are %v, %v", change.do, got, err)
		}
		exec(t, db, "ALTER TABLE {db}.events "+change.undo)
		if got, err := Columns(within(t), db); err != nil || !slices.Equal(got, []Column{plan, price}) {
			t.Fatalf("after %s promoted are %v, %v", change.undo, got, err)
		}
	}

	// What reads a column keeps it.
	exec(t, db, "CREATE VIEW {db}.by_plan AS SELECT p_plan, count() AS n FROM {db}.events GROUP BY p_plan")
	_, err = Demote(within(t), db, "plan", nil)
	if !errors.Is(err, ErrInUse) {
		t.Error(err)
	}
	mustContain(t, err, "p1.by_plan")
	exec(t, db, "DROP VIEW {db}.by_plan SYNC")
	if _, err := Demote(within(t), db, "nothing", nil); !errors.Is(err, ErrNotPromoted) {
		t.Error(err)
	}
	if _, err := Demote(within(t), db, "p_mine", nil); !errors.Is(err, ErrNotPromoted) {
		t.Error(err)
	}
	if c, err := Demote(within(t), db, "plan", nil); err != nil || c != plan {
		t.Errorf("%+v, %v", c, err)
	}
	if got := text(t, db, "SELECT toString(groupArray(p_Amount)) FROM {db}.events_q"); got != "[9.5]" {
		t.Errorf("events_q has %s", got)
	}
	// Whoever makes the view anew finds all columns.
	exec(t, db, question.EventsView(db.Database(), nil))
	if err := ShowColumns(within(t), db); err != nil {
		t.Error(err)
	}
	// The name must rest, lest values of the former column get into the new one. Another name, and a name like it, need not.
	_, err = Promote(within(t), db, Column{Key: "plan", Type: Bool})
	if !errors.Is(err, ErrClash) {
		t.Error(err)
	}
	mustContain(t, err, "a column p_plan was dropped a moment ago", "try again in", "--column")
	for _, name := range []string{"p_plan2", "p_pla", "p_PLAN_"} {
		if _, err := Promote(within(t), db, Column{Key: "plan" + name, Type: Bool, Name: name}); err != nil {
			t.Error(err)
		}
	}
	exec(t, db, "ALTER TABLE {db}.events RENAME COLUMN p_pla TO p_Pla")
	if left, err := reusable(within(t), db, "p_pla"); err != nil || left < ReuseAfter/2 || left > ReuseAfter {
		t.Errorf("p_pla must rest for %v, %v", left, err)
	}
	if left, err := reusable(within(t), db, "p_Pla"); err != nil || left != 0 {
		t.Errorf("p_Pla must rest for %v, %v", left, err)
	}
}

// The insert of a writer that does not know a column, or knows one that is gone, must have a clear end.
func TestPromoteIsBounded(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "p2")
	for i := range MaxColumns {
		exec(t, db, "ALTER TABLE {db}.events ADD COLUMN "+Column{Name: fmt.Sprintf("p_%d", i), Key: fmt.Sprint(i), Type: Types[i%len(Types)]}.definition())
	}
	if got, err := Columns(within(t), db); err != nil || len(got) != MaxColumns {
		t.Fatalf("%d columns, %v", len(got), err)
	}
	_, err := Promote(within(t), db, Column{Key: "one more", Type: String})
	if !errors.Is(err, ErrClash) {
		t.Error(err)
	}
	mustContain(t, err, "64 properties are promoted")
	if err := schema.Assert(within(t), db); err != nil {
		t.Errorf("with promoted columns: %v", err)
	}
}

func TestMaterializeFillsOldParts(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "p3")
	now := time.Now().UTC().Truncate(time.Second)
	var events []event
	for i := range 3000 {
		events = append(events, event{1, "e", now, uint64(i), fmt.Sprintf(`{"n":%d}`, i)})
	}
	insert(t, db, events[:1000])
	c, err := Promote(within(t), db, Column{Key: "n", Type: Integer})
	if err != nil {
		t.Fatal(err)
	}
	exec(t, db, "SYSTEM STOP MERGES {db}.events")
	insert(t, db, events[1000:])
	state := func() Property {
		t.Helper()
		l, err := List(within(t), db, 0, 10, now.Add(-time.Hour))
		if err != nil || len(l.Properties) != 1 || l.Properties[0].Column == nil || *l.Properties[0].Column != c {
			t.Fatalf("%+v, %v", l, err)
		}
		return l.Properties[0]
	}
	if p := state(); p.Filling || p.Stored < .66 || p.Stored > .67 {
		t.Errorf("before: %+v", p)
	}
	if _, err := Materialize(within(t), db, "n"); err != nil {
		t.Fatal(err)
	}
	if p := state(); !p.Filling {
		t.Errorf("while merges are stopped: %+v", p)
	}
	exec(t, db, "SYSTEM START MERGES {db}.events")
	for p := state(); p.Filling || p.Stored < 1; p = state() {
		if within(t).Err() != nil {
			t.Fatalf("still: %+v", p)
		}
	}
	if got := text(t, db, "SELECT toString(sum(p_n)) FROM {db}.events"); got != fmt.Sprint(3000*2999/2) {
		t.Errorf("the sum is %s", got)
	}
	if _, err := Materialize(within(t), db, "m"); !errors.Is(err, ErrNotPromoted) {
		t.Error(err)
	}
}
