package ledger

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"github.com/millrace/millrace/schema"
)

// RunID names a run: 48 bits, the Unix time of its start in seconds above 16 random bits.
type RunID uint64

// Bounds of what an event id has room for.
const (
	MaxProducers = 1 << 12
	maxSeq       = 1<<48 - 1
)

// NewRunID makes the id of a run that starts now.
func NewRunID() RunID {
	var b [8]byte
	_, _ = rand.Read(b[6:]) // never fails
	binary.BigEndian.PutUint32(b[2:], uint32(time.Now().Unix()))
	return RunID(binary.BigEndian.Uint64(b[:]))
}

// String is 12 hexadecimal digits.
func (r RunID) String() string { return fmt.Sprintf("%012x", uint64(r)) }

// ParseRunID reads what String wrote.
func ParseRunID(s string) (RunID, error) {
	n, err := strconv.ParseUint(s, 16, 48)
	if err != nil || len(s) != 12 {
		return 0, fmt.Errorf("%q is no run id: 12 hexadecimal digits are", s)
	}
	return RunID(n), nil
}

// IDLen is the length of an event id as text.
const IDLen = 36

// ID is the id of an event: a UUIDv8 (RFC 9562, 5.8) that reads RRRRRRRR-RRRR-8PPP-8000-SSSSSSSSSSSS, of the run, the producer (below MaxProducers) and
// the sequence number (48 bits).
func ID(run RunID, producer uint16, seq uint64) (id schema.UUID) {
	binary.BigEndian.PutUint64(id[:8], uint64(run)<<16|8<<12|uint64(producer))
	binary.BigEndian.PutUint64(id[8:], 8<<60|seq)
	return id
}

// PutID writes the text of ID over dst[:IDLen].
func PutID(dst []byte, run RunID, producer uint16, seq uint64) {
	ID(run, producer, seq).AppendText(dst[:0:IDLen])
}

// SplitID is the inverse of ID; ok is false for a UUID of another form.
func SplitID(id schema.UUID) (run RunID, producer uint16, seq uint64, ok bool) {
	high, low := binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(id[8:])
	return RunID(high >> 16), uint16(high & 0xfff), low & maxSeq, high>>12&0xf == 8 && low>>48 == 0x8000
}
