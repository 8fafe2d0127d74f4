package pipeline

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/schema"
)

// The stages that refuse events, as quarantine records name them.
const (
	stageIngest   = "ingest"
	stagePipeline = "pipeline"
)

// refusedCharge is what a refused event counts against its key's bucket beside its bytes, so that empty ones are not free.
const refusedCharge = 512

// encodeRefused appends the quarantine record of a refused event to its chunk and returns the chunk's number, or notSent when the key has used up what is kept of it.
func (r *request) encodeRefused(b *schema.Batch, e *schema.Event, stage string) int32 {
	raw := e.Raw.In(b.Buf)
	truncated := int64(len(raw)) > r.p.limits.MaxEventBytes
	value := raw
	if truncated {
		value = raw[:min(schema.TruncatedBytes, len(raw))]
	}
	cost := int64(len(value)) + refusedCharge
	if !r.p.limiter.take(b.KeyID, cost, r.p.deps.Now()) {
		r.p.stats.quarantineOver.Inc()
		return notSent
	}
	r.charged += cost
	if truncated {
		e.Detail = fmt.Sprintf("%s; the first %d of its %d bytes are kept in quarantine", e.Detail, len(value), len(raw))
	}
	rejection := schema.Rejection{
		Stage:         stage,
		Reason:        e.Reason.String(),
		Field:         e.Pointer,
		Detail:        e.Detail,
		Dialect:       b.Dialect.String(),
		Index:         e.Index,
		KeyID:         b.KeyID,
		EventID:       e.ID,
		RequestID:     b.RequestID,
		CorrelationID: string(r.textOf(b, e.Text(schema.FieldCorrelationID))),
		ReceivedAt:    b.ReceivedAt,
		ClientIP:      r.enrich.ClientIP(b),
		UserAgent:     string(b.UserAgent),
		Size:          int64(len(raw)),
		Truncated:     truncated,
	}
	if b.HasSentAt {
		rejection.SentAt = b.SentAt
	}
	r.headers = r.headers[:0]
	rejection.EachHeader(func(key string, value []byte) {
		r.headers = append(r.headers, broker.Header{Key: key, Value: value})
	})
	if len(b.Traceparent) > 0 {
		r.headers = append(r.headers, broker.Header{Key: schema.HeaderTraceparent, Value: b.Traceparent})
	}
	r.key = strconv.AppendUint(r.key[:0], uint64(b.Project), 10)
	quarantine := r.p.quarantine
	at := r.begin()
	r.arena = broker.AppendRecordBody(r.arena, r.key, value, r.headers...)
	return r.add(quarantine[broker.PartitionFor(r.key, len(quarantine))], at)
}

// limiter is a token bucket of bytes per key.
type limiter struct {
	rate, burst float64 // bytes per second, bytes

	mu      sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	level float64 // bytes that may be taken
	at    time.Time
}

// manyBuckets is when full buckets, which say nothing, are thrown away.
const manyBuckets = 4096

func newLimiter(bytesPerSecond, burst int64) *limiter {
	return &limiter{rate: float64(bytesPerSecond), burst: float64(burst), buckets: make(map[string]*bucket)}
}

// take takes n bytes from the key's bucket, or nothing and false.
func (l *limiter) take(key string, n int64, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.buckets[key]
	if k == nil {
		if len(l.buckets) >= manyBuckets {
			l.forgetFullLocked(now)
		}
		k = &bucket{level: l.burst, at: now}
		l.buckets[strings.Clone(key)] = k // the caller's text is only borrowed
	}
	l.fill(k, now)
	if k.level < float64(n) {
		return false
	}
	k.level -= float64(n)
	return true
}

// give puts back what was taken and not used.
func (l *limiter) give(key string, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := l.buckets[key]; k != nil {
		k.level = min(k.level+float64(n), l.burst)
	}
}

func (l *limiter) fill(k *bucket, now time.Time) {
	if d := now.Sub(k.at); d > 0 {
		k.level = min(k.level+d.Seconds()*l.rate, l.burst)
		k.at = now
	}
}

func (l *limiter) forgetFullLocked(now time.Time) {
	for key, k := range l.buckets {
		if l.fill(k, now); k.level >= l.burst {
			delete(l.buckets, key)
		}
	}
}
