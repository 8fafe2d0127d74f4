package erase

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/millrace/millrace/schema/clickhouse"
)

// run is one run of the job. Not safe for concurrent use.
type run struct {
	task   *Task
	leader leader
	db     *clickhouse.DB
	store  *Store
	memory *memory
	bounds bounds
}

func (r *run) query(ctx context.Context, statement string, p parameters, each func(), into ...any) error {
	return r.db.Query(ctx, call(p, readSettings(r.task.cfg.MaxMemoryBytes)), inDatabase(r.db, statement), each, into...)
}

func (r *run) exec(ctx context.Context, statement string, p parameters, settings []clickhouse.Setting) error {
	return r.db.Do(ctx, call(p, settings), func(ctx context.Context) error { return r.db.Conn().Exec(ctx, inDatabase(r.db, statement)) })
}

// mostIDs is how many ids are deleted at once: a mutation that names many costs little more than one that names one.
const mostIDs = 500

// work deletes what the tables have of the erasures, and notes it. Those that are fresh are noted even if there is nothing.
func (r *run) work(ctx context.Context, fresh, found []uuid.UUID) (deleted bool, err error) {
	byProject := map[uint32][]uuid.UUID{}
	for _, id := range slices.Concat(fresh, found) {
		hashes := r.memory.known.by[id]
		if len(hashes) == 0 {
			continue
		}
		project := r.memory.known.like[id].project
		if _, waits := r.memory.waits[id]; waits && !slices.Contains(fresh, id) {
			continue // it has not begun
		}
		if !slices.Contains(byProject[project], id) {
			byProject[project] = append(byProject[project], id)
		}
	}
	for project, all := range byProject {
		for len(all) > 0 {
			n, ids := 1, len(r.memory.known.by[all[0]])
			for n < len(all) && ids < mostIDs {
				ids += len(r.memory.known.by[all[n]])
				n++
			}
			some, err := r.erase(ctx, project, all[:n], fresh)
			if err != nil {
				return deleted, err
			}
			deleted = deleted || some
			all = all[n:]
		}
	}
	for _, id := range fresh {
		delete(r.memory.waits, id)
	}
	return deleted, nil
}

// batch is some erasures of a project that are worked off together.
type batch struct {
	id       uuid.UUID // of the run
	project  uint32
	erasures []uuid.UUID
	ids      []uint64
	owners   []uint32 // of each id, the place of its erasure, from 1
}

func (b *batch) parameters(bounds *bounds) parameters {
	p := parameters{"project": number(b.project), "ids": list(b.ids), "owners": list(b.owners), "run": b.id.String()}
	bounds.into(p)
	return p
}

// erase goes through all tables for the erasures.
func (r *run) erase(ctx context.Context, project uint32, erasures, fresh []uuid.UUID) (deleted bool, err error) {
	began := time.Now()
	b := &batch{id: uuid.New(), project: project, erasures: erasures}
	for i, id := range erasures {
		for _, h := range r.memory.known.by[id] {
			b.ids, b.owners = append(b.ids, h), append(b.owners, uint32(i+1))
		}
	}
	if err := r.leader.Still(ctx); err != nil {
		return false, err
	}
	if err := r.leader.Forget(ctx, project, b.ids); err != nil {
		return false, fmt.Errorf("take ids out of the graph: %w", err)
	}
	before, after := map[string][]uint64{}, map[string][]uint64{}
	for i := range targets {
		if before[targets[i].table], err = r.count(ctx, &targets[i], b); err != nil {
			return false, err
		}
	}
	for i := range targets {
		t := &targets[i]
		total := sum(before[t.table])
		if total == 0 && t.table != "sessions" {
			continue
		}
		deleted = deleted || total > 0
		if err := r.delete(ctx, t, b, total); err != nil {
			return deleted, err
		}
		r.task.stats.rows[t.table].Add(int(total))
	}
	for i := range targets {
		t := &targets[i]
		after[t.table] = make([]uint64, len(erasures))
		if sum(before[t.table]) > 0 {
			if after[t.table], err = r.count(ctx, t, b); err != nil {
				return deleted, err
			}
		}
	}
	if err := r.note(ctx, b, fresh, before, after); err != nil {
		return deleted, err
	}
	r.task.stats.runs.Inc()
	r.task.stats.seconds.UpdateDuration(began)
	if deleted {
		r.task.deps.Logger.Info("rows of erased people were deleted", "project", project, "run", b.id, "erasures", len(erasures), "rows", total(before), "left", total(after), "took", time.Since(began).Round(time.Millisecond))
	}
	return deleted, nil
}

