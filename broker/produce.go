package broker

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

// PartitionBatch is one sealed record batch and where it goes.
type PartitionBatch struct {
	Topic     string
	Partition int32
	Records   []byte // as returned by BatchBuilder.Seal
}

// ProduceResult is the outcome of one PartitionBatch.
type ProduceResult struct {
	Topic     string
	Partition int32
	// BaseOffset is the offset of the batch's first record. When the broker had the batch already, it is where it stored it,
	// or -1 if it does not tell.
	BaseOffset int64
	// Err is nil when the batch is stored: codes 0 and 46 (duplicate).
	Err error
}

// Versions of Produce that this package writes: 3 is the first for v2 batches, 9 the first that is flexible.
const (
	minProduceVersion = 3
	maxProduceVersion = 8
)

// maxProduceAnswer bounds the answer: it has some 50 bytes per partition, and messages.
const maxProduceAnswer = 16 << 20

// Produce sends all batches in one request to the broker with id leader and waits until the leader and its in-sync replicas
// have stored them (acks=all). A partition may occur once. The results are in the order of batches.
//
// It returns within timeout, which must be positive: the broker is given a little less, so that its own answer (code 7) can
// arrive. An error means that the whole exchange failed and the outcome of every batch is unknown, ErrNoRoute and failed
// dials apart (see Classify). The batches are copied before the request is sent and never read after Produce returned, so
// they may be resent, or their memory reused, whatever the outcome.
func (c *Client) Produce(ctx context.Context, leader int32, timeout time.Duration, batches []PartitionBatch) ([]ProduceResult, error) {
	if len(batches) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req := &produceRequest{leader: leader, correlation: c.correlation.Add(1)}
	req.frame = c.buffers.get(produceSize(c.cfg.ClientID, batches))
	req.frame = appendProduce(req.frame, req.correlation, c.cfg.ClientID, timeout-timeout/8, batches)
	res, err := c.roundTrip(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("produce to broker %d: %w", leader, err)
	}
	c.buffers.put(req.frame)
	return res.(*produceAnswer).results(batches), nil
}

// produceSize is at least the size of the request.
func produceSize(clientID string, batches []PartitionBatch) int {
	n := 64 + len(clientID)
	for i := range batches {
		n += 16 + len(batches[i].Topic) + len(batches[i].Records)
	}
	return n
}

// appendProduce appends the request; versions 3 to 8 do not differ. A topic is written once: brokers drop what comes under a
// name for the second time.
func appendProduce(dst []byte, correlation int32, clientID string, timeout time.Duration, batches []PartitionBatch) []byte {
	dst = appendRequest(dst, protocol.Produce, correlation, clientID)
	dst = append(dst, 0xff, 0xff) // no transaction
	dst = append(dst, 0xff, 0xff) // acks -1: all in-sync replicas
	dst = appendInt32(dst, int32(timeout.Milliseconds()))
	topics := len(dst)
	dst = appendInt32(dst, 0)
	for i := range batches {
		topic := batches[i].Topic
		if slices.ContainsFunc(batches[:i], func(b PartitionBatch) bool { return b.Topic == topic }) {
			continue
		}
		increment(dst[topics:])
		dst = appendString(dst, topic)
		partitions := len(dst)
		dst = appendInt32(dst, 0)
		for j := i; j < len(batches); j++ {
			if b := &batches[j]; b.Topic == topic {
				increment(dst[partitions:])
				dst = appendInt32(dst, b.Partition)
				dst = appendInt32(dst, int32(len(b.Records)))
				dst = append(dst, b.Records...)
			}
		}
	}
	return dst
}

// produceRequest is written raw, in one write.
type produceRequest struct {
	leader      int32
	correlation int32
	frame       []byte
	version     int16
}

func (r *produceRequest) ApiKey() protocol.ApiKey { return protocol.Produce }

func (r *produceRequest) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	return route(cluster, r.leader)
}

func (r *produceRequest) Required(versions map[protocol.ApiKey]int16) bool {
	r.version = min(versions[protocol.Produce], maxProduceVersion)
	return true
}

func (r *produceRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if r.version < minProduceVersion {
		return nil, ErrTooOld
	}
	finishRequest(r.frame, r.version)
	f, err := exchangeRaw(rw, r.frame, r.correlation, maxProduceAnswer)
	if err != nil {
		return nil, err
	}
	a := &produceAnswer{}
	for range f.count(6) {
		topic := f.string()
		for range f.count(14) {
			a.partitions = append(a.partitions, readProduced(f, topic, r.version))
		}
	}
	return a, f.close()
}

func readProduced(f *frame, topic string, version int16) ProduceResult {
	p := ProduceResult{Topic: topic, Partition: f.int32()}
	code := f.int16()
	p.BaseOffset = f.int64()
	f.int64() // log append time
	if version >= 5 {
		f.int64() // log start offset
	}
	var message string
	if version >= 8 {
		for range f.count(6) {
			record := f.int32()
			if m := f.string(); m != "" && message == "" {
				message = fmt.Sprintf("record %d: %s", record, m)
			}
		}
		if m := f.string(); m != "" {
			message = m
		}
	}
	p.Err = codeError(code, message)
	return p
}

// produceAnswer holds the partitions in the broker's order.
type produceAnswer struct{ partitions []ProduceResult }

func (*produceAnswer) ApiKey() protocol.ApiKey { return protocol.Produce }

// results brings the answer into the order of the batches, matching by topic and partition.
func (a *produceAnswer) results(batches []PartitionBatch) []ProduceResult {
	results := make([]ProduceResult, len(batches))
	for i := range batches {
		b := &batches[i]
		results[i] = ProduceResult{Topic: b.Topic, Partition: b.Partition, BaseOffset: -1, Err: ErrNoAnswer}
		// Brokers answer in the order of the request or nearly so: look at the same place first.
		if i < len(a.partitions) && a.partitions[i].is(b) {
			results[i] = a.partitions[i]
			continue
		}
		for j := range a.partitions {
			if a.partitions[j].is(b) {
				results[i] = a.partitions[j]
				break
			}
		}
	}
	return results
}

func (p *ProduceResult) is(b *PartitionBatch) bool {
	return p.Partition == b.Partition && p.Topic == b.Topic
}
