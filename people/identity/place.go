package identity

import (
	"bytes"
	"cmp"
)

// Place is when an event happened and which record it is. Order among facts is order of places. No two events have one, because a record lies at its offset
// alone; the id comes last so that the order is total whatever is compared.
type Place struct {
	TS        int64 // Unix milliseconds
	Log       uint16
	Partition uint16
	Offset    uint64
	EventID   [16]byte
}

// Compare is negative when p comes before q, zero when they are the same, positive when p comes after q.
func (p Place) Compare(q Place) int {
	if c := cmp.Compare(p.TS, q.TS); c != 0 {
		return c
	}
	if c := cmp.Compare(p.Log, q.Log); c != 0 {
		return c
	}
	if c := cmp.Compare(p.Partition, q.Partition); c != 0 {
		return c
	}
	if c := cmp.Compare(p.Offset, q.Offset); c != 0 {
		return c
	}
	return bytes.Compare(p.EventID[:], q.EventID[:])
}
