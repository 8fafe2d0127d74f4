package ingest

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// The answers of the native routes and of those of Segment, RudderStack and Jitsu: a count and the results by index, or a problem (RFC 9457). Segment's SDK for Python
// sends a refusal ten times if it has no code and message, and Jitsu's wants JSON under every success.

// someTaken: native clients are told per event what to send again, as long as anything was taken.
func someTaken(_ *request, t tally) bool { return t.accepted > 0 }

func (r *request) answerPlain(t tally) { r.answerWith(`{"success":true,"request_id":"`, t) }

func (r *request) answerJitsu(t tally) { r.answerWith(`{"ok":true,"success":true,"request_id":"`, t) }

func (r *request) answerPostHog(t tally) {
	if string(r.param("beacon")) == "1" {
		r.ctx.Response.SetStatusCode(fasthttp.StatusNoContent)
		return
	}
	r.answerWith(`{"status":1,"request_id":"`, t)
}

// answerWith answers with the outcome behind a head that ends where the request's id belongs.
func (r *request) answerWith(head string, t tally) {
	r.reply = append(append(append(r.reply[:0], head...), r.idText...), '"')
	r.endOutcome(t)
	r.send(jsonType)
}

// endOutcome ends the object in the reply, with the outcome if there were events.
func (r *request) endOutcome(t tally) {
	if t == (tally{}) {
		r.reply = append(r.reply, '}')
		return
	}
	r.appendOutcome(t)
}

func (r *request) refusePlain(n notice) {
	r.reply = appendProblem(r.reply[:0], n.code, n.title, n.status, n.detail, r.idText)
	r.endProblem(n)
}

// endProblem ends the problem in the reply.
func (r *request) endProblem(n notice) {
	if n.results {
		t := r.tally()
		if t.accepted == 0 {
			r.reply = append(r.reply, `,"success":false`...)
		}
		r.appendOutcome(t)
	} else {
		r.reply = append(r.reply, '}')
	}
	r.send(problemType)
}

// segmentStatus: Segment's own SDKs for Node and browsers count a 503 against the few attempts that an event has, and wait without counting after a 429 with
// Retry-After; every other SDK understands 503.
func segmentStatus(r *request, p *refusal) int {
	if p.status == fasthttp.StatusServiceUnavailable && (r.route.Browser || r.isAnalyticsNode()) {
		return fasthttp.StatusTooManyRequests
	}
	return p.status
}

func (r *request) isAnalyticsNode() bool {
	return bytes.HasPrefix(r.header.userAgent, []byte("analytics-node"))
}

// posthogStatus: SDKs in browsers give up what is answered with any status of the four hundreds, also what should wait or was only slow; all the others understand 503 as
// well as 429.
func posthogStatus(r *request, p *refusal) int {
	switch {
	case p.status == fasthttp.StatusTooManyRequests, p.status == fasthttp.StatusRequestTimeout && r.route.Browser:
		return fasthttp.StatusServiceUnavailable
	}
	return p.status
}
