package enrich

import "github.com/millrace/millrace/schema"

// Clock gives the event its ts by the rules of time (schema.Envelope.Resolve). adjusted tells that the client's time was out of range and that the moment of
// arrival stands in for it.
func (r *Request) Clock(e *schema.Event) (adjusted bool) { return e.Resolve(r.limits) }
