package pipeline

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/schema"
)

// TestRefusedBatchIsHalved: a batch that the broker finds too large is stored in parts; a record that is too large alone fails alone.
func TestRefusedBatchIsHalved(t *testing.T) {
	const limit = 20_000 // of the broker
	l := newLab(t, options{cluster: []kfake.Opt{kfake.BrokerConfigs(map[string]string{"message.max.bytes": "20000"})}, deps: func(d *Deps) { d.AckTimeout = 5 * time.Second }})
	user := userOn(1)
	l.wire.freeze() // so that all requests below meet in one batch
	first := &schema.Batch{Project: 7}
	addEvent(first, user, 0)
	answers := make(chan error)
	go func() { answers <- l.Submit(context.Background(), first) }()
	l.wire.await(func() bool { return l.wire.attempts(testTopic) == 1 })
	batches := []*schema.Batch{first}
	for i := range 9 {
		b := &schema.Batch{Project: 7}
		for j := range 20 {
			e := addEvent(b, user, 1+i*20+j)
			if i == 4 && j == 7 {
				e.Set(schema.FieldProperties, b.Append([]byte(`{"n":88,"pad":"`+strings.Repeat("p", limit)+`"}`), false))
			}
		}
		batches = append(batches, b)
		before := l.unacked()
		go func() { answers <- l.Submit(context.Background(), b) }()
		eventually(t, func() bool { return l.unacked() > before })
	}
	l.wire.thaw()
	var failed int
	for range batches {
		if err := <-answers; err != nil {
			failed++
			if !errors.Is(err, schema.ErrBrokerUnavailable) {
				t.Errorf("Submit: %v", err)
			}
		}
	}
	if failed != 1 {
		t.Errorf("%d requests failed, want the one with the large event", failed)
	}
	records := l.stored(testTopic)
	if len(records) != 180 {
		t.Errorf("%d records, want all 181 but one", len(records))
	}
	checkOrder(t, records)
	for i := range records {
		if records[i].ID == batches[5].Events[7].ID {
			t.Error("the large event is stored")
		}
	}
	if n := l.metric("millrace_publish_refused_records_total"); n != 1 {
		t.Errorf("%v refused records counted, want 1", n)
	}
	if n := l.metric(`millrace_publish_errors_total{kind="record"}`); n < 5 {
		t.Errorf("%v refusals counted: the broker's limit did not bite", n)
	}
	// A sequence skipped or used twice would have cost the producer its id.
	for _, b := range l.wire.batches(testTopic, 1) {
		if b.id != l.wire.batches(testTopic, 1)[0].id {
			t.Errorf("batch %+v has another producer id", b)
		}
	}
}

// TestSequenceOfARefusedBatchIsNotReused: a batch that may be stored is refused when it is sent again. Were its sequence used for the next batch of the same
// size, the broker would take that for a repeat: acknowledged and lost.
func TestSequenceOfARefusedBatchIsNotReused(t *testing.T) {
	l := newLab(t, options{})
	const partition = 1
	submit := func() (*schema.Batch, error) {
		b := &schema.Batch{Project: 7}
		addEvent(b, userOn(partition), 0)
		return b, l.Submit(context.Background(), b)
	}
	attempts := 0
	f := produceFault(testTopic, []int32{partition}, 10, 1)
	f.When = func(kmsg.Request) bool { attempts++; return attempts == 2 }
	h := l.cluster.Fault(f)
	l.wire.cutAfterAppend(1)
	if _, err := submit(); !errors.Is(err, schema.ErrBrokerUnavailable) {
		t.Fatalf("Submit of what the broker refuses: %v", err)
	}
	if h.Hits() != 1 || l.wire.cut != 1 {
		t.Fatalf("%d refusals, %d cuts: the faults did not bite", h.Hits(), l.wire.cut)
	}
	b, err := submit()
	if err != nil {
		t.Fatal(err)
	}
	records := l.stored(testTopic)
	if len(records) != 2 || records[1].ID != b.Events[0].ID {
		t.Errorf("%d records; the acknowledged event is lost", len(records))
	}
}

func TestNewRoutesHastenRetries(t *testing.T) {
	p := idlePipeline(t, "127.0.0.1:1")
	s := p.shards[0]
	soon, never := p.clock(), p.clock()+int64(time.Hour)
	s.parts[0].notBefore, s.parts[1].notBefore = soon, never
	s.hasten()
	if s.parts[0].notBefore != soon {
		t.Error("an attempt that was due was put off")
	}
	if wait := time.Duration(s.parts[1].notBefore - p.clock()); wait > minBackoff {
		t.Errorf("the next attempt is in %v", wait)
	}
}

func TestBackoffGrowsToItsBound(t *testing.T) {
	for failures := 1; failures < 100; failures++ {
		want := min(minBackoff<<min(failures-1, 20), maxBackoff)
		if d := backoff(failures); d > want || d < want*2/3 {
			t.Errorf("%d failures: %v, want about %v", failures, d, want)
		}
	}
}

// TestSequenceWraps: sequences go from 2^31-1 to 0 within one producer id.
func TestSequenceWraps(t *testing.T) {
	d := startDiscard(t)
	p, stop := d.pipeline(t)
	defer stop()
	user := userOn(1)
	submit := func(n int) {
		b := &schema.Batch{Project: 7}
		for i := range n {
			addEvent(b, user, i)
		}
		if err := p.Submit(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
	submit(3)
	// The shard is idle and waits: its state may be set from here, ordered by the next request's push.
	p.events[1].sequence = math.MaxInt32 - 4
	submit(3)
	submit(3)
	submit(1)
	want := []int32{0, math.MaxInt32 - 4, math.MaxInt32 - 1, 1}
	if got := d.sequences(1); !slices.Equal(got, want) {
		t.Errorf("sequences %v, want %v", got, want)
	}
}
