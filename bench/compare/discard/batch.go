package discard

import "encoding/binary"

// Places in a v2 record batch: https://kafka.apache.org/documentation/#recordbatch
const (
	posLength          = 8
	posLeaderEpoch     = 12 // the length counts from here
	posMagic           = 16
	posAttributes      = 21
	posLastOffsetDelta = 23
	posRecordCount     = 57
	batchOverhead      = 61
)

const (
	codecMask   = 0x07
	maxCodec    = 4 // zstd
	controlMask = 0x20
	// leastRecord is the size of a record without key, value and headers, uncompressed.
	leastRecord = 7
)

// walk goes through the headers of the batches in set and adds up their records; ok is false when they are not what they should be.
func walk(set []byte) (records, batches uint64, ok bool) {
	for len(set) > 0 {
		if len(set) < batchOverhead || set[posMagic] != 2 {
			return 0, 0, false
		}
		size := uint64(binary.BigEndian.Uint32(set[posLength:])) + posLeaderEpoch
		if size < batchOverhead || size > uint64(len(set)) {
			return 0, 0, false
		}
		n := binary.BigEndian.Uint32(set[posRecordCount:])
		attributes := binary.BigEndian.Uint16(set[posAttributes:])
		codec := attributes & codecMask
		switch {
		case n == 0, n > 1<<31-1, binary.BigEndian.Uint32(set[posLastOffsetDelta:]) != n-1:
			return 0, 0, false
		case codec > maxCodec, attributes&controlMask != 0: // control batches are the broker's own
			return 0, 0, false
		case codec == 0 && uint64(n)*leastRecord > size-batchOverhead:
			return 0, 0, false
		}
		records += uint64(n)
		batches++
		set = set[size:]
	}
	return records, batches, batches > 0
}
