package ingest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metrics"
	"github.com/millrace/millrace/schema"
	"github.com/valyala/fasthttp/fasthttputil"
)

// accepting is a Submitter that stores nothing.
type accepting struct{}

func (accepting) Submit(context.Context, *schema.Batch) error { return nil }

// shopBatch is a batch of n events of about 870 bytes, as a shop's server sends them.
func shopBatch(n int) string {
	var b strings.Builder
	b.WriteString(`{"batch":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"timestamp":"2026-11-01T10:%02d:%02d.131Z","type":"track","event":"Product Viewed","messageId":"node-next-1793527872%03d-0f6c%04d","userId":"user-%06d",`+
			`"properties":{"order_id":"o-%05d","total":%d.95,"currency":"EUR","coupon":null,"items":[{"sku":"A-%d","name":"Größe \"M\"","qty":2,"price":39.5},{"sku":"B-7","name":"Sneaker","qty":1,"price":50.95}],"note":"Lieferung bitte an die Hintertür"},`+
			`"context":{"library":{"name":"@segment/analytics-node","version":"3.1.0"},"locale":"de-DE","ip":"203.0.113.%d","page":{"url":"https://shop.example/checkout/%d?x=1","path":"/checkout/%d","referrer":"https://shop.example/cart","title":"Danke"},`+
			`"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36","screen":{"width":1920,"height":1080},"campaign":{"source":"newsletter","medium":"email","name":"november"}}}`,
			i/60%60, i%60, i%1000, i, i*7919%1000000, i, i%500, i%40, i%250, i, i)
	}
	b.WriteString(`],"sentAt":"2026-11-01T10:11:13.000Z"}`)
	return b.String()
}

// BenchmarkRequest is a whole request, from the first byte of its header to the last of its answer, on a connection in memory: the figure holds the client's
// part too.
func BenchmarkRequest(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run("batch="+strconv.Itoa(n), func(b *testing.B) {
			s, err := New(DefaultConfig(), schema.DefaultLimits(), Deps{
				Submitter: accepting{}, Validate: func(*schema.Batch) {}, Keys: keys{testKey: {ID: "k", Project: 7}}, Health: func(bool) (int, []byte) { return 200, nil },
				Log: slog.New(slog.DiscardHandler), Metrics: metrics.NewSet(),
			})
			if err != nil {
				b.Fatal(err)
			}
			ln := fasthttputil.NewInmemoryListener()
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- s.Run(ctx, ln) }()
			var conn net.Conn
			var r *bufio.Reader
			dial := func() {
				if conn, err = ln.Dial(); err != nil {
					b.Fatal(err)
				}
				r = bufio.NewReader(conn)
			}
			dial()
			body := shopBatch(n)
			request := []byte(fmt.Sprintf("POST /v1/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: analytics-node/3.1.0\r\nAccept: */*\r\nContent-Type: application/json\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n%s",
				basic(testKey+":"), len(body), body))
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, err := conn.Write(request); err != nil {
					b.Fatal(err)
				}
				if closing := skipAnswer(b, r); closing {
					_ = conn.Close()
					dial()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/event")
			_ = conn.Close()
			cancel()
			if err := <-ended; err != nil {
				b.Fatal(err)
			}
		})
	}
}

// skipAnswer reads a 200 to its end without allocating.
func skipAnswer(b *testing.B, r *bufio.Reader) (closing bool) {
	b.Helper()
	length := 0
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			b.Fatal(err)
		}
		if first && string(line[:12]) != "HTTP/1.1 200" {
			b.Fatalf("answer %q", line)
		}
		if rest, ok := strings.CutPrefix(string(line), "Content-Length: "); ok {
			if length, err = strconv.Atoi(strings.TrimSpace(rest)); err != nil {
				b.Fatal(err)
			}
		}
		closing = closing || string(line) == "Connection: close\r\n"
		if len(line) == 2 {
			break
		}
	}
	if _, err := io.CopyN(io.Discard, r, int64(length)); err != nil {
		b.Fatal(err)
	}
	return closing
}
