package exact

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// maxMends bounds how often a block is mended before people are asked.
const maxMends = 20

// difference is what the table holds of a block against what it should.
type difference struct {
	missing []Row    // of the block, in the order of offsets
	surplus int      // rows in the table: an offset again, with another id, or of no row of the block
	example Row      // one of them
	parts   []string // every part of the table that holds a surplus row, sorted
}

// settle compares what the table holds of the announced block with the block, and mends it: R4 to R7. No other owner can do the same at the
// same time: see the package comment.
func (m *Machine) settle(ctx context.Context, b *Block) error {
	if !m.o.Protect.Verify || len(b.Parts) == 0 && !m.behind {
		return nil
	}
	m.trouble = errors.New("none")
	for mends := 0; ; mends++ {
		m.p.Step(RecoverVerify)
		d, err := m.compare(ctx, b)
		if err != nil {
			return err
		}
		if len(d.missing) == 0 && d.surplus == 0 {
			break
		}
		if err := m.patience(ctx, mends, b, d); err != nil {
			return err
		}
		if d.surplus > 0 {
			err = m.removeSurplus(ctx, b, d)
		} else {
			err = m.addMissing(ctx, b, d.missing)
		}
		if err != nil {
			return err
		}
	}
	m.p.Step(RecoverAudit)
	return m.until(ctx, "queue an audit", func() error { return m.p.Audit(ctx, b) })
}

// patience slows mending down when it does not help at once, as while parts merge, and asks people when it does not help at all.
func (m *Machine) patience(ctx context.Context, mends int, b *Block, d difference) error {
	switch {
	case mends < 2:
		return nil
	case mends%maxMends != 0:
		return m.p.Pause(ctx, fmt.Errorf("of offsets [%d, %d) the table has %d rows too few and %d too many", b.First, b.Next, len(d.missing), d.surplus))
	}
	return m.park(ctx, Parked{
		Reason: "not_mended",
		Detail: fmt.Sprintf("of offsets [%d, %d) the table has %d rows too few and %d too many, after it was mended %d times; the last error: %v",
			b.First, b.Next, len(d.missing), d.surplus, mends, m.trouble),
		Cure:  "look for what else writes to the table, and for mutations that do not end (system.mutations). At once: " + m.resumeCommand(),
		Retry: true,
	})
}

// compare is R4.
func (m *Machine) compare(ctx context.Context, b *Block) (difference, error) {
	var want []Row
	var span *Span // nil when no row is wanted: then one anywhere is too many
	for _, p := range b.Parts {
		if s := p.Span(); span == nil {
			span = &s
		} else {
			span.From, span.To = min(span.From, s.From), max(span.To, s.To)
		}
		for i := range p.Rows() {
			if row := p.Row(i); !m.left[row.Offset] {
				want = append(want, row)
			}
		}
	}
	slices.SortFunc(want, func(a, b Row) int { return cmp.Compare(a.Offset, b.Offset) })
	var have []Row
	err := m.until(ctx, "read the table", func() (err error) {
		have, err = m.p.Stored(ctx, b.First, b.Next, span)
		return err
	})
	if err != nil {
		return difference{}, err
	}
	var d difference
	bad := make(map[string]bool)
	for len(have) > 0 || len(want) > 0 {
		if len(have) == 0 || len(want) > 0 && want[0].Offset < have[0].Offset {
			if !m.expired(want[0].TS) {
				d.missing = append(d.missing, want[0])
			}
			want = want[1:]
			continue
		}
		n := 1
		for n < len(have) && have[n].Offset == have[0].Offset {
			n++
		}
		right := len(want) > 0 && want[0].Offset == have[0].Offset
		if n > 1 || !right || have[0].ID != want[0].ID {
			// Which of several is the one that belongs there does not matter, and an owner that names only some parts could name the good
			// ones of another: all go.
			for _, row := range have[:n] {
				bad[row.Part] = true
			}
			if d.surplus == 0 {
				d.example = have[n-1]
			}
			d.surplus += n
			if right && have[0].ID == want[0].ID {
				d.surplus--
			}
		}
		have = have[n:]
		if right {
			want = want[1:]
		}
	}
	for part := range bad {
		d.parts = append(d.parts, part)
	}
	slices.Sort(d.parts)
	return d, nil
}

// addMissing is R5. The rows go past the tokens, so the fence lies between staging and attaching: an owner that is still ours at the fence has staged
// before the next one drops what is staged, and attaches nothing after that.
func (m *Machine) addMissing(ctx context.Context, b *Block, missing []Row) error {
	m.p.Step(RecoverMissing)
	if done, err := m.stage(ctx, missing); !done || err != nil {
		return err
	}
	if err := m.commit(ctx, m.intent); err != nil {
		return err
	}
	again, err := m.compare(ctx, b)
	if err != nil {
		return err
	}
	if again.surplus > 0 || !slices.EqualFunc(again.missing, missing, func(a, b Row) bool { return a.Offset == b.Offset }) {
		return nil // a late INSERT has arrived
	}
	m.p.Step(RecoverAttach)
	return m.once(ctx, "attach rows", m.p.Attach(ctx))
}

// removeSurplus is R6. Parts are named because a request may act late: the rows that a next owner adds lie in others.
func (m *Machine) removeSurplus(ctx context.Context, b *Block, d difference) error {
	m.p.Step(RecoverSurplus)
	m.p.Incident("the table holds rows that it must not: they are removed", "first", b.First, "next", b.Next, "rows", d.surplus,
		"offset", d.example.Offset, "id", fmt.Sprintf("%x", d.example.ID), "parts", d.parts)
	if err := m.commit(ctx, m.intent); err != nil {
		return err
	}
	return m.once(ctx, "delete rows", m.p.Delete(ctx, b.First, b.Next, d.parts))
}

// once deals with the outcome of a call that must not be repeated before the table was looked at again. nil: look.
func (m *Machine) once(ctx context.Context, what string, err error) error {
	switch {
	case err == nil:
		m.p.Fine()
		return nil
	case errors.Is(err, ErrFenced):
		return fmt.Errorf("%s: %w", what, err)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	m.trouble = fmt.Errorf("%s: %w", what, err)
	return m.p.Pause(ctx, m.trouble)
}
