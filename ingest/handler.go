package ingest

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/millrace/millrace/ingest/dialect"
	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
	"github.com/valyala/fasthttp"
)

// handle is the story of one request.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	r := s.requests.Get().(*request) // the pool holds nothing else
	r.begin(ctx)
	defer s.end(r)
	if refused := r.admit(); refused != nil {
		r.refuse(refused)
		return
	}
	if r.route == nil || ctx.IsOptions() {
		r.serveOther()
		return
	}
	if refused := r.receive(); refused != nil {
		r.refuse(refused)
		return
	}
	if r.route.Shape == dialect.Discarded {
		r.discard()
		return
	}
	route, refused := r.format()
	if refused != nil {
		r.refuse(refused)
		return
	}
	r.describe()
	err := r.decoder.Decode(route, &r.batch, r.options(route))
	r.correlate()
	if err != nil {
		r.reject(faultOf(err))
		return
	}
	if r.route.Check {
		s.deps.Validate(&r.batch)
	} else if err := s.submit(&r.batch); err != nil {
		r.refuse(r.failed(err))
		return
	}
	r.answer()
}

// submit lends the batch to the Submitter. A client that goes away meanwhile does not undo what it sent; only the end of the server does.
func (s *Server) submit(b *schema.Batch) error {
	s.submitting.Add(1)
	defer s.submitting.Add(-1)
	return s.deps.Submitter.Submit(s.ctx, b)
}

// receive takes the body in: within its time and the memory it may use, decompressed, and with a key that is known.
func (r *request) receive() *refusal {
	s := r.s
	if n := s.inflight.Add(1); n > int64(s.cfg.MaxConcurrentRequests) {
		s.inflight.Add(-1)
		return refuse(codeOverloaded, fmt.Sprintf("%d requests are being handled (limit ingest.max_concurrent_requests): retry later", s.cfg.MaxConcurrentRequests))
	}
	r.counted = true
	if !r.hasKey {
		if !s.guests.enter(source(r.addr)) {
			return refuse(codeRateLimited, fmt.Sprintf(
				"%d bodies without a key in their header are being read for this address (limit ingest.max_unauthenticated_bodies): send the key in the Authorization header, or retry later",
				s.cfg.MaxUnauthenticatedBodies))
		}
		r.guest = true
	}
	if refused := r.takeBody(); refused != nil {
		return refused
	}
	return r.identify()
}

// takeBody puts the events, as JSON, into the batch's buffer, from wherever the request has them.
func (r *request) takeBody() *refusal {
	if r.ctx.IsGet() {
		if r.route.Pixel && !r.ctx.QueryArgs().Has(formData) {
			return r.takePixel()
		}
		return r.takeQuery()
	}
	if refused := r.readBody(); refused != nil {
		return refused
	}
	if refused := r.decompress(); refused != nil {
		return refused
	}
	return r.unwrap()
}

// identify settles whose the request is: its key, and of families that share the path the one that it speaks for.
func (r *request) identify() *refusal {
	shared := r.route
	route, sure := r.decoder.Classify(shared, r.batch.Buf, r.key.Dialect, r.key.HasDialect)
	r.speaks(route)
	if r.hasKey {
		return nil
	}
	if refused := r.keyFromBody(); refused != nil {
		return refused
	}
	if !sure && r.key.HasDialect {
		route, _ = r.decoder.Classify(shared, r.batch.Buf, r.key.Dialect, true)
		r.speaks(route)
	}
	return nil
}

// speaks says which route of those that share a path the request is on.
func (r *request) speaks(route *dialect.Route) {
	r.route, r.index, r.settled = route, route.Index, true
}

// options are what the request says of its events outside the body.
func (r *request) options(route *dialect.Route) dialect.Options {
	opt := dialect.Options{Lines: r.media.lines, Secret: r.secret}
	if len(r.bodyKey) > 0 {
		opt.Key = r.bodyKey
	}
	if route.Dialect == schema.DialectPostHog || route.Dialect == schema.DialectMixpanel {
		opt.Library = r.header.posthogLibrary
		// What their SDKs in browsers put into "_" is the time of sending.
		for _, text := range [...][]byte{r.header.sentAt, r.param("sent_at"), r.param("_")} {
			if opt.SentAt, opt.HasSentAt = schema.ParseTime(text); opt.HasSentAt {
				break
			}
		}
	}
	return opt
}

