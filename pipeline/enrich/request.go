package enrich

import "github.com/millrace/millrace/schema"

// Request enriches the events of one request at a time. The zero value is ready for Begin.
type Request struct {
	ids     schema.IDs
	scratch []byte                          // an unescaped text
	names   [schema.Unmerge + 1]schema.Text // written so far, by type
	ip      schema.Text                     // the client's address
	limits  schema.Limits
}

// Begin starts on a request. The batch must be decoded completely; ReceivedAt must be set.
func (r *Request) Begin(b *schema.Batch, limits schema.Limits) {
	r.ids.Reset()
	r.limits = limits
	r.names = [schema.Unmerge + 1]schema.Text{}
	r.ip = schema.Text{}
	if b.ClientIP.IsValid() {
		r.scratch = b.ClientIP.AppendTo(r.scratch[:0])
		r.ip = b.Append(r.scratch, false)
	}
}

// Stamp gives the event what the request says of all its events.
func (r *Request) Stamp(b *schema.Batch, e *schema.Event) {
	e.Project, e.RequestID, e.Dialect, e.ReceivedAt = b.Project, b.RequestID, b.Dialect, b.ReceivedAt
	if b.HasSentAt {
		e.SetSentAt(b.SentAt)
	}
	if !e.Has(schema.FieldCorrelationID) && b.CorrelationID.Len() > 0 {
		e.Set(schema.FieldCorrelationID, b.CorrelationID)
	}
	if !e.Has(schema.FieldIP) && r.ip.Len() > 0 {
		e.Set(schema.FieldIP, r.ip)
	}
}

// value returns the string that t stands for, valid until the next call or the next change of the batch's buffer.
func (r *Request) value(b *schema.Batch, t schema.Text) []byte {
	if !t.Escaped() {
		return t.In(b.Buf)
	}
	r.scratch = t.AppendValue(r.scratch[:0], b.Buf)
	return r.scratch
}

// blank tells whether text holds nothing but white space.
func blank(text []byte) bool {
	for _, c := range text {
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return false
		}
	}
	return true
}
