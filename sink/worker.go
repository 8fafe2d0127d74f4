package sink

import (
	"errors"
	"time"

	"github.com/millrace/millrace/sink/exact"
)

// storer is what a worker hands its blocks to: see store. Its methods are called one after the other.
type storer interface {
	// takeover returns where fresh blocks begin.
	takeover() (next int64, err error)
	// block returns when the block is stored, or never will be by this worker. exact.ErrRestart: it is, but take over again.
	block(b *block) error
	// confirm commits what is stored.
	confirm() error
	close()
}

// worker loads one partition for one generation. Its goroutine takes the partition over, decodes and cuts; a second one stores, so that the next block
// forms while one is under way. The two blocks are all that a partition holds.
//
//	takeover → fetch → decode → cut → store: refused records → intent → insert → confirm
type worker struct {
	src     *source
	fetcher *fetcher
	cutter  *cutter
	slots   chan struct{} // room for as many as may decode at once
	store   storer
	stats   *partitionStats
	asker   *asker

	// Of the worker's goroutine.
	draining    bool // nothing more comes: what is held is cut at once
	storing     *block
	confirming  bool
	unconfirmed bool // something is stored and not confirmed
	left        int  // rows that were held when the worker had to stop
}

// run loads until the source is closed and everything is stored and confirmed, or until revoked is closed, or a block could not be stored: then with the
// error of the store.
func (w *worker) run(revoked <-chan struct{}) error {
	defer w.store.close()
	defer w.asker.tables.conn.close()
	for {
		next, err := w.store.takeover()
		if err != nil {
			return err
		}
		w.left = 0 // what was thrown away for a takeover is read again
		w.cutter.drop(next)
		w.fetcher.restart(w.src, next)
		if err := w.load(revoked); !errors.Is(err, exact.ErrRestart) {
			return err
		}
	}
}

// load is run between two takeovers.
func (w *worker) load(revoked <-chan struct{}) error {
	blocks := make(chan *block)
	stored := make(chan error, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for b := range blocks {
			if b == nil {
				stored <- w.store.confirm()
			} else {
				stored <- w.store.block(b)
			}
		}
	}()
	w.storing, w.confirming, w.unconfirmed = nil, false, true // the takeover may have stored something
	defer func() {
		close(blocks)
		<-ended // a block under way is finished: storing has its own deadline
		w.left += w.cutter.forming.rows
		if w.storing == nil {
			return
		}
		select {
		case err := <-stored:
			if err != nil {
				w.left += w.storing.rows
			}
		default:
		}
	}()

	in := w.src.out
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if w.cutter.reading && !w.cutter.full() {
			if err := w.decode(revoked); err != nil {
				return err
			}
		}
		w.publish()

		var accept <-chan recordSet
		if !w.cutter.reading && !w.draining {
			accept = in
		}
		// What the storing goroutine is to do next: the block, when it is due, which confirms the one before; else the confirmation alone.
		var offer chan<- *block
		var job *block
		timer.Stop()
		if w.storing == nil && !w.confirming {
			cut, at := w.cutter.due(time.Now())
			switch {
			case cut, w.draining && w.cutter.forming.held():
				offer, job = blocks, w.cutter.forming
			case w.unconfirmed:
				offer = blocks
			case w.cutter.forming.held():
				timer.Reset(time.Until(at))
			case w.draining && !w.cutter.reading:
				return nil
			}
		}
		select {
		case set, ok := <-accept:
			if ok {
				w.cutter.accept(set)
			} else {
				w.draining = true
			}
		case offer <- job:
			if job == nil {
				w.confirming = true
				continue
			}
			w.storing = w.cutter.cut()
			w.cutter.settled = w.storing
		case err := <-stored:
			if w.confirming {
				if err != nil {
					return err
				}
				w.confirming, w.unconfirmed = false, false
				continue
			}
			if err != nil {
				if !errors.Is(err, exact.ErrRestart) {
					w.left += w.storing.rows
				}
				w.storing = nil
				return err
			}
			w.cutter.spares.put(w.storing)
			w.storing, w.cutter.settled, w.unconfirmed = nil, nil, true
		case <-timer.C:
		case <-revoked:
			return errRevoked
		}
	}
}

// decode fills the forming block from the record set, in turn with the other workers. Its error says that the partition is given back.
func (w *worker) decode(revoked <-chan struct{}) error {
	select {
	case w.slots <- struct{}{}:
	case <-revoked:
		return errRevoked
	}
	w.asker.turn = w.slots
	err := w.cutter.advance(time.Now())
	w.asker.turn = nil
	<-w.slots
	switch {
	case errors.Is(err, errDamaged):
		w.fetcher.damaged(w.src, w.cutter.nextOffset(), err)
	case err != nil:
		return err
	case w.cutter.reading:
	case w.cutter.starved():
		w.fetcher.starved(w.src, w.cutter.nextOffset())
	default:
		w.fetcher.resume(w.src, w.cutter.nextOffset())
	}
	return nil
}

// publish tells the gauges the age of what is held.
func (w *worker) publish() {
	oldest := int64(0)
	if w.storing != nil {
		oldest = w.storing.oldest
	} else if b := w.cutter.forming; b.held() {
		oldest = b.oldest
	}
	w.stats.oldest.Store(oldest)
}
