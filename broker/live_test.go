package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// leaderOf asks for a partition's leader until there is one.
func leaderOf(ctx context.Context, c *Client, partition int32) (int32, error) {
	for ctx.Err() == nil {
		md, err := c.Metadata(ctx, "events")
		if err != nil {
			continue
		}
		if p := md.Topics["events"].Partitions[partition]; p.Leader >= 0 {
			return p.Leader, nil
		}
	}
	return 0, ctx.Err()
}

// Leaders move and connections are dropped while four producers send: each resends the same bytes until they are stored,
// and every record is there once, in order.
func TestResendsUnderMovingLeaders(t *testing.T) {
	cluster, c := connected(t, kfake.NumBrokers(3))
	const batches, records = 60, 3
	ctx := within(t)
	var resent, sent atomic.Int64
	var wg sync.WaitGroup
	for partition := range int32(4) {
		id := producerID(t, c)
		wg.Go(func() {
			leader, err := leaderOf(ctx, c, partition)
			if err != nil {
				t.Error(err)
				return
			}
			for i := range batches {
				batch := []PartitionBatch{{"events", partition, identified(id, int32(i*records), records)}}
				for {
					results, err := c.Produce(ctx, leader, time.Second, batch)
					if err == nil {
						err = results[0].Err
					}
					if err == nil {
						sent.Add(1)
						break
					}
					if class := Classify(err); class != ClassRetriable && class != ClassAmbiguous {
						t.Errorf("partition %d batch %d: %v (%v)", partition, i, err, class)
						return
					}
					resent.Add(1)
					c.RefreshRoutes()
					if leader, err = leaderOf(ctx, c, partition); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for moves := int32(0); ; moves++ {
		select {
		case <-done:
			if resent.Load() == 0 || sent.Load() != 4*batches {
				t.Errorf("%d sent, %d resent: no leader moved under a producer", sent.Load(), resent.Load())
			}
			for partition := range int32(4) {
				if got := end(t, c, "events", partition); got != batches*records {
					t.Errorf("partition %d ends at %d, want %d", partition, got, batches*records)
				}
			}
			t.Logf("%d moves, %d batches resent", moves, resent.Load())
			return
		default:
			if err := cluster.MoveTopicPartition("events", moves%4, (moves/4)%3); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A call that was given up leaves its connection writing. The batch is the caller's again all the same: what arrives are
// the bytes of before.
func TestBatchIsNotReadAfterReturn(t *testing.T) {
	stall := &stallListener{release: make(chan struct{}), reached: make(chan struct{})}
	_, c := connected(t, kfake.BrokerConfigs(map[string]string{"message.max.bytes": "100000000"}), kfake.ListenFn(stall.listen))
	t.Cleanup(stall.let)
	want := testRecord{Key: []byte("k"), Value: bytes.Repeat([]byte("0123456789abcdef"), 2<<20)} // more than the sockets hold
	batch := sealed(want)
	mustProduce(t, c, PartitionBatch{"events", 1, sealed(numbered(1)...)})
	stall.on.Store(true)
	ctx, cancel := context.WithCancel(within(t))
	returned := make(chan error, 1)
	go func() {
		_, err := c.Produce(ctx, 0, 20*time.Second, []PartitionBatch{{"events", 0, batch}})
		returned <- err
	}()
	<-stall.reached
	cancel()
	if err := <-returned; !errors.Is(err, context.Canceled) {
		t.Fatalf("given up: %v", err)
	}
	clear(batch)
	stall.let()
	f, err := c.Fetch(within(t), 0, FetchRequest{MaxWait: 20 * time.Second, MinBytes: 1, MaxBytes: 100 << 20, Partitions: []FetchPartition{{"events", 0, 0, 100 << 20}}})
	if err != nil {
		t.Fatal(err)
	}
	records := mustRead(t, f.Partitions[0].Records)
	if len(records) != 1 {
		t.Fatalf("%d records", len(records))
	}
	if err := sameRecord(records[0], want); err != nil {
		t.Error("the broker stored other bytes than were given")
	}
}

// stallListener makes connections on which the broker, when on, stops reading in the midst of a large request.
type stallListener struct {
	net.Listener
	on               atomic.Bool
	reached, release chan struct{}
	once, letOnce    sync.Once
}

func (l *stallListener) listen(network, address string) (net.Listener, error) {
	var err error
	l.Listener, err = net.Listen(network, address)
	return l, err
}

func (l *stallListener) let() { l.letOnce.Do(func() { close(l.release) }) }

func (l *stallListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &stallConn{conn, l}, nil
}

type stallConn struct {
	net.Conn
	l *stallListener
}

func (c *stallConn) Read(b []byte) (int, error) {
	if len(b) > 1<<20 && c.l.on.Load() {
		c.l.once.Do(func() { close(c.l.reached) })
		<-c.l.release
	}
	return c.Conn.Read(b)
}

func BenchmarkAppendProduce(b *testing.B) {
	for _, size := range []int{64 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size>>10, "KiB"), func(b *testing.B) {
			var batches []PartitionBatch
			for p := range int32(4) {
				batches = append(batches, PartitionBatch{"events", p, make([]byte, size/4)})
			}
			var l bufferList
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				l.put(appendProduce(l.get(produceSize("millrace", batches)), 1, "millrace", time.Second, batches))
			}
		})
	}
}
