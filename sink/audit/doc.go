// Package audit compares the rollups with table events, from which views fill them, and repairs them.
//
//		events ─▶ views ─▶ rollup_1m, rollup_1h, user_day, sessions, custom metrics
//		   └────── auditor ──────┘   compares by bucket, mends by inserting differences
//
//	  - rollup.go: what each rollup holds and how it is cut into buckets: a UTC hour of ts, a UTC day of ts, a day of session ids
//	  - custom.go: the same of the custom metrics that are complete, by table metrics; which these are is read anew all the time
//	  - sql.go: the statements. query.go: runs them, with limits
//	  - horizon.go: how far back a table that forgets can be compared
//	  - round.go: a cheap look at all buckets, newest first, in chunks. queue.go: buckets that a sink has named are looked at first
//	  - judge.go: whether a bucket that looks different is. repair.go: mends it
//	  - reconcile.go: all of it, once, to the end. audit.go: all of it, for ever. metrics.go
//
// # When a difference counts
//
// Rows come in all the time, and the rows of one INSERT become visible in events and in each rollup at different moments. So a bucket that looks different is
// read twice. First reading: events' count and checksum, both sides by key, events' count and checksum again; then the blocks that the sinks have announced
// and not confirmed. All rows seen so far belong to blocks that are confirmed or among these. When they are confirmed, every row seen is in every view, and the
// second reading follows, in the same three steps. The difference counts when it is the same in both, key by key, and events was the same in all four counts:
// what was under way at the first reading only would be gone, and what is under way at the second only would be new, and neither can make up for the
// other, because views only add. Else the bucket is judged later.
//
// # Repair
//
// Counts are signed sums, so a difference is inserted, negative where the rollup has too much; users, first and last are inserted as events has them. The
// difference is worked out into a staging table, checked there, and inserted from there in one block, under a token of rollup, bucket and the numbers of
// both sides, so that whoever repairs the same thing again is ignored by the table. Should the table remember the token and have lost the rows, as after
// a power cut, the difference is still there a while later; then the token gets a number.
//
// A user or an earlier first event that events does not have cannot be taken away by an insert. Such keys are deleted from the rollup and put
// back by the next repair. Until then they are missing.
//
// A key with a count of 0 that events does not have remains after a surplus is taken away. It counts as absent, here and for whoever compares.
//
// # Caveats
//
// What is dropped from events by hand is taken out of the rollups too. Buckets that a TTL of events or of the rollup has reached, or will within a day, are left
// alone. Replicas that lag behind the one that took an INSERT would look like drift: give the auditor one that does not.
//
// Run and Reconcile start goroutines only to end queries whose context has ended, and join them. Memory is a few numbers for each bucket that differs or is queued.
package audit
