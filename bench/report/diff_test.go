package report

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/bench/load"
	"github.com/millrace/millrace/bench/observe"
	"github.com/millrace/millrace/bench/scenario"
)

// steady makes a run whose rate, times and costs wander around means; slower multiplies times and costs, and divides the rate.
func steady(n int, seed uint64, slower float64) *Result {
	rng := rand.New(rand.NewPCG(seed, 3))
	r := &Result{Version: Version, Run: "steady", Scenario: scenario.Default(), Durability: "acks=all", Started: time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC), Pass: true}
	r.Scenario.Name = "steady"
	r.Environment = observe.Environment{Host: "one", CPU: "a", CPUs: 8, Memory: 32 << 30, Go: "go1.26.8", Versions: map[string]string{"commit": "aaaa"}, Config: map[string]string{}}
	rate, times, user, system := wandering(rng, n, 20_000/slower, 0.02, 0.3), wandering(rng, n, 2*slower, 0.05, 0.5), wandering(rng, n, 2*slower, 0.03, 0.3), wandering(rng, n, 1*slower, 0.03, 0.3)
	wait := wandering(rng, 2*n, 400*slower, 0.2, 0.3)
	var used observe.Usage
	r.Samples = append(r.Samples, observe.Sample{Processes: map[string]observe.Usage{"gateway": used}})
	var service, latency []*load.Percentiles
	for i := range n {
		c := load.Counts{Accepted: uint64(rate[i]), Sent: uint64(rate[i]), Scheduled: 20_000, Requests: 200}
		if slower > 1 && rng.Float64() < 0.5 {
			c.Errors = 1
		}
		ms := func(f float64) float64 { return times[i] * f * (1 + 0.01*rng.NormFloat64()) }
		p := load.Percentiles{Count: 200, P50: ms(1), P90: ms(1.6), P99: ms(2.4), P999: ms(3.2), P9999: ms(3.4), Max: ms(3.5)}
		r.Intervals = append(r.Intervals, load.Interval{At: float64(i + 1), Seconds: 1, Counts: c, Latency: p, Service: p})
		addCounts(&r.Load.Counts, &c)
		used.User += rate[i] * user[i] * 1e-6
		used.System += rate[i] * system[i] * 1e-6
		r.Samples = append(r.Samples, observe.Sample{At: float64(i + 1), Processes: map[string]observe.Usage{"gateway": used}})
		r.QueryableSeries = append(r.QueryableSeries, Point{float64(i), wait[2*i]}, Point{float64(i) + 0.5, wait[2*i+1]})
	}
	for i := range r.Intervals {
		latency, service = append(latency, &r.Intervals[i].Latency), append(service, &r.Intervals[i].Service)
	}
	whole := func(of []*load.Percentiles) load.Percentiles {
		q := newPool(of, 1).quantiles(all(n), []float64{0.5, 0.9, 0.99, 0.999}, nil)
		return load.Percentiles{Count: uint64(200 * n), P50: q[0], P90: q[1], P99: q[2], P999: q[3]}
	}
	r.Load.Seconds, r.Load.Latency, r.Load.Service = float64(n), whole(latency), whole(service)
	slices.Sort(wait)
	r.Queryable = &load.Percentiles{Count: uint64(2 * n), P99: wait[2*n*99/100]}
	return r
}

func metric(t *testing.T, d *Difference, name string) *Metric {
	t.Helper()
	for i := range d.Metrics {
		if d.Metrics[i].Name == name {
			return &d.Metrics[i]
		}
	}
	t.Fatalf("no metric %q in %+v", name, d.Metrics)
	return nil
}

var allMetrics = []string{
	"accepted rate", "latency p50", "latency p90", "latency p99", "latency p99.9", "service p99", "queryable p99", "gateway user", "gateway system", "gateway CPU", "errors",
}

func TestDiffSame(t *testing.T) {
	r := steady(120, 1, 1)
	d := Diff(r, r)
	var names []string
	for i := range d.Metrics {
		m := &d.Metrics[i]
		names = append(names, m.Name)
		if m.Verdict != NoDifference || m.Change == nil || *m.Change != 0 || m.Low == nil || *m.Low > 0 || *m.High < 0 || m.Better() || m.Worse() {
			t.Errorf("a run against itself: %+v", m)
		}
	}
	if !slices.Equal(names, allMetrics) {
		t.Errorf("metrics %q, want %q", names, allMetrics)
	}
	if !d.Comparable || len(d.Mismatches) > 0 || !d.Method.Paired || d.Method.Limit != "" {
		t.Errorf("%+v", d)
	}
}

