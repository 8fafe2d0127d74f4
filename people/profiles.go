package people

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/millrace/millrace/people/identity"
	"github.com/millrace/millrace/people/profile"
)

// written is a row of profiles or groups.
type written struct {
	identity.Key // of the person or group
	id           string
	props        []byte
	ids          int
	first, last  int64 // Unix milliseconds
	deleted      bool
}

// perProfile bounds a chunk by ids, and by rows of those who are no person: so many for each profile of Config.ProfileChunk.
const perProfile = 4

// chunk is some persons that are worked out together.
type chunk struct {
	rows    []written
	members map[identity.Key][]uint64 // ids of those that are persons
	ids     []identity.Key            // all of these
}

// writeProfiles works out the profiles of all persons that are pending.
func (l *Leader) writeProfiles(ctx context.Context) error {
	l.mu.Lock()
	for k := range l.pending.touched {
		l.pending.persons[identity.Key{Project: k.Project, H: l.graph.Person(k)}] = struct{}{}
	}
	l.mu.Unlock()
	keys := slices.SortedFunc(maps.Keys(l.pending.persons), compareKeys)
	for len(keys) > 0 {
		c, n := l.cut(keys)
		keys = keys[n:]
		if err := l.fold(ctx, c); err != nil {
			return err
		}
		if err := l.store.writeProfiles(ctx, c.rows, l.Version()); err != nil {
			return fmt.Errorf("write profiles: %w", err)
		}
	}
	return nil
}

func compareKeys(a, b identity.Key) int {
	return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.H, b.H))
}

// cut takes some of the keys, n of them.
func (l *Leader) cut(keys []identity.Key) (c chunk, n int) {
	c.members = make(map[identity.Key][]uint64)
	l.mu.Lock()
	defer l.mu.Unlock()
	most := l.job.cfg.ProfileChunk
	for n < len(keys) && len(c.members) < most && len(c.ids) < perProfile*most && len(c.rows) < perProfile*most {
		k := keys[n]
		n++
		c.rows = append(c.rows, written{Key: k, deleted: true})
		if _, gone := l.pending.gone[k]; gone || l.graph.Person(k) != k.H {
			continue // no person
		}
		for _, h := range l.graph.Members(k) {
			c.members[k] = append(c.members[k], h)
			c.ids = append(c.ids, identity.Key{Project: k.Project, H: h})
		}
	}
	return c, n
}

// fold fills the rows of a chunk from the operations of its persons' ids.
func (l *Leader) fold(ctx context.Context, c chunk) error {
	if len(c.ids) == 0 {
		return nil
	}
	found, names, err := l.store.operations(ctx, user, c.ids)
	if err != nil {
		return fmt.Errorf("read operations: %w", err)
	}
	var nameless []*written
	for i := range c.rows {
		w := &c.rows[i]
		var all []profile.Row
		for _, h := range c.members[w.Key] {
			all = append(all, found[identity.Key{Project: w.Project, H: h}]...)
		}
		if !w.fold(all) {
			continue
		}
		w.ids = len(c.members[w.Key])
		if w.id = names[w.Key]; w.id == "" {
			nameless = append(nameless, w)
		}
	}
	return l.name(ctx, nameless)
}

// fold makes the profile of operations; false: it has no properties, and so the row stays a deleted one.
func (w *written) fold(all []profile.Row) bool {
	if len(all) == 0 {
		return false
	}
	props, first, last, _ := profile.Fold(all)
	if string(props) == "{}" {
		return false
	}
	w.props, w.first, w.last, w.deleted = props, first, last, false
	return true
}

// name finds what persons go by who have no operations of their own: each is named by a fact, or it would not be the person of others.
func (l *Leader) name(ctx context.Context, persons []*written) error {
	if len(persons) == 0 {
		return nil
	}
	var facts []factKey
	l.mu.Lock()
	for _, w := range persons {
		if all := l.graph.Facts(w.Key); len(all) > 0 {
			facts = append(facts, factKey{w.Project, all[0].AH, all[0].BH, all[0].Kind})
		}
	}
	l.mu.Unlock()
	names, err := l.store.names(ctx, facts)
	if err != nil {
		return fmt.Errorf("read what persons are called: %w", err)
	}
	for _, w := range persons {
		w.id = names[w.Key]
	}
	return nil
}

// writeGroups works out the profiles of all groups that are pending.
func (l *Leader) writeGroups(ctx context.Context) error {
	keys := slices.SortedFunc(maps.Keys(l.pending.groups), compareKeys)
	for some := range slices.Chunk(keys, l.job.cfg.ProfileChunk) {
		found, names, err := l.store.operations(ctx, group, some)
		if err != nil {
			return fmt.Errorf("read operations of groups: %w", err)
		}
		rows := make([]written, len(some))
		for i, k := range some {
			rows[i] = written{Key: k, id: names[k], deleted: true}
			rows[i].fold(found[k])
		}
		if err := l.store.writeGroups(ctx, rows, l.Version()); err != nil {
			return fmt.Errorf("write groups: %w", err)
		}
	}
	return nil
}
