package pipeline

import "github.com/millrace/millrace/schema"

// Validate decides on every event of b as Submit does, and stores nothing: the outcomes are in b.Events, and none is quarantined. What only a broker can refuse is not found. It borrows b,
// writes to its Buf, its events and its Durability, and may be called from any number of goroutines.
func (p *Pipeline) Validate(b *schema.Batch) {
	b.Durability = schema.NotStored
	if b.ReceivedAt == 0 {
		b.ReceivedAt = p.deps.Now().UnixMilli()
	}
	r := p.getRequest()
	defer r.release()
	r.enrich.Begin(b, p.limits)
	erased := p.erased(b.Project)
	for i := range b.Events {
		e := &b.Events[i]
		r.judge(b, e)
		if erased != nil {
			r.forget(b, e, erased)
		}
	}
	r.enrich.End()
}
