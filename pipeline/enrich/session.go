package enrich

import "github.com/millrace/millrace/schema"

// Session gives the event the id of its session. One that the client named is made such that the day inside it is the event's. Without one, or with the UUID of zeros, an
// event of a browser or an app belongs to the session that the person's other events make; any other event belongs to none. Clock, Actor and Agent must have run.
func (r *Request) Session(b *schema.Batch, e *schema.Event) {
	id := r.value(b, e.ClientSession)
	if u, ok := schema.ParseUUID(id); !blank(id) && (!ok || u != schema.UUID{}) {
		e.SessionID = r.ids.Session(b.Project, id, e.TS)
		return
	}
	if r.enricher == nil || r.enricher.visits == nil || r.agent == nil || r.agent.kind != agentPerson || e.Bot {
		return
	}
	actor := e.Text(schema.FieldDistinctID)
	if actor.Len() == 0 {
		return
	}
	v := r.enricher.visits
	who := r.value(b, actor)
	key := v.key(b.Project, who)
	ok := false
	if e.SessionID, ok = v.join(key, e.TS, b.ReceivedAt); ok {
		return
	}
	e.SessionID = v.begin(key, e.TS, b.ReceivedAt, r.ids.BegunSession(b.Project, who, e.TS))
	r.tally.started++
}
