package ingest

import (
	"strconv"
	"strings"

	"github.com/millrace/millrace/ingest/dialect"
	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
	"github.com/valyala/fasthttp"
)

// The answers of Mixpanel's routes: the text 1 or 0, or, where the request asks for verbose=1, JSON whose status is the number 1 or 0; an image for img=1 and a call for
// callback=f. The parameter redirect is not followed: it would send anybody anywhere.

// mixpanelStatus: the SDK in browsers gives up what is answered with a status of the four hundreds but 429.
func mixpanelStatus(_ *request, p *refusal) int {
	if p.status == fasthttp.StatusRequestTimeout {
		return fasthttp.StatusServiceUnavailable
	}
	return p.status
}

func (r *request) answerMixpanel(t tally) {
	if r.route.Shape == dialect.Discarded {
		r.reply = append(r.reply[:0], `{"code":200,"status":"OK"`...)
		r.endTold(t)
		return
	}
	if !r.asked("verbose") {
		r.tell("1")
		return
	}
	r.reply = append(r.reply[:0], `{"status":1,"error":null`...)
	r.endTold(t)
}

// answerImport answers for events of the past: as documented where the request says strict=1, with what was refused under 400.
func (r *request) answerImport(t tally) {
	if !r.asked("strict") {
		if !r.asked("verbose") {
			r.tell("1")
			return
		}
		r.reply = append(r.reply[:0], `{"status":1,"error":null,"code":200,"num_records_imported":`...)
		r.reply = strconv.AppendInt(r.reply, int64(t.accepted), 10)
		r.endTold(t)
		return
	}
	status, dst := fasthttp.StatusOK, append(r.reply[:0], `{"code":`...)
	if t.rejected > 0 {
		status = fasthttp.StatusBadRequest
	}
	r.ctx.Response.SetStatusCode(status)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = strconv.AppendInt(append(dst, `,"num_records_imported":`...), int64(t.accepted), 10)
	dst = appendMember(dst, "status", fasthttp.StatusMessage(status))
	if t.rejected > 0 {
		dst = appendMember(dst, "error", "some data points in the request failed validation")
		dst = r.appendFailed(dst)
	}
	r.reply = dst
	r.endTold(t)
}

// appendFailed appends the records that were refused, as Mixpanel lists them.
func (r *request) appendFailed(dst []byte) []byte {
	b := &r.batch
	dst = append(dst, `,"failed_records":`...)
	lead := byte('[')
	for i := range b.Events {
		e := &b.Events[i]
		if e.Result != schema.Drop {
			continue
		}
		dst = strconv.AppendInt(append(append(dst, lead), `{"index":`...), int64(e.Index), 10)
		lead = ','
		dst = append(append(append(dst, `,"insert_id":"`...), r.given(e)...), `","field":"`...)
		field := strings.ReplaceAll(strings.TrimPrefix(e.Pointer, "/"), "/", ".") // properties.time, not /properties/time
		dst, _ = scan.AppendEscaped(dst, []byte(field))
		dst = append(dst, '"')
		message := e.Detail
		if message == "" {
			message = e.Reason.String()
		}
		dst = append(appendMember(dst, "message", message), '}')
	}
	return append(dst, ']')
}

// refuseMixpanel answers a refusal. Until the body is read nobody knows whether its form asks for JSON, which the SDK for Python does and cannot do without; the others
// take any text but 1 as what went wrong.
func (r *request) refuseMixpanel(n notice) {
	strict := r.asked("strict")
	unknown := r.ctx.IsPost() && !r.settled && len(r.param("verbose")) == 0
	if !strict && !r.asked("verbose") && !unknown {
		r.tell("0")
		return
	}
	dst := append(r.reply[:0], `{"status":`...)
	if strict {
		dst = append(append(append(dst, '"'), fasthttp.StatusMessage(n.status)...), `","num_records_imported":0`...)
	} else {
		dst = append(dst, '0')
	}
	dst = strconv.AppendInt(append(dst, `,"code":`...), int64(n.status), 10)
	dst = appendMember(dst, "error", n.detail)
	dst = appendMember(dst, "error_code", n.code)
	r.reply = appendMember(dst, "detail", n.detail)
	if n.results {
		r.endTold(r.tally())
		return
	}
	r.endTold(tally{})
}

// asked tells whether a parameter is switched on.
func (r *request) asked(name string) bool {
	value := string(r.param(name))
	return value == "1" || value == "true"
}

// endTold ends the JSON in the reply with the outcome, if there are events, and sends it.
func (r *request) endTold(t tally) {
	r.reply = append(append(append(r.reply, `,"request_id":"`...), r.idText...), '"')
	r.endOutcome(t)
	r.dress(jsonType)
}

// tell sends a text that is a number.
func (r *request) tell(text string) {
	r.reply = append(r.reply[:0], text...)
	r.dress(plainType)
}

// dress sends the reply as the request wants it: as an image, as a call of a function, or as it is.
func (r *request) dress(contentType string) {
	r.plainly()
	if r.asked("img") {
		r.sendPixel()
		return
	}
	if name := r.param("callback"); isFunction(name) {
		call := len(r.reply)
		r.reply = append(append(append(r.reply, name...), '('), r.reply[:call]...)
		r.reply = append(r.reply, ')')
		r.reply = r.reply[:copy(r.reply, r.reply[call:])]
		contentType = scriptType
	}
	r.send(contentType)
}

// maxFunction is the longest path of a function that is called back, in bytes.
const maxFunction = 128

// isFunction tells whether text is the path of a function, a.b.c, and nothing else: it is sent back as the begin of a script.
func isFunction(text []byte) bool {
	start := true
	for _, c := range text {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c == '$'
		switch {
		case letter, !start && c >= '0' && c <= '9':
			start = false
		case c == '.' && !start:
			start = true
		default:
			return false
		}
	}
	return !start && len(text) <= maxFunction
}
