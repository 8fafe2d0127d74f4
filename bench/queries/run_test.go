package queries

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/bench/sheet"
)

// hosted are options that start an engine of their own.
func hosted(t *testing.T) Options {
	t.Helper()
	host, err := engineHost()
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Rows: 20_000, Rounds: 2, ColdRounds: 1, Pairs: 3, Dir: t.TempDir(), Binary: host,
		Engine: func(e Engine) ([]string, error) {
			config, err := json.Marshal(map[string]any{"Dir": e.Dir, "TCPPort": e.Port, "HTTPPort": e.HTTPPort, "MaxMemoryBytes": 1 << 30, "OpenDictionaries": true})
			return []string{"embedded", "clickhouse", "--config-json=" + string(config)}, err
		},
	}
}

func TestRun(t *testing.T) {
	o := hosted(t)
	phases := map[string]bool{}
	o.Progress = func(phase string, _, _ uint64) { phases[phase] = true }
	o.Versions = map[string]string{"millrace": "1.2.3"}
	r, err := Run(within(t), o)
	if err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(o.Dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	for _, phase := range []string{"starting", "loading", "waiting for merges", "comparing the tables", "measuring sizes", "asking cold", "asking warm", "reading the query log"} {
		if !phases[phase] {
			t.Errorf("nobody was told of %q", phase)
		}
	}
	if r.Sameness.Rows != 20_000 || !r.Embedded || r.Server == "" || r.Environment.Versions["millrace"] != "1.2.3" {
		t.Errorf("%+v, server %q, versions %v", r.Sameness, r.Server, r.Environment.Versions)
	}
	if len(r.Questions) != 12 || len(r.Differing()) > 0 {
		t.Errorf("%d questions, differing %q", len(r.Questions), r.Differing())
	}
	for _, q := range r.Questions {
		for name, side := range map[string]Side{"ours": q.Ours, "naive": q.Naive} {
			if len(side.WarmRuns) != 2 || len(side.ColdRuns) != 1 {
				t.Errorf("%s, %s: %d warm and %d cold runs", q.Name, name, len(side.WarmRuns), len(side.ColdRuns))
			}
			for _, c := range append(side.WarmRuns, side.ColdRuns...) {
				if c.LatencyMillis <= 0 || c.CPUMillis <= 0 || c.Rows == 0 || c.Bytes == 0 || c.LatencyMillis > float64(patience.Milliseconds()) {
					t.Errorf("%s, %s: %+v", q.Name, name, c)
				}
			}
			if strings.Contains(side.SQL, "{db}") || !strings.Contains(side.SQL, "millrace_queries_") {
				t.Errorf("%s, %s: %s", q.Name, name, side.SQL)
			}
		}
		if q.Rows == 0 || q.WarmCPU.Median <= 0 || q.ColdLatency.Median <= 0 {
			t.Errorf("%s: %d rows, ratios %+v, %+v", q.Name, q.Rows, q.WarmCPU, q.ColdLatency)
		}
	}
	if n := len(r.Inserts.Pairs); n != 3 || r.Inserts.Bare.Min <= 0 || r.Inserts.Naive.Min <= 0 || r.Inserts.Full.Median <= r.Inserts.Bare.Median {
		t.Errorf("%d pairs of inserts: %+v", n, r.Inserts)
	}
	sizes := append([]Table{r.Storage.Ours, r.Storage.Naive, r.Storage.NaiveZSTD}, r.Storage.Rollups...)
	if len(r.Storage.Rollups) < 4 {
		t.Errorf("%d rollups: %+v", len(r.Storage.Rollups), r.Storage.Rollups)
	}
	for _, s := range sizes {
		var columns uint64
		for _, c := range s.Columns {
			columns += c.Data
		}
		if s.Rows == 0 || s.Parts == 0 || s.Data == 0 || s.Marks == 0 || s.Primary == 0 || s.Disk < s.Data+s.Marks+s.Primary+s.Skip || columns > s.Data {
			t.Errorf("size of %s: %+v", s.Name, s)
		}
	}
	if r.Storage.Ours.Rows != 20_000 || r.Storage.Naive.Rows != 20_000 || r.Storage.Ours.Skip == 0 || r.Storage.Naive.Skip != 0 {
		t.Errorf("ours %+v, naive %+v", r.Storage.Ours, r.Storage.Naive)
	}
	checkCold(t, r)
	checkReports(t, r)
}

// checkCold: where the page cache can be emptied, the tables' files came from the device.
func checkCold(t *testing.T, r *Result) {
	if !diskBacked(os.TempDir()) {
		t.Log("the files lie in memory, where nothing is ever cold")
		return
	}
	for _, q := range r.Questions {
		for name, side := range map[string]Side{"ours": q.Ours, "naive": q.Naive} {
			if !side.IsCold {
				t.Errorf("%s, %s is not cold: %+v", q.Name, name, side.ColdRuns)
			}
			if warm := side.WarmRuns[0]; warm.cold() {
				t.Errorf("%s, %s is cold although it was just asked: %+v", q.Name, name, warm)
			}
		}
	}
}

// checkReports: every form has every question, every table and every note.
func checkReports(t *testing.T, r *Result) {
	r.Notes = append(r.Notes, "a note of the test")
	var text, markdown, data bytes.Buffer
	if err := errors.Join(r.Text(&text), r.Markdown(&markdown), r.JSON(&data)); err != nil {
		t.Fatal(err)
	}
	var wants []string
	for _, q := range r.Questions {
		wants = append(wants, q.Asks, sheet.Thousands(q.Ours.Warm.Rows))
	}
	for _, rollup := range r.Storage.Rollups {
		wants = append(wants, "ours: "+rollup.Name)
	}
	wants = append(wants, "Warm: medians of 2 runs", "Cold: medians of 1 runs", "The run took", "bytes per event", "µs per row, median of 3 blocks", "the rollups", "naive with ZSTD(1)", r.Sameness.Checksum, r.Server, "a note of the test", "up to 5 % would pass")
	for _, want := range wants {
		for form, out := range map[string]string{"text": text.String(), "Markdown": markdown.String()} {
			if !strings.Contains(out, want) {
				t.Errorf("%s lacks %q:\n%s", form, want, out)
			}
		}
	}
	for line := range strings.Lines(markdown.String()) {
		if strings.HasPrefix(line, "| events per day") && strings.Count(line, "|") != 13 {
			t.Errorf("a row of 12 cells has %d bars: %s", strings.Count(line, "|"), line)
		}
	}
	var back Result
	if err := json.Unmarshal(data.Bytes(), &back); err != nil || !reflect.DeepEqual(back.Questions, r.Questions) || !reflect.DeepEqual(back.Storage, r.Storage) {
		t.Errorf("JSON does not hold what was measured: %v", err)
	}
}

func TestDifferentAnswersAreShown(t *testing.T) {
	r := &Result{Questions: []Question{{Name: "a", Asks: "one thing", Difference: "row 1: ours is (1), naive (2)"}, {Name: "b", Asks: "another"}}}
	if got := r.Differing(); !reflect.DeepEqual(got, []string{"a"}) {
		t.Errorf("differing %q", got)
	}
	var text bytes.Buffer
	if err := r.Text(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"one thing ✗", "✗ a: the answers differ, so its figures mean nothing: row 1: ours is (1), naive (2)", "* not cold"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("lacks %q:\n%s", want, text.String())
		}
	}
}

