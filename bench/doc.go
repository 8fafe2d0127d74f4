// Package bench runs one load test from beginning to end: it renders the events of a scenario, sends them, measures, waits until what was accepted is in
// ClickHouse, and holds the ledger of what was sent and answered against what is stored.
//
// It is a black box against the HTTP door: it knows the wire, the topic's event ids and the tables, and no code of the stages.
//
//	scenario   what is sent: YAML, stages, schedule
//	generate   the events, made from a seed and rendered before the run
//	load       sends on the schedule, measures, reads the answers
//	ledger     the file of every request and answer; what a verdict is
//	verify     ledger against ClickHouse; the prober of accepted → queryable
//	observe    CPU and memory of processes, metrics, environment
//	progress   the display while it runs
//	report     result.json, the HTML page, the summary, the comparison of two runs
//	compare    CPU per event of several targets, interleaved; with the broker and the handler that it needs
//	naive      the service that a developer would write first, to compare with
//
// Run owns every goroutine that it starts and joins them before it returns. Memory: the rendered bodies (events.pool_bytes), histograms, a few words for each
// interval; the ledger goes to disk.
package bench
