package broker

import (
	"encoding/binary"
	"hash/crc32"
	"math"
)

// BatchOverhead is the size of a record batch's header.
const BatchOverhead = 61

// Places in a v2 record batch: https://kafka.apache.org/documentation/#recordbatch
const (
	posBaseOffset      = 0
	posLength          = 8
	posLeaderEpoch     = 12
	posMagic           = 16
	posCRC             = 17
	posAttributes      = 21 // the checksum covers everything from here
	posLastOffsetDelta = 23
	posFirstTimestamp  = 27
	posMaxTimestamp    = 35
	posProducerID      = 43
	posProducerEpoch   = 51
	posBaseSequence    = 53
	posRecordCount     = 57
)

// ProducerID is what the broker knows an idempotent producer by.
type ProducerID struct {
	ID    int64
	Epoch int16
}

// NoProducerID marks batches of a producer that is not idempotent. The zero ProducerID is a real one.
var NoProducerID = ProducerID{ID: -1, Epoch: -1}

// NextSequence returns the base sequence of the batch that follows one with n records at sequence. Sequences wrap from
// 2^31-1 to 0.
func NextSequence(sequence int32, n int) int32 {
	return int32((int64(sequence) + int64(n)) & math.MaxInt32)
}

// BatchBuilder forms one record batch, uncompressed. The zero value is ready. It is not safe for concurrent use. Once its
// buffer has grown to the size of the batches, Append and Seal allocate nothing.
type BatchBuilder struct {
	buf     []byte // header, left free until Seal, and records
	crc     uint32 // of the records so far
	records int
	firstTS int64
	maxTS   int64
}

// Reset forgets the batch and keeps the buffer: what Seal returned is overwritten from now on.
func (b *BatchBuilder) Reset() {
	b.buf = b.buf[:0]
	b.crc, b.records, b.firstTS, b.maxTS = 0, 0, 0, 0
}

// Detach gives the buffer away and leaves the builder empty. The bytes are those Seal returned, or an unsealed batch.
func (b *BatchBuilder) Detach() []byte {
	buf := b.buf
	*b = BatchBuilder{}
	return buf
}

// Append adds a record: a body as made by AppendRecordBody, and its time in milliseconds since 1970. The body is copied and
// summed at once, while it is in the cache.
func (b *BatchBuilder) Append(body []byte, timestampMs int64) {
	if b.records == 0 {
		if cap(b.buf) < BatchOverhead {
			b.buf = make([]byte, BatchOverhead, BatchOverhead+4096)
		}
		b.buf = b.buf[:BatchOverhead]
		b.firstTS, b.maxTS = timestampMs, timestampMs
	}
	b.maxTS = max(b.maxTS, timestampMs)
	deltaTS, deltaOffset := timestampMs-b.firstTS, int64(b.records)
	start := len(b.buf)
	b.buf = binary.AppendVarint(b.buf, int64(1+varintSize(deltaTS)+varintSize(deltaOffset)+len(body)))
	b.buf = append(b.buf, 0) // attributes: none are defined
	b.buf = binary.AppendVarint(b.buf, deltaTS)
	b.buf = binary.AppendVarint(b.buf, deltaOffset)
	b.buf = append(b.buf, body...)
	b.crc = crc32.Update(b.crc, castagnoli, b.buf[start:])
	b.records++
}

// Len returns the size that Seal would return, in bytes; 0 when there is no record.
func (b *BatchBuilder) Len() int {
	if b.records == 0 {
		return 0
	}
	return len(b.buf)
}

// Records returns how many records were appended.
func (b *BatchBuilder) Records() int { return b.records }

// Seal completes the batch with its header and checksum and returns it. It may be called again with another identity. The
// bytes are valid until Reset or the next Append; they are nil when there is no record.
func (b *BatchBuilder) Seal(p ProducerID, baseSequence int32) []byte {
	if b.records == 0 {
		return nil
	}
	h := b.buf[:BatchOverhead]
	binary.BigEndian.PutUint64(h[posBaseOffset:], 0)
	binary.BigEndian.PutUint32(h[posLength:], uint32(len(b.buf)-posLeaderEpoch))
	binary.BigEndian.PutUint32(h[posLeaderEpoch:], math.MaxUint32) // -1: the broker writes its own
	h[posMagic] = 2
	binary.BigEndian.PutUint16(h[posAttributes:], 0) // uncompressed, times of creation, no transaction
	binary.BigEndian.PutUint32(h[posLastOffsetDelta:], uint32(b.records-1))
	binary.BigEndian.PutUint64(h[posFirstTimestamp:], uint64(b.firstTS))
	binary.BigEndian.PutUint64(h[posMaxTimestamp:], uint64(b.maxTS))
	putIdentity(h, p, baseSequence)
	binary.BigEndian.PutUint32(h[posRecordCount:], uint32(b.records))
	putCRC(b.buf, b.crc)
	return b.buf
}

func putIdentity(h []byte, p ProducerID, baseSequence int32) {
	binary.BigEndian.PutUint64(h[posProducerID:], uint64(p.ID))
	binary.BigEndian.PutUint16(h[posProducerEpoch:], uint16(p.Epoch))
	binary.BigEndian.PutUint32(h[posBaseSequence:], uint32(baseSequence))
}

// putCRC writes the checksum of a batch from that of its records.
func putCRC(batch []byte, records uint32) {
	header := crc32.Checksum(batch[posAttributes:BatchOverhead], castagnoli)
	binary.BigEndian.PutUint32(batch[posCRC:], crcShift(header, len(batch)-BatchOverhead)^records)
}
