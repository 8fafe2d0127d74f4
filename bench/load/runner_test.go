package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/scenario"
)

// TestEveryEventArrives: as many requests as the schedule has, each with the next numbers of its producer, and the ledger says the same as the server.
func TestEveryEventArrives(t *testing.T) {
	for _, compression := range []string{"none", "gzip", "zstd"} {
		t.Run(compression, func(t *testing.T) {
			l := newLab(t, func(s *scenario.Scenario) { s.Load.Compression = compression })
			target := newServer(t, nil)
			s := l.mustRun(t, target.URL+"/")
			want := Counts{Scheduled: 1000, Sent: 1000, Accepted: 1000, Requests: 200, Late: s.Counts.Late, BytesSent: s.Counts.BytesSent}
			if s.Counts != want || s.Aborted || len(s.ErrorKinds) > 0 || s.Latency.Count != 200 || s.Service.Count != 200 {
				t.Fatalf("%+v, want %+v; %d latencies, kinds %v", s.Counts, want, s.Latency.Count, s.ErrorKinds)
			}
			if s.Seconds < 0.2 || s.Latency.P50 < s.Service.P50 || s.Latency.Max == 0 || s.LatencyHDR == "" || s.ServiceHDR == "" {
				t.Fatalf("%+v", s)
			}
			seen := map[uint16][]uint64{}
			for _, r := range target.requests {
				seen[r.producer] = append(seen[r.producer], r.seqs...)
			}
			for producer, seqs := range seen {
				slices.Sort(seqs)
				for i, seq := range seqs {
					if seq != uint64(i) {
						t.Fatalf("producer %d: number %d in place %d", producer, seq, i)
					}
				}
			}
			perRequest := s.Counts.BytesSent / s.Counts.Requests
			if plain := uint64(len(l.pool.Producers[0].Bodies[0].JSON)); compression == "none" && perRequest < plain || compression != "none" && perRequest > plain {
				t.Fatalf("%d bytes sent per request, a body has %d", perRequest, plain)
			}
		})
	}
}

func TestSlotsFollowSequence(t *testing.T) {
	l := newLab(t, func(s *scenario.Scenario) { s.Events.Invalid = 0.3; s.Events.PoolBytes = 40 << 10 })
	// The server does not know the slots: it refuses what lacks a field, by the pool's own account of what it made.
	target := newServer(t, func(w http.ResponseWriter, r *request) {
		var results []string
		slots := l.pool.Producers[r.producer].Slots
		for i, seq := range r.seqs {
			if slots[seq%uint64(len(slots))].Kind == ledger.Invalid {
				results = append(results, fmt.Sprintf(`{"index":%d,"result":"drop","code":"missing_user","quarantined":%v}`, i, seq%2 == 0))
			}
		}
		render(w, len(r.seqs)-len(results), results)
	})
	s := l.mustRun(t, target.URL)
	if s.Counts.Rejected == 0 || s.Counts.Accepted == 0 || s.Counts.Errors != 0 || s.Counts.Unknown != 0 {
		t.Fatalf("%+v, kinds %v", s.Counts, s.ErrorKinds)
	}
	answers := map[ledger.Answer]int{}
	rounds := uint64(0)
	for _, e := range l.entries {
		slots := l.pool.Producers[e.Producer].Slots
		rounds = max(rounds, e.Seq/uint64(len(slots)))
		said := make([]ledger.Answer, e.Events)
		for i := range said {
			said[i] = e.Answer
		}
		for _, r := range e.Results {
			said[r.Index] = r.Answer
		}
		for i, a := range said {
			seq := e.Seq + uint64(i)
			want := ledger.Accepted
			if slots[seq%uint64(len(slots))].Kind == ledger.Invalid {
				if want = ledger.Quarantined; seq%2 == 1 {
					want = ledger.Dropped
				}
			}
			if a != want {
				t.Fatalf("producer %d, number %d: answer %d, want %d", e.Producer, seq, a, want)
			}
			answers[a]++
		}
	}
	if len(answers) != 3 || rounds == 0 {
		t.Fatalf("answers %v in %d rounds: the test did not see every case", answers, rounds)
	}
}

// TestBatchOfOneInvalidEvent: a request that had to be refused is no error, one that had not is.
func TestBatchOfOneInvalidEvent(t *testing.T) {
	l := newLab(t, func(s *scenario.Scenario) { s.Load.Batch = 1; s.Events.Invalid = 0.5; s.Load.Stages[0].Rate = 1000 })
	target := newServer(t, func(w http.ResponseWriter, r *request) {
		render(w, 0, []string{`{"index":0,"result":"drop","code":"missing_user","quarantined":true}`})
	})
	s := l.mustRun(t, target.URL)
	invalid := uint64(0)
	for _, e := range l.entries {
		slots := l.pool.Producers[e.Producer].Slots
		if slots[e.Seq%uint64(len(slots))].Kind == ledger.Invalid {
			invalid++
		}
	}
	if c := s.Counts; invalid == 0 || invalid == c.Sent || c.Sent != 200 || c.Rejected != c.Sent || c.Errors != c.Sent-invalid || s.ErrorKinds["400"] != c.Errors {
		t.Fatalf("%+v, kinds %v, %d invalid events", c, s.ErrorKinds, invalid)
	}
}

