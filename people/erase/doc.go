// Package erase deletes people, with proof.
//
//		request ─▶ table erasures ─▶ gateways refuse what bears an erased id (they read the table by themselves)
//		  hashes        └──────────▶ Task, beside the job of package people: looks ─▶ deletes ─▶ erasure_log
//
//	  - store.go: Store: Request, Allow, Proof. An id becomes its hash here and is in no statement, table, log or error
//	  - task.go: Task: runs while its process leads. look.go: what a run looks at. run.go: what it does about what it finds; sessions.go, samples.go and
//	    rollups.go: what follows from events that are gone; note.go: the proof, and the rest of runs that were cut off
//	  - target.go: the tables, and how rows bear ids. bounds.go: which rows may be touched. query.go, config.go, metrics.go
//
// # Late rows
//
// Sinks load whatever is on the topic: their rows are a function of it. So events of an erased person that were on their way, or are loaded again, turn up after the first run, and
// the job goes on looking for as long as table erasures has the id. A look takes in what has come since the last one and what indexes find. After a deletion some looks take in all
// that is filled from other tables, since whoever was at work with the rows meanwhile may have written more; all tables are gone through as a whole by each new leader, after a rewind,
// and every erase.full_interval. A run that finds nothing writes
// nothing, but the first one of a request, whose proof says so.
//
// # What others rely on
//
// A sink that takes a partition over compares the table with what was committed, reads announced blocks again and must decide about each record as it did before. Deleting rows under it is
// therefore bound to these rules:
//
//  1. Only rows of confirmed offsets are deleted. What lies above is compared with the topic and would be put back, or taken for a fault.
//  2. How far a table was stands in erased_offsets before its last row is deleted, else it would seem to have lost rows and the partition would stop.
//  3. Log, partition, offset, id and time of arrival of a deleted event stand in erased_rows for a week. An announced block may hold a repeat of it: read again, that must still
//     be a repeat, or the block is not the one that was announced.
//  4. Hours are queued for the auditor, which mends rollups and custom metrics. It cannot take away keys that events does not have any longer, so user_day and sessions
//     are deleted from directly (a session that others have events in is put back without the deleted ones), and keys that are left with a count of 0 are swept out.
//
// A run that is cut off is found again by what it has left, but for what follows from events that are deleted already: that is done from erased_rows by the next leader.
//
// # Identity
//
// An erasure means all ids of the person, unless it was told otherwise. Those that a recent event has brought are not in identity_overrides yet, so the first run waits until identities
// are worked out of everything that was confirmed when it saw the request, and asks again. Then the ids are taken out of the graph, before their facts are deleted.
//
// # Caveats
//
// Records on the broker's topics, backups, and ClickHouse's own logs keep what they have until they expire; a backup that was made before a request does not know of it. Tables and views of other people's making are
// theirs. ClickHouse keeps parts that were replaced for old_parts_lifetime, 8 minutes by default.
//
// The package starts no goroutine. It holds the hashes of all erased ids in memory.
package erase
