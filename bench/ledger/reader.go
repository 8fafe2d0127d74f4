package ledger

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
)

// Reader reads a ledger. Safe for concurrent use, but Close.
type Reader struct {
	file     *os.File
	path     string
	header   Header
	tables   []int        // slots that each producer must have; while the preamble is read
	blocks   [][]blockRef // by producer, in order of sequence numbers
	ends     []uint64     // by producer: the sequence number after the last recorded
	totals   Totals
	complete bool
	torn     int64
}

// Totals is how much a ledger holds.
type Totals struct {
	Entries uint64
	Events  uint64
}

// blockRef is where a frame lies: its offset above 24 bits of the length of its body.
type blockRef uint64

const (
	refLenBits = 24
	maxFile    = 1 << (64 - refLenBits)
)

// Open reads the ledger once through, checks it and keeps an index. A ledger that was not closed is opened as far as it is good; see Complete. A file
// that is no ledger, is one of another format, or ends before its first entry could come, is an error.
func Open(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	r := &Reader{file: f, path: path}
	if err := r.index(); err != nil {
		return nil, errors.Join(fmt.Errorf("ledger: %s: %w", path, err), f.Close())
	}
	return r, nil
}

// Close closes the file.
func (r *Reader) Close() error { return r.file.Close() }

// Header is what Create was given. It is shared: do not change it.
func (r *Reader) Header() *Header { return &r.header }

// Complete tells whether the ledger was closed and everything in it is good.
func (r *Reader) Complete() bool { return r.complete }

// Torn is how many bytes at the end of a ledger that is not complete could not be read.
func (r *Reader) Torn() int64 { return r.torn }

// Totals is what can be read.
func (r *Reader) Totals() Totals { return r.totals }

// End is the sequence number after the last that is recorded of a producer; 0: none is.
func (r *Reader) End(producer uint16) uint64 {
	if int(producer) >= len(r.ends) {
		return 0
	}
	return r.ends[producer]
}

// Entries goes through the entries of one producer in order of Seq. An entry is valid until the next is asked for. After an error nothing follows.
func (r *Reader) Entries(producer uint16) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		if int(producer) >= len(r.blocks) {
			return
		}
		var buf []byte
		var e Entry
		for _, ref := range r.blocks[producer] {
			offset, size := int64(ref>>refLenBits), int64(ref&(1<<refLenBits-1))
			body, kept, err := readFrame(io.NewSectionReader(r.file, offset, frameHead+size), frameHead+size, buf)
			buf = kept
			if err != nil {
				yield(nil, fmt.Errorf("ledger: %s: block at byte %d, which was good before: %w", r.path, offset, err))
				return
			}
			f := fields{rest: body[1:]}
			head, _ := f.blockHead()
			e = Entry{Producer: producer, Seq: head.first, Results: e.Results[:0]}
			for range head.count {
				if !f.entry(&e) || e.Seq+uint64(e.Events) > head.next {
					yield(nil, fmt.Errorf("ledger: %s: block at byte %d: its checksum is right, its entries are not: written by another version?", r.path, offset))
					return
				}
				if !yield(&e, nil) {
					return
				}
			}
		}
	}
}

// index reads the whole file.
func (r *Reader) index() error {
	info, err := r.file.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	if size >= maxFile {
		return fmt.Errorf("%d bytes: at most %d can be read", size, int64(maxFile))
	}
	in := bufio.NewReaderSize(r.file, 1<<20)
	if err := checkPreamble(in); err != nil {
		return err
	}
	var buf []byte
	for at := int64(preambleLen); at < size; {
		body, kept, err := readFrame(in, size-at, buf)
		buf = kept
		if errors.Is(err, errTorn) {
			r.torn = size - at
			break
		}
		if err != nil {
			return err
		}
		if err := r.frame(at, body); err != nil {
			return fmt.Errorf("frame at byte %d: %w", at, err)
		}
		at += frameHead + int64(len(body))
	}
	if !r.ready() {
		return errors.New("it ends within its header: nothing can have been sent yet")
	}
	r.complete = r.complete && r.torn == 0
	return r.header.checkSlots()
}

