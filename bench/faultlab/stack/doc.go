// Package stack runs the processes of a fault lab and holds the reins of each: a process can be started, killed, stopped in order, frozen and let go on, and one that dies
// without being told to is started again and counted. Beside it, the Coordinator answers the failpoints of those processes.
//
//   - spec.go: what a process is and when it is ready
//   - process.go: Process, its commands and its supervisor; life.go: one life of it, from start to exit
//   - freeze.go: SIGSTOP and SIGCONT, and how to know that a process is frozen
//   - coordinator.go: the socket of the failpoints
//   - ports.go: free ports
//
// Engines live by two pipes, as the program that runs them expects: fd 3 is held open by the parent and its end is the order to stop; through fd 4 comes one line when the engine
// is ready. Servers are ready when a URL answers 200, and stop by SIGTERM.
//
// Goroutines: each life has one that waits for its end, Process.Run is the supervisor, Coordinator.Run answers and joins one goroutine per waiting failpoint. Processes never
// outlive the lab: engines end with their pipe, servers with their parent (on Linux).
package stack
