// Package dedup remembers the ids of the rows that were kept last, so that an event that a client sends again is not stored again.
//
// The set is a pure function of the rows that were added: S = the ids among the last keep rows, in the order of Add, of those that had arrived not longer
// than window before newest, the latest arrival of any row so far. newest never goes back, not even when the row that set it falls out. No clock plays a
// part and a repeat refreshes nothing, so whoever adds the same last keep rows after Reset with the same newest gets a set that decides alike for ever.
//
// A row that had itself arrived longer than window before newest is Late: the set cannot tell whether it was there before, the table can.
//
// Memory: a ring of the rows, 24 bytes each, and a table of references into it, 8 bytes a row, that is searched by linear probing. Both double until they
// have keep rows and are then never allocated again. A row that is older and had arrived no later than another one of the same id decides nothing any
// more (it leaves both the ring and the window first) and loses its reference, so an id that comes back for years costs one reference at a time.
//
// Clients choose ids, so places in the table come from a hash with a random seed for each set: nobody can send ids that meet in one place.
//
// A Set starts no goroutine and is not safe for concurrent use.
package dedup
