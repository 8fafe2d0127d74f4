package ingest

import (
	"strconv"
	"unicode/utf8"

	"github.com/millrace/millrace/schema"
)

// The answers of PostHog's second protocol: {"results":{"<uuid>":{"result":"ok|warning|drop|retry","details":"…"}}}. Its SDKs send again what says retry, and take what is
// not in the map as stored.

// allNamed: an event without a uuid cannot be told in the map that it must be sent again.
func allNamed(r *request, _ tally) bool {
	for i := range r.batch.Events {
		if e := &r.batch.Events[i]; e.Result == schema.Retry && len(r.given(e)) == 0 {
			return false
		}
	}
	return true
}

func (r *request) answerCapture(t tally) {
	r.echoRequest()
	r.reply = append(r.reply[:0], `{"results":{`...)
	first := true
	// Of two events with one uuid the one that must be sent again is said last, which is the one that counts.
	r.appendNamed(&first, func(e *schema.Event) bool { return e.Result != schema.Retry })
	r.appendNamed(&first, func(e *schema.Event) bool { return e.Result == schema.Retry })
	dst := append(r.reply, `},"request_id":"`...)
	dst = append(append(dst, r.idText...), '"')
	dst = strconv.AppendInt(append(dst, `,"accepted":`...), int64(t.accepted), 10)
	dst = strconv.AppendInt(append(dst, `,"rejected":`...), int64(t.rejected), 10)
	dst = append(append(append(dst, `,"durability":"`...), r.batch.Durability.String()...), '"')
	first = true
	for i := range r.batch.Events {
		e := &r.batch.Events[i]
		if len(r.given(e)) > 0 {
			continue
		}
		if first {
			dst = append(dst, `,"unnamed":[`...)
		} else {
			dst = append(dst, ',')
		}
		first = false
		dst = append(appendResult(strconv.AppendInt(append(dst, `{"index":`...), int64(e.Index), 10), e), '}')
	}
	if !first {
		dst = append(dst, ']')
	}
	r.reply = append(dst, '}')
	r.send(jsonType)
}

// given is the id that the client gave the event, as the text of a JSON string; empty when there is none, or none that an answer can hold.
func (r *request) given(e *schema.Event) []byte {
	if id := e.ClientID.In(r.batch.Buf); utf8.Valid(id) {
		return id
	}
	return nil
}

// appendNamed appends the results of the events that have a uuid and that which tells, under the uuid as the client wrote it.
func (r *request) appendNamed(first *bool, which func(*schema.Event) bool) {
	b := &r.batch
	dst := r.reply
	for i := range b.Events {
		e := &b.Events[i]
		id := r.given(e)
		if len(id) == 0 || !which(e) {
			continue
		}
		if !*first {
			dst = append(dst, ',')
		}
		*first = false
		dst = append(append(append(dst, '"'), id...), `":{"result":"`...)
		dst = append(append(dst, e.Result.String()...), '"')
		details := e.Detail
		if details == "" {
			details = e.Reason.String()
		}
		dst = appendMember(dst, "details", details)
		dst = appendMember(dst, "code", e.Reason.String())
		dst = append(appendMember(dst, "field", e.Pointer), '}')
	}
	r.reply = dst
}

// refuseCapture is a problem, which has the error and error_description that the protocol names, and the error_uri that it wants besides.
func (r *request) refuseCapture(n notice) {
	r.echoRequest()
	r.reply = appendProblem(r.reply[:0], n.code, n.title, n.status, n.detail, r.idText)
	r.reply = appendMember(r.reply, "error_uri", errorDocument+n.code)
	r.endProblem(n)
}

// maxEcho is the longest id of a request that is repeated.
const maxEcho = 128

// echoRequest repeats the client's id of the request.
func (r *request) echoRequest() {
	if id := r.header.posthogRequest; len(id) <= maxEcho && printable(id) {
		r.ctx.Response.Header.SetBytesV("PostHog-Request-Id", id)
	}
}
