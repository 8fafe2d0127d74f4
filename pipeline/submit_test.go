package pipeline

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/schema"
)

func TestSubmitStoresEveryEvent(t *testing.T) {
	l := newLab(t, options{})
	b := eventBatch(20, 5, 0)
	b.Traceparent = []byte("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	b.CorrelationID = b.Append([]byte(`or\"der-7`), true)
	if err := l.Submit(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	if b.Durability != schema.Broker {
		t.Errorf("durability %v", b.Durability)
	}
	records := l.stored(testTopic)
	byID := make(map[schema.UUID]storedRecord)
	for i := range records {
		byID[records[i].ID] = records[i]
	}
	if len(records) != 20 || len(byID) != 20 {
		t.Fatalf("%d records of %d events, want 20", len(records), len(byID))
	}
	for i := range b.Events {
		e := &b.Events[i]
		if e.Result != schema.OK || e.Reason != schema.ReasonNone {
			t.Errorf("event %d: %v %v", i, e.Result, e.Reason)
		}
		r := byID[e.ID]
		user := fmt.Sprintf("u%d", i%5)
		key := "7:" + user
		if string(r.Key) != key || r.Partition != broker.PartitionFor([]byte(key), testPartitions) {
			t.Errorf("event %d: key %s in partition %d", i, r.Key, r.Partition)
		}
		if got, want := string(r.Text(schema.FieldProperties).In(r.Value)), fmt.Sprintf(`{"n":%d}`, i); got != want {
			t.Errorf("event %d: properties %s, want %s", i, got, want)
		}
		if r.Timestamp.UnixMilli() != b.ReceivedAt || r.ReceivedAt != b.ReceivedAt || r.RequestID != b.RequestID {
			t.Errorf("event %d: time %v, received at %d, request %v", i, r.Timestamp, r.ReceivedAt, r.RequestID)
		}
		if got := string(header(r.Record, schema.HeaderCorrelationID)); got != `or"der-7` {
			t.Errorf("event %d: correlation id header %q", i, got)
		}
		if got := header(r.Record, schema.HeaderTraceparent); string(got) != string(b.Traceparent) {
			t.Errorf("event %d: traceparent header %q", i, got)
		}
	}
	if got := l.metric(`millrace_ingest_events_total{result="ok",reason="none"}`); got != 20 {
		t.Errorf("%v events counted, want 20", got)
	}
	if got := l.metric(`millrace_publish_records_total{topic="events"}`); got != 20 {
		t.Errorf("%v records counted, want 20", got)
	}
}

func TestSubmitKeepsItsHandsOffTheBatchAfterwards(t *testing.T) {
	l := newLab(t, options{})
	for range 20 {
		b := eventBatch(50, 7, 0)
		if err := l.Submit(context.Background(), b); err != nil {
			t.Fatal(err)
		}
		for i := range b.Buf {
			b.Buf[i] = 'x'
		}
	}
	if n := len(l.stored(testTopic)); n != 1000 { // stored checks each record's index
		t.Errorf("%d records, want 1000", n)
	}
}

func TestRelaxedIsSaid(t *testing.T) {
	l := newLab(t, options{deps: func(d *Deps) { d.Relaxed = true }})
	b := eventBatch(1, 1, 0)
	if err := l.Submit(context.Background(), b); err != nil || b.Durability != schema.Relaxed {
		t.Errorf("durability %v, error %v", b.Durability, err)
	}
}

func TestGateRefuses(t *testing.T) {
	l := newLab(t, options{deps: func(d *Deps) {
		d.Gate = func() error { return fmt.Errorf("%w: 1 of 1 GiB", schema.ErrBacklog) }
	}})
	if err := l.Submit(context.Background(), eventBatch(3, 1, 0)); !errors.Is(err, schema.ErrBacklog) {
		t.Errorf("Submit: %v", err)
	}
	if _, err := l.Check(context.Background()); !errors.Is(err, schema.ErrBacklog) {
		t.Errorf("Check: %v", err)
	}
	if n := len(l.stored(testTopic)); n != 0 {
		t.Errorf("%d records are stored", n)
	}
	if got := l.metric(`millrace_ingest_events_total{result="retry",reason="overloaded"}`); got != 3 {
		t.Errorf("%v events counted, want 3", got)
	}
}

func TestLargeRequestIsCutIntoBatches(t *testing.T) {
	const max = 16 << 10
	l := newLab(t, options{cfg: func(c *Config) { c.MaxBatchBytes = max }})
	b := eventBatch(400, 2, 0)
	big := addEvent(b, "u0", 400)
	big.Set(schema.FieldProperties, b.Append(fmt.Appendf(nil, `{"n":400,"pad":%q}`, make([]byte, 20_000)), false)) // alone larger than a batch
	if err := l.Submit(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	records := l.stored(testTopic)
	if len(records) != 401 {
		t.Fatalf("%d records, want 401", len(records))
	}
	g := newLedger()
	g.note(t, b, nil)
	g.compare(t, records)
	checkOrder(t, records)
	if batches := l.metric(`millrace_publish_batches_total{topic="events"}`); batches < 8 {
		t.Errorf("%v batches for 400 events of 300 bytes and more", batches)
	}
}

// checkOrder checks that each user's events are stored in the order of their numbers. A repeat of what is stored already is left out.
func checkOrder(t testing.TB, records []storedRecord) {
	t.Helper()
	last := make(map[string]int)
	seen := make(map[schema.UUID]bool)
	for i := range records {
		r := &records[i]
		if seen[r.ID] {
			continue
		}
		seen[r.ID] = true
		var n int
		if _, err := fmt.Sscanf(string(r.Text(schema.FieldProperties).In(r.Value)), `{"n":%d`, &n); err != nil {
			t.Fatal(err)
		}
		if before, ok := last[string(r.Key)]; ok && n <= before {
			t.Errorf("%s: event %d is stored after %d", r.Key, n, before)
		}
		last[string(r.Key)] = n
	}
}
