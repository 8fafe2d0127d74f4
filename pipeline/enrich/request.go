package enrich

import (
	"hash"
	"net/netip"

	"github.com/millrace/millrace/schema"
)

// Request enriches the events of one request at a time. The zero value is ready for Begin; without an Enricher (Use) events get their names, actors, times and ids, and
// nothing else.
type Request struct {
	enricher *Enricher
	ids      schema.IDs
	scratch  []byte                          // an unescaped text
	names    [schema.Unmerge + 1]schema.Text // written so far, by type
	ip       schema.Text                     // the request's address
	limits   schema.Limits
	tally    tally
	now      uint32 // Unix seconds of arrival

	header *agent // of the request
	last   *agent // the last that an event named
	agent  *agent // of the event at hand
	memo   [memoWays]struct {
		agent *agent
		texts [numFacts]schema.Text
	}

	own       found // the place of the request's address
	named     found // the place of the last address that an event named, and that address
	namedText [maxAddress]byte
	namedLen  int

	mac    hash.Hash // of addresses; nil: not needed so far
	sum    []byte
	needle []byte // an address between quotes
	masked struct {
		from netip.Addr
		to   schema.Text
	}
}

// Use gives the Request what is known beyond the request; nil: nothing. For once, before the first Begin.
func (r *Request) Use(x *Enricher) { r.enricher = x }

// Begin starts on a request. The batch must be decoded completely; ReceivedAt must be set.
func (r *Request) Begin(b *schema.Batch, limits schema.Limits) {
	r.ids.Reset()
	r.limits = limits
	r.names = [schema.Unmerge + 1]schema.Text{}
	r.ip = schema.Text{}
	if b.ClientIP.IsValid() {
		r.scratch = b.ClientIP.Unmap().WithZone("").AppendTo(r.scratch[:0])
		r.ip = b.Append(r.scratch, false)
	}
	r.masked.from = netip.Addr{}
	r.own, r.named = found{}, found{}
	r.header, r.agent = nil, nil
	if r.enricher == nil {
		return
	}
	r.now = uint32(b.ReceivedAt / 1000)
	if text := b.UserAgent; !blank(text) {
		r.header = r.enricher.agents.find(text[:min(len(text), maxAgent)], r.now, &r.tally)
	}
}

// End counts what the request has come to and lets go of it. The texts that events were given stay valid as long as the batch.
func (r *Request) End() {
	r.header, r.last, r.agent = nil, nil, nil
	for i := range r.memo {
		r.memo[i].agent = nil
	}
	if r.enricher != nil {
		r.enricher.stats.add(&r.tally)
	}
	if cap(r.scratch) > maxScratchBytes {
		r.scratch = nil
	}
}

// maxScratchBytes is what a Request keeps.
const maxScratchBytes = 64 << 10

// Stamp gives the event what the request says of all its events.
func (r *Request) Stamp(b *schema.Batch, e *schema.Event) {
	e.Project, e.RequestID, e.Dialect, e.ReceivedAt = b.Project, b.RequestID, b.Dialect, b.ReceivedAt
	if b.HasSentAt {
		e.SetSentAt(b.SentAt)
	}
	if !e.Has(schema.FieldCorrelationID) && b.CorrelationID.Len() > 0 {
		e.Set(schema.FieldCorrelationID, b.CorrelationID)
	}
	if !e.Has(schema.FieldIP) && !e.NoAddress && r.ip.Len() > 0 {
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
