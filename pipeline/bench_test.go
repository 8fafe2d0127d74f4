package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/pipeline/enrich"
	"github.com/millrace/millrace/schema"
)

const (
	benchProperties = `{"order_id":"o-77120","total":129.95,"currency":"EUR","coupon":null,"items":[{"sku":"A-1","name":"Größe \"M\"","qty":2,"price":39.5},` +
		`{"sku":"B-7","name":"Sneaker","qty":1,"price":50.95}],"note":"Lieferung bitte an die Hintertür"}`
	benchContext = `{"library":{"name":"@segment/analytics-node","version":"3.1.0"},"locale":"de-DE","page":{"url":"https://shop.example/checkout/done?x=1",` +
		`"path":"/checkout/done","referrer":"https://shop.example/cart","title":"Danke"},"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 ` +
		`(KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36","screen":{"width":1920,"height":1080},"campaign":{"source":"newsletter","medium":"email","name":"november"}}`
)

// source makes the same request again and again, as a decoder would leave it.
type source struct {
	template, batch schema.Batch
}

func newSource(n int) *source {
	s := new(source)
	b := &s.template
	b.Project, b.KeyID, b.Dialect, b.ReceivedAt = 7, "k1", schema.DialectSegment, 1_795_000_000_000
	b.RequestID = schema.NewUUIDv7(b.ReceivedAt)
	b.SentAt, b.HasSentAt = b.ReceivedAt-100, true
	b.ClientIP = netip.MustParseAddr("192.0.2.7")
	text := func(s string) schema.Text { return b.Append([]byte(s), false) }
	for i := range n {
		e := b.Add()
		e.Type = schema.Track
		e.Set(schema.FieldEvent, text("Checkout Completed"))
		e.Set(schema.FieldUserID, text(fmt.Sprintf("user-%d", 829300+i%37)))
		e.ClientID = text(schema.NewUUIDv7(b.ReceivedAt).String())
		e.ClientTime = text("2026-11-18T10:11:12.131Z")
		e.SetClientTS(b.ReceivedAt - 5000)
		e.Set(schema.FieldLib, text("@segment/analytics-node"))
		e.Set(schema.FieldLibVersion, text("3.1.0"))
		e.Set(schema.FieldPagePath, text("/checkout/done"))
		e.Set(schema.FieldProperties, text(benchProperties))
		e.Set(schema.FieldContext, text(benchContext))
	}
	return s
}

// next returns the request. It is the same memory each time.
func (s *source) next() *schema.Batch {
	buf, events := append(s.batch.Buf[:0], s.template.Buf...), append(s.batch.Events[:0], s.template.Events...)
	s.batch = s.template
	s.batch.Buf, s.batch.Events = buf, events
	return &s.batch
}

func TestEncodeAllocatesNothing(t *testing.T) {
	src := newSource(100)
	r := newRequest(idlePipeline(t, "127.0.0.1:1"))
	run := func() {
		r.encode(src.next())
		r.reset()
	}
	run()
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations per request of 100 events", n)
	}
}

// BenchmarkEncode is what the request's goroutine does with each event: judge, enrich, encode. Making the request anew is part of the figure, some 100 ns per event.
func BenchmarkEncode(b *testing.B) {
	const n = 100
	src := newSource(n)
	r := newRequest(idlePipeline(b, "127.0.0.1:1"))
	b.SetBytes(int64(len(src.template.Buf)))
	b.ReportAllocs()
	for b.Loop() {
		r.encode(src.next())
		r.reset()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/event")
}

// enriched makes the source's request one that all of enrichment has to do with: of a browser, or of a server that speaks for many people.
func (s *source) enriched(server bool) {
	const chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
	b := &s.template
	b.ClientIP = netip.MustParseAddr("8.8.8.8")
	b.UserAgent = []byte(chrome)
	if !server {
		return
	}
	b.UserAgent = []byte("analytics-node-next/3.1.0")
	for i := range b.Events {
		e := &b.Events[i]
		e.ClientAgent = b.Append([]byte(chrome), false)
		e.ClientAddr = b.Append(fmt.Appendf(nil, "84.%d.17.9", i%37), false)
		e.Set(schema.FieldIP, e.ClientAddr)
	}
}

// newEnricher has the database of countries that make deps installs.
func newEnricher(t testing.TB) *enrich.Enricher {
	t.Helper()
	cfg := enrich.DefaultConfig()
	path, err := exec.Command("../cmd/internal/countries/install.sh").Output()
	if err != nil {
		t.Fatal(err)
	}
	cfg.CountryDatabase = strings.TrimSpace(string(path))
	x, err := enrich.New(cfg, enrich.Deps{AddressSecret: bytes.Repeat([]byte("k"), 32), Logger: slog.New(slog.DiscardHandler), Metrics: metrics.NewSet()})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// BenchmarkEncodeEnriched is BenchmarkEncode with all of enrichment, all of it warm.
func BenchmarkEncodeEnriched(b *testing.B) {
	x := newEnricher(b)
	for _, kind := range []struct {
		name   string
		server bool
		x      *enrich.Enricher
	}{{"browser/without", false, nil}, {"browser/with", false, x}, {"server/without", true, nil}, {"server/with", true, x}} {
		b.Run(kind.name, func(b *testing.B) {
			const n = 100
			src := newSource(n)
			src.enriched(kind.server)
			p := idlePipeline(b, "127.0.0.1:1")
			p.deps.Enrich = kind.x
			r := newRequest(p)
			r.encode(src.next())
			r.reset()
			b.ReportAllocs()
			for b.Loop() {
				r.encode(src.next())
				r.reset()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/event")
		})
	}
}

// BenchmarkRecordBatchEncode is what a shard does with each record: copy into the batch, prefix, CRC.
func BenchmarkRecordBatchEncode(b *testing.B) {
	const n = 100
	src := newSource(n)
	r := newRequest(idlePipeline(b, "127.0.0.1:1"))
	r.encode(src.next())
	var bodies [][]byte
	for i := range r.chunks {
		c := &r.chunks[i]
		for at, k := c.first, 0; k < c.records; k++ {
			body, next := record(r.arena, at)
			bodies, at = append(bodies, body), next
		}
	}
	if len(bodies) != n {
		b.Fatalf("%d records", len(bodies))
	}
	var batch broker.BatchBuilder
	var size int
	b.ReportAllocs()
	for b.Loop() {
		batch.Reset()
		for _, body := range bodies {
			batch.Append(body, r.receivedAt)
		}
		size = len(batch.Seal(broker.ProducerID{ID: 1}, 0))
	}
	b.SetBytes(int64(size))
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/event")
}

// BenchmarkSubmit is the whole way to a broker that discards, with callers enough to keep it busy. The broker shares the processors.
func BenchmarkSubmit(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("batch=%d", n), func(b *testing.B) {
			p, stop := startDiscard(b).pipeline(b)
			defer stop()
			b.SetParallelism(64 / runtime.GOMAXPROCS(0))
			b.SetBytes(int64(len(newSource(n).template.Buf)))
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				src := newSource(n)
				for pb.Next() {
					batch := src.next()
					if err := p.Submit(context.Background(), batch); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/event")
		})
	}
}