func TestCancelledRunLeavesNothing(t *testing.T) {
	o := hosted(t)
	ctx, cancel := context.WithCancelCause(within(t))
	stop := errors.New("enough")
	o.Progress = func(phase string, done, _ uint64) {
		if phase == "loading" && done > 5000 {
			cancel(stop)
		}
	}
	if r, err := Run(ctx, o); !errors.Is(err, stop) || r != nil {
		t.Errorf("%v, %v", r, err)
	}
	if left, err := os.ReadDir(o.Dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestEngineThatDoesNotStart(t *testing.T) {
	o := Options{Rows: 20_000, Dir: t.TempDir(), Engine: func(Engine) ([]string, error) { return nil, nil }}
	o.Binary = filepath.Join(o.Dir, "nothing")
	if _, err := Run(within(t), o); err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("%v", err)
	}
}

func TestDifference(t *testing.T) {
	rows := func(values ...string) (a answer) {
		for _, v := range values {
			a = append(a, strings.Split(v, " "))
		}
		return a
	}
	for _, c := range []struct {
		ours, naive answer
		approximate map[int]float64
		differ      bool
		deviation   float64
	}{
		{rows("a 1", "b 2"), rows("a 1", "b 2"), nil, false, 0},
		{rows(), rows(), nil, false, 0},
		{rows("a 1"), rows("a 1", "b 2"), nil, true, 0},
		{rows("a 1"), rows("a"), nil, true, 0},
		{rows("a 1"), rows("b 1"), nil, true, 0},
		{rows("a 1"), rows("a 2"), nil, true, 0},
		{rows("b 2", "a 1"), rows("a 1", "b 2"), nil, true, 0},
		{rows("0.1000000000000001"), rows("0.1"), nil, false, 0},
		{rows("0.10001"), rows("0.1"), nil, true, 0},
		{rows("a 103"), rows("a 100"), map[int]float64{1: 0.05}, false, 0.03},
		{rows("a 106"), rows("a 100"), map[int]float64{1: 0.05}, true, 0},
		{rows("103 1"), rows("100 1"), map[int]float64{1: 0.05}, true, 0},
		{rows("a x"), rows("a 100"), map[int]float64{1: 0.05}, true, 0},
	} {
		got, deviation := difference(c.ours, c.naive, c.approximate)
		if (got != "") != c.differ || deviation != c.deviation {
			t.Errorf("%q and %q, %v: %q, %v", c.ours, c.naive, c.approximate, got, deviation)
		}
	}
}

func TestRatios(t *testing.T) {
	ours := []Cost{{CPUMillis: 2}, {CPUMillis: 0}, {CPUMillis: 4}}
	naive := []Cost{{CPUMillis: 10}, {CPUMillis: 7}, {CPUMillis: 12}}
	if got := ratios(naive, ours, func(c *Cost) float64 { return c.CPUMillis }); got != (sheet.Spread{Median: 4, Min: 3, Max: 5}) {
		t.Errorf("ratios %+v", got)
	}
}

func TestValidate(t *testing.T) {
	o := Options{Binary: "millrace", Engine: func(Engine) ([]string, error) { return nil, nil }}
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
	o = Options{Rows: 10, Rounds: -1, Pairs: -1, Until: until.Add(time.Hour)}
	err := o.Validate()
	if err == nil {
		t.Fatal("nothing was found")
	}
	for _, want := range []string{"10 rows: choose 1000", "-1 warm", "-1 pairs", "midnight", "neither the address"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("lacks %q: %v", want, err)
		}
	}
	if err := roomFor(t.TempDir(), 1<<62); err == nil || !strings.Contains(err.Error(), "--dir") {
		t.Errorf("a disk of %d GiB has enough room: %v", (1<<62)>>30, err)
	}
}
