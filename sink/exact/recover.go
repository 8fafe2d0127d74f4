package exact

import (
	"context"
	"errors"
	"fmt"
)

// recover finishes the block that another owner has announced: R1 to R7.
func (m *Machine) recover(ctx context.Context) error {
	in := m.intent
	if err := m.kill(ctx); err != nil {
		return err
	}
	m.p.Step(RecoverRead)
	if in.Codec != m.o.Codec {
		return m.parkAnew(ctx, Parked{
			Reason: "codec",
			Detail: fmt.Sprintf("the announced block of offsets [%d, %d) was decoded by version %d of the codec, this build has version %d", in.First, in.Next, in.Codec, m.o.Codec),
			Cure:   "run the build that announced it until the block is stored; that is seconds",
		})
	}
	b, err := m.read(ctx, m.p.Read, in.First, in.Next)
	if err != nil {
		return err
	}
	rows := 0
	for _, p := range b.Parts {
		rows += p.Rows()
	}
	if rows != in.Rows || b.Hash != in.Hash {
		return m.parkAnew(ctx, Parked{
			Reason: "intent_mismatch",
			Detail: fmt.Sprintf("the records at offsets [%d, %d) make %d rows with hash %016x, but %d rows with hash %016x were announced",
				in.First, in.Next, rows, uint64(b.Hash), in.Rows, uint64(in.Hash)),
			Cure: fmt.Sprintf("compare the table with the topic from offset %d on. To compare again: %s. To take the topic as it is, adding what is missing: %s",
				in.First, m.resumeCommand(), m.rewindCommand(in.First)),
		})
	}
	m.leave(in.Excluded)
	m.p.Step(RecoverInsert)
	if err := m.send(ctx, b); err != nil {
		return err
	}
	if err := m.settle(ctx, b); err != nil {
		return err
	}
	m.passed(b)
	return nil
}

// kill ends what older generations have under way. The tokens make it safe to go on before they have ended.
func (m *Machine) kill(ctx context.Context) error {
	m.p.Step(RecoverKill)
	return m.until(ctx, "end older inserts", func() error { return m.p.Kill(ctx, m.tokenPrefix()) })
}

// read reads records that have been read before, by Read or ReadSome.
func (m *Machine) read(ctx context.Context, by func(ctx context.Context, first, next int64) (*Block, error), first, next int64) (b *Block, err error) {
	err = m.until(ctx, "read the topic", func() error {
		b, err = by(ctx, first, next)
		return err
	})
	return b, m.trimmed(ctx, err)
}

// selectRows makes these rows again, some of a block's.
func (m *Machine) selectRows(ctx context.Context, rows []Row) (b *Block, err error) {
	offsets := make([]int64, len(rows))
	var want Hash
	for i, row := range rows {
		offsets[i] = row.Offset
		want = want.Add(row.Offset, row.ID)
	}
	err = m.until(ctx, "read the topic", func() error {
		b, err = m.p.Select(ctx, offsets[0], offsets[len(offsets)-1]+1, offsets)
		return err
	})
	if err != nil {
		return nil, m.trimmed(ctx, err)
	}
	if b.Hash != want {
		return nil, m.parkAnew(ctx, Parked{
			Reason: "intent_mismatch",
			Detail: fmt.Sprintf("%d records at offsets [%d, %d) do not make the rows that they made before", len(rows), b.First, b.Next),
			Cure:   "the topic has changed under its offsets: check the broker. To try again: " + m.resumeCommand(),
		})
	}
	return b, nil
}

// trimmed parks when records of a block that may be stored in part are gone.
func (m *Machine) trimmed(ctx context.Context, err error) error {
	if !errors.Is(err, ErrTrimmed) {
		return err
	}
	if m.behind {
		// Nothing is announced: the next attempt begins where the topic does.
		if err := m.p.Pause(ctx, err); err != nil {
			return err
		}
		return ErrRestart
	}
	start, _, err := m.bounds(ctx)
	if err != nil {
		return err
	}
	return m.parkTrimmed(ctx, start)
}

func (m *Machine) parkTrimmed(ctx context.Context, start int64) error {
	return m.parkAnew(ctx, Parked{
		Reason: "trimmed",
		Detail: fmt.Sprintf("records at offsets [%d, %d) are needed to finish a block that may be stored in part, but the topic now begins at %d", m.intent.First, start, start),
		Cure:   "raise the topic's retention. What is not in the table of those offsets is lost; to go on behind them: " + m.rewindCommand(start),
	})
}

// parkAnew parks and then has the partition taken over anew, whatever was decided.
func (m *Machine) parkAnew(ctx context.Context, p Parked) error {
	if err := m.park(ctx, p); err != nil {
		return err
	}
	return ErrRestart
}
