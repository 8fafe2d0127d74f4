// Package people measures what it costs to know who is who: the job that works out persons from a history, the dictionary that holds them in memory, the views that look every event's
// person up, and builds of segments.
//
// Run starts a ClickHouse and a broker of its own in a temporary folder (lab.go), and goes through these phases:
//
//   - load: a seeded history of 60 days is made inside the server (history.go, load.go). Each user comes as a visitor first, with two or three events under an anonymous id, then identifies
//     with traits, then has two or three events as a user. Its _log is no topic's, so that whoever reads it reads it as history; it is inserted with the settings of the sink's
//     inserts, into all rollups
//   - job: a real server is started on these tables, with all roles (job.go). From its start on it is watched until it has worked through the history, and what it wrote is counted.
//     Then visitors are sent through its door who identify one after the other, and each is watched until views join both halves (fresh.go). A server that does not work through the
//     history in time, because it has no such job, is told so in the result, and the same persons and profiles are written by SQL (fill.go). Then the server is stopped: nothing
//     disturbs what follows
//   - dictionary: it is loaded anew, three times (dictionary.go)
//   - view: questions on events_q, which knows persons, and the same texts on table events with user_h in the place of person_h, in turn (view.go)
//   - segments: four definitions are built into a copy of table segment_members, three times with the memory that builds have, and once with a quarter of it (segment.go)
//
// CPU time, rows and memory of statements are what the server has written into system.query_log; those of processes are from /proc, and missing where there is none.
//
// Nothing here judges figures. Only answers that cannot be are an error: events lost on the way, persons or profiles that are too many or too few, members that depend on memory.
//
// Run starts goroutines for its processes, and one more to insert while it loads. All have ended when it returns.
package people
