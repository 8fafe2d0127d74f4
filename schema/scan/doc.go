// Package scan walks JSON text (RFC 8259) in one pass without building objects.
//
// It is the only JSON reader on the hot path: the dialects use it to find the envelope fields of an event, the record codec to read
// records that others wrote, the sink to pick declared properties out of a span. It checks what it walks over: grammar, UTF-8
// (RFC 3629) and nesting. A grammar error ends the walk, because nothing after it can be trusted. Bad UTF-8 and too deep nesting do not: they are
// remembered as flags, so that one bad event can be refused and the walk goes on to its siblings.
//
// The scanner borrows the text, returns spans of it, allocates nothing in steady state and starts no goroutine.
package scan
