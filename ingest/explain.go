package ingest

import "github.com/millrace/millrace/schema"

// explanation is what a code means, and what to do about it. docs/errors.md says the same.
type explanation struct{ meaning, cure string }

// requestCodes explains the codes of a whole request.
var requestCodes = [numCodes]explanation{
	codeInvalidJSON:          {"the body is not JSON; `detail` names the byte", "send complete JSON. With a valid key the body is kept in quarantine"},
	codeInvalidEncoding:      {"the compressed or base64 body is damaged or cut", "encode again; check `Content-Length`"},
	codeNestedEncoding:       {"compressed more than once", "compress once"},
	codeInvalidFraming:       {"contradicting length headers or two hosts", "fix the client or the proxy before it"},
	codeInvalidRequest:       {"the request cannot be read as the route expects it", "see `detail`"},
	codeEmptyBatch:           {"no event in the request", "send at least one"},
	codeInvalidKey:           {"no key, or one that is unknown", "the key goes into Basic user, Bearer, `X-Write-Key`, the query's `writeKey`, `api_key` or `token`, or where the SDK puts it in the body"},
	codeForbiddenScope:       {"the key is known and not for this: one with scope query sends no events, one without manage changes no segments", "`millrace keys create NAME --scope …` with what `detail` says"},
	codeUnknownRoute:         {"no such path", "`GET /openapi.json` lists all paths"},
	codeMethodNotAllowed:     {"the path exists for another method", "see header `Allow`"},
	codeTimeout:              {"the request came too slowly", "`ingest.header_timeout`, `ingest.body_timeout`"},
	codeTooLarge:             {"body or number of events above the limit", "smaller batches, or `ingest.max_body_bytes`, `ingest.max_events`"},
	codeDecompressedTooLarge: {"decompresses to more than is allowed", "`ingest.max_decompressed_bytes`, `ingest.max_ratio`"},
	codeUnsupportedMediaType: {"the content type cannot be JSON", "`application/json`"},
	codeUnsupportedEncoding:  {"unknown `Content-Encoding`", "`gzip`, `deflate`, `br` or `zstd`"},
	codeRateLimited:          {"too many bodies at once from one address before their key is known", "send the key in the header, or wait for `Retry-After`"},
	codeHeaderTooLarge:       {"headers above the limit", "`ingest.max_header_bytes`"},
	codeOverloaded:           {"a queue is full; nothing was stored", "send again after `Retry-After`"},
	codeStorageFull:          {"the disk is full", "free space"},
	codeBrokerUnavailable:    {"the broker did not acknowledge in `broker.ack_timeout`", "send again; the same ids make a repeat harmless"},
	codeBacklog: {
		"events are not loaded fast enough: the embedded broker's log has reached its limit, or an external broker's retention would soon remove unread ones",
		"look at the sink (`millrace sink status`); `broker.embedded_max_bytes`, the topic's retention, `broker.retention_refuse_ratio`",
	},
	codeInternal: {"a bug; the process lives", "report it with the request id"},
	codeNotReady: {"only of `/readyz`: events cannot be accepted durably now", "`/readyz?verbose` names what is missing"},
}

// eventCodes explains the codes of one event.
var eventCodes = map[schema.Reason]explanation{
	schema.MissingEvent:      {"no event name", "give every track call the name of what happened"},
	schema.MissingUser:       {"no id of a user (or group, or previous id, where the type needs one)", "send the user's id, or an anonymous one"},
	schema.InvalidType:       {"a field has another JSON type than it must have, or `type` is unknown", "see `field` and `detail`"},
	schema.InvalidUTF8:       {"bytes that are not UTF-8", "encode the request as UTF-8"},
	schema.IllegalID:         {"an id that names nobody: `undefined`, `null`, `anonymous`, …", "send the person's own id, or only an anonymous one"},
	schema.IDTooLong:         {"longer than `limits.max_id_bytes`", "send a shorter id"},
	schema.NameTooLong:       {"longer than `limits.max_name_bytes`", "a short name; details belong in properties"},
	schema.EventTooLarge:     {"larger than `limits.max_event_bytes`; the first 64 KiB are kept", "send less in one event"},
	schema.TooManyProperties: {"more than `limits.max_properties` at the top level", "nest them or send fewer"},
	schema.TooDeep:           {"nested deeper than `limits.max_depth`", "flatten the event"},
	schema.InvalidTimestamp:  {"a time that cannot be read", "RFC 3339, or a count since 1970 in seconds, milliseconds, microseconds or nanoseconds"},
	schema.InvalidJSON:       {"a line of NDJSON, or a whole body, that is not JSON", "send complete JSON"},
	schema.InvalidRecord:     {"only in quarantine, stage `sink`: a record on the topic that is no event", "look at who else writes to the topic"},
	schema.Erased:            {"one of its ids belongs to a person who was erased. The only drop that is not kept in quarantine (`\"quarantined\":false`)", "`millrace erase allow` lets the person come back"},
	schema.TimestampAdjusted: {"more than `limits.max_ahead` in the future or older than `limits.max_age`: `ts` is the time of arrival, the client's is kept in `client_ts`", "set the clock, or raise the limit"},
	schema.Overloaded:        {"not stored: a queue is full", "send it again with the same id"},
	schema.Unknown:           {"not known to be stored: the broker did not acknowledge", "send it again with the same id"},
}

// resultOf is the result that an event with the reason has.
func resultOf(r schema.Reason) schema.Result {
	switch r {
	case schema.TimestampAdjusted:
		return schema.Warning
	case schema.Overloaded, schema.Unknown:
		return schema.Retry
	}
	return schema.Drop
}
