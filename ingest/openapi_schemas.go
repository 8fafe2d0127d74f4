package ingest

import (
	"slices"

	"github.com/millrace/millrace/schema"
)

// schemas are the JSON Schemas of bodies and answers. Those of bodies say what is required of the shape; what is wrong with one event shows in its result.
func schemas() object {
	text := object{"type": "string"}
	integer := object{"type": "integer", "minimum": 0}
	props := object{"type": "object"}
	time := object{"type": list{"string", "number"}, "description": "RFC 3339, or a count since 1970 in seconds, milliseconds, microseconds or nanoseconds"}
	arrayOf := func(items object) object { return object{"type": "array", "items": items} }
	var requestWords, eventWords, results, types []string
	for c := codeOK + 1; c < numCodes; c++ {
		requestWords = append(requestWords, c.String())
	}
	for _, r := range schema.Reasons() {
		eventWords = append(eventWords, r.String())
	}
	for r := schema.OK; r <= schema.Retry; r++ {
		results = append(results, r.String())
	}
	for t := schema.Track; t <= schema.Unmerge; t++ {
		types = append(types, t.String())
	}
	nativeEvent := object{"type": "object", "properties": object{
		"id": text, "type": object{"enum": anyOf(types)}, "event": text, "distinct_id": text, "user_id": text, "anonymous_id": text, "group_id": text, "previous_id": text, "session_id": object{"type": list{"string", "number"}},
		"ts": time, "properties": props, "context": props, "traits": props, "set": props, "set_once": props, "add": props, "append": props, "concat": props, "prepend": props, "union": props, "remove": props,
		"unset": arrayOf(text), "clear": object{"type": "boolean"}, "correlation_id": text, "causation_id": text, "hops": object{"type": "integer", "minimum": 0, "maximum": 255},
	}}
	segmentEvent := object{"type": "object", "properties": object{
		"messageId": text, "type": text, "event": text, "userId": object{"type": list{"string", "null"}}, "anonymousId": object{"type": list{"string", "null"}}, "groupId": text, "previousId": text, "timestamp": time, "sentAt": time,
		"properties": props, "traits": props, "context": props, "writeKey": text,
	}}
	posthogEvent := object{"type": "object", "properties": object{"event": text, "uuid": text, "distinct_id": object{}, "timestamp": time, "properties": props, "$set": props, "$set_once": props, "api_key": text, "token": text}}
	amplitudeEvent := object{"type": "object", "properties": object{"event_type": text, "user_id": object{}, "device_id": object{}, "time": time, "insert_id": text, "event_properties": props, "user_properties": props, "groups": props}}
	mixpanelItem := object{"type": "object", "properties": object{"event": text, "properties": props, "$token": text, "$distinct_id": object{}}}
	return object{
		"nativeEvent":   nativeEvent,
		"nativeBody":    object{"oneOf": list{arrayOf(ref("nativeEvent")), object{"type": "object", "required": list{"events"}, "properties": object{"sent_at": time, "events": arrayOf(ref("nativeEvent"))}}, object{"allOf": list{ref("nativeEvent")}, "not": object{"required": list{"events"}}}}},
		"segmentBody":   object{"anyOf": list{object{"type": "object", "required": list{"batch"}, "properties": object{"batch": arrayOf(segmentEvent), "sentAt": time, "writeKey": text}}, segmentEvent}},
		"posthogBody":   object{"anyOf": list{object{"type": "object", "required": list{"batch"}, "properties": object{"batch": arrayOf(posthogEvent), "api_key": text, "sent_at": time}}, posthogEvent, arrayOf(posthogEvent)}},
		"amplitudeBody": object{"type": "object", "required": list{"api_key", "events"}, "properties": object{"api_key": text, "events": arrayOf(amplitudeEvent), "client_upload_time": time, "options": props}},
		"mixpanelBody":  object{"anyOf": list{mixpanelItem, arrayOf(mixpanelItem)}},

		"result": object{"type": "object", "required": list{"index", "result"}, "properties": object{
			"index": integer, "id": object{"type": "string", "format": "uuid"}, "result": object{"enum": anyOf(results)}, "code": object{"enum": anyOf(eventWords)},
			"field": object{"type": "string", "description": "JSON pointer (RFC 6901) inside the event"}, "detail": text, "quarantined": object{"type": "boolean"},
		}},
		"outcome": object{"type": "object", "required": list{"success", "request_id", "accepted", "rejected", "durability", "results"}, "properties": object{
			"success": object{"type": "boolean"}, "ok": object{"type": "boolean"}, "request_id": object{"type": "string", "format": "uuid"}, "accepted": integer, "rejected": integer,
			"durability": object{"enum": list{schema.Broker.String(), schema.Relaxed.String(), schema.NotStored.String()}}, "id": text, "results": arrayOf(ref("result")),
		}},
		"posthogOutcome": object{"type": "object", "required": list{"status"}, "properties": object{"status": object{"const": 1}, "accepted": integer, "rejected": integer, "results": arrayOf(ref("result"))}},
		"captureOutcome": object{"type": "object", "required": list{"results"}, "properties": object{"results": object{"type": "object", "additionalProperties": object{
			"type": "object", "required": list{"result"}, "properties": object{"result": object{"enum": anyOf(results)}, "details": text, "code": object{"enum": anyOf(eventWords)}},
		}}}},
		"amplitudeOutcome": object{"type": "object", "required": list{"code", "events_ingested"}, "properties": object{"code": object{"const": 200}, "events_ingested": integer, "results": arrayOf(ref("result"))}},
		"mixpanelOutcome":  object{"type": "object", "required": list{"status"}, "properties": object{"status": object{"enum": list{1, "OK"}}, "results": arrayOf(ref("result"))}},
		"importOutcome":    object{"type": "object", "required": list{"status", "num_records_imported"}, "properties": object{"status": object{"enum": list{1, "OK", "Bad Request"}}, "code": object{"enum": list{200, 400}}, "num_records_imported": integer, "failed_records": arrayOf(props)}},
		"mixpanelProblem":  object{"type": "object", "required": list{"status", "code", "error", "error_code"}, "properties": object{"status": object{"type": list{"integer", "string"}}, "code": object{"type": "integer"}, "error": text, "error_code": text}},
		"numberedProblem": object{"type": "object", "required": list{"code", "error", "error_code", "detail", "message", "request_id"}, "properties": object{
			"code": object{"type": "integer"}, "error": text, "missing_field": object{"type": list{"string", "null"}}, "error_code": object{"enum": anyOf(append(slices.Clone(requestWords), eventWords...))}, "detail": text, "message": text, "request_id": text,
		}},
		"problem": object{"type": "object", "required": list{"type", "title", "status", "detail", "code", "message", "error", "error_description", "request_id"}, "properties": object{
			"type": text, "title": text, "status": object{"type": "integer"}, "detail": text, "code": object{"enum": anyOf(append(slices.Clone(requestWords), eventWords...))}, "message": text, "error": text, "error_description": text,
			"request_id": object{"type": "string", "format": "uuid"}, "results": arrayOf(ref("result")),
		}},
	}
}
