// Package broker is the Kafka protocol as Millrace uses it: a client for transport, produce, fetch, offsets and groups, and
// a codec for record batches. It knows nothing of events; any broker that speaks the Kafka protocol will do.
//
//	pipeline ──BatchBuilder──▶ Produce ──▶ broker ──▶ Fetch ──RecordReader──▶ sink
//	                                          ▲
//	                     JoinGroup, CommitOffsets (offset + metadata)
//
// Connections, TLS, SASL, version negotiation and routing are those of kafka-go's Transport. Produce and Fetch write and
// read raw bytes on its connections, because record batches are built and read by this package's own codec.
//
// Memory. A request is assembled in a buffer that the client owns, so nothing passed to a method is read after the method
// returned, not even when its outcome is unknown. What Fetch returns belongs to the caller. A RecordReader's records are
// views into the record set, valid until its next Reset.
//
// Goroutines. A Client starts none of its own; the Transport runs a few per connection, which end after Close. A Group runs
// one for its membership, which Group.Close joins.
//
// Caveats. Nothing is retried here: every method makes one attempt, and Classify says what an error means for the caller.
// Routing is refreshed every few seconds; after IsNotLeader, or after an ambiguous error of a whole exchange, call
// RefreshRoutes and ask Metadata. Fetch reads uncommitted: records of aborted transactions of other programs are returned.
package broker
