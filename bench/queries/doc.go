// Package queries measures what questions cost: twelve that analysts ask, on the tables of the migrations and on the table that one would make first, which has a column for the
// time, the project, the event and the user each, keeps all the rest as JSON in a String, and is in the order of time. Both hold the same events, in the same engine, in the same run.
//
// Run starts an engine of its own, or uses another one in a database of its own, and goes through these phases:
//
//   - load: a seeded simulation of shops makes the events in the order of time (stream.go, visit.go, person.go, world.go, event.go, properties.go), and each block is inserted into both
//     tables (columns.go, load.go). Some blocks also go into a third table, which is like events and has no views: the difference is what the rollups cost
//   - settle: the server merges until it has nothing left to merge; then merges are stopped, so that none disturbs what follows
//   - compare: row counts and a checksum of all values, day by day, on both sides (same.go). A difference ends the run
//   - sizes: bytes of data, marks and indexes of each table (size.go)
//   - ask: every question first cold, then warm, ours and naive in turn (question.go, ours.go, naive.go, ask.go, measure.go). Answers are compared each time
//     (answer.go)
//
// CPU time, rows and bytes are what the server has written into system.query_log for the query; latency is the time from sending a query to its last row, on this side of the
// connection. Before a cold query the server's caches are emptied and the pages of all parts are given back to the kernel (cold.go, pages_linux.go). How much the query then read
// from the device is in its figures, and a cold figure whose query did not have to is marked as not cold.
//
// Nothing here judges: figures say what was measured on one machine, and no build fails because of them. Only answers that differ are an error.
//
// Run starts a goroutine that makes events while the server takes them and one that watches the engine; both have ended when it returns. One Run uses some hundred MiB for blocks.
package queries
