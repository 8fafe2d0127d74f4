package pipeline

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/schema"
)

func produceFault(topic string, partitions []int32, code int16, count int) kfake.Fault {
	return kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topic, Partitions: partitions, Err: kerr.TypedErrorForCode(code), Count: count}
}

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// underLoad runs a load, lets fault happen, and after that some more load. Everything is settled when it returns.
func underLoad(t *testing.T, l *lab, fault func()) *ledger {
	t.Helper()
	g := newLedger()
	stop := make(chan struct{})
	join := l.load(g, 6, stop)
	l.awaitBatches(40)
	fault()
	l.awaitBatches(40)
	close(stop)
	join()
	return g
}

// awaitBatches waits until so many more batches were sent.
func (l *lab) awaitBatches(n int) {
	target := -1
	l.wire.await(func() bool {
		if target < 0 {
			target = l.wire.attempts(testTopic) + n
		}
		return l.wire.attempts(testTopic) >= target
	})
}

// TestErrorsOfTheBroker: after any error that passes, every acknowledged event is stored once and in order, and nothing was ever sent twice at a time.
func TestErrorsOfTheBroker(t *testing.T) {
	for _, c := range []struct {
		code  int16
		kind  string
		again bool // the same bytes are sent again
	}{
		{6, "retriable", true},
		{19, "retriable", true},
		{7, "ambiguous", true},
		{20, "ambiguous", true},
		{-1, "ambiguous", true},
		{5, "retriable", true},
		{29, "fatal", true},
		{45, "producer", false},
		{47, "producer", false},
		{59, "producer", false},
	} {
		t.Run(kerr.TypedErrorForCode(c.code).Message, func(t *testing.T) {
			l := newLab(t, options{})
			g := underLoad(t, l, func() {
				h := l.cluster.Fault(produceFault(testTopic, nil, c.code, 10))
				if err := h.Wait(testContext(t), 10); err != nil {
					t.Fatal(err)
				}
			})
			records := l.stored(testTopic)
			if repeated := g.compare(t, records); repeated != 0 {
				t.Errorf("%d events are stored twice", repeated)
			}
			checkOrder(t, records)
			if g.refused != 0 || len(g.acked) != len(g.sent) {
				t.Errorf("%d of %d events acknowledged, %d requests refused", len(g.acked), len(g.sent), g.refused)
			}
			if n := l.metric(`millrace_publish_errors_total{kind="` + c.kind + `"}`); n < 10 {
				t.Errorf("%v errors of kind %s counted: the fault did not bite", n, c.kind)
			}
			if dups := l.metric("millrace_publish_possible_duplicates_total"); (dups > 0) == c.again {
				t.Errorf("%v possible duplicates counted", dups)
			}
			if l.wire.most != 1 {
				t.Errorf("%d batches of one partition in flight at once", l.wire.most)
			}
			checkSequences(t, l)
			if renewed := producerIDs(l) > len(l.shards); renewed == c.again {
				t.Errorf("%d producer ids for %d shards", producerIDs(l), len(l.shards))
			}
		})
	}
}

// producerIDs counts the producer ids that batches of events were sent with.
func producerIDs(l *lab) int {
	ids := make(map[int64]bool)
	for p := range int32(testPartitions) {
		for _, b := range l.wire.batches(testTopic, p) {
			ids[b.id] = true
		}
	}
	return len(ids)
}

// checkSequences checks every batch ever sent: the sequence goes on from the last, or it is the last one again to the bit, or it begins anew under a new id.
func checkSequences(t *testing.T, l *lab) {
	t.Helper()
	for p := range int32(testPartitions) {
		batches := l.wire.batches(testTopic, p)
		for i := 1; i < len(batches); i++ {
			last, b := batches[i-1], batches[i]
			switch {
			case b == last:
			case b.id == last.id && b.epoch == last.epoch && b.sequence == broker.NextSequence(last.sequence, int(last.records)):
			case b.id != last.id && b.sequence == 0:
			default:
				t.Errorf("partition %d: %+v was sent after %+v", p, b, last)
			}
		}
	}
}

func TestConnectionCutAfterAppend(t *testing.T) {
	l := newLab(t, options{})
	g := underLoad(t, l, func() {
		l.wire.cutAfterAppend(10)
		l.wire.await(func() bool { return l.wire.cut == 10 })
	})
	records := l.stored(testTopic)
	if repeated := g.compare(t, records); repeated != 0 {
		t.Errorf("%d events are stored twice", repeated)
	}
	checkOrder(t, records)
	checkSequences(t, l)
	if g.refused != 0 || l.wire.most != 1 {
		t.Errorf("%d requests refused, %d batches of one partition in flight", g.refused, l.wire.most)
	}
	if n := l.metric(`millrace_publish_errors_total{kind="ambiguous"}`); n < 10 {
		t.Errorf("%v ambiguous errors: the fault did not bite", n)
	}
}

