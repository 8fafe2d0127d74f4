package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/schema"
)

func (r storedRecord) rejection() (q schema.Rejection) {
	for _, h := range r.Headers {
		q.SetHeader([]byte(h.Key), h.Value)
	}
	return q
}

func TestRefusedEventsAreQuarantined(t *testing.T) {
	l := newLab(t, options{})
	b := eventBatch(3, 3, 0)
	b.Dialect = schema.DialectSegment
	b.SentAt, b.HasSentAt = b.ReceivedAt-5000, true
	b.ClientIP = netip.MustParseAddr("192.0.2.7")
	b.UserAgent = []byte("sdk/1.0")
	b.CorrelationID = b.Append([]byte("order-7"), false)
	b.Events[0].Refuse(schema.InvalidTimestamp, "/timestamp", "not a time")
	b.Events[2].Unset(schema.FieldEvent)
	raw := [][]byte{bytes.Clone(b.Events[0].Raw.In(b.Buf)), bytes.Clone(b.Events[2].Raw.In(b.Buf))}
	if err := l.Submit(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	if !b.Events[0].Quarantined || b.Events[1].Quarantined || !b.Events[2].Quarantined {
		t.Errorf("quarantined: %v %v %v", b.Events[0].Quarantined, b.Events[1].Quarantined, b.Events[2].Quarantined)
	}
	records := l.stored(testQuarantine)
	if len(records) != 2 || len(l.stored(testTopic)) != 1 {
		t.Fatalf("%d refused and %d accepted records, want 2 and 1", len(records), len(l.stored(testTopic)))
	}
	for i, want := range []schema.Rejection{
		{Stage: "ingest", Reason: "invalid_timestamp", Field: "/timestamp", Detail: "not a time", Index: 0},
		{Stage: "pipeline", Reason: "missing_event", Field: "/event", Detail: b.Events[2].Detail, Index: 2},
	} {
		want.Dialect, want.KeyID, want.RequestID, want.CorrelationID, want.ClientIP, want.UserAgent = "segment", "k1", b.RequestID, "order-7", "192.0.2.7", "sdk/1.0"
		want.ReceivedAt, want.SentAt, want.Size, want.EventID = b.ReceivedAt, b.SentAt, int64(len(raw[i])), b.Events[want.Index].ID
		if got := records[i].rejection(); got != want {
			t.Errorf("rejection %d:\n%+v, want\n%+v", i, got, want)
		}
		if !bytes.Equal(records[i].Value, raw[i]) || string(records[i].Key) != "7" {
			t.Errorf("record %d: %s: %s, want %s", i, records[i].Key, records[i].Value, raw[i])
		}
	}
}

func TestRequestOfRefusedEventsOnly(t *testing.T) {
	l := newLab(t, options{})
	b := eventBatch(2, 1, 0)
	for i := range b.Events {
		b.Events[i].Refuse(schema.TooDeep, "", "")
	}
	if err := l.Submit(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	if n := len(l.stored(testQuarantine)); n != 2 {
		t.Errorf("%d records, want 2", n)
	}
}

func TestOversizeEventIsCut(t *testing.T) {
	l := newLab(t, options{limits: func(l *schema.Limits) { l.MaxEventBytes = 100_000 }})
	b := &schema.Batch{Project: 7, ReceivedAt: 1}
	e := b.Add()
	e.Raw = b.Append(bytes.Repeat([]byte("y"), 100_001), false)
	e.Refuse(schema.EventTooLarge, "", "too large")
	if err := l.Submit(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	records := l.stored(testQuarantine)
	if len(records) != 1 {
		t.Fatalf("%d records", len(records))
	}
	if q := records[0].rejection(); len(records[0].Value) != schema.TruncatedBytes || !q.Truncated || q.Size != 100_001 {
		t.Errorf("%d bytes kept, truncated %v, size %d", len(records[0].Value), q.Truncated, q.Size)
	} else if want := "too large; the first 65536 of its 100001 bytes are kept in quarantine"; e.Detail != want || q.Detail != want {
		t.Errorf("the answer says %q and the row %q, want %q", e.Detail, q.Detail, want)
	}
}

func TestQuarantineIsBoundedPerKey(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	l := newLab(t, options{
		cfg:  func(c *Config) { c.QuarantineBytesPerSecond, c.QuarantineBurstBytes = 10_000, 20_000 },
		deps: func(d *Deps) { d.Now = func() time.Time { return now } },
	})
	refuse := func(key string) (kept int) {
		b := &schema.Batch{Project: 7, KeyID: key}
		for range 10 {
			e := b.Add()
			e.Raw = b.Append(bytes.Repeat([]byte("z"), 5000-refusedCharge), false)
			e.Refuse(schema.InvalidJSON, "", "")
		}
		if err := l.Submit(context.Background(), b); err != nil {
			t.Fatal(err)
		}
		for i := range b.Events {
			if e := &b.Events[i]; e.Result != schema.Drop || e.Reason != schema.InvalidJSON {
				t.Errorf("%v %v", e.Result, e.Reason)
			} else if e.Quarantined {
				kept++
			}
		}
		return kept
	}
	stored := 0
	for i, step := range []struct {
		key     string
		seconds int
		want    int
	}{{"a", 0, 4}, {"a", 0, 0}, {"b", 0, 4}, {"a", 1, 2}, {"a", 100, 4}} {
		now = now.Add(time.Duration(step.seconds) * time.Second)
		if got := refuse(step.key); got != step.want {
			t.Errorf("step %d: %d events kept, want %d", i, got, step.want)
		}
		stored += step.want
	}
	if n := len(l.stored(testQuarantine)); n != stored {
		t.Errorf("%d records, want %d", n, stored)
	}
	if got := l.metric("millrace_quarantine_over_limit_total"); got != float64(50-stored) {
		t.Errorf("%v events counted as not kept, want %d", got, 50-stored)
	}
}

func TestLimiterForgetsFullBuckets(t *testing.T) {
	l := newLimiter(10, 100)
	now := time.Unix(1, 0)
	for i := range 2 * manyBuckets {
		now = now.Add(time.Second)
		if !l.take(fmt.Sprintf("key-%d", i), 5, now) {
			t.Fatal("refused")
		}
	}
	if n := len(l.buckets); n > manyBuckets {
		t.Errorf("%d buckets", n)
	}
	l.take("last", 90, now)
	l.give("last", 90)
	l.give("unknown", 5)
	if !l.take("last", 100, now) || l.take("last", 1, now) {
		t.Error("what was given back is not there, or too much is")
	}
}

func TestUnstoredQuarantineIsRetried(t *testing.T) {
	l := newLab(t, options{deps: func(d *Deps) { d.AckTimeout = 300 * time.Millisecond }})
	hold := l.cluster.Fault(produceFault(testQuarantine, nil, 19, -1))
	defer hold.Remove()
	b := eventBatch(2, 1, 0)
	b.Events[1].Refuse(schema.TooDeep, "", "")
	if err := l.Submit(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	if e := &b.Events[0]; e.Result != schema.OK {
		t.Errorf("accepted event: %v %v", e.Result, e.Reason)
	}
	if e := &b.Events[1]; e.Result != schema.Retry || e.Reason != schema.Unknown || e.Quarantined || !strings.Contains(e.Detail, "again") {
		t.Errorf("refused event whose bytes are not kept: %v %v, quarantined %v: %s", e.Result, e.Reason, e.Quarantined, e.Detail)
	}
}
