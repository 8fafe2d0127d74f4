// Package embedded runs an engine (the broker, ClickHouse) as a child process of the same binary, and holds both sides of
// what keeps such a child honest.
//
// The parent's side is Supervisor: it starts the child in a session of its own, waits for its ready line, forwards its
// log, restarts it with the same arguments (hence the same ports) when it dies, and stops it. The child's side is Life.
// They share two pipes:
//
//	fd 3  life: only the parent holds the write end and never writes. End of file means: the parent stopped the child or
//	      is gone, however it went. The child stops gracefully and is dead StopTimeout later at the latest, because a
//	      watchdog inside it kills it. So a child is never orphaned, and no signal is needed to end it.
//	fd 4  ready: the child writes one line of JSON, its addresses, when it can be used.
//
// The child ignores SIGINT, SIGTERM and SIGHUP: a terminal or a service manager may signal every process at once, and
// the engines must outlive the stages that are still writing to them.
//
// Goroutines: those of Supervisor live inside Run. Life has one, and a timer, which end with the process. Folders of
// data belong to package datadir; the engines' ChildMain functions are in the sub-packages broker and clickhouse.
package embedded
