package sink

import (
	"context"
	"errors"
	"time"

	"github.com/millrace/millrace/internal/retry"
	"github.com/millrace/millrace/sink/exact"
)

// store brings the blocks of one partition into ClickHouse by the protocol of package exact.
type store struct {
	port    *port
	machine *exact.Machine
	// life ends when nothing may be waited for any longer; taking, besides, when the process is to end: a takeover is given up at once then.
	life, taking context.Context
}

// takeover settles what former owners have left and returns where fresh blocks begin.
func (s *store) takeover() (next int64, err error) {
	s.port.handle.take(s.machine, false)
	if next, err = s.machine.Takeover(s.taking); err != nil {
		return 0, s.end(err)
	}
	s.port.stats.confirmed.Store(next) // nothing may be committed before the next record, and the commit may be of another log
	s.port.handle.take(s.machine, true)
	s.port.Fine()
	return next, nil
}

// block stores one block. It is confirmed with the next one, or by confirm. exact.ErrRestart: what was decoded behind it must be thrown away.
func (s *store) block(b *block) error {
	if err := s.port.reject(s.life, b); err != nil {
		return s.end(err)
	}
	err := s.machine.Store(s.life, b.announced())
	if err != nil && !errors.Is(err, exact.ErrRestart) {
		return s.end(err)
	}
	s.port.Fine()
	m, table := s.port.sink.metrics, s.port.topic.table
	m.blocks[table].Inc()
	m.blockRows[table].Update(float64(b.rows))
	m.repeats.Add(b.repeats)
	m.succeeded()
	return err
}

// confirm commits what is stored.
func (s *store) confirm() error { return s.end(s.machine.Confirm(s.life)) }

// end makes the error of a context one of a partition that is given back.
func (s *store) end(err error) error {
	if err != nil && (s.life.Err() != nil || s.taking.Err() != nil) && !errors.Is(err, exact.ErrFenced) {
		return errRevoked
	}
	return err
}

func (s *store) close() {
	s.port.tables.conn.close()
	s.port.sink.registry.remove(s.port.tp, s.port.handle)
}

// asker asks the table about ids that are too old to be remembered, on a connection of its own, until it is answered.
type asker struct {
	tables  tables
	stats   *partitionStats
	retry   retry.Backoff
	life    context.Context
	revoked <-chan struct{}
	// turn is the slots of which the worker holds one; nil: it holds none, as while the partition is taken over. Others decode while the table is asked.
	turn chan struct{}
}

func (a *asker) ask(ids [][16]byte, below int64) (map[[16]byte]bool, error) {
	if a.turn != nil {
		<-a.turn
		defer func() { a.turn <- struct{}{} }()
	}
	for {
		found, err := a.tables.have(a.life, ids, below)
		if err == nil {
			a.retry.Reset()
			return found, nil
		}
		a.stats.failing(err.Error())
		t := time.NewTimer(a.retry.Next())
		select {
		case <-a.revoked:
			t.Stop()
			return nil, errRevoked
		case <-a.life.Done():
			t.Stop()
			return nil, errRevoked
		case <-t.C:
		}
	}
}
