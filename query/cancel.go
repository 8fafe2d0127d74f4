package query

import (
	"net/http"
)

// cancel ends a query of the caller's project, wherever it was asked: in this process, in another, or by one of the project's users directly, as long as it has an id of ours.
func (r *request) cancel() {
	id, ok := parseQueryID(r.target, r.caller.Project)
	if !ok {
		// Also for the queries of others: whether they run is not told.
		r.refuse(refuse(codeUnknownQuery, unknownQueryDetail))
		return
	}
	if q := r.s.table.get(id); q != nil {
		q.cancel()
		r.cancelled(id)
		return
	}
	answered := false
	for _, server := range r.s.engine.endpoint.URLs {
		found, err := r.s.kill(r.http.Context(), server, id, r.caller.Project)
		switch {
		case err != nil:
			r.broken("end a query", err)
		case found:
			r.cancelled(id)
			return
		default:
			answered = true
		}
	}
	if !answered {
		r.refuse(refuse(codeEngineUnavailable, "ClickHouse does not answer: ask again later"))
		return
	}
	r.refuse(refuse(codeUnknownQuery, unknownQueryDetail))
}

const unknownQueryDetail = "no query of this id is running in the project; one that has ended cannot be cancelled"

// cancelled says that the query is being ended; its own request says when.
func (r *request) cancelled(id string) {
	text, err := marshal(struct {
		QueryID   string `json:"query_id"`
		Cancelled bool   `json:"cancelled"`
		RequestID string `json:"request_id"`
	}{id, true, r.id.String()})
	if err != nil {
		panic("BUG: an answer cannot be written: " + err.Error())
	}
	r.w.Header().Set("Content-Type", "application/json")
	r.status = http.StatusOK
	r.send(http.StatusOK, append(text, '\n'))
}
