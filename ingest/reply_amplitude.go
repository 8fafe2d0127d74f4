package ingest

import (
	"slices"
	"strconv"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
	"github.com/valyala/fasthttp"
)

// The answers of Amplitude's routes. Its SDKs read the status out of the body, from the number that is code. They give a request up when error begins with
// "Invalid API key" or missing_field is something; of any other that is at fault they send all events again, twelve times over.

// amplitudeStatus: they know no key that is unknown but under 400.
func amplitudeStatus(_ *request, p *refusal) int {
	switch p.code {
	case codeInvalidKey, codeForbiddenScope:
		return fasthttp.StatusBadRequest
	}
	return p.status
}

func (r *request) answerAmplitude(t tally) {
	dst := append(r.reply[:0], `{"code":200,"events_ingested":`...)
	dst = strconv.AppendInt(dst, int64(t.accepted), 10)
	dst = strconv.AppendInt(append(dst, `,"payload_size_bytes":`...), int64(r.size), 10)
	dst = strconv.AppendInt(append(dst, `,"server_upload_time":`...), r.start.UnixMilli(), 10)
	dst = append(append(append(dst, `,"request_id":"`...), r.idText...), '"')
	if t.rejected > 0 {
		dst = appendRejected(dst, r.batch.Events)
	}
	r.reply = dst
	r.appendOutcome(t)
	r.send(jsonType)
}

// The lists in which rejected events stand, by what is wrong with them.
var rejectedLists = [...]string{"events_with_missing_fields", "events_with_invalid_id_lengths", "events_with_invalid_fields"}

func rejectedList(reason schema.Reason) int {
	switch reason {
	case schema.MissingEvent, schema.MissingUser:
		return 0
	case schema.IDTooLong:
		return 1
	}
	return 2
}

// appendRejected appends the lists of rejected events: for each field at fault the indexes of its events.
func appendRejected(dst []byte, events []schema.Event) []byte {
	var lists [len(rejectedLists)]map[string][]int
	for i := range events {
		e := &events[i]
		if e.Result != schema.Drop {
			continue
		}
		field := "event"
		if len(e.Pointer) > 1 {
			field = e.Pointer[1:]
		}
		list := &lists[rejectedList(e.Reason)]
		if *list == nil {
			*list = map[string][]int{}
		}
		(*list)[field] = append((*list)[field], e.Index)
	}
	for i, list := range lists {
		if list == nil {
			continue
		}
		dst = append(append(append(dst, ',', '"'), rejectedLists[i]...), '"', ':')
		fields := make([]string, 0, len(list))
		for field := range list {
			fields = append(fields, field)
		}
		slices.Sort(fields)
		lead := byte('{')
		for _, field := range fields {
			dst = append(dst, lead, '"')
			dst, _ = scan.AppendEscaped(dst, []byte(field))
			dst = append(dst, '"', ':')
			lead = '['
			for _, index := range list[field] {
				dst = strconv.AppendInt(append(dst, lead), int64(index), 10)
				lead = ','
			}
			dst = append(dst, ']')
		}
		dst = append(dst, '}')
	}
	return dst
}

// refuseNumbered renders a refusal whose code is the number of its status.
func (r *request) refuseNumbered(n notice) {
	dst := strconv.AppendInt(append(r.reply[:0], `{"code":`...), int64(n.status), 10)
	missing := "null"
	switch {
	case n.of == codeInvalidKey || n.of == codeForbiddenScope:
		dst = r.appendKeyError(dst, n)
	default:
		dst = appendMember(dst, "error", n.detail)
		if n.final() {
			missing = `"events"` // those that can be read
		}
	}
	dst = append(append(dst, `,"missing_field":`...), missing...)
	dst = strconv.AppendInt(append(dst, `,"status":`...), int64(n.status), 10)
	dst = appendMember(dst, "error_code", n.code)
	dst = appendMember(dst, "title", n.title)
	dst = appendMember(dst, "detail", n.detail)
	dst = appendMember(dst, "message", n.detail)
	dst = appendMember(dst, "type", errorDocument+n.code)
	r.reply = append(append(append(dst, `,"request_id":"`...), r.idText...), '"')
	r.plainly()
	if n.results {
		r.appendOutcome(r.tally())
	} else {
		r.reply = append(r.reply, '}')
	}
	r.send(jsonType)
}

// maxKeyShown is how much of a key that is not known is repeated, in bytes.
const maxKeyShown = 64

// appendKeyError appends the error by which the SDKs know that their key is at fault, with the key that they showed.
func (r *request) appendKeyError(dst []byte, n notice) []byte {
	key, shown := findKey(&r.header, r.ctx.QueryArgs(), r.scratch)
	text := key.text
	if !shown {
		text = r.bodyKey
	}
	if len(text) > maxKeyShown || !printable(text) {
		text = nil
	}
	dst = append(dst, `,"error":"Invalid API key: `...)
	dst, _ = scan.AppendEscaped(dst, text)
	if len(text) > 0 {
		dst = append(dst, ": "...)
	}
	dst, _ = scan.AppendEscaped(dst, []byte(n.detail))
	return append(dst, '"')
}

// sharedStatus: what some of the families would take as final is said as what they all retry.
func sharedStatus(r *request, p *refusal) int {
	switch p.status {
	case fasthttp.StatusRequestTimeout:
		return fasthttp.StatusServiceUnavailable
	case fasthttp.StatusServiceUnavailable:
		if r.isAnalyticsNode() {
			return fasthttp.StatusTooManyRequests
		}
	}
	return p.status
}
