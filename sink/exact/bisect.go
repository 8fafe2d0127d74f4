package exact

import (
	"context"
	"fmt"
	"slices"
)

// maxPieces is into how many pieces an INSERT is cut while the server takes none of them.
const maxPieces = 16

// sendPart sends the rows of one month. When the server does not take them, they are halved until what it does not take are single rows, and those go
// to quarantine, provided that it took others: what takes nothing has no bad row, it is broken.
func (m *Machine) sendPart(ctx context.Context, part Part) error {
	taken := 0
	for pieces := m.pieces(part); len(pieces) > 0; {
		var refused []piece
		var why *InsertError
		for _, p := range pieces {
			bad, err := m.sendPiece(ctx, p)
			if err != nil {
				return err
			}
			if bad == nil {
				taken++
				continue
			}
			refused, why = append(refused, p), bad
		}
		if len(refused) == 0 {
			return nil
		}
		var err error
		if pieces, err = m.divide(ctx, refused, taken, why); err != nil {
			return err
		}
	}
	return nil
}

// divide decides what is sent instead of pieces that were refused, after the server took others of the same part, or none.
func (m *Machine) divide(ctx context.Context, refused []piece, taken int, why *InsertError) ([]piece, error) {
	wider := slices.ContainsFunc(refused, func(p piece) bool { return p.len() > 1 })
	if taken == 0 && (!wider || len(refused) >= maxPieces) {
		return refused, m.parkBadRows(ctx, refused, fmt.Sprintf("none of the %d INSERTs that the rows were divided into was taken, so it is not a row", len(refused)), why)
	}
	in := m.intent
	in.Cuts = slices.Clone(in.Cuts)
	var next, single []piece
	for _, p := range refused {
		switch {
		case p.len() > 1:
			a, b, cut := p.halves()
			in.Cuts = append(in.Cuts, cut)
			next = append(next, a, b)
		case taken > 0:
			single = append(single, p)
		default:
			next = append(next, p)
		}
	}
	if len(in.Cuts) > len(m.intent.Cuts) {
		slices.SortFunc(in.Cuts, compareCuts)
		if !in.fits() {
			return refused, m.parkBadRows(ctx, refused, tooMany, why)
		}
		m.p.Step(BisectCut)
		// The next owner must send the same pieces under the same tokens.
		if err := m.commit(ctx, in); err != nil {
			return nil, err
		}
	}
	for i, p := range single {
		in := m.intent
		in.Excluded = append(slices.Clone(in.Excluded), p.rows[0].Offset)
		slices.Sort(in.Excluded)
		if !in.fits() {
			return append(next, single[i:]...), m.parkBadRows(ctx, single[i:], tooMany, why)
		}
		bad, err := m.stageRows(ctx, p.rows)
		if err != nil {
			return nil, err
		}
		if bad == nil {
			next = append(next, p)
			if err := m.parkView(ctx, p, why); err != nil {
				return nil, err
			}
			continue
		}
		if err := m.quarantine(ctx, p.rows[0].Offset, bad); err != nil {
			return nil, err
		}
		if err := m.commit(ctx, in); err != nil {
			return nil, err
		}
		m.leave(in.Excluded)
	}
	return next, nil
}

// parkView parks on a row that only seemed to be bad. That none of its INSERT is stored says less than it seems: a server that was killed may know the
// token and lack the row, and then a view's failure looks like the table's. Staging tables have no views.
func (m *Machine) parkView(ctx context.Context, p piece, why error) error {
	return m.park(ctx, Parked{
		Reason: "schema",
		Detail: fmt.Sprintf("INSERT %s failed, though a table like it takes the row, so a materialized view is the likely cause: %v", m.token(p), why),
		Cure:   "mend the view that the error names; the block is kept and sent again. At once: " + m.resumeCommand(),
		Retry:  true,
	})
}

const tooMany = "there are more rows that the table does not take than one announcement can name"

// quarantine gives a row up. Until that is committed the next owner finds it anew, and readers of the quarantine topic collapse the two.
func (m *Machine) quarantine(ctx context.Context, offset int64, why error) error {
	m.p.Step(BisectQuarantine)
	return m.until(ctx, "quarantine a row", func() error { return m.p.Quarantine(ctx, offset, why) })
}

func (m *Machine) parkBadRows(ctx context.Context, refused []piece, what string, why error) error {
	rows := 0
	for _, p := range refused {
		rows += p.len()
	}
	return m.park(ctx, Parked{
		Reason: "bad_rows",
		Detail: fmt.Sprintf("the table does not take %d rows from offset %d on, and %s: %v", rows, refused[0].list()[0].Offset, what, why),
		Cure:   "see the error and mend the table; the rows are kept and sent again. At once: " + m.resumeCommand(),
		Retry:  true,
	})
}
