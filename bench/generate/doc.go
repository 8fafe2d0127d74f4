// Package generate makes the events of a load test: a seeded simulation of a shop whose visitors browse, buy, log in and come back, rendered beforehand into the
// bodies of requests, so that sending costs little more than a copy. The same scenario always makes the same bytes.
//
//   - pool.go, producer.go: all bodies of a run, and those of one connection
//   - body.go: one request, and how ids and times are written into it
//   - shop.go, session.go, user.go: who does what next
//   - catalog.go, names.go, words.go, phrases.go: what there is to do it with
//   - draft.go, context.go, properties.go, value.go: one event as JSON
//   - segment.go, native.go: the envelopes of the dialects
//   - fault.go: events that must be refused
//   - random.go: sizes and shares
//
// A Pool is built on all processors by goroutines that have ended when New returns. Afterwards each Producer and its bodies belong to one goroutine at a time: Stamp
// writes into the body.
package generate
