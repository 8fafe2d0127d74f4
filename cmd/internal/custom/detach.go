package custom

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/millrace/millrace/schema/clickhouse"
)

// Detach takes away the view of a metric that fails, so that inserts go on: message is what the server said to an INSERT. The metric is noted as broken, and people can read it no
// more, because it does not count any longer; Apply builds it anew. The table stays until then. It returns the name of the metric, empty when the message is about no view
// of a metric.
func Detach(ctx context.Context, db *clickhouse.DB, message string) (metric string, err error) {
	view := clickhouse.FailedMetricView(message)
	if view == "" {
		return "", nil
	}
	b := newBook(db)
	for range takeAttempts {
		if metric, err = b.detach(ctx, view, message); !errors.Is(err, ErrTaken) {
			break
		}
	}
	if err != nil {
		return metric, fmt.Errorf("detach view %s: %w", view, explain(err, db.Database()))
	}
	return metric, nil
}

func (b book) detach(ctx context.Context, view, message string) (string, error) {
	records, err := b.records(ctx, "")
	if err != nil {
		return "", err
	}
	for i := range records {
		r := &records[i]
		if r.view() != view {
			continue
		}
		// Noted first: whoever comes after a crash finds the view there, failing again, and drops it.
		if r.phase != broken && r.phase != dropped {
			r.phase, r.note = broken, firstLine(errors.New(message))
			if err := b.write(ctx, r); err != nil {
				return r.name, err
			}
		}
		// A build before this one that is complete goes on counting.
		other := slices.ContainsFunc(records, func(o record) bool { return o.name == r.name && o.phase == complete })
		if r.phase == broken && !other {
			if err := b.dropReader(ctx, r.name); err != nil {
				return r.name, err
			}
		}
		return r.name, b.remove(ctx, r.name, []string{view}, nil)
	}
	return "", nil
}
