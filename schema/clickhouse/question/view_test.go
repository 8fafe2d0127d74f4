package question_test

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/schema/clickhouse/question"
)

// The server knows the views as Views tells them: columns, types, comments; and the example of each comment runs.
func TestViewsAreAsTheySay(t *testing.T) {
	s := start(t)
	events := generate(1)
	load(t, s, events)
	for _, v := range question.Views(database) {
		t.Run(v.Name, func(t *testing.T) {
			_, example, ok := strings.Cut(v.Comment, "Example: ")
			if !ok {
				t.Fatalf("no example in %q", v.Comment)
			}
			a := s.must(t, "DESCRIBE ("+example+")", nil)
			if len(a.rows) != len(v.Columns) {
				t.Errorf("%d columns, Views tells %d", len(a.rows), len(v.Columns))
			}
			for i, row := range a.rows[:min(len(a.rows), len(v.Columns))] {
				if c := v.Columns[i]; row[0] != c.Name || row[1] != c.Type || c.Comment == "" {
					t.Errorf("column %s %s, Views tells %+v", row[0], row[1], c)
				}
			}
			s.must(t, example, nil)
			a = s.must(t, "SELECT comment, create_table_query LIKE '%SQL SECURITY INVOKER%' FROM system.tables WHERE database = '"+database+"' AND name = {name:String}", map[string]string{"name": v.Name})
			if len(a.rows) != 1 || a.rows[0][0] != v.Comment || a.rows[0][1] != "1" {
				t.Errorf("the server has comment and rights %q, want %q and those of whoever asks", a.rows, v.Comment)
			}
			if len(v.Parameters) > 0 && v.Parameters[0].Name != "project" {
				t.Errorf("the first parameter is %s, want project", v.Parameters[0].Name)
			}
			if _, call, _ := strings.Cut(example, "("); len(v.Parameters) != strings.Count(call, " = ") {
				t.Errorf("%d parameters are told, the example has %s", len(v.Parameters), call)
			}
			if reads, filters := strings.Count(v.Text, "FROM "+database+"."), strings.Count(v.Text, "project_id = {project:UInt32}"); len(v.Parameters) > 0 && reads > 2*filters {
				t.Errorf("%d reads of tables and %d filters by project:\n%s", reads, filters, v.Text)
			}
		})
	}
	// A plain view shows its columns' comments where clients look for them.
	a := s.must(t, "SELECT name, type, comment FROM system.columns WHERE database = '"+database+"' AND table = 'events' AND name != 'person_h' ORDER BY position", nil)
	b := s.must(t, "SELECT name, type, comment FROM system.columns WHERE database = '"+database+"' AND table = 'events_q' AND name != 'person_h' ORDER BY position", nil)
	compare(t, "columns of events_q", b, a.rows, true)
	if len(a.rows) < 40 {
		t.Errorf("events has %d columns only", len(a.rows))
	}
}

// A column that was added to events gets into events_q by EventsView, and questions go on working.
func TestEventsViewTakesMoreColumns(t *testing.T) {
	s := start(t)
	load(t, s, generate(1))
	s.exec(t, "ALTER TABLE "+database+".events ADD COLUMN p_plan LowCardinality(String) DEFAULT JSONExtractString(props, 'p')")
	s.exec(t, question.EventsView(database, []question.Column{{Name: "p_plan", Type: "LowCardinality(String)", Comment: "property p"}}))
	direct := s.must(t, "SELECT p_plan, count() FROM "+database+".events GROUP BY 1 ORDER BY 1", nil)
	through := s.must(t, "SELECT breakdown, events FROM "+database+".trends(project = 1, from = '1900-01-01', to = '2299-12-31', interval = 'month', event = '', breakdown = 'p_plan', property = '')", nil)
	sums := map[string]int{}
	for _, row := range through.rows {
		sums[row[0]]++
	}
	if len(direct.rows) < 3 || len(sums) != len(direct.rows) {
		t.Errorf("trends by the new column have %v, the table has %v", through.rows, direct.rows)
	}
}

