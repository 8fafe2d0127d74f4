package segment

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/schema/clickhouse/question"
)

// book reads and writes what is declared and built. It keeps nothing.
type book struct{ db *clickhouse.DB }

// params are server-side parameters.
type params map[string]string

func newID() schema.UUID { return schema.NewUUIDv7(time.Now().UnixMilli()) }

// text puts the name of the database into a statement.
func (b book) text(statement string) string {
	return strings.ReplaceAll(statement, "{db}", b.db.Database())
}

func (b book) query(ctx context.Context, statement string, p params, each func(), into ...any) error {
	return b.db.Query(ctx, clickhouse.Call{ID: newID().String(), Params: p}, b.text(statement), each, into...)
}

// exec runs a statement without an answer.
func (b book) exec(ctx context.Context, statement string, p params, settings []clickhouse.Setting) error {
	return b.db.Do(ctx, clickhouse.Call{ID: newID().String(), Params: p, Settings: settings}, func(ctx context.Context) error {
		return b.db.Conn().Exec(ctx, b.text(statement))
	})
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }

func (k key) params() params {
	return params{"project": number(uint64(k.project)), "segment": k.segment}
}

func (p params) and(name, value string) params { p[name] = value; return p }

// definitions are those that are declared, in order of project and name; project 0: of all. A text that cannot be read any longer, because a newer version wrote it, has no
// Segment but the name.
func (b book) definitions(ctx context.Context, project uint32) ([]Definition, error) {
	where := ""
	if project != 0 {
		where = "WHERE project_id = {project:UInt32}"
	}
	var all []Definition
	var d Definition
	var name string
	err := b.query(ctx, `SELECT project_id, name, definition, version FROM {db}.segments FINAL `+where+` ORDER BY project_id, name`, params{"project": number(uint64(project))}, func() {
		one := d
		if s, err := question.ParseSegment([]byte(d.Text)); err == nil {
			one.Segment = s
		} else {
			one.Segment = &question.Segment{Name: name}
		}
		all = append(all, one)
	}, &d.Project, &name, &d.Text, &d.Version)
	if err != nil {
		return nil, fmt.Errorf("read the segments: %w", err)
	}
	return all, nil
}

// declare writes definitions, or that they are dropped, at once.
func (b book) declare(ctx context.Context, all []Definition, dropped bool) error {
	if len(all) == 0 {
		return nil
	}
	p, rows := params{}, []string{}
	for i, d := range all {
		n := strconv.Itoa(i)
		p["p"+n], p["n"+n], p["d"+n], p["v"+n] = number(uint64(d.Project)), d.Name, d.Text, number(d.Version)
		rows = append(rows, "({p"+n+":UInt32}, {n"+n+":String}, {d"+n+":String}, {v"+n+":UInt64})")
	}
	deleted := "0"
	if dropped {
		deleted = "1"
	}
	statement := `INSERT INTO {db}.segments (project_id, name, definition, version, is_deleted)
SELECT r.1, r.2, r.3, r.4, ` + deleted + ` FROM (SELECT arrayJoin([` + strings.Join(rows, ", ") + `]) AS r)`
	if err := b.exec(ctx, statement, p, clickhouse.PlainInsertSettings()); err != nil {
		return fmt.Errorf("write the segments: %w", err)
	}
	return nil
}

// builds selects builds; rest is what stands behind FROM segment_builds.
func (b book) builds(ctx context.Context, rest string, p params) ([]Build, error) {
	var all []Build
	var row Build
	var id, state string
	var at int64
	var took uint64
	err := b.query(ctx, `SELECT project_id, segment, toString(build), definition, toUnixTimestamp64Milli(at), toString(state), size, entered, left, announced, took_ms, memory, note, version FROM {db}.segment_builds `+rest, p, func() {
		one := row
		one.ID, _ = schema.ParseUUID([]byte(id))
		one.State, one.At, one.Took = State(state), time.UnixMilli(at).UTC(), time.Duration(took)*time.Millisecond
		all = append(all, one)
	}, &row.Project, &row.Segment, &id, &row.Definition, &at, &state, &row.Size, &row.Entered, &row.Left, &row.Announced, &took, &row.Memory, &row.Note, &row.Version)
	if err != nil {
		return nil, fmt.Errorf("read the builds: %w", err)
	}
	return all, nil
}

const (
	ofSegment  = `project_id = {project:UInt32} AND segment = {segment:String}`
	isReadable = `state IN ('active', 'announced')`
)