// TestWholeRefusals: what each status says of the events, by the kind of its error.
func TestWholeRefusals(t *testing.T) {
	refusals := []struct {
		status int
		code   string
		answer ledger.Answer
	}{
		{401, "invalid_key", ledger.Dropped},
		{404, "unknown_route", ledger.Dropped},
		{413, "too_large", ledger.Dropped},
		{429, "rate_limited", ledger.Unknown},
		{500, "internal", ledger.Unknown},
		{503, "overloaded", ledger.Unknown},
	}
	l := newLab(t, nil)
	var n atomic.Int64
	target := newServer(t, func(w http.ResponseWriter, r *request) {
		refusal := refusals[n.Add(1)%int64(len(refusals))]
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(refusal.status)
		_, _ = fmt.Fprintf(w, `{"title":"x","code":%q}`, refusal.code)
	})
	s := l.mustRun(t, target.URL)
	for _, refusal := range refusals {
		kind := fmt.Sprintf("%d %s", refusal.status, refusal.code)
		if got := s.ErrorKinds[kind]; got < 200/6 || got > 200/6+1 {
			t.Errorf("%d requests of kind %q, kinds %v", got, kind, s.ErrorKinds)
		}
	}
	for _, e := range l.entries {
		i := slices.IndexFunc(refusals, func(r struct {
			status int
			code   string
			answer ledger.Answer
		},
		) bool {
			return r.status == int(e.Status)
		})
		if i < 0 || e.Answer != refusals[i].answer {
			t.Fatalf("status %d makes the answer %d", e.Status, e.Answer)
		}
	}
	if s.Counts.Errors != 200 || s.Counts.Accepted != 0 || s.Latency.Count != 200 {
		t.Fatalf("%+v, %d latencies", s.Counts, s.Latency.Count)
	}
}

func TestBlind(t *testing.T) {
	l := newLab(t, nil)
	l.blind = true
	target := newServer(t, func(w http.ResponseWriter, _ *request) { _, _ = w.Write([]byte("1")) })
	if s := l.mustRun(t, target.URL); s.Counts.Accepted != 1000 || s.Counts.Errors != 0 {
		t.Fatalf("%+v, kinds %v", s.Counts, s.ErrorKinds)
	}
}

func TestTLS(t *testing.T) {
	l := newLab(t, nil)
	target := &server{}
	target.Server = httptest.NewUnstartedServer(target)
	target.Config.ErrorLog = log.New(io.Discard, "", 0)
	target.StartTLS()
	defer target.Close()
	l.adjust = func(r *Runner) {
		r.target.tls.RootCAs = target.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	}
	if s := l.mustRun(t, target.URL); s.Counts.Accepted != 1000 || s.Counts.Errors != 0 || len(target.problems) > 0 {
		t.Fatalf("%+v, kinds %v, problems %v", s.Counts, s.ErrorKinds, target.problems)
	}
	// A certificate that nobody vouches for.
	l.adjust = nil
	if _, err := l.run(t.Context(), target.URL); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Fatalf("error %v, want one of certificates", err)
	}
}

// TestSaturate: every connection sends as soon as it can, for as long as the stages take.
func TestSaturate(t *testing.T) {
	l := newLab(t, func(s *scenario.Scenario) { s.Load.Mode = scenario.Saturate; s.Load.Stages[0].Rate = 0 })
	target := newServer(t, nil)
	s := l.mustRun(t, target.URL)
	if c := s.Counts; c.Sent == 0 || c.Scheduled != c.Sent || c.Accepted != c.Sent || c.Late+c.Dropped != 0 || s.Latency != s.Service || s.Seconds < 0.2 {
		t.Fatalf("%+v in %v s", s.Counts, s.Seconds)
	}
	producers := map[uint16]bool{}
	for _, e := range l.entries {
		producers[e.Producer] = true
		if e.Intended != e.Sent {
			t.Fatalf("%+v", e)
		}
	}
	if len(producers) != 4 {
		t.Fatalf("producers %v sent", slices.Collect(maps.Keys(producers)))
	}
}

// TestWarmup: the ledger has the requests of the warm-up, and so have its intervals; the summary has not.
func TestWarmup(t *testing.T) {
	for _, mode := range []scenario.Mode{scenario.Rate, scenario.Saturate} {
		t.Run(string(mode), func(t *testing.T) {
			l := newLab(t, func(s *scenario.Scenario) { s.Load.Mode = mode; s.Load.Warmup = 80 * time.Millisecond })
			target := newServer(t, nil)
			s := l.mustRun(t, target.URL)
			warm := s.Started.Add(80 * time.Millisecond).UnixNano()
			var before, ticked uint64
			for _, e := range l.entries {
				if e.Intended < warm {
					before += uint64(e.Events)
				}
			}
			for _, i := range l.intervals {
				if i.Warmup != (i.At <= 0.08) {
					t.Errorf("an interval that ends at %v s: warm-up %v", i.At, i.Warmup)
				}
				if i.Warmup {
					ticked += i.Counts.Sent
				}
			}
			if before == 0 || ticked == 0 || ticked > before || s.Seconds < 0.12 || s.Seconds > float64(time.Since(s.Started).Seconds())-0.08 {
				t.Fatalf("%d events before the end of the warm-up, %d in its intervals; %v s measured", before, ticked, s.Seconds)
			}
			if want := uint64(600); mode == scenario.Rate && (s.Counts.Scheduled != want || s.Counts.Sent != want || before != 400) {
				t.Fatalf("%+v, want %d events; %d before", s.Counts, want, before)
			}
		})
	}
}

