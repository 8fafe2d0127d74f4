package broker

import (
	"context"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go/protocol"
)

// PartitionSizes returns the bytes that the leader of each partition keeps of it, compressed as they lie on disk. It fails if one partition does; without the
// right to describe the cluster that is code 31, ClassFatal.
func (c *Client) PartitionSizes(ctx context.Context, topic string, partitions []int32) (map[int32]int64, error) {
	md, err := c.Metadata(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("sizes of topic %s: %w", topic, err)
	}
	byLeader, err := md.leaders(topic, partitions)
	if err != nil {
		return nil, fmt.Errorf("sizes of topic %s: %w", topic, err)
	}
	sizes := make(map[int32]int64, len(partitions))
	for leader, ids := range byLeader {
		if err := c.logDirs(ctx, leader, topic, ids, sizes); err != nil {
			return nil, fmt.Errorf("sizes of topic %s: %w", topic, err)
		}
		for _, id := range ids {
			if _, ok := sizes[id]; !ok {
				return nil, fmt.Errorf("sizes of topic %s: partition %d: %w", topic, id, ErrNoAnswer)
			}
		}
	}
	return sizes, nil
}

func (c *Client) logDirs(ctx context.Context, leader int32, topic string, ids []int32, sizes map[int32]int64) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	res, err := c.roundTrip(ctx, &logDirsRequest{broker: leader, topic: topic, partitions: ids, clientID: c.cfg.ClientID, correlation: c.correlation.Add(1)})
	if err != nil {
		return err
	}
	a := res.(*logDirsAnswer)
	for id, size := range a.sizes {
		sizes[id] += size
	}
	return a.err
}

// logDirsRequest is DescribeLogDirs version 1, which brokers of Kafka 2.0 up to 4.x take, written raw: kafka-go does not know the request.
type logDirsRequest struct {
	broker      int32
	topic       string
	partitions  []int32
	clientID    string
	correlation int32
}

const maxLogDirsAnswer = 16 << 20

func (r *logDirsRequest) ApiKey() protocol.ApiKey { return protocol.DescribeLogDirs }

func (r *logDirsRequest) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	return route(cluster, r.broker)
}

func (r *logDirsRequest) Required(map[protocol.ApiKey]int16) bool { return true }

func (r *logDirsRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	b := appendRequest(nil, protocol.DescribeLogDirs, r.correlation, r.clientID)
	b = appendInt32(b, 1)
	b = appendString(b, r.topic)
	b = appendInt32(b, int32(len(r.partitions)))
	for _, id := range r.partitions {
		b = appendInt32(b, id)
	}
	finishRequest(b, 1)
	f, err := exchangeRaw(rw, b, r.correlation, maxLogDirsAnswer)
	if err != nil {
		return nil, err
	}
	a := &logDirsAnswer{sizes: make(map[int32]int64)}
	f.int32() // throttle time
	dirs := f.count(8)
	for range dirs {
		a.readDir(f, r.topic)
	}
	// Older brokers say by an empty answer that the client may not ask.
	if dirs == 0 && a.err == nil {
		a.err = fmt.Errorf("no log directory is shown to this client: %w", codeError(31, ""))
	}
	return a, f.close()
}

type logDirsAnswer struct {
	sizes map[int32]int64
	err   error
}

func (*logDirsAnswer) ApiKey() protocol.ApiKey { return protocol.DescribeLogDirs }

// readDir reads one directory. A failed disk is an error only if a partition is missing because of it, which the caller finds; a copy that is being moved to
// another directory does not count.
func (a *logDirsAnswer) readDir(f *frame, topic string) {
	f.int16() // error of the directory
	f.string()
	for range f.count(6) {
		name := f.string()
		for range f.count(21) {
			id, size := f.int32(), f.int64()
			f.int64() // how far the copy is behind
			if future := f.take(1)[0] != 0; name == topic && !future {
				a.sizes[id] = size
			}
		}
	}
}