func TestDiffShift(t *testing.T) {
	outside := 0
	for seed := range uint64(2) {
		d := Diff(steady(120, 2*seed+1, 1), steady(120, 2*seed+2, 1.1))
		for _, name := range allMetrics {
			m := metric(t, d, name)
			want := 10.0
			switch name {
			case "accepted rate":
				want = 100/1.1 - 100
			case "errors":
				want = 0.25
			}
			if m.Low == nil || *m.Low > *m.Change || *m.High < *m.Change {
				t.Fatalf("%s: want an interval around the change: %v", name, show(m))
			}
			if *m.Low > want || *m.High < want {
				outside++
				t.Logf("%s: the interval does not hold %v: %v", name, want, show(m))
			}
			if name == "queryable p99" {
				continue // it varies too much for so short a run
			}
			if m.Verdict == NoDifference || !m.Worse() || m.Better() {
				t.Errorf("%s: a change of %v was not found: %v", name, want, show(m))
			}
			if width := *m.High - *m.Low; width > 12 {
				t.Errorf("%s: an interval %v wide says nothing", name, width)
			}
		}
	}
	// Of 22 intervals of 95 %, one on average; figures that hang together miss together.
	if outside > 4 {
		t.Errorf("%d intervals do not hold the true change", outside)
	}
	d := Diff(steady(120, 1, 1), steady(120, 2, 1.1))
	// The other way round it is better, by the inverse.
	back := Diff(steady(120, 2, 1.1), steady(120, 1, 1))
	if m := metric(t, back, "latency p50"); !m.Better() || m.Worse() || math.Abs((1+*m.Change/100)*(1+*metric(t, d, "latency p50").Change/100)-1) > 1e-9 {
		t.Errorf("the other way round: %v", show(m))
	}
	if again := Diff(steady(120, 1, 1), steady(120, 2, 1.1)); !reflect.DeepEqual(again, d) {
		t.Error("the same runs give another answer")
	}
}

