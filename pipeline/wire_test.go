package pipeline

import (
	"encoding/binary"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// wire stands between a broker and its clients: it reads along, counts what is in flight, holds answers back and cuts connections behind a broker's back.
type wire struct {
	t testing.TB

	mu       sync.Mutex
	changed  *sync.Cond
	inFlight map[topicPartition]int
	most     int                                // of inFlight, ever
	sent     map[topicPartition][]producedBatch // every attempt in order
	answers  int                                // produce answers let through
	cuts     int                                // connections to cut instead of their next produce answer
	cut      int                                // cut so far
	held     int                                // produce answers that wait
	frozen   bool                               // produce answers wait
	closed   bool                               // let all go
}

type topicPartition struct {
	topic     string
	partition int32
}

// producedBatch is what identifies a batch to the broker.
type producedBatch struct {
	id       int64
	epoch    int16
	sequence int32
	records  int32
	crc      uint32
}

func newWire(t testing.TB) *wire {
	w := &wire{t: t, inFlight: make(map[topicPartition]int), sent: make(map[topicPartition][]producedBatch)}
	w.changed = sync.NewCond(&w.mu)
	return w
}

func (w *wire) listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	return &tappedListener{Listener: l, w: w}, nil
}

// cutAfterAppend cuts the connection instead of the next n produce answers: the broker has stored the records by then.
func (w *wire) cutAfterAppend(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cuts += n
}

// freeze holds produce answers back; thaw lets them go.
func (w *wire) freeze() { w.set(func() { w.frozen = true }) }
func (w *wire) thaw()   { w.set(func() { w.frozen = false }) }

// release lets everything go for good.
func (w *wire) release() { w.set(func() { w.closed = true }) }

func (w *wire) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
	w.changed.Broadcast()
}

// await waits until the condition, on the wire's fields, holds.
func (w *wire) await(condition func() bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for !condition() && !w.closed {
		w.changed.Wait()
	}
}

// attempts returns how many batches were sent for the partitions of a topic so far, all attempts counted. Callers hold the lock or are in await.
func (w *wire) attempts(topic string) (n int) {
	for tp, batches := range w.sent {
		if tp.topic == topic {
			n += len(batches)
		}
	}
	return n
}

// batches returns all attempts of a partition.
func (w *wire) batches(topic string, partition int32) []producedBatch {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.sent[topicPartition{topic, partition}])
}

func (w *wire) begin(req *kmsg.ProduceRequest) (parts []topicPartition) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			p := &req.Topics[i].Partitions[j]
			tp := topicPartition{req.Topics[i].Topic, p.Partition}
			parts = append(parts, tp)
			w.inFlight[tp]++
			w.most = max(w.most, w.inFlight[tp])
			w.sent[tp] = append(w.sent[tp], identify(p.Records))
		}
	}
	w.changed.Broadcast()
	return parts
}

func identify(b []byte) producedBatch {
	return producedBatch{
		id:       int64(binary.BigEndian.Uint64(b[43:])),
		epoch:    int16(binary.BigEndian.Uint16(b[51:])),
		sequence: int32(binary.BigEndian.Uint32(b[53:])),
		records:  int32(binary.BigEndian.Uint32(b[57:])),
		crc:      binary.BigEndian.Uint32(b[17:]),
	}
}

// end takes a produce request out of those in flight, before its answer reaches the client. False: cut the connection.
func (w *wire) end(parts []topicPartition) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held++
	w.changed.Broadcast()
	for w.frozen && !w.closed {
		w.changed.Wait()
	}
	w.held--
	w.forgetLocked(parts)
	w.changed.Broadcast()
	if w.cuts > 0 {
		w.cuts--
		w.cut++
		return false
	}
	w.answers++
	return true
}

func (w *wire) forget(parts []topicPartition) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forgetLocked(parts)
}

func (w *wire) forgetLocked(parts []topicPartition) {
	for _, tp := range parts {
		w.inFlight[tp]--
	}
}

type tappedListener struct {
	net.Listener
	w *wire
}

func (l *tappedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &tappedConn{Conn: c, w: l.w}, nil
}

// tappedConn is the broker's side of a connection. Reads are of one goroutine, writes of another.
type tappedConn struct {
	net.Conn
	w       *wire
	pending []byte // of a request that is not complete

	mu      sync.Mutex
	produce []topicPartition // of the produce request that is not answered; nil: none. Clients send the next after the answer
}

func (c *tappedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.pending = append(c.pending, b[:n]...)
	for len(c.pending) >= 4 {
		size := 4 + int(binary.BigEndian.Uint32(c.pending))
		if len(c.pending) < size {
			break
		}
		c.request(c.pending[4:size])
		c.pending = append([]byte(nil), c.pending[size:]...)
	}
	return n, err
}

// request looks at one whole request.
func (c *tappedConn) request(frame []byte) {
	if key := int16(binary.BigEndian.Uint16(frame)); kmsg.Key(key) != kmsg.Produce {
		return
	}
	req := kmsg.NewPtrProduceRequest()
	req.Version = int16(binary.BigEndian.Uint16(frame[2:]))
	clientID := int(binary.BigEndian.Uint16(frame[8:]))
	if err := req.ReadFrom(frame[10+clientID:]); err != nil {
		c.w.t.Errorf("produce request of version %d: %v", req.Version, err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.produce = c.w.begin(req)
}

func (c *tappedConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	parts := c.produce
	c.produce = nil
	c.mu.Unlock()
	if parts != nil && !c.w.end(parts) {
		_ = c.Conn.Close()
		return 0, errors.New("cut")
	}
	return c.Conn.Write(b)
}

func (c *tappedConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.w.forget(c.produce)
	c.produce = nil
	return c.Conn.Close()
}
