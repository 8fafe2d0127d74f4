package custom

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Change is what Apply would do about a metric.
type Change struct {
	Metric string
	Action Action
	Why    string
	// Statements are those it would run, none when there is nothing to do. The boundary in them, and which days are back-filled, show only when they are run.
	Statements []string
}

// String is the change for people, as SQL with comments.
func (c Change) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "-- metric %s: %s, because %s\n", c.Metric, c.Action, c.Why)
	for _, s := range c.Statements {
		b.WriteString(s + ";\n")
	}
	return b.String()
}

// Plan tells what Apply would do about each definition, and, as changes that are not made, which metrics there are that are not defined. It changes nothing.
func (m *Metrics) Plan(ctx context.Context, definitions []Definition) ([]Change, error) {
	b := newBook(m.DB)
	records, err := b.records(ctx, "")
	if err != nil {
		return nil, err
	}
	there, err := b.relations(ctx, m.DB.Database(), readerName(""))
	if err != nil {
		return nil, err
	}
	var changes []Change
	defined := map[string]bool{}
	for _, d := range definitions {
		defined[d.Name] = true
		r := compile(d)
		own := slices.DeleteFunc(slices.Clone(records), func(o record) bool { return o.name != d.Name })
		// Whether the topic has another life now is for Apply to ask.
		decided := r.decide(own, there, 0)
		if decided.action == refused {
			return nil, fmt.Errorf("metric %s: %s", d.Name, decided.why)
		}
		c := Change{Metric: d.Name, Action: decided.action, Why: decided.why}
		build := decided.build
		if build == 0 {
			for i := range own {
				build = own[i].build
			}
			build++
		}
		if decided.action != Unchanged {
			c.Statements = r.statements(m.DB.Database(), build)
			switch i := slices.IndexFunc(own, func(o record) bool { return o.build == decided.build }); {
			case i >= 0 && own[i].phase == complete:
				c.Statements = c.Statements[3:] // only people have to be given it
			case i >= 0:
				c.Statements = c.Statements[2:] // table and view are there
			}
		}
		changes = append(changes, c)
	}
	for i := range records {
		if r := &records[i]; r.phase != dropped && !defined[r.name] {
			defined[r.name] = true
			changes = append(changes, Change{Metric: r.name, Action: Unchanged, Why: "it is not in the file: `millrace metrics drop " + r.name + "` removes it"})
		}
	}
	return changes, nil
}

// statements are those of a build: for table, view, back-fill and the view for people.
func (r *rollup) statements(database string, build uint32) []string {
	const view, other = "/* at or above the boundary, which is chosen from the ends of the topic when it is applied */ 1", "/* below the boundary */ 1"
	table := database + "." + tableName(r.definition.Name, build)
	days := "/* for each day */ events.ts >= … AND events.ts <= …"
	return []string{
		r.createTable(table), r.createView(database, build, view),
		fmt.Sprintf("INSERT INTO %s (%s)\n%s", table, r.names(), r.selection(1, database+".events", append(slices.Clone(r.conditions), other, days)...)),
		r.createReader(database, build),
	}
}