func checkPreamble(in io.Reader) error {
	var b [preambleLen]byte
	if n, err := io.ReadFull(in, b[:]); err != nil && !errors.Is(tornOr(err), errTorn) {
		return err
	} else if n < preambleLen || string(b[:len(magic)]) != magic {
		return fmt.Errorf("is no ledger: it does not begin with %q and a version", magic)
	}
	if format := binary.LittleEndian.Uint32(b[len(magic):]); format != Format {
		return fmt.Errorf("is a ledger of format %d: this program reads %d; read it with the version that wrote it", format, Format)
	}
	return nil
}

// ready tells whether header and slot tables are there in full.
func (r *Reader) ready() bool {
	if len(r.tables) == 0 {
		return false
	}
	for p, n := range r.tables {
		if len(r.header.Producers[p]) != n {
			return false
		}
	}
	return true
}

var errMisplaced = errors.New("is not what must come here")

// frame takes in one good frame. The preamble's order is that of the kinds, so ready is asked only until the first block.
func (r *Reader) frame(at int64, body []byte) error {
	f := fields{rest: body[1:]}
	switch kind := body[0]; {
	case r.complete:
		return errMisplaced
	case kind == kindHeader && r.tables == nil:
		return r.takeHeader(f.rest)
	case kind == kindSlots && r.tables != nil && r.blocks == nil:
		return r.takeSlots(&f)
	case kind == kindEntries && (r.blocks != nil || r.ready()):
		return r.takeBlock(&f, at, len(body))
	case kind == kindEnd && (r.blocks != nil || r.ready()):
		said := Totals{f.uint(), f.uint()}
		if f.bad || said != r.totals {
			return fmt.Errorf("the closing mark counts %d entries and %d events, there are %d and %d", said.Entries, said.Events, r.totals.Entries, r.totals.Events)
		}
		r.complete = true
		return nil
	}
	return errMisplaced
}

func (r *Reader) takeHeader(text []byte) error {
	var h fileHeader
	if err := json.Unmarshal(text, &h); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	if _, err := h.RunID(); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	if n := len(h.Slots); n == 0 || n > MaxProducers {
		return fmt.Errorf("header: %d producers: must be 1 to %d", n, MaxProducers)
	}
	for p, n := range h.Slots {
		if n <= 0 {
			return fmt.Errorf("header: producer %d has %d slots", p, n)
		}
	}
	r.header, r.tables = h.Header, h.Slots
	r.header.Producers = make([][]Slot, len(h.Slots))
	return nil
}

func (r *Reader) takeSlots(f *fields) error {
	p := f.upTo(uint64(len(r.tables)) - 1)
	slots := r.header.Producers[p]
	for !f.bad && len(f.rest) > 0 {
		slots = append(slots, f.slot())
	}
	if f.bad || len(slots) > r.tables[p] {
		return fmt.Errorf("slots of producer %d: are not those that the header names", p)
	}
	r.header.Producers[p] = slots
	return nil
}

func (r *Reader) takeBlock(f *fields, at int64, size int) error {
	if r.blocks == nil {
		r.blocks, r.ends = make([][]blockRef, len(r.tables)), make([]uint64, len(r.tables))
	}
	head, ok := f.blockHead()
	if !ok || int(head.producer) >= len(r.blocks) {
		return errors.New("block: its checksum is right, its numbers are not")
	}
	if head.first < r.ends[head.producer] {
		return fmt.Errorf("block of producer %d: begins with %d after %d was recorded", head.producer, head.first, r.ends[head.producer]-1)
	}
	p := head.producer
	r.blocks[p] = append(r.blocks[p], blockRef(at)<<refLenBits|blockRef(size))
	r.ends[p] = head.next
	r.totals.Entries += head.count
	r.totals.Events += head.events
	return nil
}
