package broker

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

// FetchRequest asks one broker for records of partitions that it leads.
type FetchRequest struct {
	// MaxWait is how long the broker may wait for MinBytes.
	MaxWait time.Duration
	// MinBytes is what the broker waits for, over all partitions. At least 1, or the broker answers at once.
	MinBytes int32
	// MaxBytes bounds the answer, in bytes. The first batch of the first partition with data comes whole all the same.
	MaxBytes   int32
	Partitions []FetchPartition
}

// FetchPartition is one partition of a FetchRequest.
type FetchPartition struct {
	Topic     string
	Partition int32
	Offset    int64 // of the first record wanted
	MaxBytes  int32 // for this partition
}

// FetchResponse answers a FetchRequest.
type FetchResponse struct {
	// Partitions in the order of the request. One that the broker left out has ErrNoAnswer.
	Partitions []FetchedPartition
}

// FetchedPartition is one partition of a FetchResponse.
type FetchedPartition struct {
	Topic     string
	Partition int32
	// HighWatermark is the offset behind the last record that is safe on the replicas; LogStart the first that is kept.
	// Both are -1 with most errors.
	HighWatermark, LogStart int64
	// Records is a record set for RecordReader, in memory that is the caller's alone. Empty when nothing arrived in time.
	Records []byte
	Err     error
}

// Versions of Fetch that this package writes: 4 is the first for v2 batches, 12 the first that is flexible.
const (
	minFetchVersion = 4
	maxFetchVersion = 11
)

// fetchSlack is what an answer may be larger than asked for: one whole batch, and its own fields.
const fetchSlack = 128 << 20

// Fetch sends one long poll to the broker with id leader for all partitions of the request, and returns its answer. Use one
// request per leader, with all its partitions; without partitions it returns at once. It returns
// after MaxWait plus RequestTimeout at the latest. An error means that the whole exchange failed; nothing is lost by it.
func (c *Client) Fetch(ctx context.Context, leader int32, req FetchRequest) (*FetchResponse, error) {
	if len(req.Partitions) == 0 {
		return &FetchResponse{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, req.MaxWait+c.cfg.RequestTimeout)
	defer cancel()
	m := &fetchRequest{leader: leader, correlation: c.correlation.Add(1), clientID: c.cfg.ClientID, req: req}
	res, err := c.roundTrip(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("fetch from broker %d: %w", leader, err)
	}
	a := res.(*fetchAnswer)
	if a.err != nil {
		return nil, fmt.Errorf("fetch from broker %d: %w", leader, a.err)
	}
	return a.response(req.Partitions), nil
}

// fetchRequest is written and read raw: record sets go from the connection into their own memory, once.
type fetchRequest struct {
	leader      int32
	correlation int32
	clientID    string
	req         FetchRequest
	version     int16
}

func (r *fetchRequest) ApiKey() protocol.ApiKey { return protocol.Fetch }

func (r *fetchRequest) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	return route(cluster, r.leader)
}

func (r *fetchRequest) Required(versions map[protocol.ApiKey]int16) bool {
	r.version = min(versions[protocol.Fetch], maxFetchVersion)
	return true
}

func (r *fetchRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if r.version < minFetchVersion {
		return nil, ErrTooOld
	}
	f, err := exchangeRaw(rw, r.append(nil), r.correlation, int(r.req.MaxBytes)+fetchSlack)
	if err != nil {
		return nil, err
	}
	a := &fetchAnswer{}
	f.int32() // throttle time
	if r.version >= 7 {
		a.err = codeError(f.int16(), "")
		f.int32() // session
	}
	for range f.count(6) {
		topic := f.string()
		for range f.count(30) {
			a.partitions = append(a.partitions, readFetched(f, topic, r.version))
		}
	}
	return a, f.close()
}

// append writes the request in the version that the connection negotiated.
func (r *fetchRequest) append(dst []byte) []byte {
	dst = appendRequest(dst, protocol.Fetch, r.correlation, r.clientID)
	dst = appendInt32(dst, -1) // no replica
	dst = appendInt32(dst, int32(r.req.MaxWait.Milliseconds()))
	dst = appendInt32(dst, r.req.MinBytes)
	dst = appendInt32(dst, r.req.MaxBytes)
	dst = append(dst, 0) // isolation: read uncommitted
	if r.version >= 7 {
		dst = appendInt32(dst, 0)  // no session:
		dst = appendInt32(dst, -1) // every request is whole
	}
	topics := len(dst)
	dst = appendInt32(dst, 0)
	asked := r.req.Partitions
	for i := range asked {
		topic := asked[i].Topic
		if slices.ContainsFunc(asked[:i], func(p FetchPartition) bool { return p.Topic == topic }) {
			continue
		}
		increment(dst[topics:])
		dst = appendString(dst, topic)
		partitions := len(dst)
		dst = appendInt32(dst, 0)
		for j := i; j < len(asked); j++ {
			if asked[j].Topic == topic {
				increment(dst[partitions:])
				dst = r.appendPartition(dst, &asked[j])
			}
		}
	}
	if r.version >= 7 {
		dst = appendInt32(dst, 0) // no forgotten topics
	}
	if r.version >= 11 {
		dst = appendString(dst, "") // rack
	}
	finishRequest(dst, r.version)
	return dst
}

func (r *fetchRequest) appendPartition(dst []byte, p *FetchPartition) []byte {
	dst = appendInt32(dst, p.Partition)
	if r.version >= 9 {
		dst = appendInt32(dst, -1) // leader epoch: any
	}
	dst = appendInt64(dst, p.Offset)
	if r.version >= 5 {
		dst = appendInt64(dst, -1) // log start: for followers
	}
	return appendInt32(dst, p.MaxBytes)
}

func readFetched(f *frame, topic string, version int16) FetchedPartition {
	p := FetchedPartition{Topic: topic, Partition: f.int32(), LogStart: -1}
	p.Err = codeError(f.int16(), "")
	p.HighWatermark = f.int64()
	f.int64() // last stable offset
	if version >= 5 {
		p.LogStart = f.int64()
	}
	for range f.count(16) { // aborted transactions
		f.int64()
		f.int64()
	}
	if version >= 11 {
		f.int32() // preferred replica
	}
	if n := int(f.int32()); n > 0 {
		p.Records = f.bytes(n)
	}
	return p
}

// fetchAnswer holds the partitions in the broker's order.
type fetchAnswer struct {
	err        error
	partitions []FetchedPartition
}

func (*fetchAnswer) ApiKey() protocol.ApiKey { return protocol.Fetch }

func (a *fetchAnswer) response(asked []FetchPartition) *FetchResponse {
	res := &FetchResponse{Partitions: make([]FetchedPartition, len(asked))}
	for i := range asked {
		q := &asked[i]
		res.Partitions[i] = FetchedPartition{Topic: q.Topic, Partition: q.Partition, HighWatermark: -1, LogStart: -1, Err: ErrNoAnswer}
		for j := range a.partitions {
			if p := &a.partitions[j]; p.Partition == q.Partition && p.Topic == q.Topic {
				res.Partitions[i] = *p
				break
			}
		}
	}
	return res
}
