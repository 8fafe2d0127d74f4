package people

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/people/identity"
)

// takeOver makes the tables and the graph agree, see the package's comment.
func (l *Leader) takeOver(ctx context.Context) error {
	began := time.Now()
	if err := l.elect(ctx); err != nil {
		return err
	}
	ctx, err := l.passed(ctx, stepElected)
	if err != nil {
		return err
	}
	if err := l.claim(ctx); err != nil {
		return err
	}
	if ctx, err = l.passed(ctx, stepClaimed); err != nil {
		return err
	}
	if err := l.store.facts(ctx, l.addFact); err != nil {
		return fmt.Errorf("read the facts: %w", err)
	}
	l.observe(l.graph.Prime().Largest)
	if ctx, err = l.passed(ctx, stepLoaded); err != nil {
		return err
	}
	differences, err := l.compare(ctx)
	if err != nil {
		return err
	}
	if _, err = l.passed(ctx, stepCompared); err != nil {
		return err
	}
	ids, facts := l.graph.Len()
	l.log.Info("leads", "epoch", l.epoch, "ids", ids, "facts", facts, "differences", differences, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// nowhere is where no event is: lives of the topic count from 1. Its progress stands for an epoch that has no other yet.
var nowhere source

// addFact adds a fact of the table.
func (l *Leader) addFact(f identity.Fact) {
	l.projects[f.Project] = struct{}{}
	l.graph.Add(f)
}

// claim reads the progress and makes it that of this epoch, also when there is none: else what an earlier leader writes late would be found alone, and count.
func (l *Leader) claim(ctx context.Context) error {
	rows, err := l.store.progress(ctx)
	if err != nil {
		return fmt.Errorf("read the progress: %w", err)
	}
	latest := uint64(0)
	for _, r := range rows {
		latest = max(latest, r.version>>32)
	}
	for _, r := range rows {
		if r.version>>32 == latest {
			l.next[r.source] = r.next
		}
	}
	l.next[nowhere] = 0
	if err := l.store.writeProgress(ctx, l.next, l.Version()); err != nil {
		return fmt.Errorf("claim the progress: %w", err)
	}
	return nil
}

// mostDifferences are held at a time.
const mostDifferences = 200_000

// compare writes what identity_overrides has otherwise than the graph, and returns how many ids that were.
func (l *Leader) compare(ctx context.Context) (n int, err error) {
	for {
		if err := l.differences(ctx); err != nil {
			return n, fmt.Errorf("compare the overrides: %w", err)
		}
		found := len(l.pending.assigned)
		if found == 0 {
			return n, nil
		}
		n += found
		if err := l.writeProfiles(ctx); err != nil {
			return n, err
		}
		if err := l.writeOverrides(ctx); err != nil {
			return n, err
		}
		l.pending = newPending()
	}
}

// differences fills pending with what is different, as far as it has room.
func (l *Leader) differences(ctx context.Context) error {
	differs := func(k identity.Key, has, want uint64) {
		if len(l.pending.assigned) < mostDifferences {
			l.pending.assign(k, want, has)
		}
	}
	covered := 0
	err := l.store.overrides(ctx, func(k identity.Key, has uint64) {
		want := l.graph.Person(k)
		if want != k.H {
			covered++
		}
		if has != want {
			differs(k, has, want)
		}
	})
	if err != nil {
		return err
	}
	for range l.graph.All {
		covered--
	}
	if covered == 0 {
		return nil
	}
	// Some are missing. It takes memory to know which, so this is for when it has happened.
	seen := make(map[identity.Key]struct{})
	if err := l.store.overrides(ctx, func(k identity.Key, _ uint64) { seen[k] = struct{}{} }); err != nil {
		return err
	}
	for k, want := range l.graph.All {
		if _, ok := seen[k]; !ok {
			differs(k, k.H, want)
		}
	}
	return nil
}
