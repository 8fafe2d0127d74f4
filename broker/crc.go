package broker

import (
	"hash/crc32"
	"math/bits"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// crcShifts[k] is x^(2^(k+3)) modulo the Castagnoli polynomial, in the reflected order that CRC32C uses: what 2^k zero bytes
// behind a message multiply its checksum by.
var crcShifts = func() (t [32]uint32) {
	p := uint32(1) << 23 // x^8: bit 31 stands for x^0
	for k := range t {
		t[k] = p
		p = crcMultiply(p, p)
	}
	return t
}()

// crcMultiply multiplies two polynomials modulo Castagnoli's, all in reflected order.
func crcMultiply(a, b uint32) uint32 {
	var p uint32
	for ; a != 0; a <<= 1 {
		if a&(1<<31) != 0 {
			p ^= b
		}
		b = b>>1 ^ crc32.Castagnoli&-(b&1)
	}
	return p
}

// crcShift returns what the checksum crc of a message contributes to that of the message followed by n other bytes. So the
// checksum of a whole is crcShift(crc(a), len(b)) ^ crc(b): the parts can be summed when they are hot in the cache, and in
// any order.
func crcShift(crc uint32, n int) uint32 {
	for u := uint(n); u != 0 && crc != 0; u &= u - 1 {
		crc = crcMultiply(crcShifts[bits.TrailingZeros(u)], crc)
	}
	return crc
}
