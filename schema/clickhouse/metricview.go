package clickhouse

import "regexp"

// failedMetricView finds the materialized view of a custom metric in what the server says when an INSERT fails in it.
var failedMetricView = regexp.MustCompile("pushing to view [`a-zA-Z0-9_]+\\.`?(metric_[a-z0-9_]+__[0-9]+_mv)\\b")

// FailedMetricView returns the name of the materialized view of a custom metric in which an INSERT failed, empty when it failed elsewhere: message is what the server said.
func FailedMetricView(message string) string {
	if found := failedMetricView.FindStringSubmatch(message); found != nil {
		return found[1]
	}
	return ""
}