// keyFromBody looks for the key in the body of a request that showed none elsewhere: beside the events in a form, or where the family puts it.
func (r *request) keyFromBody() *refusal {
	text := r.formKey()
	if text == nil {
		var err error
		if text, err = r.decoder.Key(r.route, r.batch.Buf); err != nil {
			fault := faultOf(err)
			return refuse(faultCodes[fault.Fault], fault.Detail)
		}
	}
	r.bodyKey = append(r.bodyKey[:0], text...) // text ends with the decoder's next use
	if refused := r.authenticate(shownKey{text: r.bodyKey}, len(r.bodyKey) > 0); refused != nil {
		return refused
	}
	r.s.guests.leave(source(r.addr), r.charged)
	r.guest = false
	return nil
}

// faultOf is the decoder's error as what it is.
func faultOf(err error) *dialect.Error {
	var fault *dialect.Error
	if !errors.As(err, &fault) {
		panic("BUG: a decoder returned " + err.Error())
	}
	return fault
}

var faultCodes = [...]code{
	dialect.Malformed: codeInvalidJSON,
	dialect.Misshapen: codeInvalidRequest,
	dialect.Empty:     codeEmptyBatch,
	dialect.TooMany:   codeTooLarge,
}

// reject answers a body that is no list of events. What may be of use to someone is kept: the body as a whole goes to quarantine as one refused event.
func (r *request) reject(fault *dialect.Error) {
	refused := refuse(faultCodes[fault.Fault], fault.Detail)
	reason := schema.InvalidJSON
	switch {
	case r.route.Check:
		r.refuse(refused)
		return
	case fault.Fault == dialect.Malformed:
	case fault.Fault == dialect.Misshapen:
		reason = schema.InvalidType
	default:
		r.refuse(refused)
		return
	}
	b := &r.batch
	body := schema.TextAt(0, r.size, false)
	b.Events = b.Events[:0]
	e := b.Add()
	e.Raw = body
	e.Refuse(reason, fault.Pointer, fault.Detail)
	if err := r.s.submit(b); err != nil {
		r.refuse(r.failed(err))
		return
	}
	r.refuseWithResults(refused)
}

// failed says what an error of Submit means to the client.
func (r *request) failed(err error) *refusal {
	var refused *refusal
	switch {
	case errors.Is(err, schema.ErrOverloaded):
		refused = refuse(codeOverloaded, "more events arrive than can be stored right now; nothing of this request was stored: send it again after Retry-After seconds")
	case errors.Is(err, schema.ErrBrokerUnavailable):
		refused = refuse(codeBrokerUnavailable, "the broker did not acknowledge in time; send the request again after Retry-After seconds, with the same ids")
	case errors.Is(err, schema.ErrStorageFull):
		refused = refuse(codeStorageFull, "the disk that must hold the events is full; nothing of this request was stored: send it again later")
	case errors.Is(err, schema.ErrBacklog):
		refused = refuse(codeBacklog, "events wait longer to be loaded than they are kept; nothing of this request was stored: send it again later")
	case r.s.ctx.Err() != nil:
		refused = refuse(codeOverloaded, "the gateway is stopping; send the request again, with the same ids")
	default:
		if n, ok := r.s.logFailed.allow(r.start); ok {
			r.s.log.Error("submit failed", "error", err, "request_id", string(r.idText), "suppressed", n)
		}
		refused = refuse(codeInternal, "something broke inside the gateway; send the request again, with the same ids")
	}
	return refused
}

// end writes what every answer has, counts the request and lets go of it. It is deferred by the handler and catches its panic.
func (s *Server) end(r *request) {
	if p := recover(); p != nil {
		s.panicked(p, r)
		// What the panic left behind is unknown: the connection ends, and the request's memory is left to the garbage collector, because a stage
		// may still hold it.
		r.ctx.Response.Reset()
		r.refuse(&refusal{code: codeInternal, status: codes[codeInternal].status, close: true, detail: "something broke inside the gateway; send the request again, with the same ids"})
		s.finishResponse(r)
		s.settle(r)
		return
	}
	if !r.again {
		s.finishResponse(r)
	}
	s.release(r)
}

