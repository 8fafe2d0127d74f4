package pipeline

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/schema"
)

// discard is a broker that acknowledges at once and keeps nothing but the sequences: it costs next to nothing, so what is measured is the pipeline.
type discard struct {
	listener net.Listener
	wg       sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
	base  map[topicPartition][]int32
}

func startDiscard(t testing.TB) *discard {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &discard{listener: ln, base: make(map[topicPartition][]int32)}
	d.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			d.mu.Lock()
			d.conns = append(d.conns, c)
			d.mu.Unlock()
			d.wg.Go(func() { d.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		d.mu.Lock()
		for _, c := range d.conns {
			_ = c.Close()
		}
		d.mu.Unlock()
		d.wg.Wait()
	})
	return d
}

// idlePipeline makes a pipeline that does not run.
func idlePipeline(t testing.TB, address string) *Pipeline {
	t.Helper()
	bc := broker.DefaultConfig()
	bc.Addresses = []string{address}
	client, err := broker.New(bc)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	p, err := New(DefaultConfig(), schema.DefaultLimits(), Deps{
		Broker: client, Topic: testTopic, QuarantineTopic: testQuarantine, Partitions: testPartitions, QuarantinePartitions: 1,
		AckTimeout: 10 * time.Second, Logger: slog.New(slog.DiscardHandler), Metrics: metrics.NewSet(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// pipeline runs a pipeline on the broker.
func (d *discard) pipeline(t testing.TB) (p *Pipeline, stop func()) {
	t.Helper()
	p = idlePipeline(t, d.listener.Addr().String())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	return p, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

// sequences returns the base sequences of all batches of a partition of events.
func (d *discard) sequences(partition int32) []int32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.base[topicPartition{testTopic, partition}]
}

func (d *discard) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	in := bufio.NewReaderSize(c, 256<<10)
	var frame, out []byte
	for {
		var size [4]byte
		if _, err := io.ReadFull(in, size[:]); err != nil {
			return
		}
		n := int(binary.BigEndian.Uint32(size[:]))
		if cap(frame) < n {
			frame = make([]byte, n)
		}
		frame = frame[:n]
		if _, err := io.ReadFull(in, frame); err != nil {
			return
		}
		key, version := int16(binary.BigEndian.Uint16(frame)), int16(binary.BigEndian.Uint16(frame[2:]))
		req := kmsg.RequestForKey(key)
		req.SetVersion(version)
		body := frame[10+int(binary.BigEndian.Uint16(frame[8:])):]
		if err := req.ReadFrom(body); err != nil {
			return
		}
		res := d.answer(req)
		if res == nil {
			return
		}
		res.SetVersion(version)
		out = append(out[:0], 0, 0, 0, 0)
		out = append(out, frame[4:8]...) // correlation id
		out = res.AppendTo(out)
		binary.BigEndian.PutUint32(out, uint32(len(out)-4))
		if _, err := c.Write(out); err != nil {
			return
		}
	}
}

// answer knows the four requests of a producer, in versions before the flexible ones.
func (d *discard) answer(req kmsg.Request) kmsg.Response {
	switch req := req.(type) {
	case *kmsg.ApiVersionsRequest:
		res := kmsg.NewPtrApiVersionsResponse()
		res.ApiKeys = []kmsg.ApiVersionsResponseApiKey{
			{ApiKey: 0, MinVersion: 3, MaxVersion: 7},
			{ApiKey: 3, MinVersion: 1, MaxVersion: 5},
			{ApiKey: 18, MaxVersion: 0},
			{ApiKey: 22, MaxVersion: 1},
		}
		return res
	case *kmsg.MetadataRequest:
		addr := d.listener.Addr().(*net.TCPAddr)
		res := kmsg.NewPtrMetadataResponse()
		res.Brokers = []kmsg.MetadataResponseBroker{{NodeID: 1, Host: "127.0.0.1", Port: int32(addr.Port)}}
		res.ControllerID = 1
		for _, topic := range []struct {
			name       string
			partitions int
		}{{testTopic, testPartitions}, {testQuarantine, 1}} {
			mt := kmsg.NewMetadataResponseTopic()
			mt.Topic = kmsg.StringPtr(topic.name)
			for p := range topic.partitions {
				mt.Partitions = append(mt.Partitions, kmsg.MetadataResponseTopicPartition{Partition: int32(p), Leader: 1, Replicas: []int32{1}, ISR: []int32{1}})
			}
			res.Topics = append(res.Topics, mt)
		}
		return res
	case *kmsg.InitProducerIDRequest:
		res := kmsg.NewPtrInitProducerIDResponse()
		res.ProducerID = 4711
		return res
	case *kmsg.ProduceRequest:
		return d.produce(req)
	}
	return nil
}

func (d *discard) produce(req *kmsg.ProduceRequest) kmsg.Response {
	d.mu.Lock()
	defer d.mu.Unlock()
	res := kmsg.NewPtrProduceResponse()
	for i := range req.Topics {
		t := kmsg.NewProduceResponseTopic()
		t.Topic = req.Topics[i].Topic
		for j := range req.Topics[i].Partitions {
			p := &req.Topics[i].Partitions[j]
			tp := topicPartition{t.Topic, p.Partition}
			d.base[tp] = append(d.base[tp], identify(p.Records).sequence)
			t.Partitions = append(t.Partitions, kmsg.ProduceResponseTopicPartition{Partition: p.Partition})
		}
		res.Topics = append(res.Topics, t)
	}
	return res
}
