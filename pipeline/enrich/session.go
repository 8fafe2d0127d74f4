package enrich

import "github.com/millrace/millrace/schema"

// Session gives the event the id of the session that the client named, made such that the day inside it is the event's. An event without one, or with the UUID of
// zeros, belongs to none. Clock must have run.
func (r *Request) Session(b *schema.Batch, e *schema.Event) {
	id := r.value(b, e.ClientSession)
	if blank(id) {
		return
	}
	if u, ok := schema.ParseUUID(id); ok && u == (schema.UUID{}) {
		return
	}
	e.SessionID = r.ids.Session(b.Project, id, e.TS)
}