func sum(counts []uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}

func total(counts map[string][]uint64) (n uint64) {
	for _, c := range counts {
		n += sum(c)
	}
	return n
}

// count counts the rows of each erasure.
func (r *run) count(ctx context.Context, t *target, b *batch) ([]uint64, error) {
	counts := make([]uint64, len(b.erasures))
	var owner uint32
	var rows uint64
	err := r.query(ctx, t.countStatement(), b.parameters(&r.bounds), func() { counts[owner-1] = rows }, &owner, &rows)
	if err != nil {
		return nil, fmt.Errorf("count rows of %s: %w", t.table, err)
	}
	return counts, nil
}

// delete deletes the rows from one table. What others need to know of them is written down first.
func (r *run) delete(ctx context.Context, t *target, b *batch, rows uint64) error {
	p := b.parameters(&r.bounds)
	if t.loaded {
		if err := r.remember(ctx, t, p); err != nil {
			return err
		}
	}
	if t.table == "events" {
		if err := r.deleteSamples(ctx, p); err != nil {
			return err
		}
	}
	if t.table == "sessions" {
		if err := r.deleteSessions(ctx, b.id, p, rows > 0); err != nil {
			return err
		}
	} else if err := r.exec(ctx, t.deleteStatement(), p, mutationSettings); err != nil {
		return fmt.Errorf("delete rows of %s: %w", t.table, err)
	}
	if t.table == "events" {
		return r.audit(ctx, b.id)
	}
	return nil
}

// remember writes down how far the table was and, of events, which records the rows were made of, before they are deleted. The conditions are those of the deletion, and what
// they find does not change meanwhile but by rows that come back.
func (r *run) remember(ctx context.Context, t *target, p parameters) error {
	err := r.exec(ctx, fmt.Sprintf("INSERT INTO {db}.erased_offsets (table, _log, _partition, highest) SELECT '%s', _log, _partition, max(_offset) FROM {db}.%[1]s WHERE %s GROUP BY _log, _partition",
		t.table, t.rows()), p, clickhouse.InsertSettings(""))
	if err != nil {
		return fmt.Errorf("note how far %s was: %w", t.table, err)
	}
	if t.table != "events" {
		return nil
	}
	const hour = "toDateTime64(3600 * (intDiv(toUnixTimestamp64Milli(ts), 3600000) - (toUnixTimestamp64Milli(ts) % 3600000 < 0)), 0, 'UTC')"
	err = r.exec(ctx, `INSERT INTO {db}.erased_rows (_log, _partition, _offset, event_id, received_at, project_id, hour, session_h, run, at)
SELECT _log, _partition, _offset, event_id, received_at, project_id, `+hour+`, if(session_id = toUUID('00000000-0000-0000-0000-000000000000'), 0, cityHash64(session_id)), {run:UUID}, now64(3)
FROM {db}.events WHERE `+t.rows(), p, clickhouse.InsertSettings(""))
	if err != nil {
		return fmt.Errorf("note which rows of events are erased: %w", err)
	}
	return nil
}

// audit has the rollups of the hours compared that the erased rows of a run belonged to.
func (r *run) audit(ctx context.Context, id uuid.UUID) error {
	var hours []int64
	var hour int64
	err := r.query(ctx, "SELECT DISTINCT toUnixTimestamp64Second(hour) FROM {db}.erased_rows WHERE run = {run:UUID}", parameters{"run": id.String()}, func() { hours = append(hours, hour) }, &hour)
	if err != nil {
		return fmt.Errorf("list the hours of erased rows: %w", err)
	}
	if len(hours) == 0 {
		return nil
	}
	if err := r.task.deps.Audit(ctx, r.db, hours); err != nil {
		return fmt.Errorf("queue %d hours for the auditor: %w", len(hours), err)
	}
	return nil
}
