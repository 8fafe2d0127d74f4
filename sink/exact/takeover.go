package exact

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Takeover finds out what the owners before have done and finishes it. next is where fresh blocks begin; the ids of the Port are then those of the rows
// below it. It parks inside. Its error is that the generation or the context has ended.
func (m *Machine) Takeover(ctx context.Context) (next int64, err error) {
	for {
		err := m.takeover(ctx)
		if err == nil {
			return m.at.next, nil
		}
		if !errors.Is(err, ErrRestart) {
			return 0, err
		}
	}
}

// takeover is one attempt. ErrRestart: people have decided something, or tried to mend what was wrong.
func (m *Machine) takeover(ctx context.Context) error {
	m.p.Step(TakeoverStart)
	m.left, m.dirty, m.behind, m.ids = nil, false, false, m.o.IDs
	if err := m.until(ctx, "drop staging tables", func() error { return m.p.Unstage(ctx) }); err != nil {
		return err
	}
	found, err := m.lookUp(ctx)
	if err != nil {
		return err
	}
	start, end, err := m.bounds(ctx)
	if err != nil {
		return err
	}
	if !m.o.Protect.Intent {
		return m.trust(ctx, max(found.First, start))
	}
	high, err := m.highest(ctx, max(0, found.Last))
	if err != nil {
		return err
	}
	m.table = high
	if err := m.locate(ctx, &found, start, end, high); err != nil {
		return err
	}
	if err := m.sameLog(ctx, &found, high); err != nil {
		return err
	}
	if err := m.rowsLost(ctx, found, high); err != nil {
		return err
	}
	m.intent = found.Intent
	m.at = position{next: found.First, last: found.Last, lastTS: found.LastTS, newest: found.Newest}
	m.behind = high >= found.Next
	if m.behind || found.Pending() {
		m.ids = found.IDs
	}
	if err := m.restore(ctx); err != nil {
		return err
	}
	switch {
	case m.behind:
		m.p.Step(TakeoverBehind)
		err = m.catchUp(ctx, high)
	case found.Pending():
		m.p.Step(TakeoverPending)
		err = m.recover(ctx)
	}
	if err != nil {
		return err
	}
	if m.behind || len(m.left) > 0 || m.ids != m.o.IDs {
		// What was read is not quite what the table holds, or was decided by other numbers.
		m.behind, m.left, m.ids = false, nil, m.o.IDs
		return m.restore(ctx)
	}
	return nil
}

// finding is the last commit. ours is false when it carries no intent of this log: then only its offset counts, and none means that nothing counts.
type finding struct {
	Intent
	ours, none bool
}

// lookUp reads the last commit.
func (m *Machine) lookUp(ctx context.Context) (f finding, err error) {
	var offset int64
	var metadata string
	err = m.until(ctx, "ask for the committed offset", func() error {
		offset, metadata, err = m.p.Committed(ctx)
		return err
	})
	if err != nil {
		return f, err
	}
	in, err := ParseIntent(metadata)
	f.none = offset < 0 || err == nil && in.Log != m.o.Log
	f.ours = err == nil && !f.none && in.First == offset
	if !f.ours {
		in = m.blank(offset)
	}
	f.Intent, m.intent = in, in
	m.at = position{next: in.First, last: in.Last, lastTS: in.LastTS, newest: in.Newest}
	m.publish(offset, in)
	if errors.Is(err, ErrNewer) {
		m.table = offset - 1 // nothing below is in doubt
		return f, m.parkAnew(ctx, Parked{
			Reason: "newer_build",
			Detail: fmt.Sprintf("the commit at offset %d holds %v", offset, err),
			Cure: fmt.Sprintf("run the build that wrote it. To go on with this one, adding what the table does not hold from that offset on: %s",
				m.rewindCommand(offset)),
		})
	}
	return f, nil
}

// blank stands for a commit that says nothing but an offset, or for none. Somebody may want records to be loaded again, after rows or offsets were
// deleted, and the server may remember the tokens of rows that it no longer has. So the turn is one that was never used.
func (m *Machine) blank(offset int64) Intent {
	return Intent{
		Log: m.o.Log, First: offset, Next: offset, Codec: m.o.Codec, Last: -1, Newest: -1, IDs: m.o.IDs, Turn: m.p.Now(),
	}
}

// trust goes on at the committed offset, without a look at the table.
func (m *Machine) trust(ctx context.Context, offset int64) error {
	m.intent = m.blank(offset)
	m.intent.Turn = 0
	m.at = position{next: offset, last: -1, newest: -1}
	return m.restore(ctx)
}

// highest is the highest offset of a row, searched for from an offset on first, because nearly always it is there.
func (m *Machine) highest(ctx context.Context, from int64) (high int64, err error) {
	ask := func() error {
		high, err = m.p.Highest(ctx, from)
		return err
	}
	err = m.until(ctx, "ask for the table's highest offset", ask)
	if err == nil && high < 0 && from > 0 {
		from = 0
		err = m.until(ctx, "ask for the table's highest offset", ask)
	}
	return high, err
}

