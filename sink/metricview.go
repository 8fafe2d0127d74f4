package sink

import (
	"context"

	"github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/sink/exact"
)

// viewAttempts is how many INSERTs in a row may fail in the view of a custom metric before it is taken away.
const viewAttempts = 3

// spareMetric keeps a custom metric from stopping the sink: events matter more. An INSERT that fails in the view of one is tried again, then the view goes. Errors that waiting
// cures are left alone.
func (p *port) spareMetric(ctx context.Context, failure *exact.InsertError) {
	view := ""
	if p.sink.detach != nil && failure.Class != exact.Retriable {
		view = clickhouse.FailedMetricView(failure.Error())
	}
	if view != p.failedView {
		p.failedView, p.failedViewRuns = view, 0
	}
	if view == "" {
		return
	}
	failure.Class, failure.Cure = exact.Retriable, ""
	if p.failedViewRuns++; p.failedViewRuns < viewAttempts {
		return
	}
	db, err := p.sink.database(ctx)
	metric := ""
	if err == nil {
		metric, err = p.sink.detach(ctx, db, failure.Error())
	}
	switch {
	case err != nil:
		p.Incident("the view of a custom metric fails and cannot be taken away: the sink waits for that", "view", view, "error", err, "cause", failure)
	case metric == "":
		p.Incident("a view that looks like that of a custom metric fails, and belongs to none: drop it, the sink waits for that", "view", view, "cause", failure)
	default:
		p.failedView = ""
		p.Incident("the view of a custom metric failed and was taken away: events go on, the metric counts no longer", "metric", metric, "view", view, "cause", failure,
			"cure", "run `millrace metrics apply`, which builds it anew")
	}
}
