package scenario

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBuiltins(t *testing.T) {
	var names []string
	for _, s := range Builtin() {
		names = append(names, s.Name)
		if len(s.Description) < 40 {
			t.Errorf("%s: description %q", s.Name, s.Description)
		}
		if err := s.Validate(); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		read, err := Read(s.Name)
		if err != nil || !reflect.DeepEqual(read, s) {
			t.Errorf("%s: read %+v, %v", s.Name, read, err)
		}
		if s.Load.Mode == Rate && NewSchedule(s.Load.Stages, s.Load.Batch).Requests() < 100 {
			t.Errorf("%s sends next to nothing", s.Name)
		}
	}
	if want := []string{"quick", "ramp", "saturate", "single", "smoke", "soak", "spike", "step"}; !slices.Equal(names, want) {
		t.Errorf("built-in scenarios %v, want %v", names, want)
	}
	for name, want := range map[string]struct {
		duration time.Duration
		batch    int
	}{"quick": {30 * time.Second, 100}, "soak": {10 * time.Minute, 100}, "smoke": {5 * time.Second, 50}, "single": {30 * time.Second, 1}} {
		s, err := Read(name)
		if err != nil || s.Duration() != want.duration || s.Load.Batch != want.batch {
			t.Errorf("%s takes %v in batches of %d: %v", name, s.Duration(), s.Load.Batch, err)
		}
	}
}

// TestBuiltinIsTheCallers: changing what Builtin returned changes nothing for the next.
func TestBuiltinIsTheCallers(t *testing.T) {
	Builtin()[0].Load.Stages[0].Rate = -1
	if rate := Builtin()[0].Load.Stages[0].Rate; rate < 0 {
		t.Error("a built-in scenario was changed")
	}
}

func TestDefaults(t *testing.T) {
	s, err := parse("a.yaml", []byte("name: mine\nload:\n  batch: 7\n"))
	want := Default()
	want.Name, want.Load.Batch = "mine", 7
	if err != nil || !reflect.DeepEqual(s, want) {
		t.Errorf("%+v, %v", s, err)
	}
	if err := want.Validate(); err != nil {
		t.Error(err)
	}
}

func TestValues(t *testing.T) {
	s, err := parse("a.yaml", []byte(`
name: "a: b"
seed: 18446744073709551615
load:
  mode: saturate
  stages: [{duration: 1h30m}, {duration: 500ms, rate: 1_000.5, ramp: true}, {duration: 1s, rate: 2e4}]
  warmup: 10s
  batch: 1_000
events:
  pool_bytes: 1.5MiB
  escapes: 0
thresholds:
  errors: -1
  ledger: false
`))
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Name, want.Seed = "a: b", math.MaxUint64
	want.Load.Mode, want.Load.Warmup, want.Load.Batch = Saturate, 10*time.Second, 1000
	want.Load.Stages = []Stage{{90 * time.Minute, 0, false}, {500 * time.Millisecond, 1000.5, true}, {time.Second, 20_000, false}}
	want.Events.PoolBytes, want.Events.Escapes = 3<<19, 0
	want.Thresholds.Errors, want.Thresholds.Ledger = -1, false
	if !reflect.DeepEqual(s, want) {
		t.Errorf("%+v\nwant %+v", s, want)
	}
	for text, want := range map[string]int64{"65536": 65536, "64KiB": 64 << 10, "10MB": 10e6, "2 GiB": 2 << 30, "1_000b": 1000, "0": 0} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("size %q is %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "MiB", "1.5", "64K", "64 M", "1e3", "0x10", "1/2KiB", "_1", "9223372036854775808", "8388608TiB", "1 2KiB"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("size %q is read as %d", text, got)
		}
	}
}

