package pipeline

import (
	"encoding/binary"
	"sync/atomic"
)

// The states of a chunk. The shard takes a waiting chunk, its caller abandons it; whoever is first wins, the other finds out. A taken chunk is settled by the
// broker's answer alone.
const (
	chunkWaiting   uint32 = iota
	chunkTaken            // copied into a batch that is or will be sent
	chunkAbandoned        // its caller has been told to send again: it is never sent
	chunkStored           // acknowledged
	chunkFailed           // refused by the broker, at least one record of it
)

// chunk is the records of one request for one partition, or a part of them when they are more than a batch holds. It lives in its request. From its push until
// it is settled or dropped the shard holds a reference to the request.
type chunk struct {
	req     *request
	part    *partition
	first   int   // offset of the first record in the request's arena
	last    int   // of the last
	records int   // how many
	size    int   // what they take in a batch
	charge  int64 // what was reserved on the ring

	// state is the only field that both sides change after the push. A store of chunkStored or chunkFailed publishes the outcome to the caller, which
	// reads it when the request's references say that all is settled, or when it gives up waiting.
	state atomic.Uint32

	// The caller's own, after the wait.
	unknown bool // it was not stored when the caller looked

	// The shard's own, once popped.
	next *chunk // in the partition's queue
	left int    // records not yet settled
	bad  bool   // a record was refused
}

// take tells whether the shard may send the chunk.
func (c *chunk) take() bool { return c.state.CompareAndSwap(chunkWaiting, chunkTaken) }

// abandon is the caller's side of take.
func (c *chunk) abandon() bool { return c.state.CompareAndSwap(chunkWaiting, chunkAbandoned) }

func (c *chunk) abandoned() bool { return c.state.Load() == chunkAbandoned }

// Each record in an arena is its body behind recordPrefix bytes: the body's length and the offset of the chunk's next record.
const recordPrefix = 8

var noPrefix [recordPrefix]byte // room for one

func putLength(arena []byte, at, n int) { binary.LittleEndian.PutUint32(arena[at:], uint32(n)) }
func putNext(arena []byte, at, n int)   { binary.LittleEndian.PutUint32(arena[at+4:], uint32(n)) }

// record returns the body of the record at an offset, and the offset of the next. The body is valid while the request is referenced.
func record(arena []byte, at int) (body []byte, next int) {
	n := int(binary.LittleEndian.Uint32(arena[at:]))
	next = int(binary.LittleEndian.Uint32(arena[at+4:]))
	at += recordPrefix
	return arena[at : at+n], next
}
