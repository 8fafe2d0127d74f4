package report

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/load"
	"github.com/millrace/millrace/bench/observe"
	"github.com/millrace/millrace/bench/scenario"
)

func render(t *testing.T, r *Result) string {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// decoded is page as a browser reads it.
type decoded struct {
	Axes   map[string][]*float64
	End    float64
	Warmup float64
	Drain  float64
	Charts []struct {
		ID, Title, Unit, Axis string
		X                     []*float64
		Series                []struct {
			Label       string
			Color, Dash int
			Values      []*float64
		}
	}
}

var dataElement = regexp.MustCompile(`(?s)<script type="application/json" id="data">(.*?)</script>`)

func data(t *testing.T, html string) *decoded {
	t.Helper()
	m := dataElement.FindStringSubmatch(html)
	if m == nil {
		t.Fatal("no data in the page")
	}
	var d decoded
	if err := json.Unmarshal([]byte(m[1]), &d); err != nil {
		t.Fatal(err)
	}
	return &d
}

func TestHTML(t *testing.T) {
	r := generated(t, 300, 1)
	html := render(t, r)
	if *out != "" {
		if err := os.WriteFile(*out, []byte(html), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{
		">FAIL</p>", "Failed: p99, queryable", decimal(r.acceptedRate()), millis(r.Load.Latency.P999), "at most 50 ms", "503 overloaded", "AMD EPYC 9R14", "pipeline.shards", "batch: 100",
		"7,193,500 rows in ClickHouse", "Permission is hereby granted", "uPlot", "prefers-color-scheme: dark",
	} {
		if !strings.Contains(html, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	// Throughput stands in the card, in the plot and in the table of counts.
	if n := strings.Count(html, "A 200 means: "+r.Durability); n < 3 {
		t.Errorf("what a 200 means is said %d times", n)
	}
	var ids []string
	for _, c := range data(t, html).Charts {
		ids = append(ids, c.ID)
		if c.Unit == "" || c.Title == "" || !strings.Contains(html, `<figure id="chart-`+c.ID+`">`) {
			t.Errorf("plot %s: unit %q, title %q, or no place for it", c.ID, c.Unit, c.Title)
		}
	}
	want := []string{"rate", "trouble", "latency", "service", "distribution", "queryable", "cpu-event", "cores", "memory", "ring", "unacked", "ring-bytes", "lag", "age", "broker-log"}
	if !slices.Equal(ids, want) {
		t.Errorf("plots %q, want %q", ids, want)
	}
	if n := strings.Count(html, "<table"); strings.Count(html, "<caption>") != n {
		t.Errorf("%d tables, %d captions", n, strings.Count(html, "<caption>"))
	}
}

// TestHTMLNumbers checks what lies behind the plots against the result.
func TestHTMLNumbers(t *testing.T) {
	r := generated(t, 60, 1)
	r.Samples[30].Gauges = nil // a scrape that failed
	d := data(t, render(t, r))
	if d.Warmup != 10 || d.Drain != 60 || math.Abs(d.End-64.01) > 0.01 {
		t.Errorf("warm-up %v, drain from %v, end %v", d.Warmup, d.Drain, d.End)
	}
	lines := make(map[string][]*float64)
	for _, c := range d.Charts {
		x := c.X
		if c.Axis != "" {
			x = d.Axes[c.Axis]
		}
		for _, s := range c.Series {
			lines[c.ID+"/"+s.Label] = s.Values
			if len(s.Values) != len(x) || len(x) == 0 {
				t.Errorf("%s, %s: %d values at %d places", c.ID, s.Label, len(s.Values), len(x))
			}
			if s.Color < blue || s.Color > grey || s.Dash < solid || s.Dash >= patterns {
				t.Errorf("%s, %s: colour %d, pattern %d", c.ID, s.Label, s.Color, s.Dash)
			}
		}
	}
	for line, want := range map[string]float64{
		"rate/accepted":       float64(r.Intervals[20].Counts.Accepted),
		"rate/asked for":      float64(r.Intervals[20].Counts.Scheduled),
		"latency/p99":         r.Intervals[20].Latency.P99,
		"service/max":         r.Intervals[20].Service.Max,
		"queryable/one event": r.QueryableSeries[20].Value,
		"memory/clickhouse":   float64(r.Samples[20].Processes["clickhouse"].Resident),
		"lag/records":         r.Samples[20].Gauges[observe.LagRecords],
	} {
		if v := lines[line]; len(v) < 21 || v[20] == nil || math.Abs(*v[20]/want-1) > 1e-4 {
			t.Errorf("%s: not %v at position 20", line, want)
		}
	}
	if lines["lag/records"][30] != nil || lines["lag/records"][31] == nil {
		t.Error("a gauge that was not read must be a gap")
	}
	// The distribution ends at the largest time.
	last := lines["distribution/latency"]
	if v := last[len(last)-1]; v == nil || math.Abs(*v/r.Load.Latency.Max-1) > 0.002 {
		t.Errorf("the distribution ends at %v, want %v", v, r.Load.Latency.Max)
	}
}

// TestHTMLHostile: nothing that others have named becomes markup or script.
// A plot leaves what lies beyond its end out of the height that it chooses, so the end must not lie before the last point as it is written.
func TestHTMLEnd(t *testing.T) {
	for _, last := range []float64{2.001284074, 59.99995, 600.004999, 7201.26} {
		r := generated(t, 3, 1)
		r.Intervals[len(r.Intervals)-1].At = last
		r.Samples, r.QueryableSeries = nil, nil
		d := data(t, render(t, r))
		axis := d.Axes[intervalAxis]
		if point := *axis[len(axis)-1]; d.End < point || d.End > last*1.0001 {
			t.Errorf("last interval at %v: its point is at %v, the end at %v", last, point, d.End)
		}
	}
}

func TestHTMLHostile(t *testing.T) {
	const hostile = "</script><script>alert(1)</script><!--<img src=x onerror=alert(2)>\"'`]]>\u2028\u2029{{.}}</title></style>${x}\\"
	r := generated(t, 30, 1)
	plainPage := render(t, r)
	r.Scenario.Name, r.Scenario.Description, r.Scenario.Load.Dialect, r.Scenario.Load.Compression = hostile, hostile, hostile, hostile
	r.Run, r.Target, r.Durability = hostile, hostile, hostile
	r.Environment.Host, r.Environment.OS, r.Environment.CPU = hostile, hostile, hostile
	r.Environment.Versions, r.Environment.Config = map[string]string{hostile: hostile}, map[string]string{hostile: hostile}
	r.Load.ErrorKinds = map[string]uint64{hostile: 1}
	r.Ledger.Run = hostile
	r.Checks = append(r.Checks, Check{hostile, hostile, hostile, false})
	for i := range r.Samples {
		r.Samples[i].Processes[hostile] = observe.Usage{User: float64(i)}
	}
	html := render(t, r)
	for _, mark := range []string{"<script", "</script", "<style", "</style", "<title", "</title", "<img", "<!--"} {
		if was, is := strings.Count(plainPage, mark), strings.Count(html, mark); was != is {
			t.Errorf("%q: %d times, %d times without hostile strings", mark, is, was)
		}
	}
	if strings.Contains(dataElement.FindString(html), "\u2028") {
		t.Error("a raw line separator in the data")
	}
	found := false
	for _, c := range data(t, html).Charts {
		for _, s := range c.Series {
			found = found || s.Label == hostile
		}
	}
	if !found {
		t.Error("the name of the process did not come through as it is")
	}
}

// TestHTMLSelfContained: nothing is fetched.
func TestHTMLSelfContained(t *testing.T) {
	html := render(t, generated(t, 30, 1))
	for _, bad := range []string{"src=", "href=", "@import", "url(", "<link", "fetch(", "XMLHttpRequest", "import("} {
		if i := strings.Index(html, bad); i >= 0 {
			t.Errorf("%q at …%s…", bad, html[max(0, i-40):i+40])
		}
	}
	if !strings.Contains(html, "default-src 'none'") {
		t.Error("no policy against fetching")
	}
}

func TestHTMLSize(t *testing.T) {
	long := generated(t, 600, 1)
	if n := len(render(t, long)); n > 1<<20 {
		t.Errorf("%d bytes for ten minutes", n)
	}
	// Ten hours, by repeating what there is.
	day := *long
	for i := range 60 {
		for _, step := range long.Intervals {
			step.At += 600 * float64(i)
			day.Intervals = append(day.Intervals, step)
		}
		for _, s := range long.Samples {
			s.At += 600 * float64(i)
			day.Samples = append(day.Samples, s)
		}
	}
	html := render(t, &day)
	if len(html) > 1<<20 {
		t.Errorf("%d bytes for ten hours", len(html))
	}
	if !strings.Contains(html, "Each point covers 25s") {
		t.Error("the page does not say how much a point covers")
	}
}

// TestHTMLEmpty: a run of which next to nothing is known still has its page.
func TestHTMLEmpty(t *testing.T) {
	for name, r := range map[string]*Result{
		"nothing":     {},
		"first point": {Scenario: scenario.Default(), Intervals: []load.Interval{{At: 1, Seconds: 1}}, Samples: []observe.Sample{{}}},
	} {
		r.Judge()
		html := render(t, r)
		for _, want := range []string{">FAIL</p>", "nothing was answered", "not measured", "not compared with ClickHouse"} {
			if !strings.Contains(html, want) {
				t.Errorf("%s: the page lacks %q", name, want)
			}
		}
		if d := data(t, html); name == "nothing" && len(d.Charts) > 0 {
			t.Errorf("%d plots of nothing", len(d.Charts))
		}
	}
}

func TestHTMLLedger(t *testing.T) {
	r := fine()
	r.Ledger.Complete, r.Ledger.Drained, r.Ledger.Unrecorded = false, false, 77
	r.Ledger.Lost = ledger.Finding{Count: 5, Ranges: []ledger.Range{{Producer: 3, From: 1000, To: 1002}, {Producer: 3, From: 2000, To: 2000}, {Producer: 9, From: 1, To: 1}}, More: 12}
	r.Judge()
	html := render(t, r)
	for _, want := range []string{"does not balance", "<dt>producer 3</dt><dd>1,000–1,002  2,000</dd>", "<dt>producer 9</dt><dd>1</dd>", "and 12 more ranges", "was not closed", "77 rows", "may only be late"} {
		if !strings.Contains(html, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestHTMLBadHistogram(t *testing.T) {
	r := fine()
	r.Load.LatencyHDR = "%%%"
	if err := HTML(&bytes.Buffer{}, r); err == nil || !strings.Contains(err.Error(), "histogram") {
		t.Errorf("%v, want an error about the histogram", err)
	}
}
