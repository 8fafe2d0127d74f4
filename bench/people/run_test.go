package people

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

	"github.com/millrace/millrace/bench/observe"
	"github.com/millrace/millrace/bench/sheet"
	"github.com/millrace/millrace/internal/enginetest"
)

// patience bounds a test's whole run.
const patience = 4 * time.Minute

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// small are options for a run of some seconds.
func small(t *testing.T) Options {
	t.Helper()
	program, err := millrace()
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Users: 2000, Rounds: 2, Builds: 1, Fresh: 2, Pause: 100 * time.Millisecond, SettleTimeout: time.Second, Dir: t.TempDir(), Binary: program,
		Engine: func(name string, e Engine) ([]string, error) {
			config := map[string]any{"Dir": e.Dir, "TCPPort": e.Port, "HTTPPort": e.HTTPPort, "MaxMemoryBytes": 1 << 30, "OpenDictionaries": true}
			if name == "broker" {
				config = map[string]any{
					"Dir": e.Dir, "Port": e.Port, "Partitions": e.Partitions, "Topics": []string{"events", "quarantine"}, "MaxBytes": 256 << 20, "KeepRecords": 100_000, "MaxMessageBytes": 8 << 20,
				}
			}
			text, err := json.Marshal(config)
			return []string{"embedded", name, "--config-json=" + string(text)}, err
		},
	}
}

func TestRun(t *testing.T) {
	enginetest.Long(t, "builds and runs a server")
	o := small(t)
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
	for _, phase := range []string{"starting", "loading", "waiting for merges", "working out persons", "identifying visitors", "loading the dictionary", "asking", "building segments"} {
		if !phases[phase] {
			t.Errorf("nobody was told of %q", phase)
		}
	}
	if r.Data.Users != 2000 || r.Data.Events < 5*2000 || r.Data.Events > perUser*2000 || r.Data.Disk == 0 || r.Data.CPU <= 0 || r.Server == "" || r.Environment.Versions["millrace"] != "1.2.3" {
		t.Errorf("%+v, ClickHouse %q, versions %v", r.Data, r.Server, r.Environment.Versions)
	}
	t.Log(sheet.Took(r.Seconds))
	checkJob(t, r)
	if d := &r.Dictionary; d.Rows < 2000 || d.Rows > 2002 || d.Bytes == 0 || len(d.Reloads) != reloads || d.Reloads[0].Seconds <= 0 || d.Reloads[0].Cost.WallMillis <= 0 {
		t.Errorf("dictionary %+v", d)
	}
	if len(r.View) != 5 {
		t.Errorf("%d questions", len(r.View))
	}
	for _, p := range r.View {
		if len(p.Ours) != 2 || len(p.Raw) != 2 || p.Ratio.Median <= 0 || !strings.Contains(p.SQL, "events_q") {
			t.Errorf("%+v", p)
		}
		for i := range p.Ours {
			if p.Ours[i].CPUMillis <= 0 || p.Ours[i].WallMillis <= 0 || p.Ours[i].Rows < uint64(r.Data.Users) || p.Ours[i].Rows != p.Raw[i].Rows {
				t.Errorf("%s: %+v and %+v", p.Name, p.Ours[i], p.Raw[i])
			}
		}
	}
	if len(r.Segments) != len(definitions) {
		t.Errorf("%d segments", len(r.Segments))
	}
	for _, s := range r.Segments {
		if s.Members == 0 || s.Members >= 2000 || len(s.Builds) != 1 || s.Builds[0].CPUMillis <= 0 || s.Builds[0].Memory == 0 || s.Refused != "" || s.Tight.CPUMillis <= 0 {
			t.Errorf("%+v", s)
		}
	}
	checkReports(t, r)
}

// checkJob: a server did the work, and what happened to the visitors happened in order.
func checkJob(t *testing.T, r *Result) {
	t.Helper()
	j := &r.Job
	if j.Skipped != "" || j.Overrides != 2000 || j.Profiles != 2000 || j.First <= 0 || j.Ready <= 0 || j.Seconds < j.First || len(j.Fresh) != 2 {
		t.Fatalf("job %+v", j)
	}
	for _, f := range j.Fresh {
		if f.Accepted <= 0 || f.Override <= 0 || f.Joined < f.Accepted {
			t.Errorf("visitor %+v", f)
		}
	}
	if _, err := observe.ReadUsage(observe.Process{PID: os.Getpid()}); err == nil && (j.Server.CPU <= 0 || j.Server.Resident == 0 || j.ClickHouse.CPU <= 0) {
		t.Errorf("server %+v, ClickHouse %+v", j.Server, j.ClickHouse)
	}
	if j.Facts < 2000 || j.FactBytes == 0 {
		t.Errorf("%d facts of %d bytes", j.Facts, j.FactBytes)
	}
}

