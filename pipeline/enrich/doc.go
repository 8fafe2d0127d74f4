// Package enrich completes an event with what the client left to the gateway: its names, its actor, its times, its id and its session. It runs on the
// request's goroutine, between validation and encoding, and nowhere else: what lands on the topic is final.
//
//   - request.go: what is the same for all events of a request
//   - name.go, actor.go: the event's name and its distinct id
//   - clock.go: when it happened
//   - id.go: which event it is
//   - session.go: which session it belongs to
//
// Nothing here refuses an event, does input or output, starts a goroutine or reads a clock: the time comes with the batch. Text that must be written goes
// into the batch's buffer. A Request is reused from request to request, is not safe for concurrent use and keeps no reference to a batch.
package enrich
