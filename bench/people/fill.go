package people

import "context"

// fills are statements that write what the job would have written of the history.
var fills = []string{
	`INSERT INTO {db}.identity_overrides (project_id, user_h, person_h, version)
SELECT 1, cityHash64(arrayJoin([visitor, user])), cityHash64(user), 1
FROM (` + historySQL + `) WHERE j = 3`,
	`INSERT INTO {db}.profiles (project_id, person_h, distinct_id, props, ids, first_at, updated_at, version, is_deleted)
SELECT 1, cityHash64(user), user, ` + historyTraits + `, 2, ts, ts, 1, 0
FROM (` + historySQL + `) WHERE j = 3`,
}

// fill writes persons and profiles without the job.
func (r *run) fill(ctx context.Context) error {
	r.o.Progress("filling persons and profiles", 0, 0)
	var all []priced
	for _, statement := range fills {
		id, took, err := r.server.exec(ctx, statement, r.o.historyParameters())
		if err != nil {
			return err
		}
		all = append(all, pricedAs(id, took))
	}
	costs, err := r.server.costs(ctx)
	if err != nil {
		return err
	}
	if r.result.Job.Fill, err = price(costs, all); err != nil {
		return err
	}
	return r.server.counted(ctx, r.o, &r.result.Job)
}
