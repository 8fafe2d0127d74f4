package load

import (
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// TestRecorder records from many goroutines while another collects: nothing is lost, and the warm-up stays apart.
func TestRecorder(t *testing.T) {
	r := newRecorder()
	const workers, each = 8, 1000
	var recording sync.WaitGroup
	for n := range workers {
		recording.Go(func() {
			for i := range each {
				r.shard(n).record(&outcome{counts: Counts{Requests: 1, Sent: 10}, kind: "x", timed: true, latency: time.Duration(i+1) * time.Millisecond, service: time.Millisecond}, i%10 == 0)
			}
		})
	}
	done := make(chan struct{})
	go func() { recording.Wait(); close(done) }()
	measured, warmup := newCell(), newCell()
	for collecting := true; collecting; {
		select {
		case <-done:
			collecting = false
		default:
		}
		r.collect(measured, false)
		r.collect(warmup, true)
	}
	for _, c := range []struct {
		name string
		cell *cell
		want uint64
	}{{"measured", measured, workers * each * 9 / 10}, {"warm-up", warmup, workers * each / 10}} {
		if got := c.cell.counts; got != (Counts{Requests: c.want, Sent: 10 * c.want}) || c.cell.kinds["x"] != c.want || c.cell.latency.TotalCount() != int64(c.want) || c.cell.service.TotalCount() != int64(c.want) {
			t.Errorf("%s: %+v, kinds %v, %d latencies, want %d", c.name, got, c.cell.kinds, c.cell.latency.TotalCount(), c.want)
		}
	}
}

func TestKindsAreBounded(t *testing.T) {
	c := newCell()
	for i := range 10 * maxKinds {
		c.add(&outcome{kind: fmt.Sprint(i)})
	}
	if len(c.kinds) > maxKinds+1 || c.kinds["other"] != 9*maxKinds {
		t.Fatalf("%d kinds, %d others", len(c.kinds), c.kinds["other"])
	}
}

func TestPercentiles(t *testing.T) {
	h := newHistogram()
	if p := PercentilesOf(h); p != (Percentiles{}) {
		t.Fatalf("of nothing: %+v", p)
	}
	for i := 1; i <= 10_000; i++ {
		observe(h, time.Duration(i)*100*time.Microsecond)
	}
	observe(h, -time.Second)  // a clock gone mad counts as nothing
	observe(h, 100*time.Hour) // and as the longest
	observe(h, 499*time.Microsecond+600)
	p := PercentilesOf(h)
	for _, c := range []struct {
		name      string
		got, want float64
	}{{"p50", p.P50, 500}, {"p90", p.P90, 900}, {"p99", p.P99, 990}, {"p99.9", p.P999, 999}, {"p99.99", p.P9999, 1000}, {"max", p.Max, 3.6e6}, {"mean", p.Mean, 500 + 360}} {
		if math.Abs(c.got-c.want) > c.want/500 {
			t.Errorf("%s is %v ms, want %v", c.name, c.got, c.want)
		}
	}
	if p.Count != 10_003 {
		t.Errorf("count %d", p.Count)
	}

	text, err := encode(h)
	if err != nil {
		t.Fatal(err)
	}
	back, err := hdrhistogram.Decode([]byte(text))
	if err != nil || PercentilesOf(back) != p {
		t.Fatalf("%+v after decoding, want %+v (error %v)", PercentilesOf(back), p, err)
	}
}
