package erase

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/go-faster/city"
	"github.com/google/uuid"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/clickhouse"
)

// Errors of a Store.
var (
	// ErrID: the text cannot be the id of one person.
	ErrID = errors.New("not the id of a person")
	// ErrUnknown: there is no such erasure in the project, or the person was not erased.
	ErrUnknown = errors.New("no such erasure")
)

// hashID is what stands for an id in the tables.
func hashID(id string) uint64 { return city.CH64([]byte(id)) }

// Store keeps the requests. Safe for concurrent use. What it is told of a person is made a hash at once: the id itself is in no statement, log or error.
type Store struct {
	source clickhouse.Source
	now    func() time.Time
}

// NewStore makes a Store. It asks nothing. now is the clock, nil: time.Now.
func NewStore(source clickhouse.Source, now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	return &Store{source: source, now: now}
}

// Erasure is a request.
type Erasure struct {
	ID          uuid.UUID
	RequestedAt time.Time
	IDs         int  // ids that are erased by it; the job may find more of the person
	Whole       bool // all ids of the person are meant
}

// marked is a row of table erasures.
type marked struct {
	project   uint32
	hash      uint64
	erasure   uuid.UUID
	requested time.Time
	whole     bool
	version   uint64
	deleted   bool
}

// Request has a person erased: with onlyThis the one id, else all ids of the person that it belongs to. It returns when the request is stored; gateways and the job follow. Asking
// again for what is erased already returns the request that did it. ErrID.
func (s *Store) Request(ctx context.Context, project uint32, user string, onlyThis bool) (Erasure, error) {
	if user == "" || schema.IsIllegalID([]byte(user)) {
		return Erasure{}, fmt.Errorf("%w: it is empty or a placeholder such as null, which the door refuses by itself", ErrID)
	}
	h := hashID(user)
	ids := []uint64{h}
	if !onlyThis {
		var err error
		if ids, err = s.members(ctx, project, h); err != nil {
			return Erasure{}, err
		}
	}
	there, err := s.rows(ctx, "project_id = {project:UInt32} AND user_h IN {ids:Array(UInt64)}", parameters{"project": number(project), "ids": list(ids)})
	if err != nil {
		return Erasure{}, err
	}
	known := map[uint64]marked{}
	for _, m := range there {
		known[m.hash] = m
	}
	now := s.now().UTC().Truncate(time.Millisecond)
	e := Erasure{ID: uuid.New(), RequestedAt: now, Whole: !onlyThis}
	var fresh []marked
	for _, id := range ids {
		m, is := known[id]
		if is && !m.deleted && (m.whole || onlyThis) {
			continue
		}
		fresh = append(fresh, marked{project, id, e.ID, now, e.Whole, max(uint64(now.UnixMicro()), m.version+1), false})
	}
	if len(fresh) == 0 {
		m := known[h]
		return s.find(ctx, project, m.erasure)
	}
	e.IDs = len(fresh)
	if err := s.insert(ctx, fresh); err != nil {
		return Erasure{}, err
	}
	return e, nil
}

// Allow lets a person come back: gateways take events of all ids that were erased together with this one. Nothing that was deleted returns. ErrUnknown.
func (s *Store) Allow(ctx context.Context, project uint32, user string) error {
	there, err := s.rows(ctx, "project_id = {project:UInt32} AND user_h = {id:UInt64}", parameters{"project": number(project), "id": strconv.FormatUint(hashID(user), 10)})
	if err != nil {
		return err
	}
	if len(there) == 0 || there[0].deleted {
		return fmt.Errorf("%w: the id is not erased in project %d", ErrUnknown, project)
	}
	return s.AllowErasure(ctx, project, there[0].erasure)
}

// AllowErasure is Allow for the ids of a request. ErrUnknown.
func (s *Store) AllowErasure(ctx context.Context, project uint32, erasure uuid.UUID) error {
	there, err := s.rows(ctx, "project_id = {project:UInt32} AND erasure = {erasure:UUID}", parameters{"project": number(project), "erasure": erasure.String()})
	if err != nil {
		return err
	}
	if len(there) == 0 {
		return fmt.Errorf("%w: %s", ErrUnknown, erasure)
	}
	now := uint64(s.now().UnixMicro())
	for i := range there {
		there[i].version, there[i].deleted = max(now, there[i].version+1), true
	}
	return s.insert(ctx, there)
}

// members are the hashes of all ids of the person that h belongs to, h itself first.
func (s *Store) members(ctx context.Context, project uint32, h uint64) ([]uint64, error) {
	person := h
	p := parameters{"project": number(project), "id": strconv.FormatUint(h, 10)}
	err := s.query(ctx, "SELECT person_h FROM {db}.identity_overrides FINAL WHERE project_id = {project:UInt32} AND user_h = {id:UInt64}", p, func() {}, &person)
	if err != nil {
		return nil, fmt.Errorf("look for the person: %w", err)
	}
	ids, id := []uint64{h}, uint64(0)
	p["person"] = strconv.FormatUint(person, 10)
	err = s.query(ctx, "SELECT user_h FROM {db}.identity_overrides FINAL WHERE project_id = {project:UInt32} AND person_h = {person:UInt64} AND user_h != {id:UInt64} ORDER BY user_h", p,
		func() { ids = append(ids, id) }, &id)
	if err != nil {
		return nil, fmt.Errorf("look for the person's ids: %w", err)
	}
	if !slices.Contains(ids, person) {
		ids = append(ids, person)
	}
	return ids, nil
}

