package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// blockBytes is the size from which a block is handed on.
const blockBytes = 16 << 10

// block collects encoded entries of one producer. Each entry is coded as its difference from the one before in the same block.
type block struct {
	buf         []byte
	first, next uint64 // sequence numbers: of the first entry, and after the last; next outlives the block
	count       uint64
	events      uint64
	stamp       int64
	intended    int64
}

// check reports why e cannot be the next entry.
func (b *block) check(e *Entry) error {
	switch {
	case e.Events == 0:
		return errors.New("no events")
	case e.Seq < b.next:
		return fmt.Errorf("sequence number %d comes after %d was recorded", e.Seq, b.next-1)
	case e.Seq > maxSeq+1-uint64(e.Events):
		return fmt.Errorf("sequence number %d: an id has no room for it", e.Seq)
	case e.Answer > Unknown:
		return fmt.Errorf("answer %d is none", e.Answer)
	case len(e.Results) > int(e.Events):
		return fmt.Errorf("%d results for %d events", len(e.Results), e.Events)
	}
	for _, r := range e.Results {
		if r.Index >= e.Events || r.Answer > Unknown {
			return fmt.Errorf("result %d for event %d of %d", r.Answer, r.Index, e.Events)
		}
	}
	return nil
}

func (b *block) append(e *Entry) {
	if b.count == 0 {
		b.first, b.next = e.Seq, e.Seq
	}
	dst := binary.AppendUvarint(b.buf, e.Seq-b.next)
	dst = binary.AppendUvarint(dst, uint64(e.Events))
	dst = binary.AppendVarint(dst, e.Stamp-b.stamp)
	dst = binary.AppendVarint(dst, e.Intended-b.intended)
	dst = binary.AppendVarint(dst, e.Sent-e.Intended)
	dst = binary.AppendVarint(dst, e.Done-e.Sent)
	dst = binary.AppendUvarint(dst, uint64(e.Status))
	dst = append(dst, byte(e.Answer))
	dst = binary.AppendUvarint(dst, uint64(len(e.Results)))
	index := int64(0)
	for _, r := range e.Results {
		dst = binary.AppendVarint(dst, int64(r.Index)-index)
		dst = append(dst, byte(r.Answer))
		index = int64(r.Index)
	}
	b.buf, b.next, b.stamp, b.intended = dst, e.Seq+uint64(e.Events), e.Stamp, e.Intended
	b.count++
	b.events += uint64(e.Events)
}

// seal appends the block as a frame and empties it.
func (b *block) seal(dst []byte, producer uint16) []byte {
	var head [64]byte
	h := append(head[:0], kindEntries)
	h = binary.AppendUvarint(h, uint64(producer))
	h = binary.AppendUvarint(h, b.count)
	h = binary.AppendUvarint(h, b.events)
	h = binary.AppendUvarint(h, b.first)
	h = binary.AppendUvarint(h, b.next-b.first)
	dst = appendFrame(dst, h, b.buf)
	*b = block{buf: b.buf[:0], next: b.next}
	return dst
}

// blockHead is what a block says of itself before its entries.
type blockHead struct {
	producer    uint16
	count       uint64
	events      uint64
	first, next uint64
}

// blockHead reads the head of a block, whose kind is read already.
func (f *fields) blockHead() (h blockHead, ok bool) {
	h.producer = uint16(f.upTo(MaxProducers - 1))
	h.count = f.uint()
	h.events = f.uint()
	h.first = f.upTo(maxSeq)
	h.next = h.first + f.upTo(maxSeq+1-h.first)
	// An entry takes 9 bytes at least.
	return h, !f.bad && h.count > 0 && h.count <= uint64(len(f.rest)/9) && h.events <= h.next-h.first
}

// entry reads the next entry of a block into e, which holds the entry before it: at first a zero one whose Seq is the block's first.
func (f *fields) entry(e *Entry) bool {
	e.Seq += uint64(e.Events) + f.upTo(maxSeq)
	e.Events = uint16(f.upTo(1<<16 - 1))
	e.Stamp += f.int()
	e.Intended += f.int()
	e.Sent = e.Intended + f.int()
	e.Done = e.Sent + f.int()
	e.Status = uint16(f.upTo(1<<16 - 1))
	e.Answer = Answer(f.byte())
	n := f.upTo(uint64(e.Events))
	if n > uint64(len(f.rest)/2) {
		return false
	}
	e.Results = e.Results[:0]
	index := int64(0)
	for range n {
		index += f.int()
		r := Result{Index: uint16(index), Answer: Answer(f.byte())}
		if index < 0 || index >= int64(e.Events) || r.Answer > Unknown {
			return false
		}
		e.Results = append(e.Results, r)
	}
	return !f.bad && e.Events > 0 && e.Answer <= Unknown && e.Seq <= maxSeq+1-uint64(e.Events)
}
