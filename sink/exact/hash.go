package exact

import (
	"encoding/binary"
	"math/bits"
)

// Hash is a 64-bit hash over rows, (offset, id) each, in order. The zero value is that of no rows. It is written into intents, so it must never change.
type Hash uint64

const (
	hashOffset = 0x9e3779b97f4a7c15
	hashHigh   = 0xd6e8feb86659fd93
	hashLow    = 0xa0761d6478bd642f
)

// Add returns the hash of the rows so far and one more.
func (h Hash) Add(offset int64, id [16]byte) Hash {
	x := fold(uint64(h)^uint64(offset)^hashOffset, hashLow)
	x = fold(x^binary.BigEndian.Uint64(id[:8]), hashHigh)
	return Hash(fold(x^binary.BigEndian.Uint64(id[8:]), hashOffset))
}

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