// active are the last builds of a segment whose members can be read, the newest first. Their order is that of view segment_members_q.
func (b book) active(ctx context.Context, k key, most int) ([]Build, error) {
	return b.builds(ctx, `FINAL WHERE `+ofSegment+` AND `+isReadable+` ORDER BY at DESC, version DESC LIMIT {most:UInt64}`, k.params().and("most", strconv.Itoa(most)))
}

// asked are builds that somebody has asked for and no leader has begun, the oldest first.
func (b book) asked(ctx context.Context) ([]Build, error) {
	// Few rows have such a version, and the index over versions finds them without FINAL, which looks at all.
	rows, err := b.builds(ctx, `WHERE version < {begun:UInt64} LIMIT 10000`, params{"begun": number(askedVersions)})
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	var projects, segments, ids []string
	for _, r := range rows {
		projects, segments, ids = append(projects, number(uint64(r.Project))), append(segments, r.Segment), append(ids, r.ID.String())
	}
	return b.builds(ctx, `FINAL WHERE project_id IN {projects:Array(UInt32)} AND segment IN {segments:Array(String)} AND build IN {ids:Array(UUID)} AND version < {begun:UInt64} AND state = 'building' ORDER BY at, build`,
		params{"begun": number(askedVersions), "projects": "[" + strings.Join(projects, ",") + "]", "segments": list(segments), "ids": list(ids)})
}

// list writes texts that need no escapes as the value of an array.
func list(texts []string) string { return "['" + strings.Join(texts, "','") + "']" }

// write writes a row of a build. Of the rows of one build that with the highest version counts.
func (b book) write(ctx context.Context, r Build) error {
	p := r.key().params()
	maps.Copy(p, params{
		"id": r.ID.String(), "definition": number(r.Definition), "at": strconv.FormatInt(r.At.UnixMilli(), 10), "state": string(r.State), "size": number(r.Size), "entered": number(r.Entered),
		"left": number(r.Left), "announced": number(r.Announced), "took": strconv.FormatInt(r.Took.Milliseconds(), 10), "memory": number(r.Memory), "note": r.Note, "version": number(r.Version),
	})
	err := b.exec(ctx, `INSERT INTO {db}.segment_builds (project_id, segment, build, definition, at, state, size, entered, left, announced, took_ms, memory, note, version)
SELECT {project:UInt32}, {segment:String}, {id:UUID}, {definition:UInt64}, fromUnixTimestamp64Milli({at:Int64}, 'UTC'), {state:String}, {size:UInt64}, {entered:UInt64}, {left:UInt64}, {announced:UInt64},
    {took:UInt64}, {memory:UInt64}, {note:String}, {version:UInt64}`, p, clickhouse.PlainInsertSettings())
	if err != nil {
		return fmt.Errorf("note the build: %w", err)
	}
	return nil
}

// forget deletes all that was built of a segment.
func (b book) forget(ctx context.Context, k key) error {
	for _, table := range []string{"segment_builds", "segment_members", "segment_changes"} {
		there := false
		if err := b.query(ctx, `SELECT 1 FROM {db}.`+table+` WHERE `+ofSegment+` LIMIT 1`, k.params(), func() { there = true }, new(uint8)); err != nil {
			return fmt.Errorf("look into %s: %w", table, err)
		}
		if !there {
			continue
		}
		if err := b.exec(ctx, `DELETE FROM {db}.`+table+` WHERE `+ofSegment, k.params(), nil); err != nil {
			return fmt.Errorf("delete from %s: %w", table, err)
		}
	}
	return nil
}

// remove deletes the rows of builds from a table.
func (b book) remove(ctx context.Context, table string, k key, ids []schema.UUID) error {
	if len(ids) == 0 {
		return nil
	}
	var texts []string
	for _, id := range ids {
		texts = append(texts, id.String())
	}
	err := b.exec(ctx, `DELETE FROM {db}.`+table+` WHERE `+ofSegment+` AND build IN {ids:Array(UUID)}`, k.params().and("ids", list(texts)), nil)
	if err != nil {
		return fmt.Errorf("delete old builds from %s: %w", table, err)
	}
	return nil
}

// count is the number that a SELECT gives.
func (b book) count(ctx context.Context, statement string, p params) (n uint64, err error) {
	var row uint64
	err = b.query(ctx, statement, p, func() { n = row }, &row)
	return n, err
}
