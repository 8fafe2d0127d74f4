package segment

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/clickhouse"
)

// attempt is one build on its way.
type attempt struct {
	*work
	job
	row    Build
	before Build       // the build that is read; its ID is zero when there is none
	draft  schema.UUID // of the changes before their ids are known
	used   usage
}

// errGone says that a segment was dropped while it was built.
var errGone = errors.New("the segment was dropped")

// make makes a build. What is wrong with the build itself is noted with it and no error; an error is about whether there can be any.
func (w *work) make(ctx context.Context, j job) error {
	t := w.track(j.key())
	a := &attempt{work: w, job: j, draft: newID()}
	a.before, _ = t.read()
	a.row = Build{Project: j.Project, Segment: j.Name, ID: j.id, Definition: j.Version, State: Building, Version: w.leader.Version()}
	if a.row.ID == (schema.UUID{}) {
		a.row.ID = newID()
	}
	past := t.last.At
	if a.before.At.After(past) {
		past = a.before.At // the newest moment is what members are read from
	}
	a.row.At = later(w.deps.Now(), past)
	if err := w.write(ctx, a.row); err != nil {
		return err
	}
	t.last = a.row
	if err := w.passed(ctx, stepBegun); err != nil {
		return err
	}
	began := time.Now()
	limited, cancel := context.WithTimeout(ctx, w.cfg.MaxBuildTime)
	err := a.fill(limited)
	cancel()
	a.row.Took = time.Since(began)
	var spilled uint64
	a.row.Memory, spilled = a.used.read()
	w.gauges.spilled.AddInt64(int64(spilled))
	switch {
	case errors.Is(err, errGone):
		delete(w.tracks, j.key())
		return w.forget(ctx, j.key())
	case err != nil:
		if a.row.Note = w.fault(ctx, err); a.row.Note == "" {
			return err
		}
		return a.fail(ctx, err)
	}
	w.gauges.seconds.Update(a.row.Took.Seconds())
	if err := a.activate(ctx); err != nil {
		return err
	}
	w.log.Info("a segment was built", "project", j.Project, "segment", j.Name, "build", a.row.ID.String(), "size", a.row.Size, "entered", a.row.Entered, "left", a.row.Left,
		"took", a.row.Took, "memory", a.row.Memory, "spilled", spilled)
	if err := w.passed(ctx, stepSwitched); err != nil {
		return err
	}
	if a.row.State == Active {
		w.announcer.add(a.row, false)
	}
	return a.clean(ctx)
}

// activate makes the build that which is read.
func (a *attempt) activate(ctx context.Context) error {
	if err := a.Still(ctx); err != nil {
		return err
	}
	a.row.State, a.row.Version = Active, a.leader.Version()
	if !a.Announces() || a.row.Entered+a.row.Left == 0 {
		a.row.State = Announced // nothing is to be sent
	}
	if err := a.write(ctx, a.row); err != nil {
		return err
	}
	a.gauges.built.Inc()
	t := a.track(a.job.key())
	t.last, t.broken = a.row, 0
	t.active = append([]Build{a.row}, t.active...)
	return nil
}

// fail notes that there is no such build.
func (a *attempt) fail(ctx context.Context, why error) error {
	a.row.State, a.row.Version = Failed, a.leader.Version()
	a.row.Size, a.row.Entered, a.row.Left = 0, 0, 0
	if err := a.write(ctx, a.row); err != nil {
		return err
	}
	a.gauges.failed.Inc()
	t := a.track(a.job.key())
	t.last, t.broken = a.row, 0
	a.log.Error("a segment could not be built", "project", a.row.Project, "segment", a.row.Segment, "build", a.row.ID.String(), "took", a.row.Took, "note", a.row.Note, "error", why)
	return a.clean(ctx)
}

