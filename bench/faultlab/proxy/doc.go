// Package proxy is a TCP proxy that does damage on demand: it stands in one link of a system under test and cuts connections at an exact byte,
// swallows an answer that the server has surely given, slows bytes down, lets a connection go silent, or turns new ones away.
//
//	client ──▶ Proxy ──▶ upstream        one conn per connection: a stream to upstream and a stream to the client
//	             ▲
//	            Arm(Fault) ─▶ Shot        fires once, at the next moment that matches, and says what it did
//
// On a raw link (HTTP, ClickHouse's native protocol) the proxy sees bytes and bursts: what goes one way until something comes the other way. On a
// Kafka link it sees frames: it reads the size and the few fields behind it, matches answers to requests by their correlation id, and passes the rest
// on without collecting it. Only answers that name brokers (Metadata, FindCoordinator, DescribeCluster) are read whole, and every address in them
// becomes the proxy's own, so that no client finds a way around it.
//
// Ends of connections. Without a fault they are passed on as they are: an end of stream as an end of stream, a reset as a reset. Where the proxy itself
// ends a connection, the client gets a reset, and upstream an orderly end: half-close, then what it still says is read for up to two seconds, then
// close. An upstream that dies of resets so survives its clients' troubles.
//
// Goroutines. Run starts two per connection and one that waits for the end of its context, and joins them all.
//
// Memory. A connection owns two buffers of 64 KiB, reused by later ones; bytes are written from the buffer that they were read into.
//
// Caveats. One proxy stands for one broker: of a cluster with several, all would become its one upstream. Addresses that newer brokers put into answers
// to Produce and Fetch (from versions 10 and 16) are passed on as they are. TLS, and SASL without its frames, cannot be read on a Kafka link.
package proxy
