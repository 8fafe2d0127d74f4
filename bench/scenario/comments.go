package scenario

// comments say what each key means, in the YAML that a scenario is written as. Those of a stage stand with the first.
var comments = map[string]string{
	"name":        "what results are compared by",
	"description": "for people",
	"seed":        "of everything random: the same seed makes the same events",

	"load":                   "how much is sent, and how",
	"load.mode":              "rate: requests leave on a schedule that answers cannot delay; saturate: each connection sends its next request as soon as the one before is answered",
	"load.stages":            "one after another",
	"load.stages[].duration": "how long",
	"load.stages[].rate":     "events per second at the end of the stage; of no meaning in mode saturate",
	"load.stages[].ramp":     "true: the rate moves there in a line from that of the stage before, from 0 at the beginning; false: it jumps",
	"load.warmup":            "how much of the beginning counts for the ledger but not for rates and latencies",
	"load.connections":       "each with one request in flight",
	"load.batch":             "events per request",
	"load.dialect":           "segment or native",
	"load.compression":       "of bodies: none, gzip or zstd, at the generator's cost when it sends",
	"load.timeout":           "of one request",
	"load.late_after":        "a send that leaves later than this after its time is counted as late",
	"load.drop_after":        "a send that no connection was free for so long is dropped and counted",

	"events":            "what the events look like; shares are of events, 0.01 is one in a hundred",
	"events.bytes":      "mean size of one event as JSON",
	"events.names":      "how many event names there are, chosen by Zipf's law, beside those of the funnel",
	"events.users":      "users of each connection",
	"events.unicode":    "share with other than ASCII text",
	"events.escapes":    "share with JSON escapes in names, ids or values",
	"events.late":       "share that happened minutes to days before they are sent",
	"events.duplicates": "share that the client sends twice, with the same id",
	"events.invalid":    "share that must be refused",
	"events.pool_bytes": "how much is rendered before the run; then the same bodies come round again with new ids and times",

	"thresholds":           "decide whether the run passes; durations of 0 and rates below 0 are not checked",
	"thresholds.p50":       "of latency, from the intended send time to the answer",
	"thresholds.p99":       "of latency",
	"thresholds.p999":      "of latency",
	"thresholds.queryable": "p99 of the time from the acceptance of an event until a query finds it",
	"thresholds.errors":    "share of requests that failed or were refused as a whole, at most",
	"thresholds.dropped":   "share of sends that were dropped, at most",
	"thresholds.min_rate":  "accepted events per second on average, at least; 0: not checked",
	"thresholds.ledger":    "the ledger must balance: nothing lost, duplicated, invented, corrupted or out of order",
}
