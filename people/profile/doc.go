// Package profile works out what is known about a person or a group: it reads operations out of the traits of events, and folds the operations of all events
// into one JSON object.
//
//   - operation.go: Op and Operation; read.go: Read, from traits to operations
//   - row.go: Row, an operation with its place in the order of time; fold.go: Fold, from rows to properties; list.go: what becomes of lists
//   - value.go: which values are kept, and how they are written; number.go: what an addition gives
//
// It stands between the events and the tables of profiles: a job calls Read for each event, keeps the operations as rows, and calls Fold for each person whose
// rows have changed. Rows are facts. Of set, unset and clear the latest counts, the others count once for each event, and Fold orders by the events' own
// time: so neither the order in which events arrive, nor how often, nor into how many ids a person is split, makes a difference.
//
// Everything here is a pure function: no I/O, no goroutine, nothing kept between calls, safe for concurrent use.
//
// What comes out can be read by ClickHouse, which gives up a whole document for one number out of range or half a character. So values are written as they
// were sent, without white space, but for these: half a surrogate pair becomes U+FFFD, an integer of more than 64 bits the nearest decimal, and a number that is too large even
// for that is no value at all.
package profile
