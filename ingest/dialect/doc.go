// Package dialect reads request bodies as SDKs write them into the events of a schema.Batch: one file per SDK family, and one table that says
// which path speaks which dialect.
//
//   - table.go: path → Route
//   - native.go, segment.go: what is particular to a family: the names of members and the shape around the events
//   - operations.go: the native members that say what is done to properties of people and groups
//   - event.go, context.go, url.go: what all families share: collecting the members of an event and filling the envelope
//   - decoder.go: the walk over the body; lines.go: NDJSON
//
// A Decoder is a pure function over bytes with reusable scratch memory: it knows no HTTP, keeps nothing of a batch after it returned, starts no
// goroutine and allocates nothing for events that are in order. The body is scanned once. Member names are compared after unescaping, of duplicate members
// the last counts (also when it is null), unknown members are walked over and ignored, and null and "" count as absent.
//
// A fault of one event refuses that event (schema.Event.Refuse) and leaves its siblings alone. A fault of the body as a whole is an *Error.
package dialect
