// Package observe reads what a run costs and what waits inside the server: CPU and memory of processes from /proc, queue depths and lag from the server's metrics,
// and where it all took place.
//
//   - stat.go, process_linux.go: one process, or one with all its descendants
//   - server_linux.go: which processes are those of the server behind a port
//   - scrape.go, gauges.go: the server's metrics
//   - watch.go: one sample of it all
//   - environment*.go: the machine
//
// Nothing here starts a goroutine, and nothing is kept but what Watch needs to notice that a process ended. CPU times come in ticks of 10 ms: they are exact over a
// run and coarse over a second. Reading a server with its engines costs about a millisecond, most of it for the threads of ClickHouse, a scrape one request; both
// are the observer's CPU time, but for the server's writing of the answer.
//
// Only Linux has what is needed to read processes. Elsewhere those functions return ErrUnavailable, and samples hold gauges alone.
package observe