// What is not asked for is not read: the days outside the range, other events, columns that nothing needs.
func TestOnlyWhatIsNeededIsRead(t *testing.T) {
	s := start(t)
	load(t, s, generate(1))
	const days = "project = 1, from = '2026-11-01', to = '2026-11-03', "
	for _, c := range []struct {
		call        string
		reads, none []string
	}{
		{"trends(" + days + "interval = 'minute', event = 'A', breakdown = 'country', property = '')", []string{"toDate(ts) in", "event in", "country"}, []string{"props", "browser", "user_h", "rollup"}},
		{"trends(" + days + "interval = 'hour', event = 'A', breakdown = 'country', property = '')", []string{"rollup_1h"}, []string{"props", q("events")}},
		{"trends(" + days + "interval = 'hour', event = 'A', breakdown = 'property', property = 'p')", []string{"toDate(ts) in", "props"}, []string{"rollup", "country"}},
		{"uniques(" + days + "interval = 'day', event = '', breakdown = 'none', property = '')", []string{"toDate(ts) in", "user_h"}, []string{"props", "country"}},
		{"funnel(" + days + "steps = ['A', 'B'], window_ms = 1000)", []string{"toDate(ts) in", "event in"}, []string{"props", "country"}},
		{"funnel_by(" + days + "steps = ['A', 'B'], window_ms = 1000, breakdown = 'device', property = '')", []string{"toDate(ts) in", "event in", "device"}, []string{"props", "country"}},
		{"funnel_any(" + days + "steps = ['A', 'B'], window_ms = 1000, breakdown = 'none', property = '')", []string{"toDate(ts) in", "event in"}, []string{"props", "country"}},
		{"retention(" + days + "birth = 'A', return = 'B', period = 'day', mode = 'n_day', periods = 7)", []string{"toDate(ts) in", "event in"}, []string{"props", "_offset"}},
		{"stickiness(" + days + "event = '', period = 'day')", []string{"user_day"}, []string{q("events")}},
		{"lifecycle(" + days + "event = '', period = 'day')", []string{"user_day"}, []string{q("events")}},
		{"timeline(" + days + "user = 'u1', limit = 10)", []string{"toDate(ts) in", "ix_user"}, nil},
		{"event_by_id(project = 1, id = '0192f3a4-7c1d-7e55-9d6b-3f2a1c0b9e8d')", []string{"ix_event_id"}, nil},
	} {
		plan := s.reads(t, "SELECT * FROM "+database+"."+c.call)
		for _, want := range c.reads {
			if !strings.Contains(plan, want) {
				t.Errorf("%s does not use %s:\n%s", c.call, want, plan)
			}
		}
		for _, never := range c.none {
			if strings.Contains(plan, never) {
				t.Errorf("%s reads %s:\n%s", c.call, never, plan)
			}
		}
	}
}

// reads is that part of a query's plan which tells what is read. A table that a constant condition keeps from being read is in the plan without parts.
func (s server) reads(t *testing.T, query string) string {
	t.Helper()
	var all, one strings.Builder
	finish := func() {
		if strings.Contains(one.String(), "Parts:") {
			all.WriteString(one.String())
		}
		one.Reset()
	}
	in := false
	for _, row := range s.must(t, "EXPLAIN indexes = 1 "+query, nil).rows {
		line := strings.TrimLeft(row[0], " │├└─")
		switch {
		case strings.HasPrefix(line, "ReadFrom"):
			finish()
			in = true
		case strings.Contains(row[0], "──"):
			in = false // the next branch
		}
		if in {
			one.WriteString(line + "\n")
		}
	}
	finish()
	return all.String()
}

// q is a table as plans name it.
func q(table string) string { return "(" + database + "." + table + ")" }
