package sink

import (
	"time"
)

// storer is what a worker hands its blocks to: see store.
type storer interface {
	// block returns when the block is stored and confirmed, or never will be by this worker.
	block(b *block) error
	close()
}

// worker loads one partition for one generation. Its goroutine decodes and cuts; a second one stores, so that the next block forms while one is
// under way. The two blocks are all that a partition holds.
//
//	fetch → decode → cut → store: refused records → [intent] → insert → confirm
type worker struct {
	src     *source
	fetcher *fetcher
	cutter  *cutter
	slots   chan struct{} // room for as many as may decode at once
	store   storer
	stats   *partitionStats

	// Of the worker's goroutine.
	draining bool // nothing more comes: what is held is cut at once
	storing  *block
	left     int // rows that were held when the worker had to stop
}

// run loads until the source is closed and everything is stored, or until revoked is closed, or a block could not be stored: then with the error of
// store.block.
func (w *worker) run(revoked <-chan struct{}) error {
	blocks := make(chan *block)
	stored := make(chan error, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for b := range blocks {
			stored <- w.store.block(b)
		}
	}()
	defer func() {
		close(blocks)
		<-ended // a block under way is finished: storing has its own deadline
		w.store.close()
		w.left += w.cutter.forming.rows
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
			if !w.decode(revoked) {
				return errRevoked
			}
		}
		w.publish()

		var accept <-chan recordSet
		if !w.cutter.reading && !w.draining {
			accept = in
		}
		var offer chan<- *block
		timer.Stop()
		if w.storing == nil {
			cut, at := w.cutter.due(time.Now())
			switch {
			case cut, w.draining && w.cutter.forming.held():
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
		case offer <- w.cutter.forming:
			w.storing = w.cutter.cut()
		case err := <-stored:
			if err != nil {
				w.left += w.storing.rows
				return err
			}
			w.cutter.spares.put(w.storing)
			w.storing = nil
		case <-timer.C:
		case <-revoked:
			return errRevoked
		}
	}
}

// decode fills the forming block from the record set, in turn with the other workers. It returns false when the partition is revoked meanwhile.
func (w *worker) decode(revoked <-chan struct{}) bool {
	select {
	case w.slots <- struct{}{}:
	case <-revoked:
		return false
	}
	err := w.cutter.advance(time.Now())
	<-w.slots
	switch {
	case err != nil:
		w.fetcher.damaged(w.src, w.cutter.nextOffset(), err)
	case w.cutter.reading:
	case w.cutter.starved():
		w.fetcher.starved(w.src, w.cutter.nextOffset())
	default:
		w.fetcher.resume(w.src, w.cutter.nextOffset())
	}
	return true
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
