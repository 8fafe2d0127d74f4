package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"pgregory.net/rapid"
)

func TestWriteYAML(t *testing.T) {
	path := write(t, "broker: {password: hunter2, pin: 1234, tls: {enabled: true, phrase: swordfish}}\nlog: {level: 'a b'}\n")
	s := defaults()
	r, err := Load(&s, Options{File: path, Env: []string{"MILLRACE_INGEST__COMPAT=a,true"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		all  bool
		want string
	}{
		{true, `profile: dev              # default
data: "./data"            # default
ingest:
  listen: 127.0.0.1:7080  # default
  max_body_bytes: 20MiB   # default
  read_timeout: 10s       # default
  compat: [a, "true"]     # env MILLRACE_INGEST__COMPAT
  ratio: 0.5              # default
  ports: []               # default
broker:
  addresses: []           # default
  partitions: 4           # default
  relaxed: false          # default
  small: 0                # default
  tls:
    enabled: true         # m.yaml:1
    ca_file: ""           # default
    phrase: "********"    # m.yaml:1
  password: "********"    # m.yaml:1
  pin: "********"         # m.yaml:1
log:
  level: "a b"            # m.yaml:2
`},
		{false, `ingest:
  compat: [a, "true"]   # env MILLRACE_INGEST__COMPAT
broker:
  tls:
    enabled: true       # m.yaml:1
    phrase: "********"  # m.yaml:1
  password: "********"  # m.yaml:1
  pin: "********"       # m.yaml:1
log:
  level: "a b"          # m.yaml:2
`},
	} {
		var b strings.Builder
		if err := r.WriteYAML(&b, c.all); err != nil {
			t.Fatal(err)
		}
		if got := strings.ReplaceAll(b.String(), filepath.Dir(path)+"/", ""); got != c.want {
			t.Errorf("all %v, got:\n%swant:\n%s", c.all, got, c.want)
		}
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestWriteYAMLReportsErrors(t *testing.T) {
	s := defaults()
	r, err := Load(&s, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.WriteYAML(failing{}, true); err == nil {
		t.Error("a failed write went unnoticed")
	}
}

// TestPrintedConfigurationLoads: what is printed is what was loaded, whatever the values are.
func TestPrintedConfigurationLoads(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
			"", "true", "no", "null", "~", "-", "- a", "1e5", "0x1", ".5", "a: b", "a #b", "#", "*x", "&x", "!x", "[a]", "{a", "a,b", "a\nb", "\t", "\\", `"`, "'", "é", "\x7f", "\u2028", "2026-01-01", "=", "<<", "%", "@", "`", "|", ">", "?", ":", "a:", ":7080", "::1",
		})).Filter(func(s string) bool { return strings.ToValidUTF8(s, "") == s && !strings.Contains(s, "\ufeff") })
		s := sample{
			Profile: "dev",
			Data:    text.Draw(rt, "data"),
			Ingest: sampleIngest{
				Listen: text.Draw(rt, "listen"), MaxBodyBytes: rapid.Int64Max(1<<30).Draw(rt, "bytes"),
				ReadTimeout: time.Duration(rapid.Int64().Draw(rt, "timeout")), Compat: rapid.SliceOf(text).Draw(rt, "compat"),
				Ratio: rapid.Float64().Draw(rt, "ratio"), Ports: rapid.SliceOf(rapid.Uint16()).Draw(rt, "ports"),
			},
			Broker: sampleBroker{Partitions: rapid.IntMin(1).Draw(rt, "partitions"), Relaxed: rapid.Bool().Draw(rt, "relaxed"), Small: rapid.Int8().Draw(rt, "small"), Addresses: []string{}},
		}
		want := s
		r, err := Load(&s, Options{})
		if err != nil {
			rt.Fatal(err)
		}
		var b strings.Builder
		if err := r.WriteYAML(&b, true); err != nil {
			rt.Fatal(err)
		}
		path := filepath.Join(dir, "m.yaml")
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			rt.Fatal(err)
		}
		got := sample{Profile: "dev"}
		if _, err := Load(&got, Options{File: path}); err != nil {
			rt.Fatalf("%v\n%s", err, b.String())
		}
		if len(got.Ingest.Compat) == 0 {
			got.Ingest.Compat = want.Ingest.Compat // nil and empty are the same list
		}
		if len(got.Ingest.Ports) == 0 {
			got.Ingest.Ports = want.Ingest.Ports
		}
		if !reflect.DeepEqual(got, want) {
			rt.Fatalf("got  %+v\nwant %+v\n%s", got, want, b.String())
		}
	})
}

