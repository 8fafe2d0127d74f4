package generate

import (
	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/schema"
)

// Body is one request. JSON is complete at all times, with ids of zeros and old times before the first Stamp. It is cut from memory shared with the producer's
// other bodies and must not be appended to.
type Body struct {
	JSON   []byte
	First  int // slot of the first event
	Events int

	patches []patch
}

// patch is where the id and the time of one event stand in the body.
type patch struct {
	late     int64 // milliseconds
	id, time uint32
	back     uint16
}

// noTime is the offset of a time that is not to be written: an event with a broken one.
const noTime = 0

// What stands in place of ids and times before they are written; of the same length.
const (
	blankID   = "00000000-0000-8000-8000-000000000000"
	blankTime = "2000-01-01T00:00:00.000Z"
)

// idPrefix is how much of an id the events of one producer have in common: all but the sequence number's 12 digits, see ledger.ID.
const idPrefix = ledger.IDLen - 12

// Stamp writes the ids and times of all events into JSON: the first event gets sequence number seq, the others those that follow, a duplicate that of its
// original; their times are now, in Unix milliseconds, less what they are late. Lengths stay as they are and nothing is allocated. The body must not be being
// read meanwhile.
func (b *Body) Stamp(run ledger.RunID, producer uint16, seq uint64, now int64) {
	const hex = "0123456789abcdef"
	// What all events share is rendered once. Pools are larger than caches, so most of the time goes into reaching the bytes; the wide stores let the
	// processor reach for several at once. Against ledger.PutID for each event that is a third of the time, cached or not.
	var id [ledger.IDLen]byte
	var at [len(blankTime)]byte
	ledger.PutID(id[:], run, producer, seq)
	schema.AppendTime(at[:0], now)
	for i := range b.patches {
		p := &b.patches[i]
		dst := (*[ledger.IDLen]byte)(b.JSON[p.id:])
		*(*[idPrefix]byte)(dst[:]) = *(*[idPrefix]byte)(id[:])
		for k, n := len(dst)-1, seq+uint64(i)-uint64(p.back); k >= idPrefix; k-- {
			dst[k] = hex[n&15]
			n >>= 4
		}
		switch {
		case p.time == noTime:
		case p.late == 0:
			*(*[len(blankTime)]byte)(b.JSON[p.time:]) = at
		default:
			schema.AppendTime(b.JSON[p.time:p.time], now-p.late)
		}
	}
}
