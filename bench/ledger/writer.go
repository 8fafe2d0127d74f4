package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	syncEvery  = time.Second
	writeBytes = 1 << 20  // blocks of so many bytes are written without waiting for the next sync
	waitBytes  = 64 << 20 // Append waits while the disk is so far behind
)

// errClosed is what Append returns after Close.
var errClosed = errors.New("ledger: is closed")

// Writer writes a ledger. Safe for concurrent use. An entry is on disk a second after Append at the latest, or when Close has returned nil.
type Writer struct {
	file file
	dir  string
	wake chan struct{} // 1 deep: there are writeBytes to write
	stop chan struct{} // closed by Close
	done chan struct{} // closed when the background goroutine has ended

	mu      sync.Mutex
	room    sync.Cond // pending has become smaller, or err is set
	blocks  []block   // by producer
	pending []byte    // whole frames that wait to be written
	entries uint64
	events  uint64
	closed  bool
	err     error // the first; sticky

	spare  []byte // pending while it is written; this and broken belong to the one who writes: Create, then the goroutine
	broken bool   // a write or an fsync has failed
}

// file is what Writer needs of a file.
type file interface {
	io.Writer
	Sync() error
	Close() error
}

// Create begins the ledger in a new file; one that exists is an error. The header and the slot tables are on disk when it returns. It keeps nothing of
// h.Producers.
func Create(path string, h Header) (*Writer, error) {
	if err := h.complete(); err != nil {
		return nil, fmt.Errorf("ledger: header: %w", err)
	}
	preamble, err := h.appendPreamble(nil)
	if err != nil {
		return nil, fmt.Errorf("ledger: header: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	w := newWriter(f, filepath.Dir(path), len(h.Producers))
	if err := errors.Join(w.write(preamble), w.sync(), syncDir(w.dir)); err != nil {
		return nil, errors.Join(fmt.Errorf("ledger: %w", err), f.Close())
	}
	go w.run()
	return w, nil
}

func newWriter(f file, dir string, producers int) *Writer {
	w := &Writer{
		file: f, dir: dir, blocks: make([]block, producers),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	w.room.L = &w.mu
	return w
}

// Append records a request and its answer; e is only read, and not kept. The entries of one producer must come in the order of their sequence numbers. It
// waits only when the disk is far behind. Its error, and that of every call after it, is the first thing that went wrong: the ledger lacks entries then.
func (w *Writer) Append(e *Entry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.pending) >= waitBytes && w.err == nil && !w.closed {
		w.room.Wait()
	}
	switch {
	case w.closed:
		return errors.Join(errClosed, w.err)
	case w.err != nil:
		return w.err
	case int(e.Producer) >= len(w.blocks):
		w.err = fmt.Errorf("ledger: producer %d: the header has %d", e.Producer, len(w.blocks))
		return w.err
	}
	b := &w.blocks[e.Producer]
	if err := b.check(e); err != nil {
		w.err = fmt.Errorf("ledger: producer %d: %w", e.Producer, err)
		return w.err
	}
	b.append(e)
	w.entries++
	w.events += uint64(e.Events)
	if len(b.buf) >= blockBytes {
		w.pending = b.seal(w.pending, e.Producer)
		if len(w.pending) >= writeBytes {
			select {
			case w.wake <- struct{}{}:
			default: // it is awake
			}
		}
	}
	return nil
}

// Close writes what is left and the closing mark, and returns when file and folder are on disk. After an error there is no closing mark, so that the
// ledger is never taken for a complete one. The ledger is closed in any case; further calls return the same.
func (w *Writer) Close() error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		<-w.done
		return w.failure()
	}
	w.closed = true
	w.room.Broadcast()
	w.mu.Unlock()
	close(w.stop)
	<-w.done
	return w.failure()
}

// run writes and syncs in the background until Close, and then finishes the file.
func (w *Writer) run() {
	defer close(w.done)
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	for {
		select {
		case <-w.wake:
			w.fail(w.flush(false))
		case <-tick.C:
			w.fail(errors.Join(w.flush(true), w.sync()))
		case <-w.stop:
			w.fail(w.finish())
			return
		}
	}
}

func (w *Writer) finish() error {
	err := w.flush(true)
	if err == nil && w.failure() == nil {
		mark := []byte{kindEnd}
		mark = binary.AppendUvarint(mark, w.entries)
		mark = binary.AppendUvarint(mark, w.events)
		err = w.write(appendFrame(nil, mark))
	}
	return errors.Join(err, w.sync(), w.file.Close(), syncDir(w.dir))
}

// flush writes the blocks that are handed on; all: also those that are not full.
func (w *Writer) flush(all bool) error {
	w.mu.Lock()
	for p := range w.blocks {
		if b := &w.blocks[p]; all && b.count > 0 {
			w.pending = b.seal(w.pending, uint16(p))
		}
	}
	out := w.pending
	w.pending, w.spare = w.spare[:0], out
	w.room.Broadcast()
	w.mu.Unlock()
	return w.write(out)
}

// write appends whole frames to the file. After the first error it writes nothing more: a reader goes no further than the frame that was cut off.
func (w *Writer) write(frames []byte) error {
	if w.broken || len(frames) == 0 {
		return nil
	}
	_, err := w.file.Write(frames)
	w.broken = err != nil
	return err
}

func (w *Writer) sync() error {
	if w.broken {
		return nil
	}
	err := w.file.Sync()
	w.broken = err != nil // what a failed fsync has lost, another does not bring back
	return err
}

// fail keeps the first error.
func (w *Writer) fail(err error) {
	if err == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = fmt.Errorf("ledger: %w", err)
	}
	w.room.Broadcast()
}

func (w *Writer) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// syncDir makes the file's name durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
