package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Errors of a record set.
var (
	// ErrCorrupt says that bytes of a record set do not follow the format, or that a checksum is wrong.
	ErrCorrupt = errors.New("corrupt record batch")
	// ErrTooLarge says that a batch is larger after decompression than RecordReader.MaxDecompressedBytes.
	ErrTooLarge = errors.New("record batch too large after decompression")
)

// DefaultMaxDecompressedBytes is the limit of a RecordReader that sets none.
const DefaultMaxDecompressedBytes = 128 << 20

// Attributes of a batch.
const (
	attrCodec     = 0x07
	attrLogAppend = 0x08
	attrControl   = 0x20
)

// RecordReader reads the records of a record set as Fetch returns it. The zero value is ready for Reset. It is not safe for
// concurrent use. Reading uncompressed batches allocates nothing; decompression buffers are kept between Resets.
type RecordReader struct {
	// MaxDecompressedBytes bounds what one record set may occupy after decompression, in bytes. 0 =
	// DefaultMaxDecompressedBytes. A set that holds more ends early, at a batch, and is continued by the next fetch; a
	// single batch that is larger is ErrTooLarge.
	MaxDecompressedBytes int

	set      []byte // what is left of the record set, behind the current batch
	from     int64
	next     int64
	err      error
	truncate bool

	// The current batch.
	records   []byte // what is left of it
	left      int    // records left, by the header's count
	base      int64
	end       int64 // offset behind the batch
	firstTS   int64
	appendTS  int64 // time of all records if the broker stamped them
	logAppend bool

	inflate inflater
}

// Reset starts on a record set, which must stay unchanged until the next Reset. Records below offset from are skipped: a
// fetch answers with whole batches, so its first one often begins earlier.
func (r *RecordReader) Reset(recordSet []byte, from int64) {
	r.set, r.from, r.next = recordSet, from, from
	r.err, r.truncate = nil, false
	r.records, r.left, r.end = nil, 0, 0
	limit := r.MaxDecompressedBytes
	if limit <= 0 {
		limit = DefaultMaxDecompressedBytes
	}
	r.inflate.reset(limit)
}

// Next reads the next record into rec and tells whether there was one. Control batches are skipped. False means the end of
// the set, a batch that is cut off at its end, or an error: see Err.
func (r *RecordReader) Next(rec *Record) bool {
	for {
		for r.left > 0 {
			if !r.record(rec) {
				return false
			}
			if rec.Offset >= r.from {
				r.next = rec.Offset + 1
				return true
			}
		}
		if !r.finishBatch() || !r.batch() {
			return false
		}
	}
}

// Err returns what ended the set early: ErrCorrupt or ErrTooLarge, with the offset; nil after a normal end. The records
// returned before are good.
func (r *RecordReader) Err() error { return r.err }

// NextOffset returns where to fetch from next. In the midst of a set that is behind the last record returned; after Next
// returned false it is behind the last whole batch, which may end in offsets that hold no record.
func (r *RecordReader) NextOffset() int64 { return r.next }

// Truncated tells, once Next returned false, whether the set ended in the midst of a batch. If then NextOffset is still
// where the set began, the batch is larger than the limits of the fetch.
func (r *RecordReader) Truncated() bool { return r.truncate }

// finishBatch leaves the current batch. It returns false on an error.
func (r *RecordReader) finishBatch() bool {
	if r.err != nil {
		return false
	}
	if len(r.records) != 0 {
		r.err = fmt.Errorf("%w: %d bytes behind the last record before offset %d", ErrCorrupt, len(r.records), r.end)
		return false
	}
	r.next = max(r.next, r.end)
	return true
}

