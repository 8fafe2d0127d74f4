// Package backlog refuses new events before unread ones are lost: Guard watches the disk under the embedded broker, Retention the topics of a broker of
// one's own.
//
// The embedded broker itself would go on and lose what it cannot write; so Guard refuses new events before the log outgrows its limit (ClickHouse does not
// keep up) or the disk runs full.
//
// An external broker removes what is older than retention.ms, or beyond retention.bytes, read or not. Retention compares, every few seconds and for every
// partition of both topics, what the sink has not confirmed with these limits:
//
//	time   age of the oldest unread record / retention.ms. The age is found by asking the broker for offsets by time, some requests per topic
//	bytes  size of the partition * share of its offsets that is unread / retention.bytes
//
// The larger one of the worst partition decides. From half on it warns; at broker.retention_refuse_ratio new events are refused, until it is a tenth below
// that again. Both sides of the comparison err on the careful side, because brokers remove whole segments: never earlier than the limit, often later.
// When the broker does not answer, the last verdict holds.
//
// Run of either measures from one goroutine; Gate only reads the verdict and may be called for every request.
package backlog