// locate settles from where on table and topic are compared: at the commit, or where they must be when there is none or the topic begins later.
func (m *Machine) locate(ctx context.Context, f *finding, start, end, high int64) error {
	if f.none {
		// One block at most is not complete, and it ends at high or behind it.
		f.First = max(start, high+1-m.o.MaxOffsets)
		f.Next = f.First
	}
	if max(f.Next, high+1) > end {
		return m.parkOtherLog(ctx, fmt.Sprintf("the topic ends at offset %d, but %d is committed, blocks are announced up to %d, and the table's highest offset is %d",
			end, f.First, f.Next, high), high)
	}
	if f.First >= start {
		return nil
	}
	if f.Pending() && high < f.Next {
		return m.parkTrimmed(ctx, start)
	}
	m.p.Trimmed(f.First, start)
	// What there is of an announced block lies below the table's highest row, so it was complete once.
	f.First, f.Next, f.Newest = start, start, -1
	f.Rows, f.Refused, f.Hash, f.Cuts, f.Excluded = 0, 0, 0, nil, nil
	m.dirty = true
	return nil
}

// sameLog is rule 1: the record at the last row's offset must still make that row.
func (m *Machine) sameLog(ctx context.Context, f *finding, high int64) error {
	m.p.Step(TakeoverSameLog)
	at, span := f.Last, &Span{From: f.LastTS, To: f.LastTS}
	if !f.ours {
		at, span = high, nil
	}
	if at < 0 || at > high || f.ours && m.expired(f.LastTS) {
		return nil
	}
	var rows []Row
	err := m.until(ctx, "read the table", func() (err error) {
		rows, err = m.p.Stored(ctx, at, at+1, span)
		return err
	})
	if err != nil || len(rows) == 0 {
		return err
	}
	if !f.ours && at < f.First {
		f.Last, f.LastTS = at, rows[0].TS
	}
	var id [16]byte
	var ok bool
	err = m.until(ctx, "read the topic", func() (err error) {
		id, ok, err = m.p.RecordID(ctx, at)
		return err
	})
	if err != nil || ok && slices.ContainsFunc(rows, func(r Row) bool { return r.ID == id }) {
		return err
	}
	if !ok {
		start, _, err := m.bounds(ctx)
		if err != nil || at < start {
			return err
		}
	}
	return m.parkOtherLog(ctx, fmt.Sprintf("the record at offset %d does not make the row that the table has of that offset, id %x", at, rows[0].ID), high)
}

func (m *Machine) parkOtherLog(ctx context.Context, detail string, high int64) error {
	return m.parkAnew(ctx, Parked{
		Reason: "other_log",
		Detail: detail + ": the topic was made anew, or the broker has lost its end",
		Cure:   "check the broker. If the topic was made anew: " + m.adoptCommand() + ". If it has lost its end, restore it, or: " + m.rewindCommand(high+1),
	})
}

// rowsLost is rule 2: the table must hold the last row that was confirmed.
func (m *Machine) rowsLost(ctx context.Context, f finding, high int64) error {
	m.p.Step(TakeoverRowsLost)
	if f.Last < 0 || high >= f.Last || m.expired(f.LastTS) {
		return nil
	}
	return m.parkAnew(ctx, Parked{
		Reason: "rows_lost",
		Detail: fmt.Sprintf("a row at offset %d was stored, but the table's highest offset is %d: it has lost rows, as after a restored backup or a power cut", f.Last, high),
		Cure: fmt.Sprintf("to load again what it lacks: %s (lower, if rows below may be missing too). If rows were deleted on purpose: %s",
			m.rewindCommand(high+1), m.rewindCommand(f.First)),
	})
}

// restore makes the ids of the Port those of the rows below what is stored.
func (m *Machine) restore(ctx context.Context) error {
	return m.until(ctx, "restore ids", func() error { return m.p.Restore(ctx, m.at.next, m.ids, m.at.newest) })
}

// catchUp is rule 3: up to high, rows may be stored without the group knowing. What is missing of them is added, chunk by chunk. An announced block
// needs no more than that: the table holds rows of a later one, so it was complete before.
func (m *Machine) catchUp(ctx context.Context, high int64) error {
	if err := m.kill(ctx); err != nil {
		return err
	}
	m.leave(m.intent.Excluded)
	for m.at.next <= high {
		b, err := m.read(ctx, m.p.ReadSome, m.at.next, min(high+1, m.at.next+max(1, m.o.MaxOffsets/16)))
		if err != nil {
			return err
		}
		if err := m.settle(ctx, b); err != nil {
			return err
		}
		m.passed(b)
		m.at.newest = -1 // the table may hold more than what was read has rows of
		if err := m.commit(ctx, m.confirmation()); err != nil {
			return err
		}
		m.dirty = false
		if len(m.left) == 0 {
			continue
		}
		// Ids of rows that are left out do not count.
		if err := m.restore(ctx); err != nil {
			return err
		}
	}
	return nil
}
