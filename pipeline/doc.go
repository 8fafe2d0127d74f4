// Package pipeline takes decoded events from the request's goroutine to the broker: validate and enrich, encode, partition, group commit, produce.
//
//	request's goroutine                      │ one goroutine per shard             │ one per shard and leader
//	Submit: judge → encode → reserve → push ─┼─▶ ring → queue per partition → batch ┼─▶ produce, acks=all
//	   ▲                                     │                                      │        │
//	   └────────────── last chunk settled ◀──┼──────────── classify, settle ◀───────┼────────┘
//
// Submit returns when every event of the request has its final outcome; nothing is answered from memory alone. An acknowledged event is in the broker, by an
// idempotent producer, acknowledged by all in-sync replicas. A refused event goes to the quarantine topic on the same way. While the broker does not answer
// within the ack timeout nothing is acknowledged: there is no second place to keep events yet.
//
//   - submit.go, judge.go, encode.go, quarantine.go: on the request's goroutine
//   - request.go, chunk.go: what crosses over, and who gives up waiting for whom
//   - shard.go, queue.go, partition.go: from the ring to a batch
//   - sender.go, result.go: to the broker, and what its answer means
//   - producer.go, routes.go: producer ids, leaders
//   - health.go, drain.go, metrics.go, throttle.go: readiness, the end, counters, logs
//
// Memory. A request's records are encoded into its own arena before the caller waits, in chunks of one partition each; the arena returns to a pool when the
// caller and the last chunk are done with it. Nothing of the caller's batch is referenced after Submit returned. What waits in shards is
// bounded by Config.RingBytes per shard; a full ring refuses at once.
//
// Goroutines. New starts none. Run starts the router, and per shard the shard itself, its source of producer ids and one sender per leader; it joins them all.
//
// Order. Events of one key keep the order of their requests: one partition, one ring, one queue, one batch in flight.
package pipeline
