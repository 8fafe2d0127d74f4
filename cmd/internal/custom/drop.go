package custom

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Drop removes a metric with all it has counted, builds under way included. ErrUnknown: there is none of the name; what is left of one that was dropped before is removed all the
// same. Whoever is at work on it stops.
func (m *Metrics) Drop(ctx context.Context, name string) error {
	b := newBook(m.DB)
	var err error
	for range takeAttempts {
		if err = b.drop(ctx, name); !errors.Is(err, ErrTaken) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("drop metric %s: %w", name, explain(err, m.DB.Database()))
	}
	return nil
}

func (b book) drop(ctx context.Context, name string) error {
	records, err := b.records(ctx, name)
	if err != nil {
		return err
	}
	found := false
	for i := range records {
		found = found || records[i].phase != dropped
	}
	if !found {
		if len(records) > 0 {
			if err := b.clean(ctx, name); err != nil {
				return err
			}
		}
		return fmt.Errorf("%w: %s", ErrUnknown, b.existing(ctx))
	}
	// First, so that nobody reads what no longer counts.
	if err := b.dropReader(ctx, name); err != nil {
		return err
	}
	for i := range records {
		if r := &records[i]; r.phase != dropped {
			if err := b.abandon(ctx, r, "dropped by an operator"); err != nil {
				return err
			}
		}
	}
	if err := b.clean(ctx, name); err != nil {
		return err
	}
	return b.dropReader(ctx, name) // a build that was complete at that moment may have made it again
}

func (b book) dropReader(ctx context.Context, name string) error {
	if err := b.exec(ctx, "DROP VIEW IF EXISTS "+b.db.Database()+"."+readerName(name)+" SYNC", nil); err != nil {
		return fmt.Errorf("drop view %s: %w", readerName(name), err)
	}
	return nil
}

// existing says which metrics there are.
func (b book) existing(ctx context.Context) string {
	records, err := b.records(ctx, "")
	if err != nil {
		return "`millrace metrics list` shows those there are"
	}
	var all []string
	for i := range records {
		if n := records[i].name; records[i].phase != dropped && (len(all) == 0 || all[len(all)-1] != n) {
			all = append(all, n)
		}
	}
	if len(all) == 0 {
		return "there are none"
	}
	return "there are " + strings.Join(all, ", ")
}
