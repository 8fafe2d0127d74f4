package compare

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/bench/observe"
	"github.com/millrace/millrace/bench/sheet"
)

// sample is what Run would have brought back: three rounds of two batch sizes.
func sample() *Result {
	r := &Result{
		Version: Version, Started: time.Date(2025, 1, 2, 3, 4, 0, 0, time.UTC), Environment: observe.Environment{CPU: "A CPU", CPUs: 2, Kernel: "Linux 6", Go: "go1", Versions: map[string]string{"commit": "abc"}},
		Placement: Placement{Pinned: true, Target: 1, Load: []int{0}}, Dialect: "segment", EventBytes: 880, Rounds: 3, WindowSeconds: 2,
		Targets: []TargetInfo{{Name: Gateway}, {Name: Null}, {Name: Naive}}, Notes: []string{"a note"},
	}
	for _, batch := range []int{100, 1} {
		for round := 1; round <= 3; round++ {
			// The machine is half as fast in the second round, for all of them.
			slow := 1.0
			if round == 2 {
				slow = 2
			}
			add := func(target string, user, system, load float64) {
				const events = 1_000_000
				w := Window{Batch: batch, Connections: 32, Round: round, Target: target, Seconds: 2, Requests: events / 100, Accepted: events, User: user * slow, System: system * slow, Load: load, Rate: 500_000 / slow, P50: 1, P99: float64(round), Resident: int64(round) << 20}
				if target != Null {
					records := w.Accepted
					w.Records = &records
				}
				r.Windows = append(r.Windows, w)
			}
			add(Gateway, 1.5, 1, 0.5)
			add(Null, 0.25, 0.25, 0.9)
			add(Naive, 18, 2, 0.1)
		}
	}
	return r
}

func TestSummarize(t *testing.T) {
	r := sample()
	r.summarize(Null, Gateway)
	if len(r.Cells) != 6 || r.Cells[0].Batch != 100 || r.Cells[3].Batch != 1 {
		t.Fatalf("cells %+v", r.Cells)
	}
	g := r.Cell(100, Gateway)
	want := Cell{
		Batch: 100, Connections: 32, Target: Gateway, Windows: 3, User: sheet.Spread{Median: 1.5, Min: 1.5, Max: 3}, System: sheet.Spread{Median: 1, Min: 1, Max: 2}, Total: sheet.Spread{Median: 2.5, Min: 2.5, Max: 5},
		Rate: sheet.Spread{Median: 500_000, Min: 250_000, Max: 500_000}, P50: sheet.Spread{Median: 1, Min: 1, Max: 1}, P99: sheet.Spread{Median: 2, Min: 1, Max: 3}, Load: sheet.Spread{Median: 0.5, Min: 0.5, Max: 0.5}, Resident: 3 << 20,
	}
	if !reflect.DeepEqual(*g, want) {
		t.Errorf("gateway %+v, want %+v", *g, want)
	}
	if n := r.Cell(100, Null); !n.LowerBound || len(n.Invalid) > 0 {
		t.Errorf("null %+v, want a rate that is a lower bound", n)
	}
	// Round by round the slow one does not show.
	if len(r.Ratios) != 6 {
		t.Errorf("ratios %+v", r.Ratios)
	}
	for _, c := range []struct {
		of, to string
		times  float64
	}{{Gateway, Null, 5}, {Naive, Null, 40}, {Naive, Gateway, 8}} {
		if x, ok := r.Ratio(1, c.of, c.to); !ok || x != (sheet.Spread{Median: c.times, Min: c.times, Max: c.times}) {
			t.Errorf("%s / %s = %+v, %v, want %v", c.of, c.to, x, ok, c.times)
		}
	}
	r.Placement = Placement{Target: -1, Load: []int{0, 1}, Why: "no way"}
	r.summarize(Null, Gateway)
	if !r.Cell(100, Gateway).LowerBound {
		t.Error("a rate is no lower bound though the processors are shared")
	}
}