// TestEveryProblemIsNamed: all unknown keys and wrong values of a file in one error, each with its place, key and cure; likewise all values that cannot work.
func TestEveryProblemIsNamed(t *testing.T) {
	for _, c := range []struct {
		source string
		want   []string
	}{
		{"nme: x\nload:\n  batch: abc\n  stage: 3\n  stages:\n  - {duration: 30, rate: x, rampp: true}\n  - 12\n  connections: 1.5\nevents:\n  pool_bytes: 12x\n  users: [1]\n  late: yes\nthresholds: 5\n", []string{
			"a.yaml:1:1: nme: unknown key: the keys here are name,",
			`a.yaml:3:10: load.batch: "abc" is no whole number`,
			"a.yaml:4:3: load.stage: unknown key: is it stages?",
			`load.stages[0].duration: "30" is no duration: write a number with a unit`,
			`load.stages[0].rate: "x" is no number`,
			"load.stages[0].rampp: unknown key",
			"load.stages[1]: 12 is no section",
			`load.connections: "1.5" is no whole number`,
			`events.pool_bytes: "12x" is no size`,
			"events.users: a plain value belongs here",
			`events.late: "yes" is no number`,
			"thresholds: 5 is no section",
		}},
		{"name: x\nload: {mode: fast, stages: [], connections: 0, batch: 20000, dialect: amplitude, compression: lz4, timeout: 0s, drop_after: 1ms}\n" +
			"events: {bytes: 10, names: 0, users: 0, unicode: 0.6, escapes: -1, late: 2, duplicates: 0.9, invalid: 1, pool_bytes: 0}\nthresholds: {p50: -1s, errors: 2, dropped: 1.5, min_rate: 1000000000}\n", []string{
			`a.yaml: load.mode: "fast" is neither rate`, "load.stages: there is none", "load.connections: 0 is not between 1 and 4000", "load.batch: 20000 is not between 1 and 10000",
			`load.dialect: "amplitude" is not`, `load.compression: "lz4" is not`, "load.timeout: 0s is not between", "load.drop_after: 1ms is below load.late_after",
			"events.bytes: 10 is not between 500", "events.names: 0", "events.users: 0", "events.unicode: 0.6", "events.escapes: -1", "events.late: 2", "events.duplicates: 0.9",
			"events.invalid: 1", "events.pool_bytes: 0", "thresholds.p50: -1s is negative", "thresholds.errors: 2 is above 1", "thresholds.dropped: 1.5", "thresholds.min_rate: 1e+09",
		}},
		{"name: \"\"\nload:\n  stages: [{duration: 0s, rate: -1}, {duration: 1s, rate: 1e12}]\n", []string{
			"name: it is empty", "load.stages[0].duration: 0s is not between 1ms", "load.stages[0].rate: -1 is not between 0", "load.stages[1].rate: 1e+12 is not",
		}},
		{"name: x\nload: {stages: [{duration: 100h, rate: 1}, {duration: 100h, rate: 1}]}\n", []string{"load.stages: they last longer than 168h"}},
		{"name: x\nload: {stages: [{duration: 10s, rate: 0}], warmup: 10s}\n", []string{"load.stages: no stage has a rate above 0", "load.warmup: 10s is not between 0 and less than all stages"}},
		{"name: x\nload: {batch: 10000}\nevents: {bytes: 2000}\n", []string{"load.batch: 10000 events of 2000 bytes are 20000000 bytes in a request, more than 16777216"}},
		{"name: x\nload: {connections: 4000, batch: 10000}\n", []string{"load.connections: 4000 with a request of 8800000 bytes each are 35200000000 bytes rendered beforehand, more than 2147483648"}},
		{"name: x\nload: {connections: 4000}\nevents: {users: 100000}\n", []string{"events.users: 100000 on each of 4000 connections are 400000000 users, more than 10000000"}},
		{"", []string{"a.yaml: it is empty"}},
		{"# nothing\n", []string{"a.yaml: it is empty"}},
		{"- a\n", []string{"no section: the keys name,"}},
		{"name: x\nname: y\n", []string{"a.yaml:2:1: mapping key \"name\" already defined"}},
		{"name: x\n---\nname: y\n", []string{"a second document"}},
		{"name: [\n", []string{"a.yaml:1:7"}},
		{"name: &a x\ndescription: *a\n", []string{"name: a plain value belongs here", "description: a plain value belongs here"}},
	} {
		s, err := parse("a.yaml", []byte(c.source))
		if err == nil {
			t.Errorf("%q is read as %+v", c.source, s)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %q is missing in\n%v", c.source, want, err)
			}
		}
		if lines := strings.Count(err.Error(), "\n") + 1; lines != len(c.want) {
			t.Errorf("%q: %d problems, want %d:\n%v", c.source, lines, len(c.want), err)
		}
	}
}

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(path, []byte("name: mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Read(path); err != nil || s.Name != "mine" {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := Read(path + ".not"); err == nil || !strings.Contains(err.Error(), "quick, ramp") {
		t.Errorf("%v", err)
	}
	if _, err := Read(t.TempDir()); err == nil {
		t.Error("a directory was read")
	}
}

