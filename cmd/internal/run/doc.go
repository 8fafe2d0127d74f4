// Package run starts the stages of the program in order and stops them in the opposite one.
//
// Stages are given with what others need first: child processes, then sink, pipeline, ingest. Starting takes them in that order, each
// after the one before it is ready. Stopping goes from the last to the first, which is the way events take: ingest refuses and
// finishes, pipeline drains, sink inserts, the children end. Each step has a deadline, and its name and duration are logged, with what
// is left while it lasts. The next step begins when the one before has ended or its deadline is over, never earlier.
//
// A stage that fails, or ends without being asked, stops all. The result names everything that went wrong.
//
// WithSignals turns the first SIGINT or SIGTERM into the begin of an orderly stop. The second one ends the process at once with 128 plus
// the signal's number, as shells report it: 130 or 143. That loses nothing acknowledged, since what is acknowledged is durable.
//
// Group.Run starts one goroutine per stage, and one more per step while stopping, and waits for them; only what ignores its deadline is
// left behind, as an error. Panics become errors.
package run
