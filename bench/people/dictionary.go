package people

import (
	"context"
)

// Dictionary is what it takes to hold who is who in memory.
type Dictionary struct {
	Rows    uint64 `json:"rows"`
	Bytes   uint64 `json:"bytes"`
	Reloads []Load `json:"reloads"`
}

// Load is one time that it was loaded anew.
type Load struct {
	Seconds float64 `json:"seconds"` // by system.dictionaries
	Cost    Cost    `json:"cost"`    // of the statement that asked for it
	// CPU is what the whole process used meanwhile, in seconds, of ticks of 10 ms; zero where it cannot be seen.
	CPU float64 `json:"cpu_seconds"`
}

// reloads is how often it is loaded.
const reloads = 3

func (r *run) dictionary(ctx context.Context) error {
	d := &r.result.Dictionary
	var all []priced
	for i := range reloads {
		r.o.Progress("loading the dictionary", uint64(i), reloads)
		before, _ := usage(r.lab.clickhouseProcess) // zero where there is none; then after is as well
		id, took, err := r.server.exec(ctx, "SYSTEM RELOAD DICTIONARY {db}.identity", nil)
		if err != nil {
			return err
		}
		after, _ := usage(r.lab.clickhouseProcess)
		l := Load{CPU: after.User + after.System - before.User - before.System}
		var duration float32
		err = r.server.row(ctx, "SELECT element_count, bytes_allocated, loading_duration FROM system.dictionaries WHERE database = {database:String} AND name = 'identity'",
			map[string]string{"database": r.server.database}, &d.Rows, &d.Bytes, &duration)
		if err != nil {
			return err
		}
		l.Seconds = float64(duration)
		d.Reloads = append(d.Reloads, l)
		all = append(all, pricedAs(id, took))
	}
	costs, err := r.server.costs(ctx)
	if err != nil {
		return err
	}
	priced, err := price(costs, all)
	for i := range priced {
		d.Reloads[i].Cost = priced[i]
	}
	return err
}
