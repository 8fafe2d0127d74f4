package observe

import (
	"math"
	"strings"
)

// gaugeSources says of which series a gauge is the sum.
var gaugeSources = []struct {
	gauge, metric string
	label         string // that must be among the labels; empty: any
}{
	{RingRequests, "millrace_ring_depth", ""},                           // per shard
	{RingBytes, "millrace_ring_bytes", ""},                              // per shard
	{Unacked, "millrace_unacked_records", ""},                           // per shard
	{LagRecords, "millrace_consumer_lag_records", ""},                   // per partition
	{OldestAge, "millrace_consumer_oldest_unflushed_age_seconds", ""},   // one
	{RowsInserted, "millrace_sink_insert_rows_total", `table="events"`}, // per table
	{BrokerLog, "millrace_embedded_log_bytes", ""},                      // one
}

// Gauges picks what a sample holds out of scraped series: the names of this package, summed over shards and partitions. What the server does
// not have is missing, and so is what has no finite value.
func Gauges(series map[string]float64) map[string]float64 {
	sums := make(map[string]float64)
	for name, value := range series {
		metric, labels, _ := strings.Cut(strings.TrimSuffix(name, "}"), "{")
		for _, s := range gaugeSources {
			if s.metric == metric && (s.label == "" || hasLabel(labels, s.label)) {
				sums[s.gauge] += value
			}
		}
	}
	for name, sum := range sums {
		if math.IsNaN(sum) || math.IsInf(sum, 0) {
			delete(sums, name) // JSON could not hold it
		}
	}
	return sums
}

// hasLabel looks for label, as NAME="VALUE". No value of another label can be mistaken for it, because quotes in values are escaped.
func hasLabel(labels, label string) bool {
	for l := range strings.SplitSeq(labels, ",") {
		if strings.TrimSpace(l) == label {
			return true
		}
	}
	return false
}
