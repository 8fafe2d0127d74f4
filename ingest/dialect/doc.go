// Package dialect reads request bodies as SDKs write them into the events of a schema.Batch: one file per SDK family, and one table that says
// which path speaks which dialect.
//
//   - table.go: path → Route; classify.go: which family's route a body is for where several share the path, and where it carries its write key
//   - native.go, segment.go, posthog*.go, amplitude*.go, mixpanel*.go: what is particular to a family: the names of members, the shape around the events, what its
//     calls are called, and its operations on properties of people and groups
//   - operations.go: the native members that say what is done to properties; group.go: the ids of groups that have a kind
//   - event.go, context.go, url.go, campaign.go: what all families share: collecting the members of an event and filling the envelope
//   - others.go: the members that become no field; compose.go: JSON objects made of members of the body
//   - decoder.go: the walk over the body; lines.go: NDJSON
//
// A Decoder is a pure function over bytes with reusable scratch memory: it knows no HTTP, keeps nothing of a batch after it returned, starts no
// goroutine and allocates nothing for events that are in order. The body is scanned once. Member names are compared after unescaping, of duplicate members
// the last counts (also when it is null), and null and "" count as absent. Nothing else of an event is lost: what becomes no field of its own stays in the properties or goes to the context;
// taken out are the write key and what SDKs of Segment tell their vendor's router. Of the object around events only what it says of all of them is read.
//
// A fault of one event refuses that event (schema.Event.Refuse) and leaves its siblings alone. A fault of the body as a whole is an *Error.
package dialect
