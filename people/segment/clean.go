package segment

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/schema"
)

// keep is how many builds of a segment keep their members: that which is read, and the one before it, with which a query may have begun.
const keep = 2

// clean deletes what a build leaves behind: members of builds that nobody reads any longer, and changes without ids.
func (a *attempt) clean(ctx context.Context) error {
	k := a.job.key()
	t := a.track(k)
	var members []schema.UUID
	for len(t.active) > keep {
		members = append(members, t.active[len(t.active)-1].ID)
		t.active = t.active[:len(t.active)-1]
	}
	changes := []schema.UUID{a.draft}
	if a.row.State == Failed {
		members, changes = append(members, a.row.ID), append(changes, a.row.ID)
	}
	if a.row.State == Failed || a.row.Entered+a.row.Left > 0 {
		if err := a.remove(ctx, "segment_changes", k, changes); err != nil {
			return err
		}
	}
	if err := a.remove(ctx, "segment_members", k, members); err != nil {
		return err
	}
	return a.passed(ctx, stepCleaned)
}

// cleanAll deletes what leaders before this one left behind. It must be called before anything is built.
func (w *work) cleanAll(ctx context.Context) error {
	declared := map[key]bool{}
	all, err := w.definitions(ctx, 0)
	if err != nil {
		return err
	}
	for _, d := range all {
		declared[d.key()] = true
	}
	for _, table := range []struct{ name, kept string }{
		{"segment_members", `SELECT project_id, segment, build FROM {db}.segment_builds FINAL WHERE ` + isReadable + ` ORDER BY at DESC, version DESC LIMIT ` + number(keep) + ` BY project_id, segment`},
		{"segment_changes", `SELECT project_id, segment, build FROM {db}.segment_builds FINAL WHERE ` + isReadable},
	} {
		stale := map[key][]schema.UUID{}
		var k key
		var id string
		err := w.query(ctx, `SELECT DISTINCT project_id, segment, toString(build) FROM {db}.`+table.name+` WHERE (project_id, segment, build) NOT IN (`+table.kept+`)`, nil, func() {
			parsed, _ := schema.ParseUUID([]byte(id))
			stale[k] = append(stale[k], parsed)
		}, &k.project, &k.segment, &id)
		if err != nil {
			return fmt.Errorf("look for old builds: %w", err)
		}
		for k, ids := range stale {
			if err := w.remove(ctx, table.name, k, ids); err != nil {
				return err
			}
		}
	}
	for k := range w.tracks {
		if !declared[k] {
			if err := w.forget(ctx, k); err != nil {
				return err
			}
			delete(w.tracks, k)
		}
	}
	return nil
}
