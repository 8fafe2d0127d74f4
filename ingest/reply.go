package ingest

import (
	"bytes"
	"strconv"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
	"github.com/valyala/fasthttp"
)

const (
	jsonType    = "application/json"
	problemType = "application/problem+json"
)

// refuse answers with a problem.
func (r *request) refuse(p *refusal) {
	r.problem(p)
	r.reply = append(r.reply, '}')
	r.send(problemType)
}

// refuseWithResults answers with a problem that also says what became of each event.
func (r *request) refuseWithResults(p *refusal) {
	r.problem(p)
	accepted, rejected, _ := r.tally()
	r.appendOutcome(accepted, rejected)
	r.send(problemType)
}

// problem begins the answer: status, headers, and the problem as an object still open.
func (r *request) problem(p *refusal) {
	status := r.status(p)
	r.label = codeLabel(p.code)
	res := &r.ctx.Response
	res.SetStatusCode(status)
	if n := p.code.retryAfter(); n > 0 {
		r.retryAfter(n)
	}
	switch p.code {
	case codeInvalidKey:
		res.Header.Set("WWW-Authenticate", "Bearer") // not Basic: browsers would ask their user
	case codeMethodNotAllowed:
		res.Header.Set("Allow", p.allow)
	case codeUnsupportedEncoding:
		res.Header.Set("Accept-Encoding", "gzip, zstd")
	}
	if p.close {
		r.ctx.SetConnectionClose()
	}
	r.reply = appendProblem(r.reply[:0], p.code.String(), codes[p.code].title, status, p.detail, r.idText)
}

// status is the one that the SDK needs to hear. Segment's own SDKs for Node and browsers count a 503 against the few attempts that an event has, and
// wait without counting after a 429 with Retry-After; every other SDK understands 503.
func (r *request) status(p *refusal) int {
	if p.status == fasthttp.StatusServiceUnavailable && r.route != nil && r.route.Dialect == schema.DialectSegment &&
		(r.route.Browser || bytes.HasPrefix(r.header.userAgent, []byte("analytics-node"))) {
		return fasthttp.StatusTooManyRequests
	}
	return p.status
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

// tally counts the outcomes.
func (r *request) tally() (accepted, rejected, retry int) {
	for i := range r.batch.Events {
		switch r.batch.Events[i].Result {
		case schema.Drop:
			rejected++
		case schema.Retry:
			retry++
		default:
			accepted++
		}
	}
	return accepted, rejected, retry
}

// answer renders the outcome of the events.
func (r *request) answer() {
	accepted, rejected, retry := r.tally()
	switch {
	case retry > 0 && (accepted == 0 || r.route.Dialect == schema.DialectSegment):
		// Segment's SDKs know no answer per event, so they send all of it again; ids make that harmless.
		r.refuseWithResults(refuse(r.retryCode(), "some events are not stored, or nobody knows whether they are: send the request again after Retry-After seconds, with the same ids"))
	case accepted == 0 && rejected > 0:
		r.refuseAll(rejected)
	default:
		r.label = codeLabel(codeOK)
		r.ctx.Response.SetStatusCode(fasthttp.StatusOK)
		if retry > 0 {
			r.retryAfter(r.retryCode().retryAfter())
		}
		r.reply = append(r.reply[:0], `{"success":true,"request_id":"`...)
		r.reply = append(append(r.reply, r.idText...), '"')
		r.appendOutcome(accepted, rejected)
		r.send(jsonType)
	}
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

// refuseAll answers a request of which no event was accepted: 400 with the results, and the first event's reason as the request's.
func (r *request) refuseAll(rejected int) {
	first := &r.batch.Events[0]
	r.label = reasonLabel(first.Reason)
	r.ctx.Response.SetStatusCode(fasthttp.StatusBadRequest)
	r.reply = appendProblem(r.reply[:0], first.Reason.String(), "Every event was refused", fasthttp.StatusBadRequest, first.Detail, r.idText)
	r.appendOutcome(0, rejected)
	r.send(problemType)
}

// appendOutcome appends the members that say what became of the events, and ends the object.
func (r *request) appendOutcome(accepted, rejected int) {
	b := &r.batch
	dst := r.reply
	if accepted == 0 {
		dst = append(dst, `,"success":false`...)
	}
	dst = strconv.AppendInt(append(dst, `,"accepted":`...), int64(accepted), 10)
	dst = strconv.AppendInt(append(dst, `,"rejected":`...), int64(rejected), 10)
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
		dst = appendResult(dst, e)
	}
	r.reply = append(dst, ']', '}')
}

func appendResult(dst []byte, e *schema.Event) []byte {
	dst = strconv.AppendInt(append(dst, `{"index":`...), int64(e.Index), 10)
	if e.ID != (schema.UUID{}) {
		dst = append(e.ID.AppendText(append(dst, `,"id":"`...)), '"')
	}
	text := func(key, value string) {
		if value == "" {
			return
		}
		dst = append(append(append(dst, ',', '"'), key...), '"', ':', '"')
		dst, _ = scan.AppendEscaped(dst, []byte(value))
		dst = append(dst, '"')
	}
	text("result", e.Result.String())
	text("code", e.Reason.String())
	text("field", e.Pointer)
	text("detail", e.Detail)
	if e.Result == schema.Drop {
		dst = strconv.AppendBool(append(dst, `,"quarantined":`...), e.Quarantined)
	}
	return append(dst, '}')
}