// find reads a request. ErrUnknown.
func (s *Store) find(ctx context.Context, project uint32, erasure uuid.UUID) (Erasure, error) {
	all, err := s.rows(ctx, "project_id = {project:UInt32} AND erasure = {erasure:UUID}", parameters{"project": number(project), "erasure": erasure.String()})
	if err != nil {
		return Erasure{}, err
	}
	if len(all) == 0 {
		return Erasure{}, fmt.Errorf("%w: %s", ErrUnknown, erasure)
	}
	e := Erasure{ID: erasure, RequestedAt: all[0].requested, Whole: all[0].whole}
	for _, m := range all {
		if !m.deleted {
			e.IDs++
		}
	}
	return e, nil
}

// rows reads table erasures, the latest of each id, those of people who may come back among them.
func (s *Store) rows(ctx context.Context, where string, p parameters) (all []marked, err error) {
	var m marked
	var whole, deleted uint8
	// Not FINAL: it leaves out what is deleted.
	err = s.query(ctx, `SELECT project_id, user_h, erasure, requested_at, whole, version, is_deleted
FROM (SELECT project_id, user_h, latest.1 AS version, latest.2 AS erasure, latest.3 AS requested_at, latest.4 AS whole, latest.5 AS is_deleted
FROM (SELECT project_id, user_h, max((version, erasure, requested_at, whole, is_deleted)) AS latest FROM {db}.erasures GROUP BY project_id, user_h))
WHERE `+where+` ORDER BY project_id, user_h`, p,
		func() {
			m.whole, m.deleted = whole != 0, deleted != 0
			all = append(all, m)
		}, &m.project, &m.hash, &m.erasure, &m.requested, &whole, &m.version, &deleted)
	if err != nil {
		return nil, fmt.Errorf("read table erasures: %w", err)
	}
	return all, nil
}

func (s *Store) insert(ctx context.Context, all []marked) error {
	db, err := s.source(ctx)
	if err != nil {
		return err
	}
	err = db.Do(ctx, call(nil, clickhouse.InsertSettings("")), func(ctx context.Context) error {
		batch, err := db.Conn().PrepareBatch(ctx, "INSERT INTO "+db.Database()+".erasures (project_id, user_h, erasure, requested_at, whole, version, is_deleted)")
		if err != nil {
			return err
		}
		defer batch.Close() //nolint:errcheck // Send has told
		for _, m := range all {
			if err := batch.Append(m.project, m.hash, m.erasure, m.requested, flag(m.whole), m.version, flag(m.deleted)); err != nil {
				return err
			}
		}
		return batch.Send()
	})
	if err != nil {
		return fmt.Errorf("write to table erasures: %w", err)
	}
	return nil
}

// Count is how many rows of the person a table had.
type Count struct {
	Table         string
	Before, After uint64
}

// Run is one run of the job that found something of the person, or the first one.
type Run struct {
	ID     uuid.UUID
	At     time.Time
	Counts []Count // by table
}

// Proof is what became of a request.
type Proof struct {
	Erasure
	Allowed bool  // the person may come back
	Runs    []Run // in the order of time
}

// Done tells that the job has been through all tables, and that after its last run none had a row of the person that was stored for good.
func (p *Proof) Done() bool {
	if len(p.Runs) == 0 {
		return false
	}
	for _, c := range p.Runs[len(p.Runs)-1].Counts {
		if c.After > 0 {
			return false
		}
	}
	return true
}

// Proof tells what became of a request. ErrUnknown.
func (s *Store) Proof(ctx context.Context, project uint32, erasure uuid.UUID) (Proof, error) {
	p := parameters{"project": number(project), "erasure": erasure.String()}
	e, err := s.find(ctx, project, erasure)
	if err != nil && !errors.Is(err, ErrUnknown) {
		return Proof{}, err
	}
	proof := Proof{Erasure: e, Allowed: err == nil && e.IDs == 0}
	var run uuid.UUID
	var at time.Time
	var c Count
	byID := map[uuid.UUID]*Run{}
	// Should a row have been written twice, both say the same.
	readErr := s.query(ctx, "SELECT run, max(at) AS ended, table, max(before), max(after) FROM {db}.erasure_log WHERE project_id = {project:UInt32} AND erasure = {erasure:UUID} GROUP BY run, table ORDER BY ended, run, table", p,
		func() {
			r := byID[run]
			if r == nil {
				r = &Run{ID: run}
				byID[run] = r
			}
			r.At = at
			r.Counts = append(r.Counts, c)
		}, &run, &at, &c.Table, &c.Before, &c.After)
	if readErr != nil {
		return Proof{}, fmt.Errorf("read table erasure_log: %w", readErr)
	}
	if err != nil && len(byID) == 0 {
		return Proof{}, err
	}
	proof.ID = erasure // a later request for the same ids has taken them over: what was deleted for this one stands
	for _, r := range byID {
		proof.Runs = append(proof.Runs, *r)
	}
	slices.SortFunc(proof.Runs, func(a, b Run) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID.String(), b.ID.String())) })
	return proof, nil
}
