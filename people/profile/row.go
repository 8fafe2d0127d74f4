package profile

import (
	"bytes"
	"cmp"
	"strings"
)

// Row is an operation as table profile_ops keeps it: with the place of its event in the order of time.
type Row struct {
	Name string
	Op   Op
	// Slot is the id of the event; it does not count where Op.PerEvent is false.
	Slot [16]byte
	// TS is the time of the event in milliseconds since 1970. Of equal times, Log, Partition and Offset decide.
	TS             int64
	Log, Partition uint16
	Offset         uint64
	Value          string // as in Operation
}

// place orders rows by the time of their events. Rows at one place are of one record.
func (r *Row) place(o *Row) int {
	if r.TS != o.TS {
		return cmp.Compare(r.TS, o.TS)
	}
	return cmp.Or(
		cmp.Compare(r.Log, o.Log),
		cmp.Compare(r.Partition, o.Partition),
		cmp.Compare(r.Offset, o.Offset),
	)
}

// compare orders rows of valid operations by name, and those of one name by time. Slot and value only make the order the same always: two operations of one record on one name differ in Op.
func (r *Row) compare(o *Row) int {
	if c := strings.Compare(r.Name, o.Name); c != 0 {
		return c
	}
	if c := r.place(o); c != 0 {
		return c
	}
	return cmp.Or(
		cmp.Compare(ranks[r.Op], ranks[o.Op]),
		bytes.Compare(r.Slot[:], o.Slot[:]),
		strings.Compare(r.Value, o.Value),
	)
}
