package people

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	native "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"
	"github.com/google/uuid"

	"github.com/millrace/millrace/people/identity"
	"github.com/millrace/millrace/people/profile"
	"github.com/millrace/millrace/schema/clickhouse"
)

// store is the tables: what is read here, what is written in write.go. Names of databases and tables are our own and are written into the statements; all else is a parameter.
type store struct {
	db      *clickhouse.DB
	timeout time.Duration // of a statement
}

// readSettings keep the job from taking much of a server that others use.
var readSettings = []clickhouse.Setting{
	{Name: "max_threads", Value: "2"},
	{Name: "use_query_cache", Value: "0"},
	{Name: "apply_mutations_on_fly", Value: "1"}, // what is being erased is gone
	{Name: "timeout_overflow_mode", Value: "throw"},
	{Name: "result_overflow_mode", Value: "throw"},
	{Name: "max_result_rows", Value: "0"},
}

type parameters map[string]string

// table is a table by its full name.
func (s *store) table(name string) string { return s.db.Database() + "." + name }

func (s *store) call(p parameters, settings []clickhouse.Setting) clickhouse.Call {
	return clickhouse.Call{ID: "millrace-people-" + uuid.NewString(), Params: p, Settings: settings}
}

// query calls each for every row of the answer; into is what a row is read to.
func (s *store) query(ctx context.Context, statement string, p parameters, each func(), into ...any) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.db.Query(ctx, s.call(p, readSettings), statement, each, into...)
}

// queryOf is query for a statement about rows of a temporary table: a parameter that is so long takes the server longer to parse than all the rest.
func (s *store) queryOf(ctx context.Context, rows *ext.Table, statement string, p parameters, each func(), into ...any) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.db.Do(ctx, s.call(p, readSettings), func(ctx context.Context) error {
		answer, err := s.db.Conn().Query(native.Context(ctx, native.WithExternalTable(rows)), statement)
		if err != nil {
			return err
		}
		for answer.Next() {
			if err := answer.Scan(into...); err != nil {
				return errors.Join(err, answer.Close())
			}
			each()
		}
		return errors.Join(answer.Err(), answer.Close())
	})
}

// highestVersion is the highest of what leaders have written.
func (s *store) highestVersion(ctx context.Context) (highest uint64, err error) {
	var parts []string
	for _, t := range []string{"identity_overrides", "profiles", "groups", "people_progress", "segment_builds"} {
		parts = append(parts, "SELECT max(version) AS v FROM "+s.table(t))
	}
	err = s.query(ctx, "SELECT max(v) FROM ("+strings.Join(parts, " UNION ALL ")+")", nil, func() {}, &highest)
	return highest, err
}

// progressRow is a row of people_progress.
type progressRow struct {
	source
	next, version uint64
}

func (s *store) progress(ctx context.Context) (all []progressRow, err error) {
	var r progressRow
	err = s.query(ctx, "SELECT _log, _partition, next, version FROM "+s.table("people_progress")+" FINAL", nil,
		func() { all = append(all, r) }, &r.log, &r.partition, &r.next, &r.version)
	return all, err
}

// place is a tuple of identity_edges as columns.
func place(name string) string {
	return fmt.Sprintf("toUnixTimestamp64Milli(%[1]s.ts), %[1]s._log, %[1]s._partition, %[1]s._offset, %[1]s.event_id", name)
}

// facts reads all rows of identity_edges, merged or not: whoever takes them merges them.
func (s *store) facts(ctx context.Context, each func(identity.Fact)) error {
	var f identity.Fact
	var kind int8
	var first, last uuid.UUID
	return s.query(ctx, "SELECT project_id, a_h, b_h, CAST(kind, 'Int8'), "+place("first")+", "+place("last")+" FROM "+s.table("identity_edges"), nil,
		func() {
			f.Kind, f.First.EventID, f.Last.EventID = identity.Kind(kind), first, last
			each(f)
		},
		&f.Project, &f.AH, &f.BH, &kind,
		&f.First.TS, &f.First.Log, &f.First.Partition, &f.First.Offset, &first,
		&f.Last.TS, &f.Last.Log, &f.Last.Partition, &f.Last.Offset, &last)
}

func (s *store) overrides(ctx context.Context, each func(k identity.Key, person uint64)) error {
	var k identity.Key
	var person uint64
	return s.query(ctx, "SELECT project_id, user_h, person_h FROM "+s.table("identity_overrides")+" FINAL", nil,
		func() { each(k, person) }, &k.Project, &k.H, &person)
}

