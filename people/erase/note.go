package erase

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/millrace/millrace/schema/clickhouse"
)

// note writes the proof of a run: of each erasure that had rows, and of the fresh ones in any case.
func (r *run) note(ctx context.Context, b *batch, fresh []uuid.UUID, before, after map[string][]uint64) error {
	return r.noteRows(ctx, func(add func(erasure uuid.UUID, table string, before, after uint64) error) error {
		for i, id := range b.erasures {
			found := false
			for _, t := range targets {
				found = found || before[t.table][i] > 0
			}
			if !found && !slices.Contains(fresh, id) {
				continue
			}
			for _, t := range targets {
				if err := add(id, t.table, before[t.table][i], after[t.table][i]); err != nil {
					return err
				}
			}
		}
		return nil
	}, b.project, b.id)
}

func (r *run) noteRows(ctx context.Context, rows func(add func(erasure uuid.UUID, table string, before, after uint64) error) error, project uint32, id uuid.UUID) error {
	err := r.db.Do(ctx, call(nil, clickhouse.InsertSettings("")), func(ctx context.Context) error {
		batch, err := r.db.Conn().PrepareBatch(ctx, "INSERT INTO "+r.db.Database()+".erasure_log (project_id, erasure, run, table, before, after, at)")
		if err != nil {
			return err
		}
		defer batch.Close() //nolint:errcheck // Send has told
		at := r.task.deps.Now().UTC()
		err = rows(func(erasure uuid.UUID, table string, before, after uint64) error {
			return batch.Append(project, erasure, id, table, before, after, at)
		})
		if err != nil || batch.Rows() == 0 {
			return err
		}
		return batch.Send()
	})
	if err != nil {
		return fmt.Errorf("write to table erasure_log: %w", err)
	}
	return nil
}

// finishRuns does the rest of runs that were cut off after they had deleted events: what follows from the rows cannot be found by them any longer.
func (t *Task) finishRuns(ctx context.Context, l leader) error {
	r := &run{task: t, leader: l, db: l.DB()}
	type cut struct {
		id      uuid.UUID
		project uint32
	}
	var all []cut
	var c cut
	err := r.query(ctx, "SELECT DISTINCT run, project_id FROM {db}.erased_rows WHERE run NOT IN (SELECT run FROM {db}.erasure_log)", nil, func() { all = append(all, c) }, &c.id, &c.project)
	if err != nil {
		return fmt.Errorf("look for runs that were cut off: %w", err)
	}
	for _, c := range all {
		if err := l.Still(ctx); err != nil {
			return err
		}
		if err := r.audit(ctx, c.id); err != nil {
			return err
		}
		if err := r.deleteSessions(ctx, c.id, parameters{"project": number(c.project)}, false); err != nil {
			return err
		}
		// Under no erasure: what it has deleted was not counted.
		err := r.noteRows(ctx, func(add func(uuid.UUID, string, uint64, uint64) error) error { return add(uuid.Nil, "sessions", 0, 0) }, c.project, c.id)
		if err != nil {
			return err
		}
	}
	return nil
}
