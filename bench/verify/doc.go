// Package verify compares the ledger of a load run with what ClickHouse holds of it.
//
// Store asks ClickHouse: how many rows of a run there are, while they arrive, and all of them in the order of the ledger. Verify goes through ledger
// and rows side by side, like the merge of two sorted lists, and writes down every difference. Neither side is ever held in memory: the ledger is
// read producer by producer with a window that reaches from a duplicate back to its original, and ClickHouse sorts the rows on disk and streams them.
//
// Rollups and Places know no run and no ledger: they look whether the tables agree with themselves. Rollups adds up table events anew and compares that with
// every key of every rollup, with no code of the product's own auditor. Places looks for records that were loaded twice.
//
// Probe measures beside the load how long it takes from an accepted event to a query that shows it.
//
// The others know rows by the run, producer and sequence number in their event_id; other traffic in the same table does no harm. Goroutines run only within
// Verify, Rollups, Places and Probe.Run, which join them.
package verify
