package sdk

import "strings"

// segmentNames are the names of events whose type has none of its own.
var segmentNames = map[string]string{"identify": "$identify", "page": "$pageview", "screen": "$screen", "group": "$group", "alias": "$alias"}

var segmentPaths = map[string]string{"t": "track", "i": "identify", "p": "page", "s": "screen", "g": "group", "a": "alias"}

// readSegment reads a request of the SDKs of Segment, RudderStack and Jitsu.
func readSegment(e *exchange, body any) (wants []want) {
	whole, _ := body.(object)
	events, inBatch := list(whole["batch"]), true
	if whole["batch"] == nil {
		events, inBatch = list(body), false
	}
	last := e.path[strings.LastIndexByte(e.path, '/')+1:]
	for _, ev := range events {
		kind := first(str(ev, "type"), segmentPaths[last], last)
		library := sub(sub(ev, "context"), "library")
		user, anonymous := str(ev, "userId"), str(ev, "anonymousId")
		traits := sub(ev, "traits")
		if traits == nil && kind == "identify" {
			// The Python SDK of RudderStack says an identity's traits in the context only.
			traits = sub(sub(ev, "context"), "traits")
		}
		name := first(str(ev, "event"), segmentNames[kind])
		wants = append(wants, want{
			mark: kind + " " + name, sent: ev, id: uuidOf(str(ev, "messageId")), given: str(ev, "messageId"), ts: isoMillis(first(str(ev, "timestamp"), str(ev, "originalTimestamp"))),
			props: nonNil(sub(ev, "properties")), traits: nonNil(traits), context: nonNil(segmentContext(ev, inBatch)),
			columns: map[string]any{
				"type": kind, "event": name, "name": str(ev, "name"), "user_id": user, "anonymous_id": anonymous, "distinct_id": first(user, anonymous), "group_id": str(ev, "groupId"),
				"previous_id": str(ev, "previousId"), "lib": str(library, "name"), "lib_version": str(library, "version"), "dialect": "segment",
			},
		})
	}
	return wants
}

// segmentFields are the members of an event that have a place of their own, or say how it is to be delivered.
var segmentFields = []string{
	"type", "event", "name", "userId", "anonymousId", "groupId", "previousId", "messageId", "timestamp", "originalTimestamp", "sentAt", "properties", "traits", "context", "writeKey", "integrations", "_metadata",
}

// segmentContext is the context with all other members of the event in "$other", but for those that hold nothing: also those whose place is taken, by a second time or by
// the time of sending of the whole batch.
func segmentContext(ev object, inBatch bool) object {
	others := clone(ev, segmentFields...)
	if str(ev, "timestamp") != "" && ev["originalTimestamp"] != nil {
		others["originalTimestamp"] = ev["originalTimestamp"]
	}
	if inBatch && ev["sentAt"] != nil {
		others["sentAt"] = ev["sentAt"]
	}
	for name, v := range others {
		if holdsNothing(v) {
			delete(others, name)
		}
	}
	context := clone(sub(ev, "context"))
	if len(others) == 0 {
		return context
	}
	if context == nil {
		context = object{}
	}
	context["$other"] = others
	return context
}

func holdsNothing(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case object:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}
