// Package ingest is the HTTP door: it takes requests from SDKs, turns them into a schema.Batch, hands that to a Submitter and answers with what became of
// each event, in the form that the SDK understands.
//
//	connection ─▶ header ─▶ admit (framing, route, key, length, encodings) ─▶ body under budgets ─▶ decompress ─▶ unwrap ─▶ dialect ─▶ Submit ─▶ reply
//
// Where to look:
//   - server.go, accept.go, conn.go: the server, its connections, and how they end
//   - handler.go: the story of one request; admit.go, header.go, media.go: all that is decided before the body
//   - body.go, inflate.go, budget.go: reading a body within time, size and memory; unwrap.go, form.go, base64.go: JSON out of forms, base64 and queries
//   - problem.go, reply.go, cors.go: answers and their codes, the only list; reply_*.go: the form of each SDK family
//   - page.go, bootstrap.go: paths that take no events; pixel.go: an event out of a query; validate.go: what would become of events
//   - documents.go, explain.go, openapi.go, openapi_schemas.go: what developers can read: codes with their cures, the description of the API
//   - auth.go: keys; metrics.go, throttle.go: what operators see
//
// Memory. One pooled request holds the batch, the decoder and the buffers. It is lent to Submit and taken back before the reply is written; nothing of
// fasthttp's RequestCtx outlives the handler, and no slice of the request outlives Submit. After a panic it is left to the garbage collector.
//
// Goroutines. Run starts one that accepts and one per connection, on which the handler and Submit run, and joins them all. fasthttp adds one for the
// process that keeps the Date header.
//
// Caveats. fasthttp joins folded headers and lets a Transfer-Encoding win over a Content-Length; header.go reads the raw header and refuses both, along
// with everything else that two HTTP parsers could read differently. A refusal that leaves a body unread closes the connection only after the client had time to
// read the answer (conn.go).
package ingest