// checkReports: every form has every question, every segment and every note, and tables are whole.
func checkReports(t *testing.T, r *Result) {
	t.Helper()
	r.Notes = append(r.Notes, "a note of the test")
	var text, markdown, data bytes.Buffer
	if err := errors.Join(r.Text(&text), r.Markdown(&markdown), r.JSON(&data)); err != nil {
		t.Fatal(err)
	}
	wants := []string{"2,000 users", r.Server, "a note of the test", "The run took", "one person in events_q", "identify events per second", "loading, s"}
	for _, p := range r.View {
		wants = append(wants, p.Asks)
	}
	for _, s := range r.Segments {
		wants = append(wants, s.Asks, sheet.Thousands(float64(s.Members)))
	}
	for _, want := range wants {
		for form, out := range map[string]string{"text": text.String(), "Markdown": markdown.String()} {
			if !strings.Contains(out, want) {
				t.Errorf("%s lacks %q:\n%s", form, want, out)
			}
		}
	}
	columns := 0
	for line := range strings.Lines(markdown.String()) {
		switch n := strings.Count(line, "|"); {
		case n == 0:
			columns = 0
		case columns == 0:
			columns = n
		case n != columns:
			t.Errorf("%d bars in a table of %d: %s", n, columns, line)
		}
	}
	var back Result
	if err := json.Unmarshal(data.Bytes(), &back); err != nil || !reflect.DeepEqual(back.View, r.View) || !reflect.DeepEqual(back.Segments, r.Segments) || !reflect.DeepEqual(back.Job, r.Job) {
		t.Errorf("JSON does not hold what was measured: %v", err)
	}
}

func TestCancelledRunLeavesNothing(t *testing.T) {
	o := small(t)
	ctx, cancel := context.WithCancelCause(within(t))
	stop := errors.New("enough")
	o.Progress = func(phase string, _, _ uint64) {
		if phase == "working out persons" {
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

func TestProgramThatDoesNotStart(t *testing.T) {
	o := Options{Dir: t.TempDir(), Engine: func(string, Engine) ([]string, error) { return nil, nil }}
	o.Binary = filepath.Join(o.Dir, "nothing")
	if _, err := Run(within(t), o); err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("%v", err)
	}
}

// TestRefusedBuildIsShown: a segment that did not fit is a row without figures and a remark, not an error; a job that was skipped leaves out what it did not do.
func TestRefusedBuildIsShown(t *testing.T) {
	r := &Result{
		Job:      Job{Skipped: "nobody was there", Fill: make([]Cost, 2)},
		Segments: []Segment{{Asks: "too much", Members: 7, Builds: []Cost{{CPUMillis: 1}}, Refused: "memory limit exceeded"}},
	}
	var text bytes.Buffer
	if err := r.Text(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"because the server did not: nobody was there", "✗ too much: 256 MiB were not enough: memory limit exceeded"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("lacks %q:\n%s", want, text.String())
		}
	}
	if strings.Contains(text.String(), "identify events per second") {
		t.Errorf("tells the figures of a job that was skipped:\n%s", text.String())
	}
}

func TestPairFinish(t *testing.T) {
	p := Pair{Ours: []Cost{{CPUMillis: 12, Rows: 1000}, {CPUMillis: 10, Rows: 1000}}, Raw: []Cost{{CPUMillis: 6, Rows: 1000}, {CPUMillis: 2, Rows: 1000}}}
	p.finish()
	if want := (sheet.Spread{Median: 3.5, Min: 2, Max: 5}); p.Ratio != want {
		t.Errorf("ratio %+v, want %+v", p.Ratio, want)
	}
	if want := (sheet.Spread{Median: 7000, Min: 6000, Max: 8000}); p.PerEvent != want {
		t.Errorf("%+v ns per event, want %+v", p.PerEvent, want)
	}
}

func TestValidate(t *testing.T) {
	o := Options{Binary: "millrace", Engine: func(string, Engine) ([]string, error) { return nil, nil }}
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
	o = Options{Users: 10, Rounds: -1, Builds: -1, Fresh: 101, Pause: -1, Patience: -1, Until: time.Date(2026, 11, 1, 1, 0, 0, 0, time.UTC)}
	err := o.Validate()
	if err == nil {
		t.Fatal("nothing was found")
	}
	for _, want := range []string{"10 users: choose 100", "-1 rounds", "-1 builds", "101 fresh visitors", "a pause of -1ns", "waits of -1ns", "midnight", "no program"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("lacks %q: %v", want, err)
		}
	}
}