func TestKeysAndFlags(t *testing.T) {
	s := defaults()
	keys := Keys(&s)
	if len(keys) != 18 {
		t.Fatalf("%d keys", len(keys))
	}
	k := keys[3]
	want := Key{Path: "ingest.max_body_bytes", Env: "MILLRACE_INGEST__MAX_BODY_BYTES", Flag: "ingest.max-body-bytes", Kind: Size, Value: "20MiB"}
	if k != want {
		t.Errorf("got %+v, want %+v", k, want)
	}

	fs := pflag.NewFlagSet("x", pflag.ContinueOnError)
	AddFlags(fs, &s)
	other := fs.Bool("other", false, "not ours")
	err := fs.Parse([]string{"--broker.relaxed", "--ingest.compat=a", "--ingest.compat", "b,c", "--log.level=x", "--log.level=warn", "--other"})
	if err != nil || !*other {
		t.Fatal(err)
	}
	given := ChangedFlags(fs)
	if fmt.Sprint(given) != "map[broker.relaxed:true ingest.compat:a,b,c log.level:warn]" {
		t.Errorf("given: %v", given)
	}
	if _, err := Load(&s, Options{Flags: given}); err != nil {
		t.Fatal(err)
	}
	if !s.Broker.Relaxed || fmt.Sprint(s.Ingest.Compat) != "[a b c]" || s.Log.Level != "warn" {
		t.Errorf("loaded %+v", s)
	}
	if def := fs.Lookup("ingest.max-body-bytes").DefValue; def != "20MiB" {
		t.Errorf("help shows %q", def)
	}
}

func TestKinds(t *testing.T) {
	type all struct {
		A int64         `yaml:"a_bytes"`
		B int           `yaml:"b_bytes_per_second"`
		C int           `yaml:"bytes"`
		D time.Duration `yaml:"d"`
		E []string      `yaml:"e"`
		F float32       `yaml:"f"`
		G bool          `yaml:"g"`
		H hidden        `yaml:"h"`
	}
	var got []string
	for _, k := range Keys(&all{A: 1 << 20, B: 1000, C: 1024, D: 90 * time.Minute, E: []string{"x"}, F: 0.25, H: "x"}) {
		got = append(got, fmt.Sprint(k.Path, " ", k.Kind, " ", k.Value))
	}
	want := `[a_bytes size 1MiB b_bytes_per_second size 1000 bytes integer 1024 d duration 1h30m e list [x] f number 0.25 g boolean false h text "********"]`
	if fmt.Sprint(got) != want {
		t.Errorf("got  %v\nwant %s", got, want)
	}
}

// TestStructMistakes: a field that can be no key must not be passed over in silence.
func TestStructMistakes(t *testing.T) {
	for name, call := range map[string]func(){
		"no tag": func() { Keys(&struct{ A string }{}) },
		"bad tag": func() {
			Keys(&struct {
				A string `yaml:"A"`
			}{})
		},
		"map": func() {
			Keys(&struct {
				A map[string]string `yaml:"a"`
			}{})
		},
		"pointer": func() {
			Keys(&struct {
				A *string `yaml:"a"`
			}{})
		},
		"twice": func() {
			Keys(&struct {
				A string `yaml:"a"`
				B string `yaml:"a"`
			}{})
		},
		"no struct": func() { n := 1; Keys(&n) },
	} {
		func() {
			defer func() {
				if r, ok := recover().(string); !ok || !strings.HasPrefix(r, "BUG: config: ") {
					t.Errorf("%s: recovered %v", name, r)
				}
			}()
			call()
		}()
	}
}

// TestChosen: a value counts as chosen when it is the default's, too, as long as somebody wrote it.
func TestChosen(t *testing.T) {
	s := sample{Profile: "dev", Ingest: sampleIngest{Listen: "127.0.0.1:7080"}, Broker: sampleBroker{Partitions: 1}}
	r, err := Load(&s, Options{Flags: map[string]string{"ingest.listen": "127.0.0.1:7080"}})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Chosen("ingest.listen") || r.Chosen("ingest.max_body_bytes") {
		t.Errorf("listen %v, want true; max_body_bytes %v, want false", r.Chosen("ingest.listen"), r.Chosen("ingest.max_body_bytes"))
	}
}
