// Package load sends the events of a pool to an HTTP door and measures what comes back. It must cost far less than what it measures, and it must not
// let the target set the pace.
//
//	schedule ─▶ next index ─▶ worker (one per connection = producer): wait until due ─▶ stamp ─▶ one write ─▶ answer ─▶ recorder, Record
//	                                                                                                          Run: every interval ─▶ Tick
//
// Where to look:
//   - runner.go: New, Run, and how a run ends; worker.go: the story of one request
//   - client.go, target.go, stale_unix.go: the connection and what is written on it; reader.go: what is read from it
//   - answer.go: what an answer says of each event; failure.go: what went wrong without one
//   - resend.go: requests that are sent again, and what several answers say together
//   - recorder.go, ticker.go, histogram.go: counts and times, by interval and in total
//   - compress.go: bodies that are compressed as they leave
//
// Open loop. In mode rate, request i is due at Schedule.At(i) whatever the target does. A free connection takes the next index, waits until it is due
// and sends; when no connection is free, the request waits for one, and that wait is part of its latency, which counts from the time it was due. So a
// target that stalls makes the latency of everything that became due meanwhile grow: nothing is omitted. A request that has waited longer
// than Load.DropAfter is dropped and counted. In mode saturate each connection sends as soon as the answer before is there; a request is due when it is sent.
//
// Numbers. Producer p counts its events from 0 and sends its bodies in turn, so that slot = seq mod number of slots. What was sent keeps its numbers whatever
// the outcome; nothing is sent a second time, unless Options.Resend asks for it, and then it keeps them too. A request that could not leave, because it was dropped or there was no connection, takes none.
//
// Times. Latency and service time are recorded for every request that was answered, with whatever status, or that timed out. A request whose
// connection broke has no time: how soon a target fails says nothing about how fast it is.
//
// Goroutines. Run starts a few that open the connections, then one per connection and two that watch the end, and joins them all. Tick is called from the goroutine of Run.
//
// Memory. A worker owns its producer's bodies, which Stamp writes into, and its read buffer; in steady state a request allocates nothing. Answers other
// than "everything accepted" are parsed with encoding/json and do allocate. The recorders take 6 MB.
//
// Caveats. Go's timers wake up to 1 ms late when the process is idle, since epoll counts in milliseconds; that lag, about 0.6 ms in the middle, is in the latency, not
// in the service time. A timer of the kernel's beside them brings it down to 0.1 ms, but costs half as much again per request, which the server would lack. A send
// that was late by more than Load.LateAfter is counted. The stamps are of the wall clock when the run began plus the monotonic clock since, so a
// clock that is set during a run does not disturb it.
package load
