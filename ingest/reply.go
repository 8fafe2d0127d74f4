package ingest

import (
	"strconv"

	"github.com/millrace/millrace/ingest/dialect"
	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
	"github.com/valyala/fasthttp"
)

const (
	jsonType    = "application/json"
	problemType = "application/problem+json"
	plainType   = "text/plain; charset=utf-8"
	scriptType  = "application/javascript; charset=utf-8"
	gifType     = "image/gif"
)

// voice is how the SDKs that use a route are answered: each reads something else of an answer to know what was taken, what to send again and what to give up.
type voice struct {
	// success answers for the events under status 200.
	success func(r *request, t tally)
	// refusal renders a refusal of the whole request. The response has its status and headers by then.
	refusal func(r *request, n notice)
	// status is the one that makes the SDK do what the refusal means; nil for the refusal's own.
	status func(r *request, p *refusal) int
	// each, when set, tells that success says of each event whether it must be sent again.
	each func(r *request, t tally) bool
	// strict: a request of which every event was refused is refused. The SDKs of the others would keep it, or stop.
	strict bool
}

// The voices. Each stands in a file of its own.
var (
	nativeVoice    = voice{success: (*request).answerPlain, refusal: (*request).refusePlain, each: someTaken, strict: true}
	segmentVoice   = voice{success: (*request).answerPlain, refusal: (*request).refusePlain, status: segmentStatus, strict: true}
	jitsuVoice     = voice{success: (*request).answerJitsu, refusal: (*request).refusePlain, status: segmentStatus, strict: true}
	pixelVoice     = voice{success: (*request).answerPixel, refusal: (*request).refusePixel}
	posthogVoice   = voice{success: (*request).answerPostHog, refusal: (*request).refusePlain, status: posthogStatus}
	captureVoice   = voice{success: (*request).answerCapture, refusal: (*request).refuseCapture, status: posthogStatus, each: allNamed}
	amplitudeVoice = voice{success: (*request).answerAmplitude, refusal: (*request).refuseNumbered, status: amplitudeStatus}
	mixpanelVoice  = voice{success: (*request).answerMixpanel, refusal: (*request).refuseMixpanel, status: mixpanelStatus}
	importVoice    = voice{success: (*request).answerImport, refusal: (*request).refuseMixpanel, status: mixpanelStatus}
	// sharedVoice is for what is refused on a path of several families before its body shows which one it is: every one of them can read it.
	sharedVoice = voice{refusal: (*request).refuseNumbered, status: sharedStatus}
)

func (r *request) voice() *voice {
	switch {
	case r.route == nil:
		return &nativeVoice
	case r.route.Shared() && !r.settled:
		return &sharedVoice
	case r.route.Pixel:
		return &pixelVoice
	}
	switch r.route.Dialect {
	case schema.DialectSegment:
		if r.route.Jitsu {
			return &jitsuVoice
		}
		return &segmentVoice
	case schema.DialectPostHog:
		if r.route.Shape == dialect.Capture {
			return &captureVoice
		}
		return &posthogVoice
	case schema.DialectAmplitude:
		return &amplitudeVoice
	case schema.DialectMixpanel:
		if r.route.Shape == dialect.Import {
			return &importVoice
		}
		return &mixpanelVoice
	}
	return &nativeVoice
}

// tally counts the outcomes.
type tally struct{ accepted, rejected, retry int }

func (r *request) tally() (t tally) {
	for i := range r.batch.Events {
		switch r.batch.Events[i].Result {
		case schema.Drop:
			t.rejected++
		case schema.Retry:
			t.retry++
		default:
			t.accepted++
		}
	}
	return t
}

// answer renders the outcome of the events.
func (r *request) answer() {
	t, v := r.tally(), r.voice()
	if t.retry > 0 && (v.each == nil || !v.each(r, t)) {
		// The SDK knows no answer per event, so it sends all of it again; ids make that harmless.
		r.refuseWithResults(refuse(r.retryCode(), "some events are not stored, or nobody knows whether they are: send the request again after Retry-After seconds, with the same ids"))
		return
	}
	r.label = codeLabel(codeOK)
	if t.accepted == 0 && t.rejected > 0 {
		first := &r.batch.Events[0]
		r.label = reasonLabel(first.Reason)
		if v.strict {
			status := fasthttp.StatusBadRequest
			r.ctx.Response.SetStatusCode(status)
			v.refusal(r, notice{code: first.Reason.String(), title: "Every event was refused", detail: first.Detail, status: status, results: true})
			return
		}
	}
	r.ctx.Response.SetStatusCode(fasthttp.StatusOK)
	if t.retry > 0 {
		r.retryAfter(r.retryCode().retryAfter())
	}
	v.success(r, t)
}

