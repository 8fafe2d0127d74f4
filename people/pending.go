package people

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/people/identity"
)

// pending is what was worked out and is not written. It is kept until all of it is, over failures: what a Settle has returned it does not return again.
type pending struct {
	assigned map[identity.Key]uint64   // the person of an id
	persons  map[identity.Key]struct{} // ids that are persons or may have been taken for one
	touched  map[identity.Key]struct{} // ids whose persons have new operations
	groups   map[identity.Key]struct{} // groups that have new operations
	gone     map[identity.Key]struct{} // ids that were forgotten: they have no profile, whatever there is of them
}

func newPending() pending {
	return pending{
		assigned: make(map[identity.Key]uint64), persons: make(map[identity.Key]struct{}), touched: make(map[identity.Key]struct{}),
		groups: make(map[identity.Key]struct{}), gone: make(map[identity.Key]struct{}),
	}
}

func (p *pending) empty() bool {
	return len(p.assigned)+len(p.persons)+len(p.touched)+len(p.groups)+len(p.gone) == 0
}

// assign notes the person of an id. The id itself, and who it was, may have profiles that are not theirs any longer.
func (p *pending) assign(k identity.Key, person, was uint64) {
	p.assigned[k] = person
	for _, h := range [...]uint64{k.H, person, was} {
		p.persons[identity.Key{Project: k.Project, H: h}] = struct{}{}
	}
}

// settle works out the reaches of new facts.
func (l *Leader) settle() {
	l.mu.Lock()
	settled := l.graph.Settle()
	refused := make([]uint64, len(settled.Refused)) // the persons that the refused edges begin at
	for i, r := range settled.Refused {
		refused[i] = l.graph.Person(identity.Key{Project: r.Project, H: r.AH})
	}
	var met []meeting
	for _, a := range settled.Persons {
		l.projects[a.Project] = struct{}{}
		if a.Was == a.UserH && a.PersonH != a.UserH {
			met = l.meetings(identity.Key{Project: a.Project, H: a.UserH}, met)
		}
	}
	l.mu.Unlock()
	for _, m := range met {
		l.job.metrics.met.Inc()
		l.job.alerts.met(m)
	}
	for _, a := range settled.Persons {
		if l.job.onlyChanged && a.PersonH == a.Was {
			continue
		}
		l.pending.assign(identity.Key{Project: a.Project, H: a.UserH}, a.PersonH, a.Was)
		l.loaded.stale = l.loaded.stale || a.PersonH != a.Was
	}
	for i, r := range settled.Refused {
		l.job.metrics.refused(r.Reason).Inc()
		if r.Reason == identity.ClusterSize {
			l.job.alerts.clusterSize(r, refused[i], l.job.cfg.MaxIDs)
		}
	}
	l.observe(settled.Largest)
}

// observe publishes the size of the largest person.
func (l *Leader) observe(largest int) { l.job.metrics.largest.Store(int64(largest)) }

// write writes what is pending, in the order that the package's comment demands. It returns the context to go on with.
func (l *Leader) write(ctx context.Context) (context.Context, error) {
	err := l.writeOverrides(ctx)
	if err != nil {
		return ctx, err
	}
	if ctx, err = l.passed(ctx, stepOverrides); err != nil {
		return ctx, err
	}
	if err := l.writeProfiles(ctx); err != nil {
		return ctx, err
	}
	if ctx, err = l.passed(ctx, stepProfiles); err != nil {
		return ctx, err
	}
	if err := l.writeGroups(ctx); err != nil {
		return ctx, err
	}
	if ctx, err = l.passed(ctx, stepGroups); err != nil {
		return ctx, err
	}
	if !l.pending.empty() {
		l.pending = newPending()
	}
	return ctx, nil
}

// mostRows of overrides are written at a time.
const mostRows = 100_000

func (l *Leader) writeOverrides(ctx context.Context) error {
	var rows []override
	send := func() error {
		if len(rows) == 0 {
			return nil
		}
		if err := l.store.writeOverrides(ctx, rows, l.Version()); err != nil {
			return fmt.Errorf("write overrides: %w", err)
		}
		rows = rows[:0]
		return nil
	}
	for k, person := range l.pending.assigned {
		if rows = append(rows, override{k, person}); len(rows) == mostRows {
			if err := send(); err != nil {
				return err
			}
		}
	}
	return send()
}