func TestFaults(t *testing.T) {
	few := uint64(999_999)
	for name, c := range map[string]struct {
		change func(*Window)
		want   string
	}{
		"failed": {func(w *Window) {
			w.Errors, w.ErrorKinds = 7, map[string]uint64{"503 overloaded": 4, "timeout": 1, "reset": 2}
		}, "round 2: 7 of 10000 requests failed, 503 overloaded 4 times, reset 2 times, timeout 1 times"},
		"nothing":  {func(w *Window) { w.Accepted = 0 }, "round 2: no event was accepted"},
		"rejected": {func(w *Window) { w.Rejected = 3 }, "round 2: 3 events were refused and 0 have no clear answer, all of them are valid"},
		"unknown":  {func(w *Window) { w.Unknown = 2 }, "round 2: 0 events were refused and 2 have no clear answer, all of them are valid"},
		"lost":     {func(w *Window) { w.Records = &few }, "round 2: 1000000 events were accepted, the broker counted 999999 records"},
		"idle":     {func(w *Window) { w.User, w.System = 0, 0 }, "round 2: no CPU time was counted: is it the right process?"},
	} {
		r := sample()
		c.change(&r.Windows[3]) // of the gateway
		r.summarize(Null, Gateway)
		if got := r.Cell(100, Gateway).Invalid; len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if _, ok := r.Ratio(100, Gateway, Null); ok {
			t.Errorf("%s: there is a ratio", name)
		}
		if _, ok := r.Ratio(100, Naive, Null); !ok {
			t.Errorf("%s: the ratio of the others is missing", name)
		}
		if _, ok := r.Ratio(1, Gateway, Null); !ok {
			t.Errorf("%s: the ratio at the other batch size is missing", name)
		}
		if text, err := json.Marshal(r); err != nil || bytes.Contains(text, []byte("NaN")) {
			t.Errorf("%s: JSON: %v", name, err)
		}
	}
}

func TestText(t *testing.T) {
	r := sample()
	r.Windows[0].Errors = 1
	r.summarize(Null, Gateway)
	var b strings.Builder
	if err := r.Text(&b); err != nil {
		t.Fatal(err)
	}
	want := `CPU time of each target per event in µs, median [min – max] of 3 interleaved windows of 2 s; segment events of 880 bytes
Target alone on processor 1 with GOMAXPROCS=1; generator and broker on 0, "load" is how much of that they used
A CPU · 2 processors · Linux 6 · go1 · commit abc · 2025-01-02 03:04

100 events per request, 32 connections
             user   sys  total    [min – max]   events/s  p50 ms  p99 ms  MiB  load
  gateway ✗  1.50  1.00   2.50  [2.50 – 5.00]    500,000    1.00    2.00    3  50 %
       null  0.25  0.25   0.50  [0.50 – 1.00]  ≥ 500,000    1.00    2.00    3  90 %
      naive  18.0  2.00   20.0  [20.0 – 40.0]    500,000    1.00    2.00    3  10 %
  ✗ gateway means nothing, round 1: 1 of 10000 requests failed
  naive / null = 40.0× [40.0 – 40.0]

1 event per request, 32 connections
           user   sys  total    [min – max]   events/s  p50 ms  p99 ms  MiB  load
  gateway  1.50  1.00   2.50  [2.50 – 5.00]    500,000    1.00    2.00    3  50 %
     null  0.25  0.25   0.50  [0.50 – 1.00]  ≥ 500,000    1.00    2.00    3  90 %
    naive  18.0  2.00   20.0  [20.0 – 40.0]    500,000    1.00    2.00    3  10 %
  gateway / null = 5.00× [5.00 – 5.00]
  naive / null = 40.0× [40.0 – 40.0]
  naive / gateway = 8.00× [8.00 – 8.00]

· a note
· ≥: a lower bound, as generator and broker were busy beyond 85 % of their processors; CPU per event does not suffer from that
`
	if b.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", b.String(), want)
	}
	b.Reset()
	if err := r.JSON(&b); err != nil {
		t.Fatal(err)
	}
	var back Result
	if err := json.Unmarshal([]byte(b.String()), &back); err != nil || !reflect.DeepEqual(&back, r) {
		t.Errorf("JSON does not come back: %v\n%+v\n%+v", err, back, r)
	}
}

func TestThousands(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 7: "7", 999: "999", 1234: "1,230", 352_345: "352,000", 1_935_432: "1,940,000", 0.4: "0"} {
		if got := thousands(v); got != want {
			t.Errorf("thousands(%v) = %q, want %q", v, got, want)
		}
	}
}
