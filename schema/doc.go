// Package schema says what an event is, from the request that brings it to the row it becomes.
//
//   - limits.go, reason.go: what is refused, and the stable codes that say why
//   - text.go, field.go, envelope.go: the event itself, as spans of the text it came in
//   - batch.go: the events of one request, with what the request says of all of them, and the outcome of each
//   - uuid.go, id.go, time.go: ids and times, and the rules that make them trustworthy
//   - encode.go, decode.go, foreign.go: the record on the topic (a canonical JSON value and the "ix" header of lengths)
//   - quarantine.go: the record of a refused event
//
// The record is the only contract between the gateway and the sink. Its bytes are pinned by golden files in testdata.
//
// Nothing here knows HTTP, Kafka or a database driver, starts a goroutine or keeps a reference to what it was given, but for the spans that an Envelope
// holds into the buffer named beside it.
package schema
