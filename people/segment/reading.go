package segment

import (
	"context"
	"fmt"
	"strconv"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/clickhouse/question"
)

// Info is a segment with its last builds.
type Info struct {
	Definition
	// Active is the build that members are read from; nil: none yet.
	Active *Build
	// Last is the newest build of any state, which may be the same one; nil: none yet.
	Last *Build
}

// List returns the segments of a project by name.
func (s *Store) List(ctx context.Context, project uint32) ([]Info, error) {
	b, err := s.book(ctx)
	if err != nil {
		return nil, err
	}
	all, err := b.definitions(ctx, project)
	if err != nil {
		return nil, err
	}
	return infos(ctx, b, all, `project_id = {project:UInt32}`, params{"project": number(uint64(project))})
}

// Get returns one segment. ErrUnknown.
func (s *Store) Get(ctx context.Context, project uint32, name string) (Info, error) {
	b, err := s.book(ctx)
	if err != nil {
		return Info{}, err
	}
	all, err := b.definitions(ctx, project)
	if err != nil {
		return Info{}, err
	}
	d, err := find(all, name)
	if err != nil {
		return Info{}, err
	}
	list, err := infos(ctx, b, []Definition{d}, ofSegment, d.key().params())
	if err != nil {
		return Info{}, err
	}
	return list[0], nil
}

// infos adds the builds that a condition selects to definitions.
func infos(ctx context.Context, b book, all []Definition, where string, p params) ([]Info, error) {
	last, err := b.builds(ctx, `FINAL WHERE `+where+` ORDER BY at DESC, version DESC LIMIT 1 BY project_id, segment`, p)
	if err != nil {
		return nil, err
	}
	active, err := b.builds(ctx, `FINAL WHERE `+where+` AND `+isReadable+` ORDER BY at DESC, version DESC LIMIT 1 BY project_id, segment`, p)
	if err != nil {
		return nil, err
	}
	of := func(builds []Build, k key) *Build {
		for i := range builds {
			if builds[i].key() == k {
				return &builds[i]
			}
		}
		return nil
	}
	list := make([]Info, 0, len(all))
	for _, d := range all {
		list = append(list, Info{Definition: d, Active: of(active, d.key()), Last: of(last, d.key())})
	}
	return list, nil
}

// Build returns one build of a segment; ok is false when there is none of that id.
func (s *Store) Build(ctx context.Context, project uint32, name string, id schema.UUID) (r Build, ok bool, err error) {
	b, err := s.book(ctx)
	if err != nil {
		return r, false, err
	}
	all, err := b.builds(ctx, `FINAL WHERE `+ofSegment+` AND build = {id:UUID}`, key{project, name}.params().and("id", id.String()))
	if err != nil || len(all) == 0 {
		return r, false, err
	}
	return all[0], true, nil
}

// Follow returns the build that has taken the place of one that was broken off by the end of a leader: the newest of the segment that was not given up; ok is false when there
// is none yet.
func (s *Store) Follow(ctx context.Context, r Build) (next Build, ok bool, err error) {
	b, err := s.book(ctx)
	if err != nil {
		return next, false, err
	}
	all, err := b.builds(ctx, `FINAL WHERE `+ofSegment+` AND state != 'failed' AND at >= fromUnixTimestamp64Milli({at:Int64}, 'UTC') ORDER BY at DESC, version DESC LIMIT 1`,
		r.key().params().and("at", strconv.FormatInt(r.At.UnixMilli(), 10)))
	if err != nil || len(all) == 0 {
		return next, false, err
	}
	return all[0], true, nil
}

// Sizes returns the builds of a segment that became its members, the newest first, at most so many. ErrUnknown.
func (s *Store) Sizes(ctx context.Context, project uint32, name string, most int) ([]Build, error) {
	if _, err := s.Get(ctx, project, name); err != nil {
		return nil, err
	}
	b, err := s.book(ctx)
	if err != nil {
		return nil, err
	}
	return b.active(ctx, key{project, name}, most)
}

// Page is a part of the members, in order of Person.
type Page struct {
	Build   Build // whose members these are
	Members []Member
	// More tells that there are members above the last one.
	More bool
}

