package exact

import (
	"context"
	"errors"
	"fmt"
)

// maxAttempts is how often an INSERT is tried that fails with an error nobody knows, before people are asked.
const maxAttempts = 8

// Store announces the block, which confirms what was stored before it, and brings its rows into the table. It must begin where what is stored ends; it
// stays the caller's and is not changed. nil: all rows are stored, and the next Store or Confirm says so to the group. ErrRestart: the block is dealt
// with, confirmed or rewound, but what was decoded behind it relied on ids that do not count: take over anew. Any other error: the generation or the
// context has ended, and the next owner finds the announcement.
func (m *Machine) Store(ctx context.Context, b *Block) error {
	if b.First < m.at.next || b.Next <= b.First {
		panic(fmt.Sprintf("BUG: block of offsets [%d, %d) when what is stored ends at %d", b.First, b.Next, m.at.next))
	}
	if len(b.Parts) == 0 {
		// Nothing can be stored in part.
		m.passed(b)
		return m.Confirm(ctx)
	}
	m.leave(nil)
	m.doubted = false
	m.p.Step(BeforeIntent)
	if err := m.commit(ctx, m.announcement(b)); err != nil {
		return err
	}
	m.dirty = false
	m.p.Step(AfterIntent)
	if err := m.send(ctx, b); err != nil {
		return err
	}
	m.p.Step(AfterSend)
	if m.doubted {
		if err := m.settle(ctx, b); err != nil {
			return err
		}
	}
	m.passed(b)
	if len(m.left) == 0 {
		return nil
	}
	if err := m.Confirm(ctx); err != nil {
		return err
	}
	return ErrRestart
}

// Confirm commits what is stored and not confirmed yet. Nothing to do: nil.
func (m *Machine) Confirm(ctx context.Context) error {
	if !m.dirty {
		return nil
	}
	m.p.Step(BeforeCommit)
	if err := m.commit(ctx, m.confirmation()); err != nil {
		return err
	}
	m.dirty = false
	m.p.Step(AfterCommit)
	return nil
}

// send sends all parts of the announced block.
func (m *Machine) send(ctx context.Context, b *Block) error {
	for _, part := range b.Parts {
		if err := m.sendPart(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// sendPiece sends one INSERT until the server has it, or has said that it does not take the rows and none of them is stored: bad is that answer.
func (m *Machine) sendPiece(ctx context.Context, p piece) (bad *InsertError, err error) {
	rows := p.part
	if !p.whole {
		if rows, err = m.load(ctx, p); err != nil {
			return nil, err
		}
	}
	token, unknown := m.token(p), 0
	for {
		err := m.p.Insert(ctx, rows, token)
		if err == nil {
			m.p.Fine()
			return nil, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var failure *InsertError
		if !errors.As(err, &failure) {
			failure = &InsertError{Class: Unknown, Err: err}
		}
		m.doubted = m.doubted || !failure.Unsent
		ask := Parked{Detail: fmt.Sprintf("INSERT %s failed: %v", token, failure), Cure: failure.Cure, Retry: true}
		switch failure.Class {
		case Retriable:
		case Unknown:
			if unknown++; unknown%maxAttempts == 0 {
				ask.Reason = "unknown_error"
				ask.Detail = fmt.Sprintf("INSERT %s failed %d times: %v", token, unknown, failure)
			}
		case Schema:
			ask.Reason = "schema"
			// What is wrong may keep the table from being read too.
			if there, err := m.storedOf(ctx, rows); err == nil && len(there) > 0 {
				ask.Detail = viewFailed(token, there, failure)
			}
		case BadRow:
			var there []Row
			err := m.until(ctx, "read the table", func() error {
				there, err = m.storedOf(ctx, rows)
				return err
			})
			if err != nil {
				return nil, err
			}
			if len(there) == 0 {
				return failure, nil
			}
			ask.Reason, ask.Detail = "schema", viewFailed(token, there, failure)
		}
		if ask.Reason == "" {
			if err := m.p.Pause(ctx, fmt.Errorf("insert: %w", failure)); err != nil {
				return nil, err
			}
			continue
		}
		if ask.Cure == "" {
			ask.Cure = "mend the table, or the view that the error names; the block is kept and sent again. At once: " + m.resumeCommand()
		}
		if err := m.park(ctx, ask); err != nil {
			return nil, err
		}
	}
}

func viewFailed(token string, there []Row, why error) string {
	return fmt.Sprintf("INSERT %s failed after %d of its rows were stored, so a materialized view is the likely cause: %v", token, len(there), why)
}

// load reads the rows of a piece again.
func (m *Machine) load(ctx context.Context, p piece) (Part, error) {
	b, err := m.selectRows(ctx, p.list())
	if err != nil {
		return nil, err
	}
	return b.Parts[0], nil
}

// storedOf lists what the table holds of the rows of one INSERT.
func (m *Machine) storedOf(ctx context.Context, rows Part) ([]Row, error) {
	span := rows.Span()
	return m.p.Stored(ctx, rows.Row(0).Offset, rows.Row(rows.Rows()-1).Offset+1, &span)
}
