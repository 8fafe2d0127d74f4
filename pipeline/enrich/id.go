package enrich

import "github.com/millrace/millrace/schema"

// ID gives the event its id. In this order: the client's own; one derived from the request's Idempotency-Key and the event's place; one derived from the content,
// if the event carries a time of its own; a new one. Without an id or a time a resend cannot be told from a repeat, and keeping both is the safe side.
func (r *Request) ID(b *schema.Batch, e *schema.Event) {
	switch {
	case r.Named(b, e):
	case e.ClientTime.Len() > 0:
		e.ID = r.ids.Content(b.Project, e, b.Buf)
	default:
		e.ID = schema.NewUUIDv7(b.ReceivedAt)
	}
}

// Named gives the event an id if the client named one, for the event or for the request, and tells whether it did. A blank id and the UUID of zeros
// are none.
func (r *Request) Named(b *schema.Batch, e *schema.Event) bool {
	if id := r.value(b, e.ClientID); !blank(id) {
		if e.ID = r.ids.Client(b.Project, id); e.ID != (schema.UUID{}) {
			return true
		}
	}
	if blank(b.IdempotencyKey) {
		return false
	}
	e.ID = r.ids.Idempotent(b.Project, b.IdempotencyKey, e.Index)
	return true
}
