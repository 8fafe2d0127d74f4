package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// unknownTable is what a server answers when a table is not there.
const unknownTable = 60

// customRollup is what table metrics says of a custom metric: the name and the expression of each column.
type customRollup struct {
	Interval string `json:"interval"` // minute, hour or day, and the column of time
	Where    string `json:"where"`
	Keys     []struct{ Name, SQL string }
	Sums     []struct{ Name, SQL string } // the first counts events
	Users    bool
}

// rollupOf makes a rollup of the description of a custom metric's table.
func rollupOf(table, description string) (*rollup, error) {
	var d customRollup
	if err := json.Unmarshal([]byte(description), &d); err != nil {
		return nil, err
	}
	if d.Where == "" || len(d.Keys) < 2 || len(d.Sums) == 0 {
		return nil, errors.New("it lacks the condition, the keys or the count")
	}
	r := rollup{table: table}
	for _, k := range d.Keys {
		r.columns = append(r.columns, column{k.Name, key, k.SQL})
	}
	for _, s := range d.Sums {
		r.columns = append(r.columns, column{s.Name, sum, s.SQL})
	}
	if d.Users {
		r.columns = append(r.columns, column{"users", users, "uniqCombined64State(12)(user_h)"})
	}
	switch d.Interval {
	case "minute", "hour":
		r = hourly(r, d.Interval)
	case "day":
		r = daily(r)
	default:
		return nil, fmt.Errorf("its interval is %q", d.Interval)
	}
	r.count, r.where = d.Sums[0].Name, d.Where
	return &r, nil
}

// all lists the rollups that are compared at present: the built-in ones, then those of custom metrics.
func (a *Auditor) all() []*rollup {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := slices.Clone(rollups)
	for _, table := range slices.Sorted(maps.Keys(a.custom)) {
		list = append(list, a.custom[table])
	}
	return list
}

// gone tells whether a rollup is not compared any longer.
func (a *Auditor) gone(r *rollup) bool { return !slices.Contains(a.all(), r) }

// refresh reads which custom metrics are complete. Each build has a table of its own, so a table means the same for ever.
func (a *Auditor) refresh(ctx context.Context) error {
	found := map[string]string{}
	var table, description string
	err := a.query(ctx, "SELECT concat('metric_', name, '__', toString(build)), rollup FROM "+a.db.Database()+".metrics FINAL WHERE phase = 'complete'", nil,
		func() { found[table] = description }, &table, &description)
	var e *clickhouse.Exception
	if err != nil && (!errors.As(err, &e) || e.Code != unknownTable) {
		return fmt.Errorf("read the custom metrics: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for table, r := range a.custom {
		if _, ok := found[table]; !ok {
			delete(a.custom, table)
			delete(a.drift, r)
			maps.DeleteFunc(a.sent, func(id repairID, _ sentRepair) bool { return id.table == table })
			a.metrics.forget(r)
		}
	}
	var errs []error
	for table, description := range found {
		if a.custom[table] != nil {
			continue
		}
		r, err := rollupOf(table, description)
		if err != nil {
			errs = append(errs, fmt.Errorf("custom metric of table %s: %w", table, err))
			continue
		}
		a.custom[table] = r
	}
	return errors.Join(errs...)
}
