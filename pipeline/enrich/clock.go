package enrich

import "github.com/millrace/millrace/schema"

// Clock gives the event its ts by the rules of time (schema.Envelope.Resolve), without correction when the client asks for that. adjusted tells that the client's time was out of
// range and that the moment of arrival stands in for it.
func (r *Request) Clock(e *schema.Event) (adjusted bool) {
	if !e.TrustClock || !e.Has(schema.FieldSentAt) {
		return e.Resolve(r.limits)
	}
	// The time of sending is what clocks are corrected by.
	e.Unset(schema.FieldSentAt)
	adjusted = e.Resolve(r.limits)
	e.SetSentAt(e.SentAt)
	return adjusted
}
