// Package discard is a broker that speaks enough of the Kafka protocol for producers, acknowledges everything at once and keeps nothing but counts. It
// costs next to nothing, so that what is measured in front of it is the producer.
//
// It stores nothing and says so: one replica, min.insync.replicas 1, write.caching true. Every topic that somebody asks for exists, with the number of
// partitions of the options unless it was created with another. Of a produce request only the headers are read: that batches are of version 2 and as long
// as they say, and how many records they declare; neither checksums nor records are looked at, and a batch that a producer sends twice counts twice.
//
// Versions of requests end before the flexible ones. There are no transactions, no consumer groups and nothing to fetch.
//
// Broker.Run starts a goroutine per connection and joins them. A request is read into its connection's buffer and is valid until the next is read.
package discard
