// Package progress shows how a run goes while it goes.
//
// On a terminal a few lines are redrawn in place: a bar with the time left, the rate asked for and achieved, latencies, what went wrong, what the pipeline and
// the processes do. Elsewhere it is one line per interval, for logs. Either way nothing is written between two calls: there is no goroutine and no clock but the
// one that keeps Phase from writing too often.
//
// Where to look:
//   - progress.go: the calls and what they remember; screen.go: lines that are redrawn
//   - panel.go: the terminal's lines; plain.go: a log's; text.go: numbers and styles
package progress
