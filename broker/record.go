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
	return appendHeaders(appendNullable(appendNullable(dst, key), value), headers)
}

// valueRoom is how many bytes OpenRecordBody leaves for the length of a value: what values of 64 to 8,191 bytes need.
const valueRoom = 2

// OpenRecordBody begins a body whose value the caller writes where it is to stay: it appends the key and room for the value's length. The caller appends the value to what is
// returned, never nil, and calls CloseRecordBody with valueAt.
func OpenRecordBody(dst, key []byte) (open []byte, valueAt int) {
	dst = appendNullable(dst, key)
	dst = append(dst, make([]byte, valueRoom)...)
	return dst, len(dst)
}

// CloseRecordBody ends the body whose value began at valueAt: what follows is the same as AppendRecordBody would have made. A value whose length needs more or less than
// the room that was left is moved.
func CloseRecordBody(open []byte, valueAt int, headers ...Header) []byte {
	n := len(open) - valueAt
	start := valueAt - valueRoom
	if size := varintSize(int64(n)); size != valueRoom {
		open = append(open, make([]byte, binary.MaxVarintLen64)...)
		copy(open[start+size:], open[valueAt:valueAt+n])
		open = open[:start+size+n]
	}
	binary.PutVarint(open[start:], int64(n))
	return appendHeaders(open, headers)
}

func appendHeaders(dst []byte, headers []Header) []byte {
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
