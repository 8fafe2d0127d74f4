package report

import (
	"flag"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/load"
	"github.com/millrace/millrace/bench/observe"
	"github.com/millrace/millrace/bench/scenario"
)

// out is for looking at a page: go test ./bench/report -run TestHTML -page /tmp/report.html
var out = flag.String("page", "", "write the page of the generated run to this file")

// generated makes a run of a spike: so many seconds, in the middle a fifteenth of them at four times the rate. The queues fill, latencies rise, and both come back.
func generated(t testing.TB, total int, seed uint64) *Result {
	t.Helper()
	const base, batch, warmup = 20_000.0, 100, 10
	rng := rand.New(rand.NewPCG(seed, 1))
	s := scenario.Default()
	s.Name, s.Description = "spike", "20,000 events per second, four times as many for a while, and back"
	spikeFrom, spikeTo := total/2, total/2+total/15
	s.Load.Stages = []scenario.Stage{{Duration: time.Duration(spikeFrom) * time.Second, Rate: base}, {Duration: time.Duration(spikeTo-spikeFrom) * time.Second, Rate: 4 * base}, {Duration: time.Duration(total-spikeTo) * time.Second, Rate: base}}
	s.Load.Warmup, s.Load.Batch, s.Load.Connections = warmup*time.Second, batch, 64
	s.Thresholds = scenario.Thresholds{P50: 10 * time.Millisecond, P99: 50 * time.Millisecond, P999: time.Second, Queryable: 3 * time.Second, Errors: 0.001, MinRate: 15_000, Ledger: true}
	r := &Result{
		Version: Version, Run: "0199a3f4c2d17e60", Target: "http://127.0.0.1:7080", Started: time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC), Scenario: s,
		Durability: "acks=all, embedded broker with 1 copy, fsync before each acknowledgement, no compression",
		Environment: observe.Environment{
			Host: "bench-1", OS: "Debian GNU/Linux 12 (bookworm)", Kernel: "Linux 6.1.0-28-amd64", CPU: "AMD EPYC 9R14", CPUs: 8, Memory: 32 << 30, Go: "go1.26.8", LoadBefore: 0.12,
			Versions: map[string]string{"millrace": "0.1.0", "commit": "1775d13", "clickhouse": "26.7.1"}, Config: map[string]string{"pipeline.shards": "4", "sink.block_age": "500ms"},
		},
		QueryableEvery: 0.05,
	}
	latency, service := hdrhistogram.New(1, 60_000_000, 3), hdrhistogram.New(1, 60_000_000, 3)
	waited := hdrhistogram.New(1, 60_000_000, 3)
	cpu := map[string]*observe.Usage{
		"gateway": {Resident: 60 << 20, Threads: 12}, "broker": {Resident: 90 << 20, Threads: 10}, "clickhouse": {Resident: 600 << 20, Threads: 300}, "generator": {Resident: 120 << 20, Threads: 9},
	}
	sample := func(at, lag, ring, rows float64) {
		p := make(map[string]observe.Usage)
		for name, u := range cpu {
			tick := *u
			tick.User, tick.System = math.Floor(tick.User*100)/100, math.Floor(tick.System*100)/100
			p[name] = tick
		}
		r.Samples = append(r.Samples, observe.Sample{At: at, Processes: p, Gauges: map[string]float64{
			observe.RingRequests: ring, observe.RingBytes: ring * 90_000, observe.Unacked: 100 + ring*40, observe.LagRecords: lag, observe.OldestAge: lag / base, observe.RowsInserted: rows, observe.BrokerLog: math.Mod(rows*880, 2<<30),
		}})
	}
	use := func(events float64) {
		for _, each := range []struct {
			name         string
			user, system float64 // µs per event
		}{{"gateway", 2.1, 0.9}, {"broker", 3.2, 1.1}, {"clickhouse", 3.6, 0.5}, {"generator", 0.4, 0.5}} {
			u := cpu[each.name]
			u.User += events*each.user*1e-6*(0.95+0.1*rng.Float64()) + 0.004
			u.System += events*each.system*1e-6*(0.95+0.1*rng.Float64()) + 0.002
		}
	}
	var lag, rows, ring float64
	sample(0, 0, 0, 0)
	for i := 1; i <= total; i++ {
		rate := base
		if i > spikeFrom && i <= spikeTo {
			rate *= 4
		}
		events := rate
		over := math.Max(0, rate-base*3.4)/base + ring/400
		c := load.Counts{Scheduled: uint64(rate), Sent: uint64(events), Requests: uint64(events / batch), BytesSent: uint64(events * 900)}
		c.Rejected = uint64(events / 1000)
		if i == spikeFrom+3 {
			c.Errors, c.Late, c.Unknown = 7, 31, 700
		}
		c.Accepted = c.Sent - c.Rejected - c.Unknown
		li, si := hdrhistogram.New(1, 60_000_000, 3), hdrhistogram.New(1, 60_000_000, 3)
		for range c.Requests {
			s := 1.6*math.Exp(0.35*rng.NormFloat64()) + 18*over*rng.Float64()
			if rng.Float64() < 0.004 {
				s += 12 * rng.ExpFloat64()
			}
			l := s + 0.05 + 160*over*rng.Float64()
			for h, v := range map[*hdrhistogram.Histogram]float64{li: l, si: s} {
				if err := h.RecordValue(int64(v * 1000)); err != nil {
					t.Fatal(err)
				}
			}
		}
		r.Intervals = append(r.Intervals, load.Interval{At: float64(i), Seconds: 1, Counts: c, Latency: percentiles(li), Service: percentiles(si)})
		if i > warmup {
			addCounts(&r.Load.Counts, &c)
			latency.Merge(li)
			service.Merge(si)
		}
		use(events)
		loaded := math.Min(lag+events, base*1.9)
		lag += events - loaded
		rows += loaded
		ring = math.Max(0, ring*0.8+math.Max(0, rate-base*3.2)/100*rng.Float64())
		sample(float64(i)+0.01, lag+4000*rng.Float64(), ring+3*rng.Float64(), rows)
		for k := range 2 {
			ms := 50 * math.Ceil((300+450*rng.Float64()+lag/base*700)/50)
			r.QueryableSeries = append(r.QueryableSeries, Point{float64(i) - 1 + float64(k)/2, ms})
			if err := waited.RecordValue(int64(ms * 1000)); err != nil {
				t.Fatal(err)
			}
		}
		cpu["clickhouse"].Resident += int64(1 << 20 * rng.Float64())
	}
	for i := 1; i <= 4; i++ {
		use(1000)
		lag /= 4
		sample(float64(total+i)+0.01, lag, 0, rows)
	}
	r.Load.Started, r.Load.Seconds, r.DrainSeconds = r.Started, float64(total-warmup), 3.4
	r.Load.Latency, r.Load.Service = percentiles(latency), percentiles(service)
	r.Load.LatencyHDR, r.Load.ServiceHDR = encoded(t, latency), encoded(t, service)
	r.Load.ErrorKinds = map[string]uint64{"503 overloaded": 5, "timeout": 2}
	q := percentiles(waited)
	r.Queryable = &q
	sent := r.Load.Counts.Sent + warmup*base
	r.Ledger = &ledger.Verdict{
		Run: r.Run, Checked: r.Started.Add(6 * time.Minute), Complete: true, Drained: true, Sent: sent, Accepted: sent - 6900, Quarantined: 6200, Unknown: 700,
		Rows: sent - 6500, UnknownStored: 400, ClientDuplicates: 5930, Seconds: 8.2,
	}
	r.Judge()
	return r
}

func percentiles(h *hdrhistogram.Histogram) load.Percentiles {
	ms := func(p float64) float64 { return float64(h.ValueAtPercentile(p)) / 1000 }
	return load.Percentiles{Count: uint64(h.TotalCount()), Mean: h.Mean() / 1000, P50: ms(50), P90: ms(90), P99: ms(99), P999: ms(99.9), P9999: ms(99.99), Max: float64(h.Max()) / 1000}
}

func encoded(t testing.TB, h *hdrhistogram.Histogram) string {
	t.Helper()
	text, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