// Members returns members of the last build whose person is above after, which nil stands before all of. Persons who became one since are one. ErrUnknown. A segment without a build
// has a Page without a Build.ID.
func (s *Store) Members(ctx context.Context, project uint32, name string, after *uint64, most int) (Page, error) {
	info, err := s.Get(ctx, project, name)
	if err != nil || info.Active == nil {
		return Page{}, err
	}
	b, err := s.book(ctx)
	if err != nil {
		return Page{}, err
	}
	k := key{project, name}
	p := k.params().and("id", info.Active.ID.String()).and("most", strconv.Itoa(most+1))
	above := "1"
	if after != nil {
		above = "person > {after:UInt64}"
		p["after"] = number(*after)
	}
	page := Page{Build: *info.Active}
	var person uint64
	statement := `SELECT person FROM
(
    SELECT ` + question.PersonOf(b.db.Database(), "user_h") + ` AS person
    FROM (SELECT project_id, person_h AS user_h FROM {db}.segment_members WHERE ` + ofSegment + ` AND build = {id:UUID})
)
WHERE ` + above + ` GROUP BY person ORDER BY person LIMIT {most:UInt64}`
	if err := b.query(ctx, statement, p, func() { page.Members = append(page.Members, Member{Person: person}) }, &person); err != nil {
		return Page{}, fmt.Errorf("read the members: %w", err)
	}
	if len(page.Members) > most {
		page.Members, page.More = page.Members[:most], true
	}
	return page, b.name(ctx, k, page.Members)
}

// name finds the ids of members, which are in order.
func (b book) name(ctx context.Context, k key, members []Member) error {
	if len(members) == 0 {
		return nil
	}
	at := make(map[uint64]int, len(members))
	persons := make([]byte, 0, 20*len(members))
	for i, m := range members {
		at[m.Person] = i
		persons = append(strconv.AppendUint(append(persons, ','), m.Person, 10), ' ')
	}
	persons[0] = '['
	persons[len(persons)-1] = ']'
	var person uint64
	var id string
	err := b.query(ctx, `SELECT person, max(id) FROM (`+ids(`SELECT arrayJoin({persons:Array(UInt64)})`)+`) GROUP BY person`, k.params().and("persons", string(persons)), func() {
		if i, ok := at[person]; ok {
			members[i].DistinctID = id
		}
	}, &person, &id)
	if err != nil {
		return fmt.Errorf("read ids of the members: %w", err)
	}
	return nil
}

// ids is a SELECT of person and id for persons of project and segment, which are parameters: the id whose hash the person is, from wherever it is stored. A person that is
// several ids goes by one of them.
func ids(persons string) string {
	of := func(id, hash, table, where string) string {
		return `SELECT ` + hash + ` AS person, ` + id + ` AS id FROM {db}.` + table + ` WHERE project_id = {project:UInt32} AND ` + hash + ` IN (` + persons + `)` + where + "\n"
	}
	return of("distinct_id", "person_h", "profiles FINAL", "") +
		`UNION ALL ` + of("a", "a_h", "identity_edges", "") +
		`UNION ALL ` + of("b", "b_h", "identity_edges", "") +
		`UNION ALL ` + of("distinct_id", "person_h", "segment_changes", ` AND segment = {segment:String}`) +
		`UNION ALL ` + of("any(distinct_id)", "user_h", "events", ` GROUP BY user_h`)
}

// Explained is how a segment is built.
type Explained struct {
	Info
	// Statement finds the members as of now. It is what a build runs, on the tables.
	Statement question.Statement
}

// Explain returns the statement that finds the members of a segment now, and its last builds. ErrUnknown.
func (s *Store) Explain(ctx context.Context, project uint32, name string) (Explained, error) {
	info, err := s.Get(ctx, project, name)
	if err != nil {
		return Explained{}, err
	}
	b, err := s.book(ctx)
	if err != nil {
		return Explained{}, err
	}
	statement, err := info.Build(b.db.Database(), project, s.now())
	return Explained{info, statement}, err
}
