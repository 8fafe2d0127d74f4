// Package report keeps what a run found out, judges it, and shows it: result.json, a summary for the terminal, a page with plots, and the difference between two runs.
//
//   - result.go, file.go: the result and its file
//   - judge.go: the scenario's thresholds
//   - cost.go, curve.go: CPU time per event, from samples that count from the start of each process
//   - text.go, format.go: the summary
//   - html.go, chart.go, plots.go, distribution.go, condense.go, assets/: the page
//   - diff.go, figures.go, metric.go, bootstrap.go, pool.go, mismatch.go, difftext.go: two runs
//
// Everything here is a function of results: nothing is measured, no goroutine runs, no network is used. A Result is not changed but by Judge.
package report