// events reads what concerns people in the spans. e is good during the call.
func (s *store) events(ctx context.Context, spans []span, each func(e *event)) error {
	p := parameters{"linking": "['" + strings.Join(identity.Linking[:], "','") + "']"}
	conditions := make([]string, len(spans))
	for i, at := range spans {
		n := strconv.Itoa(i)
		p["l"+n], p["p"+n] = strconv.Itoa(int(at.log)), strconv.Itoa(int(at.partition))
		p["a"+n], p["b"+n] = strconv.FormatUint(at.from, 10), strconv.FormatUint(at.to, 10)
		conditions[i] = fmt.Sprintf("(_log = {l%[1]d:UInt16} AND _partition = {p%[1]d:UInt16} AND _offset >= {a%[1]d:UInt64} AND _offset < {b%[1]d:UInt64})", i)
	}
	var e event
	var id uuid.UUID
	return s.query(ctx, `SELECT project_id, type, dialect, distinct_id, user_id, anonymous_id, previous_id, group_id, traits, toUnixTimestamp64Milli(ts), _log, _partition, _offset, event_id
FROM `+s.table("events")+" WHERE (type IN ('identify', 'alias', 'merge', 'unmerge') OR traits != '' OR user_id != '' AND anonymous_id != '' AND has({linking:Array(String)}, dialect)) AND ("+strings.Join(conditions, " OR ")+")", p,
		func() {
			e.Place.EventID = id
			each(&e)
		},
		&e.Project, &e.Type, &e.Dialect, &e.DistinctID, &e.UserID, &e.AnonymousID, &e.PreviousID, &e.group, &e.traits, &e.Place.TS, &e.Place.Log, &e.Place.Partition, &e.Place.Offset, &id)
}

// past returns the partitions of all logs that events has, but of those of the present.
func (s *store) past(ctx context.Context, present []uint16) (all []Confirmed, err error) {
	var c Confirmed
	var last uint64
	err = s.query(ctx, "SELECT _log, _partition, max(_offset) FROM "+s.table("events")+" WHERE NOT has({present:Array(UInt16)}, _log) GROUP BY _log, _partition", parameters{"present": list(present)},
		func() {
			c.Offset = last + 1
			all = append(all, c)
		}, &c.Log, &c.Partition, &last)
	return all, err
}

// first lowers each offset to that of the first event of its partition, where there is one below.
func (s *store) first(ctx context.Context, offsets map[source]uint64) error {
	var all []string
	for at := range offsets {
		all = append(all, fmt.Sprintf("(%d,%d)", at.log, at.partition))
	}
	var at source
	var first uint64
	return s.query(ctx, "SELECT _log, _partition, min(_offset) FROM "+s.table("events")+" WHERE has({sources:Array(Tuple(UInt16, UInt16))}, (_log, _partition)) GROUP BY _log, _partition",
		parameters{"sources": "[" + strings.Join(all, ",") + "]"},
		func() { offsets[at] = min(offsets[at], first) }, &at.log, &at.partition, &first)
}

// operations reads what was done to the properties of these users or groups, and their names. It merges the rows itself: FINAL with parts of a tuple takes them from any of the rows, not
// from the latest.
func (s *store) operations(ctx context.Context, whose subject, ids []identity.Key) (found map[identity.Key][]profile.Row, names map[identity.Key]string, err error) {
	found, names = make(map[identity.Key][]profile.Row), make(map[identity.Key]string)
	var k identity.Key
	var r profile.Row
	var op int8
	var id string
	var slot uuid.UUID
	wanted, err := ext.NewTable("wanted", ext.Column("project", "UInt32"), ext.Column("h", "UInt64"))
	for _, k := range ids {
		err = errors.Join(err, wanted.Append(k.Project, k.H))
	}
	if err != nil {
		return nil, nil, err
	}
	err = s.queryOf(ctx, wanted, `SELECT project_id, subject_h, name, CAST(op, 'Int8'), slot, called, toUnixTimestamp64Milli(latest.1), latest.2, latest.3, latest.4, latest.5
FROM (SELECT project_id, subject_h, name, op, slot, any(id) AS called, max(last) AS latest FROM `+s.table("profile_ops")+`
WHERE subject = {subject:Int8} AND (project_id, subject_h) IN (SELECT project, h FROM wanted)
GROUP BY project_id, subject_h, name, op, slot)`,
		parameters{"subject": strconv.Itoa(int(whose))},
		func() {
			r.Op, r.Slot = profile.Op(op), slot
			found[k] = append(found[k], r)
			names[k] = id
		}, &k.Project, &k.H, &r.Name, &op, &slot, &id, &r.TS, &r.Log, &r.Partition, &r.Offset, &r.Value)
	return found, names, err
}

// names returns what the ids of these facts are called.
func (s *store) names(ctx context.Context, facts []factKey) (names map[identity.Key]string, err error) {
	names = make(map[identity.Key]string)
	wanted, err := ext.NewTable("wanted", ext.Column("project", "UInt32"), ext.Column("a", "UInt64"), ext.Column("b", "UInt64"))
	for _, f := range facts {
		err = errors.Join(err, wanted.Append(f.project, f.a, f.b))
	}
	if err != nil {
		return nil, err
	}
	var project uint32
	var ah, bh uint64
	var a, b string
	err = s.queryOf(ctx, wanted, "SELECT project_id, a_h, b_h, any(a), any(b) FROM "+s.table("identity_edges")+" WHERE (project_id, a_h, b_h) IN (SELECT project, a, b FROM wanted) GROUP BY project_id, a_h, b_h",
		nil,
		func() {
			names[identity.Key{Project: project, H: ah}], names[identity.Key{Project: project, H: bh}] = a, b
		}, &project, &ah, &bh, &a, &b)
	return names, err
}

// list writes numbers as a parameter of type Array.
func list(numbers []uint16) string {
	parts := make([]string, len(numbers))
	for i, n := range numbers {
		parts[i] = strconv.Itoa(int(n))
	}
	return "[" + strings.Join(parts, ",") + "]"
}