// allKeys lists every key of a scenario, those of a stage once.
func allKeys(path string, t reflect.Type) []string {
	var all []string
	for i, name := range keys(t) {
		key := join(path, name)
		all = append(all, key)
		switch ft := t.Field(i).Type; ft.Kind() {
		case reflect.Struct:
			all = append(all, allKeys(key, ft)...)
		case reflect.Slice:
			all = append(all, allKeys(key+"[]", ft.Elem())...)
		}
	}
	return all
}

// TestYAMLIsComplete: every key is in it, each on a line that begins with the name and is explained, or has the explanation above it.
func TestYAMLIsComplete(t *testing.T) {
	s := Default()
	lines := strings.Split(string(s.YAML()), "\n")
	all := allKeys("", reflect.TypeFor[Scenario]())
	if len(all) < 35 {
		t.Fatalf("only %d keys: %v", len(all), all)
	}
	at := 0
	for _, key := range all {
		comment, name := comments[key], key[strings.LastIndexByte(key, '.')+1:]
		if comment == "" {
			t.Errorf("%s has no comment", key)
		}
		found := false
		for ; at < len(lines) && !found; at++ { // in order, so that none stands for another
			line := strings.TrimLeft(lines[at], " -")
			found = strings.HasPrefix(line, name+":") && (strings.HasSuffix(line, "# "+comment) || at > 0 && strings.TrimSpace(lines[at-1]) == "# "+comment)
		}
		if !found {
			t.Fatalf("%s is not in\n%s", key, s.YAML())
		}
	}
	for key := range comments {
		if !slices.Contains(all, key) {
			t.Errorf("a comment on %s, which is no key", key)
		}
	}
}

// TestYAMLIsReadBack: any scenario that is valid comes back as it was.
func TestYAMLIsReadBack(t *testing.T) {
	for _, s := range append(Builtin(), Default()) {
		back, err := parse("a.yaml", s.YAML())
		if err != nil || !reflect.DeepEqual(back, s) {
			t.Errorf("%s comes back as %+v, %v", s.Name, back, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		duration := rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.Int64Range(0, 1000).Draw(t, "n")) * rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, time.Minute, 90 * time.Second}).Draw(t, "unit")
		})
		share := rapid.Float64Range(0, 0.5)
		s := Default()
		s.Name = rapid.StringN(1, 30, -1).Draw(t, "name")
		s.Description = rapid.String().Draw(t, "description")
		s.Seed = rapid.Uint64().Draw(t, "seed")
		s.Load.Mode = rapid.SampledFrom([]Mode{Rate, Saturate}).Draw(t, "mode")
		s.Load.Stages = drawStages(t)
		s.Load.Dialect = rapid.SampledFrom(dialects).Draw(t, "dialect")
		s.Load.Compression = rapid.SampledFrom(compressions).Draw(t, "compression")
		s.Load.Timeout = duration.Draw(t, "timeout")
		s.Load.Connections, s.Load.Batch = rapid.IntRange(1, 100).Draw(t, "connections"), rapid.IntRange(1, 1000).Draw(t, "batch")
		s.Events.Late, s.Events.Unicode = share.Draw(t, "late"), share.Draw(t, "unicode")
		s.Events.PoolBytes = rapid.Int64Range(1<<10, MaxPoolBytes).Draw(t, "pool")
		s.Thresholds.P99, s.Thresholds.Ledger = duration.Draw(t, "p99"), rapid.Bool().Draw(t, "ledger")
		s.Thresholds.MinRate = rapid.Float64Range(-1, 1e6).Draw(t, "min_rate")
		if s.Validate() != nil {
			t.Skip("not a scenario: the draws did not fit together")
		}
		back, err := parse("a.yaml", s.YAML())
		if err != nil || !reflect.DeepEqual(back, s) {
			t.Fatalf("%+v\ncomes back as\n%+v: %v\n%s", s, back, err, s.YAML())
		}
		if !bytes.Equal(back.YAML(), s.YAML()) {
			t.Fatalf("the text changes:\n%s\n%s", s.YAML(), back.YAML())
		}
	})
}
