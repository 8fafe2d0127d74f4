package discard

import (
	"encoding/binary"
	"errors"
)

// Versions of Produce. 3 is the first with v2 batches, 9 the first flexible one.
const (
	minProduce = 3
	maxProduce = 8
)

// Error codes: https://kafka.apache.org/protocol#protocol_error_codes
const (
	codeOutOfRange         = 1
	codeUnknownPartition   = 3
	codeTooLarge           = 10
	codeInvalidTopic       = 17
	codeUnsupportedVersion = 35
	codeTopicExists        = 36
	codeInvalidPartitions  = 37
	codeInvalidRequest     = 42
	codeInvalidRecord      = 87
)

// maxBatchBytes is Kafka's default of max.message.bytes.
const maxBatchBytes = 1048588

var errMalformed = errors.New("malformed request")

// produce counts a request of that version and appends the answer's body to dst. answer is false when the producer wants none. The body is walked once and
// nothing is allocated, but for a topic's first request.
func (b *Broker) produce(dst, body []byte, version int16) (out []byte, answer bool, err error) {
	in := cursor{b: body}
	in.string() // transactional id
	acks := in.int16()
	in.int32() // timeout
	topics := in.count()
	dst = binary.BigEndian.AppendUint32(dst, uint32(topics))
	for range topics {
		name := in.string()
		partitions := in.count()
		if in.bad {
			return dst, false, errMalformed
		}
		t := b.topics.find(name)
		if t == nil && legal(string(name)) {
			t, _ = b.topics.open(string(name), 0)
		}
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(name)))
		dst = append(dst, name...)
		dst = binary.BigEndian.AppendUint32(dst, uint32(partitions))
		for range partitions {
			index := in.int32()
			set := in.bytes()
			if in.bad {
				return dst, false, errMalformed
			}
			code, offset := b.take(t, index, set)
			dst = binary.BigEndian.AppendUint32(dst, uint32(index))
			dst = binary.BigEndian.AppendUint16(dst, uint16(code))
			dst = binary.BigEndian.AppendUint64(dst, uint64(offset))
			dst = binary.BigEndian.AppendUint64(dst, 1<<64-1) // no log append time
			if version >= 5 {
				dst = binary.BigEndian.AppendUint64(dst, 0) // log start offset
			}
			if version >= 8 {
				dst = append(dst, 0, 0, 0, 0) // no record is at fault alone
				dst = append(dst, 0xff, 0xff) // no message
			}
		}
	}
	if in.bad || len(in.b) > 0 {
		return dst, false, errMalformed
	}
	dst = append(dst, 0, 0, 0, 0) // no throttling
	return dst, acks != 0, nil
}

// take counts what one partition was sent.
func (b *Broker) take(t *topic, index int32, set []byte) (code int16, offset int64) {
	if t == nil || index < 0 || int(index) >= len(t.partitions) {
		return codeUnknownPartition, -1
	}
	if len(set) > maxBatchBytes {
		return codeTooLarge, -1
	}
	records, batches, ok := walk(set)
	if !ok {
		b.refused.Add(1)
		return codeInvalidRecord, -1
	}
	p := &t.partitions[index]
	p.batches.Add(batches)
	p.bytes.Add(uint64(len(set)))
	return 0, int64(p.records.Add(records) - records)
}

// cursor reads the fields of a request before the flexible versions. Once bad, it yields zeros.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) next(n int) []byte {
	if c.bad || n > len(c.b) {
		c.bad = true
		return nil
	}
	field := c.b[:n]
	c.b = c.b[n:]
	return field
}

func (c *cursor) int16() int16 {
	if f := c.next(2); f != nil {
		return int16(binary.BigEndian.Uint16(f))
	}
	return 0
}

func (c *cursor) int32() int32 {
	if f := c.next(4); f != nil {
		return int32(binary.BigEndian.Uint32(f))
	}
	return 0
}

// string borrows a string from the request; null is nil.
func (c *cursor) string() []byte {
	n := int(c.int16())
	if n < 0 {
		return nil
	}
	return c.next(n)
}

// bytes borrows a byte string from the request; null is nil.
func (c *cursor) bytes() []byte {
	n := int(c.int32())
	if n < 0 {
		return nil
	}
	return c.next(n)
}

// count reads the length of an array, none of whose elements takes less than six bytes; null is empty.
func (c *cursor) count() int {
	n := int(c.int32())
	if n > len(c.b)/6 {
		c.bad = true
	}
	if n < 0 || c.bad {
		return 0
	}
	return n
}
