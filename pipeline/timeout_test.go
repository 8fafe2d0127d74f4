package pipeline

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/schema"
)

// TestNoBrokerAnswersInTime: the answer comes within the ack timeout and half a second, in words, and the ring is not filled by what is given up.
func TestNoBrokerAnswersInTime(t *testing.T) {
	const ackTimeout = 200 * time.Millisecond
	l := newLab(t, options{down: true, deps: func(d *Deps) { d.AckTimeout = ackTimeout }})
	quickest := time.Hour // of several, because this machine may have other things to do
	for range 5 {
		begin := time.Now()
		err := l.Submit(context.Background(), eventBatch(100, 10, 0))
		took := time.Since(begin)
		if !errors.Is(err, schema.ErrBrokerUnavailable) || took < ackTimeout {
			t.Errorf("%v after %v", err, took)
		}
		quickest = min(quickest, took)
	}
	if quickest > ackTimeout+500*time.Millisecond {
		t.Errorf("the answer took %v and more", quickest)
	}
	if got := l.metric(`millrace_ingest_events_total{result="retry",reason="unknown"}`); got != 500 {
		t.Errorf("%v events counted, want 500", got)
	}
	// The shards drop what was abandoned by themselves.
	eventually(t, func() bool { return l.unacked() == 0 && l.fill() == 0 })
}

// eventually waits for something that no channel tells: it looks again whenever the runtime has let others run.
func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	ctx := testContext(t)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("it never came to be")
		}
	}
}

// TestAbandonedIsNeverSent: what waits behind a batch in flight when its caller gives up is not sent later; what is in flight may be.
func TestAbandonedIsNeverSent(t *testing.T) {
	l := newLab(t, options{deps: func(d *Deps) { d.AckTimeout = 300 * time.Millisecond }})
	user := userOn(2)
	one := func(n int) (*schema.Batch, error) {
		b := &schema.Batch{Project: 7}
		addEvent(b, user, n)
		return b, l.Submit(context.Background(), b)
	}
	if _, err := one(0); err != nil {
		t.Fatal(err)
	}
	l.wire.freeze()
	flying, err := one(1)
	if !errors.Is(err, schema.ErrBrokerUnavailable) {
		t.Fatalf("with a frozen broker: %v", err)
	}
	waiting, err := one(2)
	if !errors.Is(err, schema.ErrBrokerUnavailable) {
		t.Fatalf("with a frozen broker: %v", err)
	}
	l.wire.thaw()
	g := newLedger()
	submitUntil(t, l, g, nil)
	if b, err := one(3); err != nil {
		t.Fatalf("%v %v", b.Events[0].Result, err)
	}
	stored := map[schema.UUID]bool{}
	for _, r := range l.stored(testTopic) {
		stored[r.ID] = true
	}
	if stored[waiting.Events[0].ID] {
		t.Error("an abandoned event was sent")
	}
	if !stored[flying.Events[0].ID] {
		t.Error("the event that was in flight is not stored: the freeze came too early to prove anything")
	}
}

func TestCanceledCaller(t *testing.T) {
	l := newLab(t, options{})
	l.wire.freeze()
	ctx, cancel := context.WithCancel(context.Background())
	got := make(chan error, 1)
	go func() { got <- l.Submit(ctx, eventBatch(1, 1, 0)) }()
	l.wire.await(func() bool { return l.wire.attempts(testTopic) == 1 })
	cancel()
	if err := <-got; !errors.Is(err, schema.ErrBrokerUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("Submit: %v", err)
	}
}