// TestRecordFails: a ledger that cannot be written ends the run.
func TestRecordFails(t *testing.T) {
	l := newLab(t, func(s *scenario.Scenario) { s.Load.Stages[0].Duration = time.Hour })
	full := errors.New("no space left")
	n := 0
	l.record = func(*ledger.Entry) error {
		if n++; n >= 20 {
			return full
		}
		return nil
	}
	s, err := l.run(t.Context(), newServer(t, nil).URL)
	if !errors.Is(err, full) || !strings.HasPrefix(err.Error(), "record: ") || s == nil || !s.Aborted {
		t.Fatalf("error %v, summary %+v", err, s)
	}
	l.check(t, s)
}

// TestAbort: a request in flight is still answered when that takes less than the grace.
func TestAbort(t *testing.T) {
	l := newLab(t, func(s *scenario.Scenario) { s.Load.Stages[0].Duration = time.Hour })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var n atomic.Int64
	target := newServer(t, func(w http.ResponseWriter, r *request) {
		if n.Add(1) == 100 {
			cancel()
		}
		accept(w, r)
	})
	s, err := l.run(ctx, target.URL)
	if err != nil || !s.Aborted || s.Counts.Errors != 0 || s.Counts.Unknown != 0 || s.Counts.Requests < 100 || s.Seconds > 60 {
		t.Fatalf("error %v, %+v", err, s)
	}
	if c := s.Counts; c.Scheduled < c.Sent || c.Scheduled > c.Sent+uint64(time.Since(s.Started).Seconds()*5000)+5 {
		t.Fatalf("%+v", c)
	}
	l.check(t, s)
}

// TestAbortBeforeTheStart: nothing is sent.
func TestAbortBeforeTheStart(t *testing.T) {
	l := newLab(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	target := newServer(t, nil)
	s, err := l.run(ctx, target.URL)
	if err != nil || !s.Aborted || s.Counts != (Counts{Scheduled: s.Counts.Scheduled}) || len(target.requests) > 0 {
		t.Fatalf("error %v, %+v, %d requests", err, s, len(target.requests))
	}
}

func TestNewRefuses(t *testing.T) {
	l := newLab(t, nil)
	for _, c := range []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{"nothing", func(o *Options) { *o = Options{} }, "no scenario\nno producers"},
		{"negative interval", func(o *Options) { o.Interval = -1 }, "negative"},
		{"no scheme", func(o *Options) { o.URL = "127.0.0.1:80" }, "url"},
		{"another scheme", func(o *Options) { o.URL = "ftp://127.0.0.1" }, "must be http://host:port"},
		{"no host", func(o *Options) { o.URL = "http://:80" }, "must be http://host:port"},
		{"a query", func(o *Options) { o.URL = "http://127.0.0.1/?x=1" }, "must be http://host:port"},
		{"a key in the URL", func(o *Options) { o.URL = "http://key@127.0.0.1/" }, "must be http://host:port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := Options{URL: "http://127.0.0.1:1", Scenario: l.scenario, Pool: l.pool}
			c.change(&o)
			if _, err := New(o); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestTarget(t *testing.T) {
	for _, c := range []struct{ url, key, encoding, address, head string }{
		{"http://127.0.0.1:7080", "k", "", "127.0.0.1:7080", "POST /v1/batch HTTP/1.1\r\nHost: 127.0.0.1:7080\r\nUser-Agent: millrace-bench\r\nAuthorization: Basic azo=\r\nContent-Type: application/json\r\nContent-Length: "},
		{"https://host/a%20b/", "", "zstd", "host:443", "POST /a%20b/v1/batch HTTP/1.1\r\nHost: host\r\nUser-Agent: millrace-bench\r\nContent-Type: application/json\r\nContent-Encoding: zstd\r\nContent-Length: "},
		{"http://[::1]", "", "gzip", "[::1]:80", "POST /v1/batch HTTP/1.1\r\nHost: [::1]\r\nUser-Agent: millrace-bench\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: "},
	} {
		got, err := newTarget(c.url, "/v1/batch", c.key, c.encoding, time.Second)
		if err != nil || got.address != c.address || string(got.head) != c.head || (got.tls != nil) != strings.HasPrefix(c.url, "https") {
			t.Errorf("%s: %+v, head %q, error %v", c.url, got, got.head, err)
		}
	}
}
