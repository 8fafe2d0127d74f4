package ingest

import (
	"net/netip"
	"time"

	"github.com/millrace/millrace/ingest/dialect"
	"github.com/millrace/millrace/schema"
	"github.com/valyala/fasthttp"
)

// request is all that one request needs, pooled. It is lent to the decoder and to Submit, and owned by the handler throughout.
type request struct {
	s       *Server
	batch   schema.Batch // batch.Buf is the body after decompression, and what was derived from it
	decoder *dialect.Decoder
	sent    []byte // a compressed body as sent
	reply   []byte
	scratch []byte // a decoded credential
	bodyKey []byte // the key when the body had it, else empty

	// Of the current request. Slices are fasthttp's and end with the handler.
	ctx     *fasthttp.RequestCtx
	header  header
	start   time.Time
	id      schema.UUID
	idText  []byte // of id
	addr    netip.Addr
	route   *dialect.Route // nil: not in the dialect table
	settled bool           // of routes that share a path, route is the one that is meant
	page    *page          // nil: not in the table of pages
	index   int            // of the route, for metrics
	key     Key
	secret  []byte // the text of key; a part of what the client sent, or of bodyKey
	hasKey  bool   // key is known
	enc     encoding
	media   media
	packed  bool // the body was compressed
	form    form
	hasBody bool // there is a body, read or not
	read    bool // the body was read to its end
	size    int  // of the body: as sent, then after decompression
	charged int64
	guest   bool // counted in Server.guests
	counted bool // counted in Server.inflight
	again   bool // leave was given to send the body; the handler begins anew
	label   label
}

const (
	// keepBytes is the largest buffer that a pooled request keeps.
	keepBytes = 1 << 20
	// scratchBytes holds the longest credentials that are decoded.
	scratchBytes = 1 << 10
	// noBody is how fasthttp says that a request has neither Content-Length nor Transfer-Encoding; chunked that the length is not known beforehand.
	noBody  = -2
	chunked = -1
)

func newRequest(s *Server) *request {
	return &request{s: s, decoder: dialect.New(s.limits, s.cfg.MaxEvents), scratch: make([]byte, 0, scratchBytes), idText: make([]byte, 0, 36)}
}

// begin starts a request that has arrived up to its header.
func (r *request) begin(ctx *fasthttp.RequestCtx) {
	r.ctx, r.start = ctx, time.Now()
	r.id = schema.NewUUIDv7(r.start.UnixMilli())
	r.idText = r.id.AppendText(r.idText[:0])
	r.index = len(dialect.Routes()) + routeNone
	r.hasBody = hasBody(&ctx.Request.Header)
	if c, ok := ctx.Conn().(*conn); ok {
		r.addr = c.addr
	}
}

func hasBody(h *fasthttp.RequestHeader) bool {
	n := h.ContentLength()
	return n > 0 || n == chunked
}

// release gives back what the request holds and puts it into the pool.
func (s *Server) release(r *request) {
	s.settle(r)
	r.batch.Reset(keepBytes)
	if cap(r.sent) > keepBytes {
		r.sent = nil
	}
	if cap(r.reply) > keepBytes {
		r.reply = nil
	}
	*r = request{s: s, batch: r.batch, decoder: r.decoder, sent: r.sent[:0], reply: r.reply[:0], scratch: r.scratch[:0], bodyKey: r.bodyKey[:0], form: r.form.reset(), idText: r.idText[:0]}
	s.requests.Put(r)
}

// settle gives the request's budgets back.
func (s *Server) settle(r *request) {
	if r.guest {
		s.guests.leave(source(r.addr), r.charged)
		r.guest = false
	}
	s.bodies.give(r.charged)
	r.charged = 0
	if r.counted {
		s.inflight.Add(-1)
		r.counted = false
	}
}

// describe fills what the batch says of the request as a whole.
func (r *request) describe() {
	b := &r.batch
	b.Project, b.KeyID = r.key.Project, r.key.ID
	b.AddressPolicy = max(r.key.Address, askedPolicy(r.header.addressPolicy))
	b.RequestID, b.ReceivedAt = r.id, r.start.UnixMilli()
	b.UserAgent, b.IdempotencyKey = r.header.userAgent, r.header.idempotencyKey
	if len(b.IdempotencyKey) == 0 {
		b.IdempotencyKey = nil
	}
	if validTraceparent(r.header.traceparent) {
		b.Traceparent = r.header.traceparent
	}
}

// askedPolicy is what an SDK of Jitsu asks for addresses to become. A client may want less to be kept than its key does, not more.
func askedPolicy(text []byte) schema.AddressPolicy {
	switch {
	case equalFold(text, "remove"):
		return schema.DropAddress
	case equalFold(text, "stripLastOctet"):
		return schema.TruncateAddress
	}
	return schema.KeepAddress
}

// correlate gives the batch the client's address and the request's correlation id. It is called when the body is decoded: the id goes behind it.
func (r *request) correlate() {
	r.batch.ClientIP = r.addr
	if r.batch.Dialect == schema.DialectMixpanel && string(r.param("ip")) == "0" {
		r.batch.ClientIP = netip.Addr{} // it is not the person's, its SDKs say so
	}
	if id := r.correlationID(); id != nil {
		r.batch.CorrelationID = appendText(&r.batch, id)
	}
}

// correlationID is the one that the client sent, if it can be used.
func (r *request) correlationID() []byte {
	id := r.header.correlationID
	if int64(len(id)) > r.s.limits.MaxIDBytes || !printable(id) {
		return nil
	}
	return id
}
