// Package faultlab proves the promise of delivery by breaking things: it runs the real processes, keeps a ledger of what clients were told, injects faults by a schedule that
// a seed fixes, and compares in the end.
//
//	load ─▶ proxy ─▶ gateway ─▶ proxy ─▶ broker ─▶ proxy ─▶ sink ─▶ proxy ─▶ ClickHouse
//	  │                 ▲                  ▲                  ▲                  ▲
//	ledger              └────────────── nemesis: signals, failpoints, proxies, SQL
//
// Where to look:
//   - kind.go, kinds_short.go, kinds_full.go: what can be run; injection.go: one fault, as it is drawn
//   - run.go: a run from beginning to end; lab.go: the stack; config.go: how its processes are set up; links.go: its proxies
//   - nemesis.go: how each injection is done; points.go: those at failpoints; tables.go, tools.go, poison.go: those in ClickHouse, by tools, and in the topic
//   - motion.go: how it is known that the system moves again; traffic.go: the load and its ledger; counters.go: the processes' metrics
//   - check.go: what must hold; result.go, report.go: what is told of it
//   - controls.go: runs with a protection switched off, which must be seen to fail; soak.go: many faults on one stack
//   - stack: processes and failpoints; proxy: faults of connections
//
// A run is valid only if every injection bit: the failpoint was hit, the shot fired, the process was gone, the counter moved. An injection is over when everything that was in
// the topic at its end, and something newer, is confirmed; that time is the recovery.
//
// The lab owns all processes and goroutines that it starts, and joins them. Nothing is faulted but what lies below the directory of the run.
package faultlab
