package erase

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// mostSessions is how many sessions one mutation names.
const mostSessions = 2000

// deleteSessions deletes the sessions of the run's erased rows, and those that began with one of the ids. A session that others have events in, too, is put back without these by the
// auditor.
func (r *run) deleteSessions(ctx context.Context, id uuid.UUID, p parameters, byIDs bool) error {
	sessions := map[uint64]bool{}
	var h uint64
	note := func() { sessions[h] = true }
	if err := r.query(ctx, "SELECT DISTINCT session_h FROM {db}.erased_rows WHERE run = {run:UUID} AND session_h != 0", parameters{"run": id.String()}, note, &h); err != nil {
		return fmt.Errorf("list the sessions of erased rows: %w", err)
	}
	if byIDs {
		if err := r.query(ctx, "SELECT DISTINCT cityHash64(session_id) FROM {db}.sessions WHERE project_id = {project:UInt32} AND "+oneOf(firstUser), p, note, &h); err != nil {
			return fmt.Errorf("list the sessions that began with erased people: %w", err)
		}
	}
	all := make([]uint64, 0, len(sessions))
	for h := range sessions {
		all = append(all, h)
	}
	for len(all) > 0 {
		n := min(len(all), mostSessions)
		q := parameters{"project": p["project"], "sessions": list(all[:n])}
		if err := r.exec(ctx, "ALTER TABLE {db}.sessions DELETE WHERE project_id = {project:UInt32} AND cityHash64(session_id) IN {sessions:Array(UInt64)}", q, mutationSettings); err != nil {
			return fmt.Errorf("delete rows of sessions: %w", err)
		}
		all = all[n:]
	}
	return nil
}
