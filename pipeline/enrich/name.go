package enrich

import "github.com/millrace/millrace/schema"

// Name gives a call whose type stands for itself, as page does, its event name unless the client gave one. Nothing is done for track.
func (r *Request) Name(b *schema.Batch, e *schema.Event) {
	if !blank(r.value(b, e.Text(schema.FieldEvent))) {
		return
	}
	e.Unset(schema.FieldEvent)
	name := e.Type.EventName()
	if name == "" {
		return
	}
	t := &r.names[e.Type]
	if t.Len() == 0 { // once per request, not per event
		r.scratch = append(r.scratch[:0], name...)
		*t = b.Append(r.scratch, false)
	}
	e.Set(schema.FieldEvent, *t)
}
