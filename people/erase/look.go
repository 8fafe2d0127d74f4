package erase

import (
	"context"
	"fmt"
	"math"

	"github.com/google/uuid"
)

// key is an id of a project.
type key struct {
	project uint32
	hash    uint64
}

// knownSet is who is erased, as table erasures had it.
type knownSet struct {
	rows    map[key]marked
	by      map[uuid.UUID][]uint64 // the hashes of each erasure
	like    map[uuid.UUID]marked   // one row of each erasure
	highest uint64                 // version
	count   uint64                 // of rows of the table, not merged
}

// readErased reads who is erased, if that has changed since.
func (r *run) readErased(ctx context.Context) error {
	var highest, count uint64
	if err := r.query(ctx, "SELECT max(version), count() FROM {db}.erasures", nil, func() {}, &highest, &count); err != nil {
		return fmt.Errorf("read table erasures: %w", err)
	}
	known := &r.memory.known
	if known.rows != nil && known.highest == highest && known.count == count {
		return nil
	}
	rows, err := r.store.rows(ctx, "is_deleted = 0", nil)
	if err != nil {
		return err
	}
	*known = knownSet{rows: make(map[key]marked, len(rows)), by: map[uuid.UUID][]uint64{}, like: map[uuid.UUID]marked{}, highest: highest, count: count}
	for _, m := range rows {
		known.rows[key{m.project, m.hash}] = m
		known.by[m.erasure] = append(known.by[m.erasure], m.hash)
		if like, is := known.like[m.erasure]; !is || m.whole && !like.whole {
			known.like[m.erasure] = m
		}
	}
	r.task.stats.ids.Set(float64(len(rows)))
	return nil
}

// fresh lists the erasures that have not been through all tables yet, and may go: those of a whole person wait until the graph knows all that was confirmed when they were seen first, and
// then take in the ids that have come to the person since the request.
func (r *run) fresh(ctx context.Context) ([]uuid.UUID, error) {
	begun := map[uuid.UUID]bool{}
	var id uuid.UUID
	if err := r.query(ctx, "SELECT DISTINCT erasure FROM {db}.erasure_log", nil, func() { begun[id] = true }, &id); err != nil {
		return nil, fmt.Errorf("read table erasure_log: %w", err)
	}
	known := &r.memory.known
	var ready, waiting []uuid.UUID
	for id := range known.by {
		switch {
		case begun[id]:
		case known.like[id].whole:
			waiting = append(waiting, id)
		default:
			ready = append(ready, id)
		}
	}
	if len(waiting) == 0 {
		clear(r.memory.waits)
		return ready, nil
	}
	progress, err := r.progress(ctx)
	if err != nil {
		return nil, err
	}
	late := 0
	for _, id := range waiting {
		wanted, seen := r.memory.waits[id]
		if !seen {
			if wanted, err = r.leader.Confirmed(ctx); err != nil {
				return nil, fmt.Errorf("ask what of the events is confirmed: %w", err)
			}
			r.memory.waits[id] = wanted
		}
		if !covers(progress, wanted) {
			late++
			continue
		}
		if err := r.expand(ctx, id); err != nil {
			return nil, err
		}
		ready = append(ready, id)
	}
	if late > 0 {
		r.task.deps.Logger.Info("erasures wait until identities are worked out of all events that were there when they were requested", "erasures", late)
	}
	return ready, nil
}

// progress is how far identities are worked out.
func (r *run) progress(ctx context.Context) (map[source]uint64, error) {
	all := map[source]uint64{}
	var s source
	var next uint64
	err := r.query(ctx, "SELECT _log, _partition, next FROM {db}.people_progress FINAL", nil, func() { all[s] = next }, &s.log, &s.partition, &next)
	if err != nil {
		return nil, fmt.Errorf("read table people_progress: %w", err)
	}
	return all, nil
}

// expand adds the ids that the graph has of the persons.
func (r *run) expand(ctx context.Context, id uuid.UUID) error {
	known := &r.memory.known
	var fresh []marked
	like := known.like[id]
	for _, h := range r.leader.Members(like.project, known.by[id]...) {
		if _, is := known.rows[key{like.project, h}]; is {
			continue
		}
		m := like
		m.hash, m.version = h, max(uint64(r.task.deps.Now().UnixMicro()), like.version+1)
		fresh = append(fresh, m)
	}
	if len(fresh) == 0 {
		return nil
	}
	if err := r.store.insert(ctx, fresh); err != nil {
		return err
	}
	for _, m := range fresh {
		known.rows[key{m.project, m.hash}] = m
		known.by[id] = append(known.by[id], m.hash)
	}
	return nil
}

// manyIDs is the most erased ids that an index helps to find: beyond, a look by it would read nearly everything.
const manyIDs = 1000

// depth is how much a look takes in.
type depth uint8

const (
	shallow depth = iota // what has come since the last look, and what indexes find
	derived              // and all of the tables that are filled from others
	full                 // and all of the loaded ones
)

// look lists the erasures that tables have rows of.
func (r *run) look(ctx context.Context, d depth) ([]uuid.UUID, error) {
	found := map[uuid.UUID]bool{}
	var k key
	note := func() {
		if m, is := r.memory.known.rows[k]; is {
			found[m.erasure] = true
		}
	}
	ask := func(t *target, where string, p parameters) error {
		r.bounds.into(p)
		if err := r.query(ctx, t.lookStatement(where), p, note, &k.project, &k.hash); err != nil {
			return fmt.Errorf("look for erased people in %s: %w", t.table, err)
		}
		return nil
	}
	for i := range targets {
		t := &targets[i]
		var err error
		switch {
		case d == full || !t.loaded && (t.quick || d == derived):
			err = ask(t, t.among(), parameters{})
		case t.loaded:
			if p, least := r.since(t.table); p != nil {
				// The least of all offsets lets the index of offsets skip granules.
				err = ask(t, fmt.Sprintf("_offset >= %d AND _offset >= transform(toUInt32(_log) * 65536 + toUInt32(_partition), {from:Array(UInt64)}, {since:Array(UInt64)}, toUInt64(0)) AND %s", least, t.among()), p)
			}
			if err == nil && t.table == "events" && len(r.memory.known.rows) <= manyIDs {
				err = ask(t, "user_h IN (SELECT user_h FROM {db}.erasures FINAL)", parameters{})
			}
		}
		if err != nil {
			return nil, err
		}
	}
	all := make([]uuid.UUID, 0, len(found))
	for id := range found {
		all = append(all, id)
	}
	return all, nil
}

// since is from where on a table has to be looked at, and the lowest such offset; nil: it has nothing new.
func (r *run) since(table string) (p parameters, least uint64) {
	from, since := []uint64{1 << 40}, []uint64{0}
	least = math.MaxUint64
	for _, s := range r.bounds.sources[table] {
		n := r.memory.looked[s]
		if n == r.bounds.next[s] {
			n = math.MaxInt64 // nothing new: no row is above
		} else {
			least = min(least, n)
		}
		from, since = append(from, s.number()), append(since, n)
	}
	if least == math.MaxUint64 {
		return nil, 0
	}
	return parameters{"from": list(from), "since": list(since)}, least
}
