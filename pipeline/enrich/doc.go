// Package enrich completes an event with what the client left to the gateway: its names, its actor, its times, its id and its session, what its user agent and its address say. It runs on the
// request's goroutine, between validation and encoding, and nowhere else: what lands on the topic is final.
//
//   - enricher.go: what is known beyond a request, shared by all; request.go: what is the same for all events of one
//   - name.go, actor.go, clock.go, id.go: the event's name, its distinct id, when it happened, which event it is
//   - describe.go: browser, system, device and the label of bots; agent.go reads user agents, agentcache.go remembers them, library.go, bot.go and device.go are its tables
//   - place.go: country and city; database.go has the files
//   - address.go: what becomes of addresses; secret.go: the secret of those that are hashed
//   - session.go: which session it belongs to; visits.go: when people did something last
//   - stats.go: metrics
//
// Nothing here refuses an event: what cannot be found out stays empty and is counted, a panic of a library included. A Request does no input or output, takes no lock but short ones and makes
// no memory per event once it is warm. The only goroutine is that of Enricher.Run, which reads changed databases. Text that must be written goes into the batch's buffer. A Request is reused from
// request to request, is not safe for concurrent use and keeps no reference to a batch.
//
// Caveats: reading an unknown user agent takes a millisecond, so all of that together gets a share of one processor, and what exceeds it is left empty (agentReader). A database is in memory as a
// whole, twice while a changed one is read.
package enrich
