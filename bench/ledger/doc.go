// Package ledger keeps account of a load run: what was sent, what was answered, and what the comparison with ClickHouse found.
//
// A ledger is one append-only file, written beside the run and read by package verify. It begins with 8 bytes of magic and the number of the format;
// then come frames, each a length, a CRC32C and a body (see frame.go): the header as JSON, the slot tables of the producers, blocks of entries, and a
// closing mark with totals. A block holds entries of one producer alone, in order of their sequence numbers, so that a reader can go through one
// producer after the other while it keeps no more than one block and an index of 8 bytes per block in memory.
//
// A ledger that was not closed, because the generator was killed or the disk was full, is read up to its last good frame and says that it is not
// complete.
//
// Writer has one goroutine, which Create starts and Close joins; Reader has none.
package ledger