// TestPartialFailure: one partition that cannot be written to does not hold up the others.
func TestPartialFailure(t *testing.T) {
	l := newLab(t, options{deps: func(d *Deps) { d.AckTimeout = 500 * time.Millisecond }})
	h := l.cluster.Fault(produceFault(testTopic, []int32{2}, 19, -1))
	b := &schema.Batch{Project: 7}
	for p := range int32(testPartitions) {
		addEvent(b, userOn(p), 0)
	}
	if err := l.Submit(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	for p := range b.Events {
		want, reason := schema.OK, schema.ReasonNone
		if p == 2 {
			want, reason = schema.Retry, schema.Unknown
		}
		if e := &b.Events[p]; e.Result != want || e.Reason != reason {
			t.Errorf("partition %d: %v %v, want %v %v", p, e.Result, e.Reason, want, reason)
		}
	}
	h.Remove()
	l.stopAndDrain(t) // what was in flight is stored in the end
	if n := len(l.stored(testTopic)); n != 4 {
		t.Errorf("%d records, want 4", n)
	}
}

// TestFullRingRefusesAtOnce: a refused request leaves nothing behind, neither on the broker nor on the rings that had room.
func TestFullRingRefusesAtOnce(t *testing.T) {
	l := newLab(t, options{cfg: func(c *Config) { c.RingBytes, c.MaxBatchBytes = 1<<20, 64<<10 }})
	l.wire.freeze()
	g := newLedger()
	pad := []byte(`{"n":0,"pad":"` + strings.Repeat("p", 60_000) + `"}`)
	var waiters []<-chan error
	var batches []*schema.Batch
	submit := func(users ...string) (*schema.Batch, <-chan error) {
		b := &schema.Batch{Project: 7}
		for _, u := range users {
			e := addEvent(b, u, 0)
			e.Set(schema.FieldProperties, b.Append(pad, false))
		}
		got := make(chan error, 1)
		go func() { got <- l.Submit(context.Background(), b) }()
		return b, got
	}
	// Partitions 0 and 2 are shard 0's: fill it.
	for l.shards[0].ring.Bytes() < 1<<20-60_000 {
		before := l.shards[0].ring.Bytes()
		b, got := submit(userOn(0))
		waiters, batches = append(waiters, got), append(batches, b)
		eventually(t, func() bool { return l.shards[0].ring.Bytes() > before })
	}
	if _, err := l.Check(testContext(t)); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("Check: %v", err)
	}
	held := l.shards[1].ring.Bytes()
	refused, got := submit(userOn(1), userOn(3), userOn(2)) // two chunks fit, the third does not
	if err := <-got; !errors.Is(err, schema.ErrOverloaded) || !strings.Contains(err.Error(), "pipeline.ring_bytes") {
		t.Fatalf("Submit: %v", err)
	}
	if n := l.shards[1].ring.Bytes(); n != held {
		t.Errorf("the refused request holds %d bytes", n-held)
	}
	tooLarge, got := submit(userOn(1), userOn(1), userOn(1), userOn(1), userOn(1), userOn(1), userOn(1), userOn(1), userOn(1), userOn(1), userOn(1), userOn(1), userOn(1), userOn(1), userOn(1), userOn(1), userOn(1), userOn(1))
	if err := <-got; !errors.Is(err, schema.ErrOverloaded) || !strings.Contains(err.Error(), "smaller requests") {
		t.Errorf("a request larger than the ring: %v", err)
	}
	l.wire.thaw()
	for i, got := range waiters {
		g.note(t, batches[i], <-got)
	}
	l.stopAndDrain(t)
	records := l.stored(testTopic)
	g.compare(t, records)
	if len(records) != len(batches) {
		t.Errorf("%d records of %d requests", len(records), len(batches))
	}
	for i := range records {
		if records[i].ID == refused.Events[0].ID || records[i].ID == tooLarge.Events[0].ID {
			t.Error("an event of a refused request is stored")
		}
	}
	for _, s := range l.shards {
		if s.ring.Bytes() != 0 || s.ring.Entries() != 0 {
			t.Errorf("shard %d still holds %d bytes", s.index, s.ring.Bytes())
		}
	}
	if n := l.metric("millrace_ring_full_total"); n != 2 {
		t.Errorf("%v refusals counted, want 2", n)
	}
}
