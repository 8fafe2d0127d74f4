package broker

import (
	"encoding/binary"
	"math/bits"
)

// Header is one header of a record.
type Header struct {
	Key   string
	Value []byte // nil is written as null
}

// AppendRecordBody appends the part of a v2 record that does not depend on its place in a batch, and returns the extended
// buffer: key, value and headers with their lengths, everything after the offset delta. A BatchBuilder takes it from
// there. A nil key or value is written as null, an empty one as empty. It keeps nothing of its arguments.
//
// Format: https://kafka.apache.org/documentation/#record
func AppendRecordBody(dst, key, value []byte, headers ...Header) []byte {
	dst = appendNullable(dst, key)
	dst = appendNullable(dst, value)
	dst = binary.AppendVarint(dst, int64(len(headers)))
	for i := range headers {
		dst = binary.AppendVarint(dst, int64(len(headers[i].Key)))
		dst = append(dst, headers[i].Key...)
		dst = appendNullable(dst, headers[i].Value)
	}
	return dst
}

// RecordOverhead is the most that BatchBuilder.Append adds to a body: length, attributes and both deltas, as long as the
// times of a batch are within 35 minutes of each other's and a record is below 128 MiB.
const RecordOverhead = 4 + 1 + 4 + 5

func appendNullable(dst, b []byte) []byte {
	if b == nil {
		return append(dst, 1) // zigzag of -1
	}
	dst = binary.AppendVarint(dst, int64(len(b)))
	return append(dst, b...)
}

// varintSize is the length of v as a zigzag varint.
func varintSize(v int64) int {
	u := uint64(v)<<1 ^ uint64(v>>63)
	return (bits.Len64(u|1) + 6) / 7
}