func TestLeadersMove(t *testing.T) {
	l := newLab(t, options{brokers: 2})
	g := underLoad(t, l, func() {
		for i := range 6 {
			for p := range int32(testPartitions) {
				if err := l.cluster.MoveTopicPartition(testTopic, p, int32(i+int(p))%2); err != nil {
					t.Error(err)
				}
			}
			l.awaitBatches(10)
		}
	})
	records := l.stored(testTopic)
	if repeated := g.compare(t, records); repeated != 0 {
		t.Errorf("%d events are stored twice", repeated)
	}
	checkOrder(t, records)
	if g.refused != 0 {
		t.Errorf("%d requests refused", g.refused)
	}
	if n := l.metric(`millrace_publish_errors_total{kind="retriable"}`); n == 0 {
		t.Error("no leader was missed: the fault did not bite")
	}
}

// TestMovedPartitionWaitsForItsAnswer: a partition whose batch is in flight at the old leader sends nothing to the new one.
func TestMovedPartitionWaitsForItsAnswer(t *testing.T) {
	l := newLab(t, options{brokers: 2})
	const moved, other = 0, 2 // of the same shard
	nodes := []int32{l.cluster.PartitionInfo(testTopic, moved).Leader}
	nodes = append(nodes, 1-nodes[0])
	move := func(partition, node int32) {
		if err := l.cluster.MoveTopicPartition(testTopic, partition, node); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool {
			l.routes.refresh()
			return l.routes.leader(l.events[partition]) == node
		})
	}
	move(other, nodes[1])
	l.wire.freeze()
	answers := make(chan error)
	submit := func(partition int32) {
		b := &schema.Batch{Project: 7}
		addEvent(b, userOn(partition), 0)
		before := l.unacked()
		go func() { answers <- l.Submit(context.Background(), b) }()
		eventually(t, func() bool { return l.unacked() > before })
	}
	sent := func(partition int32) int { return len(l.wire.sent[topicPartition{testTopic, partition}]) }
	submit(moved)
	l.wire.await(func() bool { return sent(moved) == 1 })
	move(moved, nodes[1])
	submit(moved)
	submit(other) // the new leader is idle, and looked for all partitions of the shard at once
	l.wire.await(func() bool { return sent(other) == 1 })
	l.wire.thaw()
	for range 3 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	if l.wire.most != 1 {
		t.Errorf("%d batches of one partition in flight", l.wire.most)
	}
	if n := len(l.stored(testTopic)); n != 3 {
		t.Errorf("%d records, want 3", n)
	}
}

func TestSlowBroker(t *testing.T) {
	l := newLab(t, options{})
	g := underLoad(t, l, func() {
		// A request is not answered until other callers wait behind it: each of the six has three records or more that are not settled.
		for range 10 {
			l.wire.freeze()
			l.wire.await(func() bool { return l.wire.held > 0 })
			eventually(t, func() bool { return l.unacked() >= 18 })
			l.wire.thaw()
			l.awaitBatches(4)
		}
	})
	records := l.stored(testTopic)
	if repeated := g.compare(t, records); repeated != 0 || g.refused != 0 {
		t.Errorf("%d events are stored twice, %d requests refused", repeated, g.refused)
	}
	checkOrder(t, records)
	if l.wire.most != 1 {
		t.Errorf("%d batches of one partition in flight", l.wire.most)
	}
}

// TestBrokerDownThenUp: with the broker away requests fail, and when it is back everything goes on. It comes back without what it knew of producers.
func TestBrokerDownThenUp(t *testing.T) {
	l := newLab(t, options{deps: func(d *Deps) { d.AckTimeout = 500 * time.Millisecond }})
	g := newLedger()
	stop := make(chan struct{})
	join := l.load(g, 6, stop)
	l.awaitBatches(40)
	l.stopBroker()
	submitUntil(t, l, g, schema.ErrBrokerUnavailable)
	if _, err := l.Check(testContext(t)); err == nil {
		t.Error("Check says that events can be accepted")
	}
	l.startBroker(1)
	submitUntil(t, l, g, nil)
	l.awaitBatches(40)
	close(stop)
	join()
	eventually(t, func() bool { _, err := l.Check(testContext(t)); return err == nil })
	l.stopAndDrain(t)
	g.compare(t, l.stored(testTopic)) // resent batches may be there twice: this broker forgot its producers
	if g.refused == 0 || len(g.acked) == 0 {
		t.Errorf("%d requests refused, %d events acknowledged: the fault did not bite", g.refused, len(g.acked))
	}
}

// submitUntil submits single events until one ends as wanted.
func submitUntil(t *testing.T, l *lab, g *ledger, want error) {
	t.Helper()
	ctx := testContext(t)
	for ctx.Err() == nil {
		b := eventBatch(1, 1, 0)
		err := l.Submit(ctx, b)
		g.note(t, b, err)
		if errors.Is(err, want) {
			return
		}
	}
	t.Fatalf("no request ended with %v", want)
}

func (l *lab) stopAndDrain(t *testing.T) {
	t.Helper()
	if err := l.Drain(testContext(t)); err != nil {
		t.Error(err)
	}
	l.stop()
}

func TestBrokerComesLate(t *testing.T) {
	l := newLab(t, options{down: true, deps: func(d *Deps) { d.AckTimeout = 300 * time.Millisecond }})
	g := newLedger()
	submitUntil(t, l, g, schema.ErrBrokerUnavailable)
	if _, err := l.Check(testContext(t)); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("Check: %v", err)
	}
	l.startBroker(1)
	submitUntil(t, l, g, nil)
	l.stopAndDrain(t)
	g.compare(t, l.stored(testTopic))
}