// batch opens the next batch that can hold a wanted record.
func (r *RecordReader) batch() bool {
	for {
		r.records, r.left, r.end = nil, 0, 0
		if len(r.set) == 0 {
			return false
		}
		b := r.cutBatch()
		if b == nil {
			return false
		}
		attrs := binary.BigEndian.Uint16(b[posAttributes:])
		end := r.base + int64(int32(binary.BigEndian.Uint32(b[posLastOffsetDelta:]))) + 1
		if end <= r.base {
			return r.fail("last offset delta is negative")
		}
		if end <= r.from {
			continue
		}
		// Nothing that moves the next offset is believed before the checksum.
		if crc32.Checksum(b[posAttributes:], castagnoli) != binary.BigEndian.Uint32(b[posCRC:]) {
			return r.fail("wrong checksum")
		}
		if attrs&attrControl != 0 {
			r.next = max(r.next, end)
			continue
		}
		count := int32(binary.BigEndian.Uint32(b[posRecordCount:]))
		if count < 0 || int64(count) > end-r.base {
			return r.fail("record count does not fit the offsets")
		}
		records := b[BatchOverhead:]
		if codec := attrs & attrCodec; codec != 0 {
			var err error
			if records, err = r.inflate.inflate(codec, records); err != nil {
				if errors.Is(err, errSetFull) {
					r.set = nil // the next fetch begins at this batch
					return false
				}
				r.err = fmt.Errorf("batch at offset %d: %w", r.base, err)
				return false
			}
		}
		r.records, r.left, r.end = records, int(count), end
		r.firstTS = int64(binary.BigEndian.Uint64(b[posFirstTimestamp:]))
		r.appendTS = int64(binary.BigEndian.Uint64(b[posMaxTimestamp:]))
		r.logAppend = attrs&attrLogAppend != 0
		return true
	}
}

// cutBatch takes the next batch off the set; nil when it is cut off or no batch.
func (r *RecordReader) cutBatch() []byte {
	if len(r.set) < posLeaderEpoch {
		r.truncate = true
		return nil
	}
	r.base = int64(binary.BigEndian.Uint64(r.set[posBaseOffset:]))
	length := int(int32(binary.BigEndian.Uint32(r.set[posLength:])))
	if len(r.set) > posMagic && r.set[posMagic] != 2 {
		r.fail(fmt.Sprintf("format %d, not 2: written before Kafka 0.11; the topic must be copied", r.set[posMagic]))
		return nil
	}
	if length < BatchOverhead-posLeaderEpoch {
		r.fail("length is too small")
		return nil
	}
	if length > len(r.set)-posLeaderEpoch {
		r.truncate = true
		return nil
	}
	size := posLeaderEpoch + length
	b := r.set[:size:size]
	r.set = r.set[size:]
	return b
}

// record reads one record of the current batch.
func (r *RecordReader) record(rec *Record) bool {
	length, n := binary.Varint(r.records)
	if n <= 0 || length < 0 || length > int64(len(r.records)-n) {
		return r.fail("record is longer than its batch")
	}
	c := cursor{b: r.records[n : n+int(length) : n+int(length)]}
	r.records = r.records[n+int(length):]
	r.left--
	c.skip(1) // attributes
	deltaTS := c.varint()
	deltaOffset := c.varint()
	rec.Key = c.nullable()
	rec.Value = c.nullable()
	rec.count = c.count()
	rec.headers = c.b
	for range rec.count {
		c.nullable()
		c.nullable()
	}
	if c.bad || len(c.b) != 0 {
		return r.fail("record does not add up")
	}
	rec.Offset = r.base + deltaOffset
	if deltaOffset < 0 || rec.Offset >= r.end || rec.Offset < r.base {
		return r.fail("record's offset is outside its batch")
	}
	rec.Timestamp = r.firstTS + deltaTS
	if r.logAppend {
		rec.Timestamp = r.appendTS
	}
	return true
}

func (r *RecordReader) fail(what string) bool {
	r.left, r.records = 0, nil
	r.err = fmt.Errorf("%w: %s (batch at offset %d)", ErrCorrupt, what, r.base)
	return false
}
