package verify

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/bench/ledger"
)

// progressEvery is how many events are compared between two reports.
const progressEvery = 1 << 16

// Verify compares the ledger with the store and returns what differs. Each event of the ledger and each row of the run is looked at; memory is
// bounded on both sides whatever their number is, at the price of a sort on ClickHouse's disk (about 40 bytes per row, before compression). progress
// (nil: nobody is told) is called from the caller's goroutine while rows are read and events compared; total is the sum of both and may grow.
//
// Drained of the verdict is true when nothing is lost. A caller that knows that nothing more was to come sets it.
//
// # What counts as what
//
// A send is refused when its answer is Quarantined or Dropped. An event is its own send and those of the Duplicate slots that repeat it.
//
//   - lost: valid, a send was accepted, and there is no row.
//   - duplicated: rows beyond the number of sends that were not refused. Rows up to that number, less one, are ClientDuplicates.
//   - refused_stored: all sends were refused, and there are rows.
//   - misjudged: a valid event or a duplicate was refused under its own sequence number, or an invalid event was accepted, or stored without a clear
//     answer. A refusal with a status of 4xx other than 400 speaks of the request, the key or the rate, not of the event, and judges nothing; with
//     400 each event was looked at.
//   - corrupted: a row whose payload hash or time fits none of the event's sends; counted once per event.
//   - misordered: of the events of one user of one producer whose own send was accepted, in the order sent, the first rows must lie in one partition
//     at rising offsets. A higher _log is a new life of the topic and begins anew. Events without a clear answer are left out: nobody told the client
//     that they had a place.
//   - quarantine_lost: a send was answered Quarantined, and the id is not in table quarantine.
//   - invented: rows that no send can explain: an unknown producer, a sequence number that was never sent or that belongs to a Duplicate, an id of
//     the run in another form. Counted per row.
//
// Table quarantine keeps its rows for 30 days: of a run that lies longer back, quarantine_lost says nothing.
//
// When the ledger is not complete, rows beyond its end are Unrecorded rather than invented, and so are further rows of events that a duplicate beyond
// the end may have repeated.
func Verify(ctx context.Context, r *ledger.Reader, s *Store, progress func(done, total uint64)) (*ledger.Verdict, error) {
	start := time.Now()
	if ctx.Err() != nil { // a short comparison would be over before anybody notices
		return nil, fmt.Errorf("verify: %w", context.Cause(ctx))
	}
	run, err := r.Header().RunID()
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	c := &comparison{ctx: ctx, ledger: r, verdict: &ledger.Verdict{Run: run.String(), Complete: r.Complete()}, progress: progress}
	c.total = r.Totals().Events
	if progress != nil {
		rows, err := s.Count(ctx, run, Since(r.Header()))
		if err != nil {
			return nil, fmt.Errorf("verify: %w", err)
		}
		c.total += rows
	}
	if c.rows, err = s.openRows(ctx, run, func(n uint64) { c.read.Add(n) }); err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	defer c.rows.close()
	if c.quarantine, err = s.openQuarantine(ctx, run); err != nil {
		return nil, fmt.Errorf("verify: table quarantine: %w", err)
	}
	defer c.quarantine.close()
	if err := c.run(); err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	c.verdict.Drained = c.verdict.Lost.Count == 0
	c.verdict.Checked = time.Now()
	c.verdict.Seconds = c.verdict.Checked.Sub(start).Seconds()
	return c.verdict, nil
}

// comparison is one Verify.
type comparison struct {
	ctx        context.Context // of the whole; a comparison lives as long as the call
	ledger     *ledger.Reader
	rows       *stream // of table events; its row in view was not compared yet
	quarantine *stream
	verdict    *ledger.Verdict
	found      []row // rows of the event that is compared; reused

	progress func(done, total uint64)
	done     uint64        // events
	total    uint64        // events and rows
	read     atomic.Uint64 // rows that ClickHouse has read; written by the driver's goroutine
}

func (c *comparison) run() error {
	for p := range c.ledger.Header().Producers {
		if err := c.producer(uint16(p)); err != nil {
			return err
		}
	}
	if err := c.strayRows(^key(0)); err != nil {
		return err
	}
	if err := c.quarantine.drain(); err != nil {
		return err
	}
	c.report()
	return nil
}

func (c *comparison) producer(number uint16) error {
	p := newProducer(c, number)
	for e, err := range c.ledger.Entries(number) {
		if err != nil {
			return err
		}
		if err := p.take(e); err != nil {
			return err
		}
	}
	return p.finish()
}

// advance counts events and reports now and then.
func (c *comparison) advance(events uint64) error {
	before := c.done / progressEvery
	c.done += events
	if c.done/progressEvery == before {
		return nil
	}
	c.report()
	return c.ctx.Err()
}

func (c *comparison) report() {
	if c.progress == nil {
		return
	}
	done := c.done + c.read.Load()
	c.total = max(c.total, done) // rows of others are read as well
	c.progress(done, c.total)
}

// rowsOf returns the rows of one event, valid until the next call; those that lie before it belong to nothing that was sent.
func (c *comparison) rowsOf(k key) ([]row, error) {
	if err := c.strayRows(k); err != nil {
		return nil, err
	}
	c.found = c.found[:0]
	for c.rows.ok && c.rows.row.key == k {
		c.found = append(c.found, c.rows.row)
		c.verdict.Rows++
		if err := c.rows.next(); err != nil {
			return nil, err
		}
	}
	return c.found, nil
}

// strayRows passes the rows before k.
func (c *comparison) strayRows(k key) error {
	for c.rows.ok && c.rows.row.key < k {
		c.stray(c.rows.row.key, 1)
		c.verdict.Rows++
		if err := c.rows.next(); err != nil {
			return err
		}
	}
	return nil
}

// stray counts rows whose key was not sent, as far as the ledger tells.
func (c *comparison) stray(k key, rows uint64) {
	producer, seq := k.producer(), k.seq()
	producers := c.ledger.Header().Producers
	if !c.ledger.Complete() && k&malformed == 0 && int(producer) < len(producers) && seq >= c.ledger.End(producer) {
		slots := producers[producer]
		if slots[seq%uint64(len(slots))].Kind != ledger.Duplicate {
			c.verdict.Unrecorded += rows
			return
		}
	}
	c.verdict.Invented.Add(producer, seq, rows)
}

// quarantined tells whether the event is in table quarantine. Keys must be asked for in rising order.
func (c *comparison) quarantined(k key) (bool, error) {
	for c.quarantine.ok && c.quarantine.row.key < k {
		if err := c.quarantine.next(); err != nil {
			return false, err
		}
	}
	return c.quarantine.ok && c.quarantine.row.key == k, nil
}