func show(m *Metric) string {
	text, err := json.Marshal(m)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// TestDiffNoise: other seconds of the same thing are no difference, but for the one in twenty that chance makes.
func TestDiffNoise(t *testing.T) {
	shown := 0
	for seed := range uint64(4) {
		d := Diff(steady(100, 10+2*seed, 1), steady(100, 11+2*seed, 1))
		for i := range d.Metrics {
			if d.Metrics[i].Verdict != NoDifference {
				shown++
			}
		}
	}
	// 44 intervals, many of them of figures that hang together.
	if shown > 7 {
		t.Errorf("%d differences where there are none", shown)
	}
}

func TestDiffTooFew(t *testing.T) {
	d := Diff(steady(19, 1, 1), steady(120, 2, 1.1))
	if !strings.Contains(d.Method.Limit, "too few intervals") || !strings.Contains(d.Method.Limit, "19 and 120") {
		t.Errorf("limit %q", d.Method.Limit)
	}
	for i := range d.Metrics {
		if m := &d.Metrics[i]; m.Verdict != Unknown || m.Why == "" || m.Low != nil || m.Change == nil {
			t.Errorf("%v", show(m))
		}
	}
	var b bytes.Buffer
	d.Text(&b, false)
	if !strings.Contains(b.String(), "No intervals of confidence: too few intervals") {
		t.Errorf("%s", b.String())
	}
}

func TestDiffWhatIsMissing(t *testing.T) {
	a, b := steady(60, 1, 1), steady(60, 2, 1)
	b.Queryable = nil
	for i := range b.Samples {
		if i > 30 {
			delete(b.Samples[i].Processes, "gateway")
		}
	}
	b.Load.Latency.P99 = 0
	d := Diff(a, b)
	if m := metric(t, d, "gateway CPU"); m.Verdict != Unknown || !strings.Contains(m.Why, "ended") {
		t.Errorf("%v", show(m))
	}
	if m := metric(t, d, "latency p99"); m.Verdict != Unknown || m.Change != nil || m.Why != "one of the figures is 0" {
		t.Errorf("%v", show(m))
	}
	for _, m := range d.Metrics {
		if m.Name == "queryable p99" {
			t.Errorf("%v", show(&m))
		}
	}
	few := steady(40, 1, 1)
	if m := metric(t, Diff(few, few), "queryable p99"); m.Verdict != Unknown || !strings.Contains(m.Why, "too few events: 80") {
		t.Errorf("%v", show(m))
	}
	if d := Diff(&Result{}, &Result{}); len(d.Metrics) != 2 || d.Method.Limit == "" {
		t.Errorf("%+v", d)
	}
}

func TestDiffMismatches(t *testing.T) {
	a, b := steady(30, 1, 1), steady(30, 2, 1)
	b.Scenario.Name, b.Scenario.Description, b.Scenario.Thresholds.P99 = "other", "words", time.Second
	b.Environment.Versions = map[string]string{"commit": "bbbb", "clickhouse": "26.7"}
	b.Environment.Config["pipeline.shards"] = "4"
	d := Diff(a, b)
	want := []Mismatch{{"version.clickhouse", "–", "26.7", false}, {"version.commit", "aaaa", "bbbb", false}, {"config.pipeline.shards", "–", "4", false}}
	if !slices.Equal(d.Mismatches, want) || !d.Comparable || !d.Method.Paired {
		t.Errorf("%+v, comparable %v, want %+v", d.Mismatches, d.Comparable, want)
	}
	b.Scenario.Load.Batch = 1000
	b.Scenario.Load.Warmup = time.Second
	b.Scenario.Load.Stages = append(slices.Clone(b.Scenario.Load.Stages), scenario.Stage{Duration: time.Minute, Rate: 5})
	b.Scenario.Events.Late = 0.5
	b.Environment.CPU, b.Environment.CPUs, b.Environment.Memory = "b", 4, 1<<30
	b.Durability = "acks=1"
	b.Aborted = true
	d = Diff(a, b)
	var work []string
	for _, m := range d.Mismatches {
		if m.Work {
			work = append(work, m.What)
		}
	}
	wantWork := []string{
		"scenario.events.late", "scenario.load.batch", "scenario.load.stages[1].duration", "scenario.load.stages[1].ramp", "scenario.load.stages[1].rate", "scenario.load.warmup",
		"environment.cpu", "environment.cpus", "environment.memory", "durability", "aborted",
	}
	if !slices.Equal(work, wantWork) || d.Comparable || d.Method.Paired {
		t.Errorf("%q, comparable %v, paired %v, want %q", work, d.Comparable, d.Method.Paired, wantWork)
	}
	var out bytes.Buffer
	d.Text(&out, false)
	for _, want := range []string{"NOT COMPARABLE", "scenario.load.batch", "100 → 1000", "The runs differ in:", "aaaa → bbbb"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("lacks %q:\n%s", want, out.String())
		}
	}
}

func TestDiffText(t *testing.T) {
	a, b := steady(120, 1, 1), steady(120, 2, 1.1)
	b.Environment.Versions = map[string]string{"commit": "bbbb"}
	var out bytes.Buffer
	Diff(a, b).Text(&out, false)
	golden(t, "diff.golden", out.String())
	out.Reset()
	Diff(a, b).Text(&out, true)
	if !strings.Contains(out.String(), red+"higher, worse"+plain) {
		t.Errorf("no colour:\n%s", out.String())
	}
}

func TestDiffJSON(t *testing.T) {
	d := Diff(steady(60, 1, 1), steady(60, 2, 1.1))
	var out bytes.Buffer
	if err := d.JSON(&out); err != nil {
		t.Fatal(err)
	}
	var back Difference
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || !reflect.DeepEqual(&back, d) {
		t.Errorf("%v: what was read is not what was written", err)
	}
	if err := d.JSON(failing{}); err == nil {
		t.Error("a failed write is no error")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, bytes.ErrTooLarge }

// TestDiffLong: a run of half an hour is put together into fewer units and still compared with the same outcome.
func TestDiffLong(t *testing.T) {
	d := Diff(steady(1_800, 1, 1), steady(1_800, 2, 1.01))
	if d.Method.IntervalsA != 1_800 || d.Method.Block != 3*17 {
		t.Errorf("%+v", d.Method)
	}
	if m := metric(t, d, "latency p50"); !m.Worse() || *m.Low > 1 || *m.High < 1 {
		t.Errorf("%v", show(m))
	}
}

// BenchmarkDiff is of ten minutes of a spike.
func BenchmarkDiff(b *testing.B) {
	x, y := generated(b, 600, 1), generated(b, 600, 2)
	for b.Loop() {
		Diff(x, y)
	}
}