// fill finds the members and what changes.
func (a *attempt) fill(ctx context.Context) error {
	if a.flaw != "" {
		return faultError(a.flaw)
	}
	if err := a.ready(); err != nil {
		return err
	}
	if err := a.members(ctx); err != nil {
		return fmt.Errorf("find the members: %w", err)
	}
	if err := a.changes(ctx); err != nil {
		return fmt.Errorf("find the changes: %w", err)
	}
	declared, err := a.count(ctx, `SELECT count() FROM {db}.segments FINAL WHERE project_id = {project:UInt32} AND name = {segment:String}`, a.job.key().params())
	if err == nil && declared == 0 {
		err = errGone
	}
	return err
}

// ready refuses a segment that refers to one without members: those who are in it are not nobody, they are not known.
func (a *attempt) ready() error {
	var missing []string
	for _, name := range a.Segments() {
		if _, ok := a.tracks[key{a.Project, name}].read(); !ok {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return faultError("it refers to " + strings.Join(missing, ", ") + ", of which there is no build yet: build that first")
	}
	return nil
}

// run runs a statement of the build, with the parameters that all of them have.
func (a *attempt) run(ctx context.Context, statement string, more params) error {
	p := a.job.key().params()
	maps.Copy(p, params{"seg_build": a.row.ID.String(), "seg_before": a.before.ID.String(), "seg_draft": a.draft.String(), "seg_at": strconv.FormatInt(a.row.At.UnixMilli(), 10)})
	maps.Copy(p, more)
	seconds := int64(a.cfg.MaxBuildTime/time.Second) + 1
	settings := append(limits(a.cfg.MaxMemoryBytes, seconds), writing(a.cfg.MaxMemoryBytes)...)
	return a.db.Do(ctx, clickhouse.Call{ID: newID().String(), Params: p, Settings: settings}, func(ctx context.Context) error {
		return a.db.Conn().Exec(a.used.watch(ctx), a.text(statement))
	})
}

const insertMembers = `INSERT INTO {db}.segment_members (project_id, segment, build, person_h, at)
SELECT {project:UInt32}, {segment:String}, {seg_build:UUID}, person_h, fromUnixTimestamp64Milli({seg_at:Int64}, 'UTC')
FROM
(
`

// otherIDs are those of the members that are not what the person goes by.
const otherIDs = `    SELECT arrayJoin(others) AS person_h
    FROM
    (
        SELECT groupArrayIf(id, side = 0) AS others, max(side) AS member
        FROM
        (
            SELECT person_h AS person, toUInt64(0) AS id, toUInt8(1) AS side FROM {db}.segment_members WHERE project_id = {project:UInt32} AND segment = {segment:String} AND build = {seg_build:UUID}
            UNION ALL
            SELECT person_h AS person, user_h AS id, toUInt8(0) AS side FROM {db}.identities_q WHERE project_id = {project:UInt32}
        )
        GROUP BY person
    )
    WHERE member = 1
)`

// members writes the members, and then their other ids.
func (a *attempt) members(ctx context.Context) error {
	statement, err := a.Build(a.db.Database(), a.Project, a.row.At)
	if err != nil {
		return faultError("the definition cannot be built: " + err.Error())
	}
	if err := a.run(ctx, insertMembers+statement.Text+"\n)", statement.Params); err != nil {
		return err
	}
	if a.row.Size, err = a.countOf(ctx, "segment_members", a.row.ID, ""); err != nil {
		return err
	}
	if err := a.passed(ctx, stepMembers); err != nil {
		return err
	}
	if err := a.run(ctx, insertMembers+otherIDs, nil); err != nil {
		return err
	}
	return a.passed(ctx, stepOthers)
}

func (a *attempt) countOf(ctx context.Context, table string, id schema.UUID, and string) (uint64, error) {
	return a.count(ctx, `SELECT count() FROM {db}.`+table+` WHERE `+ofSegment+` AND build = {id:UUID}`+and, a.job.key().params().and("id", id.String()))
}
