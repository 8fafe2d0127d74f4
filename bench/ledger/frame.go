package ledger

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// magic begins every ledger; the number of the format follows it as 4 bytes, little-endian.
const magic = "mrledger"

// Format is the number of the file format that this package writes and reads.
const Format = 1

const preambleLen = len(magic) + 4

// A frame is 4 bytes length of its body, 4 bytes CRC32C of its body, both little-endian, and the body. The first byte of a body is its kind.
const (
	frameHead = 8
	maxBody   = 1 << 20 // what a reader is ready to allocate at a time; the largest entry takes a quarter of it
)

// The kinds of frame, in the order in which they come.
const (
	kindHeader  = 'H' // JSON of fileHeader
	kindSlots   = 'S' // producer, then slots of it; as many frames as needed
	kindEntries = 'E' // a block of entries of one producer
	kindEnd     = 'Z' // totals; nothing follows
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendFrame puts a body that is given in parts into its frame.
func appendFrame(dst []byte, parts ...[]byte) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, frameHead)...)
	for _, p := range parts {
		dst = append(dst, p...)
	}
	body := dst[start+frameHead:]
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(body)))
	binary.LittleEndian.PutUint32(dst[start+4:], crc32.Checksum(body, castagnoli))
	return dst
}

// errTorn means that no good frame follows: the file ends, or what is there was never written to its end.
var errTorn = errors.New("torn frame")

// readFrame reads the next frame into buf, which grows as needed, and returns its body. left is how many bytes the file still has: a length beyond it
// is not believed.
func readFrame(r io.Reader, left int64, buf []byte) (body, kept []byte, err error) {
	if left < frameHead {
		return nil, buf, errTorn
	}
	var head [frameHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, buf, tornOr(err)
	}
	size := int64(binary.LittleEndian.Uint32(head[:]))
	// A body is never empty, so zeros that a power cut leaves at the end are no frame.
	if size == 0 || size > maxBody || size > left-frameHead {
		return nil, buf, errTorn
	}
	if int64(cap(buf)) < size {
		buf = make([]byte, size)
	}
	body = buf[:size]
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, buf, tornOr(err)
	}
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
		return nil, buf, errTorn
	}
	return body, buf, nil
}

// tornOr tells a file that became shorter from one that cannot be read.
func tornOr(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errTorn
	}
	return err
}

// fields reads the numbers of a body one after another. After the first that is cut off or too large, bad is set and all that follow are 0.
type fields struct {
	rest []byte
	bad  bool
}

func (f *fields) uint() uint64 {
	v, n := binary.Uvarint(f.rest)
	if n <= 0 {
		f.bad, f.rest = true, nil
		return 0
	}
	f.rest = f.rest[n:]
	return v
}

// upTo is uint for a number with a limit.
func (f *fields) upTo(limit uint64) uint64 {
	v := f.uint()
	if v > limit {
		f.bad, f.rest = true, nil
		return 0
	}
	return v
}

func (f *fields) int() int64 {
	v, n := binary.Varint(f.rest)
	if n <= 0 {
		f.bad, f.rest = true, nil
		return 0
	}
	f.rest = f.rest[n:]
	return v
}

func (f *fields) byte() byte {
	if len(f.rest) == 0 {
		f.bad = true
		return 0
	}
	b := f.rest[0]
	f.rest = f.rest[1:]
	return b
}

func (f *fields) fixed64() uint64 {
	if len(f.rest) < 8 {
		f.bad, f.rest = true, nil
		return 0
	}
	v := binary.LittleEndian.Uint64(f.rest)
	f.rest = f.rest[8:]
	return v
}
