package exact

import (
	"context"
	"errors"
	"fmt"
	"maps"
)

// stage puts rows that are missing from the table where Attach takes them from. done is false when the table does not take some of them: those are
// left out from then on, or somebody has been asked, and what is missing must be seen anew.
func (m *Machine) stage(ctx context.Context, missing []Row) (done bool, err error) {
	why, err := m.stageRows(ctx, missing)
	if err != nil || why == nil {
		return why == nil, err
	}
	var s sieve
	// The rows of an announced block were taken once: they are not bad by themselves.
	if m.behind {
		if err := m.sift(ctx, missing, &s); err != nil {
			return false, err
		}
	}
	if s.taken == 0 {
		return false, m.parkBadRows(ctx, []piece{{rows: missing}}, "none of them was taken alone, so it is not a row", why)
	}
	for i, row := range s.refused {
		if err := m.quarantine(ctx, row.Offset, s.why[i]); err != nil {
			return false, err
		}
	}
	m.left = maps.Clone(m.left)
	if m.left == nil {
		m.left = make(map[int64]bool)
	}
	for _, row := range s.refused {
		m.left[row.Offset] = true
	}
	return false, nil
}

// sieve is the rows that were refused alone, and how often rows were staged.
type sieve struct {
	tried, taken int
	refused      []Row
	why          []error
}

// sift finds the bad ones of rows that were refused together. It gives up when nothing is taken.
func (m *Machine) sift(ctx context.Context, rows []Row, s *sieve) error {
	halves := [][]Row{rows[:len(rows)/2], rows[len(rows)/2:]}
	for _, half := range halves {
		if len(half) == 0 || s.taken == 0 && s.tried >= maxPieces {
			continue
		}
		why, err := m.stageRows(ctx, half)
		if err != nil {
			return err
		}
		s.tried++
		switch {
		case why == nil:
			s.taken++
		case len(half) == 1:
			s.refused, s.why = append(s.refused, half[0]), append(s.why, why)
		default:
			if err := m.sift(ctx, half, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// stageRows reads rows again and stages them. bad: the table does not take some of them.
func (m *Machine) stageRows(ctx context.Context, rows []Row) (bad *InsertError, err error) {
	b, err := m.selectRows(ctx, rows)
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		err := m.p.Stage(ctx, b)
		var failure *InsertError
		switch {
		case err == nil:
			m.p.Fine()
			return nil, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.As(err, &failure) && failure.Class == BadRow:
			return failure, nil
		case attempt%maxAttempts == 0:
			err = m.park(ctx, Parked{
				Reason: "staging",
				Detail: fmt.Sprintf("%d missing rows from offset %d on could not be staged in %d attempts: %v", len(rows), rows[0].Offset, attempt, err),
				Cure:   "look at the staging database and at the rights of clickhouse.username there; the rows are kept. At once: " + m.resumeCommand(),
				Retry:  true,
			})
		default:
			err = m.p.Pause(ctx, fmt.Errorf("stage rows: %w", err))
		}
		if err != nil {
			return nil, err
		}
	}
}