func (s *Server) finishResponse(r *request) {
	h := &r.ctx.Response.Header
	h.SetBytesV("X-Request-Id", r.idText)
	if id := r.correlationID(); id != nil {
		h.SetBytesV("X-Correlation-Id", id)
	}
	if r.route != nil || r.page != nil && r.page.anyOrigin {
		r.allowOrigin()
	}
	if r.route != nil && r.ctx.IsGet() {
		h.Set("Cache-Control", "no-store") // what a cache answers never arrives here
	}
	if s.draining.Load() {
		r.ctx.SetConnectionClose()
	}
	if r.hasBody && !r.read {
		if c, ok := r.ctx.Conn().(*conn); ok {
			c.unread()
		}
	}
	s.observe(r)
}

func (s *Server) observe(r *request) {
	s.gauges.answered(r.index, r.label)
	if r.route == nil {
		return
	}
	took := time.Since(r.start)
	s.gauges.duration.Update(took.Seconds())
	status := r.ctx.Response.StatusCode()
	level, t := slog.LevelDebug, &s.logAccess
	switch {
	case status >= 500:
		level, t = slog.LevelWarn, &s.logFailed
	case status >= 400:
		level, t = slog.LevelInfo, &s.logRefused
	}
	if !s.log.Enabled(s.ctx, level) {
		return
	}
	if n, ok := t.allow(r.start); ok {
		s.log.Log(s.ctx, level, "request", "request_id", string(r.idText), "route", r.route.Path, "status", status, "code", r.label.String(),
			"events", len(r.batch.Events), "bytes", r.size, "key_id", r.key.ID, "client", r.logged(), "took", took, "suppressed", n)
	}
}

// logged is the client's address as a log may have it: none at all when the key, or the client, wants less of it to be kept than the whole.
func (r *request) logged() netip.Addr {
	if max(r.key.Address, askedPolicy(r.header.addressPolicy)) != schema.KeepAddress {
		return netip.Addr{}
	}
	return r.addr
}

// panicked counts and logs a panic. r is nil when it did not come from the handler.
func (s *Server) panicked(p any, r *request) {
	s.gauges.panics.Inc()
	n, ok := s.logPanic.allow(time.Now())
	if !ok {
		return
	}
	args := []any{"panic", fmt.Sprint(p), "stack", string(debug.Stack()), "suppressed", n}
	if r != nil {
		args = append(args, "request_id", string(r.idText))
	}
	s.log.Error("BUG: a handler panicked", args...)
}

// handleBroken answers a request whose header could not be read. fasthttp closes the connection afterwards.
func (s *Server) handleBroken(ctx *fasthttp.RequestCtx, err error) {
	ctx.Response.Reset()
	r := s.requests.Get().(*request) // the pool holds nothing else
	r.begin(ctx)
	defer s.end(r)
	var tooBig *fasthttp.ErrSmallBuffer
	var timeout net.Error
	switch {
	case errors.As(err, &tooBig):
		r.refuse(refuse(codeHeaderTooLarge, fmt.Sprintf("the request line and header are longer than %d bytes (limit ingest.max_header_bytes): send fewer or shorter headers", s.cfg.MaxHeaderBytes)))
	case errors.As(err, &timeout) && timeout.Timeout():
		r.read = true // nothing is coming, so there is nothing to wait for
		r.refuse(refuse(codeTimeout, fmt.Sprintf("the request did not arrive within %v (limits ingest.header_timeout and ingest.body_timeout)", s.cfg.HeaderTimeout)))
		return
	default:
		r.refuse(refuse(codeInvalidFraming, "the request line or header is not HTTP/1.1 as RFC 9112 has it"))
	}
	r.hasBody = true // whatever is still to come
}

// appendText appends a value to the batch's buffer as the text of a JSON string.
func appendText(b *schema.Batch, value []byte) schema.Text {
	start := len(b.Buf)
	text, escaped := scan.AppendEscaped(b.Buf, value)
	b.Buf = text
	return schema.TextAt(start, len(text), escaped)
}