// retryCode is the code of the whole request for the first event that must be sent again.
func (r *request) retryCode() code {
	for i := range r.batch.Events {
		if e := &r.batch.Events[i]; e.Result == schema.Retry {
			if e.Reason == schema.Overloaded {
				return codeOverloaded
			}
			return codeBrokerUnavailable
		}
	}
	panic("BUG: no event to be sent again")
}

// refuse answers with a refusal of the whole request.
func (r *request) refuse(p *refusal) { r.decline(p, false) }

// refuseWithResults is refuse with what became of each event.
func (r *request) refuseWithResults(p *refusal) { r.decline(p, true) }

func (r *request) decline(p *refusal, results bool) {
	v, status := r.voice(), p.status
	if v.status != nil {
		status = v.status(r, p)
	}
	r.label = codeLabel(p.code)
	res := &r.ctx.Response
	res.SetStatusCode(status)
	if n := p.code.retryAfter(); n > 0 {
		r.retryAfter(n)
	}
	switch p.code {
	case codeInvalidKey:
		if status == fasthttp.StatusUnauthorized {
			res.Header.Set("WWW-Authenticate", "Bearer") // not Basic: browsers would ask their user
		}
	case codeMethodNotAllowed:
		res.Header.Set("Allow", p.allow)
	case codeUnsupportedEncoding:
		res.Header.Set("Accept-Encoding", acceptedEncodings)
	}
	if p.close {
		r.ctx.SetConnectionClose()
	}
	v.refusal(r, notice{code: p.code.String(), title: codes[p.code].title, detail: p.detail, status: status, of: p.code, results: results})
}

func (r *request) retryAfter(seconds int) {
	r.scratch = strconv.AppendInt(r.scratch[:0], int64(seconds), 10)
	r.ctx.Response.Header.SetBytesV("Retry-After", r.scratch)
}

// send copies the reply into the response; the request goes back to its pool before fasthttp writes it.
func (r *request) send(contentType string) {
	r.ctx.Response.Header.SetContentType(contentType)
	r.ctx.Response.SetBody(r.reply)
}

// plainly keeps browsers from taking an answer that repeats what the client sent for anything else than it is.
func (r *request) plainly() { r.ctx.Response.Header.Set("X-Content-Type-Options", "nosniff") }

// appendOutcome appends the members that say what became of the events, and ends the object.
func (r *request) appendOutcome(t tally) {
	b := &r.batch
	dst := r.reply
	dst = strconv.AppendInt(append(dst, `,"accepted":`...), int64(t.accepted), 10)
	dst = strconv.AppendInt(append(dst, `,"rejected":`...), int64(t.rejected), 10)
	dst = append(append(append(dst, `,"durability":"`...), b.Durability.String()...), '"')
	if len(b.Events) == 1 && b.Events[0].ID != (schema.UUID{}) {
		dst = append(b.Events[0].ID.AppendText(append(dst, `,"id":"`...)), '"')
	}
	dst = append(dst, `,"results":[`...)
	all := string(r.ctx.QueryArgs().Peek("results")) == "all"
	first := true
	for i := range b.Events {
		e := &b.Events[i]
		if e.Result == schema.OK && !all {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(appendResult(strconv.AppendInt(append(dst, `{"index":`...), int64(e.Index), 10), e), '}')
	}
	r.reply = append(dst, ']', '}')
}

// appendResult appends the members that say what became of an event to an object that has one already.
func appendResult(dst []byte, e *schema.Event) []byte {
	if e.ID != (schema.UUID{}) {
		dst = append(e.ID.AppendText(append(dst, `,"id":"`...)), '"')
	}
	dst = appendMember(dst, "result", e.Result.String())
	dst = appendMember(dst, "code", e.Reason.String())
	dst = appendMember(dst, "field", e.Pointer)
	dst = appendMember(dst, "detail", e.Detail)
	if e.Result == schema.Drop {
		dst = strconv.AppendBool(append(dst, `,"quarantined":`...), e.Quarantined)
	}
	return dst
}

// appendMember appends a member behind others; "" is none.
func appendMember(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(append(append(dst, ',', '"'), name...), '"', ':', '"')
	dst, _ = scan.AppendEscaped(dst, []byte(value))
	return append(dst, '"')
}
