package ingest

import (
	"fmt"

	"github.com/millrace/millrace/ingest/dialect"
)

// Validation: POST /v1/validate takes what any other route takes, which the query's "as" names (default /v1/events), and answers in the native form what would become of each event. Nothing
// is stored, not in quarantine either.

// format is the route whose events the body holds: the request's own, or of a validation the one that it names.
func (r *request) format() (*dialect.Route, *refusal) {
	if !r.route.Check {
		return r.route, nil
	}
	as := r.param("as")
	if len(as) == 0 {
		return r.route, nil
	}
	route, ok := dialect.Lookup(as)
	if !ok || route.Check || route.Shape == dialect.Discarded {
		return nil, refuse(codeInvalidRequest, fmt.Sprintf("as is %s, which is no path that takes events: use one such as /v1/batch, /batch, /2/httpapi or /track; GET /openapi.json lists them all", dialect.Quote(as)))
	}
	route, _ = r.decoder.Classify(route, r.batch.Buf, r.key.Dialect, r.key.HasDialect)
	return route, nil
}

// eventPaths are the paths that take events, each once, in the order of the table.
func eventPaths() []string {
	var paths []string
	seen := map[string]bool{}
	for _, route := range dialect.Routes() {
		if !seen[route.Path] && !route.Check && route.Shape != dialect.Discarded {
			seen[route.Path] = true
			paths = append(paths, route.Path)
		}
	}
	return paths
}
