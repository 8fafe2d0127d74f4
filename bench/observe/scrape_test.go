package observe

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL + "/metrics"
}

// serverMetrics are written by the library that the server writes its own with.
func serverMetrics(w io.Writer) {
	set := metrics.NewSet()
	gauge := func(name string, v float64) { set.NewGauge(name, func() float64 { return v }) }
	gauge(`millrace_ring_depth{shard="0"}`, 3)
	gauge(`millrace_ring_depth{shard="1"}`, 4)
	gauge(`millrace_ring_bytes{shard="0"}`, 1000)
	gauge(`millrace_ring_bytes{shard="1"}`, 1e9)
	gauge(`millrace_unacked_records{shard="0"}`, 7)
	gauge(`millrace_consumer_lag_records{topic="events",partition="0"}`, 10)
	gauge(`millrace_consumer_lag_records{topic="events",partition="1"}`, 20)
	gauge("millrace_consumer_oldest_unflushed_age_seconds", 0.25)
	gauge("millrace_embedded_log_bytes", 12345678)
	gauge("millrace_embedded_log_limit_bytes", 1)
	gauge(`other{text="a } \"b\" c,table=\"events\""}`, 5)
	set.NewCounter(`millrace_sink_insert_rows_total{table="events"}`).Set(99)
	set.NewCounter(`millrace_sink_insert_rows_total{table="quarantine"}`).Set(1)
	set.NewCounter(`millrace_sink_insert_rows_total{table="events_copy"}`).Set(1)
	set.NewPrometheusHistogram("millrace_publish_duration_seconds").Update(0.5)
	set.WritePrometheus(w)
}

func TestScrape(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { serverMetrics(w) })
	series, err := Scrape(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if v := series[`other{text="a } \"b\" c,table=\"events\""}`]; v != 5 {
		t.Errorf("a label with braces and quotes: %v, of %v", v, series)
	}
	want := map[string]float64{RingRequests: 7, RingBytes: 1e9 + 1000, Unacked: 7, LagRecords: 30, OldestAge: 0.25, RowsInserted: 99, BrokerLog: 12345678}
	if got := Gauges(series); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestGaugesMissing(t *testing.T) {
	got := Gauges(map[string]float64{"millrace_embedded_log_bytes": math.NaN(), `millrace_ring_depth{shard="0"}`: math.Inf(1), `millrace_unacked_records{shard="0"}`: 0, "up": 1})
	if want := map[string]float64{Unacked: 0}; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestParseMetrics(t *testing.T) {
	got, err := parseMetrics("# HELP a b\n\na 1\nb{} +Inf 1700000000000\r\n  c{x=\"\\\\\",y=\"}\"}\t-2.5e-3\nd NaN")
	if err != nil {
		t.Fatal(err)
	}
	if got["a"] != 1 || !math.IsInf(got["b{}"], 1) || got[`c{x="\\",y="}"}`] != -0.0025 || !math.IsNaN(got["d"]) || len(got) != 4 {
		t.Errorf("%v", got)
	}
	for _, bad := range []string{"a", "a x", `a{b="c} 1`, `a{b="c"} 1 2 3`, `a{b="c"}`, " {} 1", "<html>"} {
		if got, err := parseMetrics("fine 1\n" + bad + "\n"); err == nil || !strings.HasPrefix(err.Error(), "line 2: ") {
			t.Errorf("%q: %v, %v, want an error of line 2", bad, got, err)
		}
	}
}

func TestScrapeErrors(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, c := range map[string]struct {
		url  string
		want string
	}{
		"status":  {serve(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusServiceUnavailable) }), "503"},
		"nobody":  {gone.URL, "refused"},
		"no URL":  {"127.0.0.1:1/x y", "metrics of 127.0.0.1:1/x y: "},
		"page":    {serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>\n") }), "line 1"},
		"endless": {serve(t, func(w http.ResponseWriter, _ *http.Request) { writeForever(w) }), "more than 16777216 bytes"},
	} {
		if series, err := Scrape(t.Context(), c.url); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %d series, %v, want an error with %q", name, len(series), err, c.want)
		}
	}
}

// writeForever ends when the reader hangs up.
func writeForever(w io.Writer) {
	line := bytes.Repeat([]byte("a 1\n"), 1<<16)
	for {
		if _, err := w.Write(line); err != nil {
			return
		}
	}
}

// TestScrapeHangs: a server that takes the request and does not answer.
func TestScrapeHangs(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 2)
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	if _, err := Scrape(ctx, url); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
	if _, err := Scrape(t.Context(), url); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the scrape's own deadline", err)
	}
}

func TestWatchMetrics(t *testing.T) {
	up := true
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if !up {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		serverMetrics(w)
	})
	w := NewWatch(nil, url)
	if s := w.Sample(t.Context(), time.Second); s.Gauges[LagRecords] != 30 || len(s.Gauges) != 7 || len(w.Problems()) != 0 {
		t.Errorf("%+v, problems %q", s, w.Problems())
	}
	up = false
	for range 3 {
		if s := w.Sample(t.Context(), 2*time.Second); len(s.Gauges) != 0 || s.At != 2 {
			t.Errorf("%+v", s)
		}
	}
	if p := w.Problems(); len(p) != 1 || !strings.Contains(p[0], "500") {
		t.Errorf("problems %q, want one", p)
	}
}
