package config

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

type sample struct {
	Profile string       `yaml:"profile"`
	Data    string       `yaml:"data"`
	Ingest  sampleIngest `yaml:"ingest"`
	Broker  sampleBroker `yaml:"broker"`
	Log     sampleLog    `yaml:"log"`
	// Logger is not configuration.
	Logger any `yaml:"-"`
}

type sampleIngest struct {
	Listen       string        `yaml:"listen"`
	MaxBodyBytes int64         `yaml:"max_body_bytes"`
	ReadTimeout  time.Duration `yaml:"read_timeout"`
	Compat       []string      `yaml:"compat"`
	Ratio        float64       `yaml:"ratio"`
	Ports        []uint16      `yaml:"ports"`
}

type sampleBroker struct {
	Addresses  []string  `yaml:"addresses"`
	Partitions int       `yaml:"partitions"`
	Relaxed    bool      `yaml:"relaxed"`
	Small      int8      `yaml:"small"`
	TLS        sampleTLS `yaml:"tls"`
	Password   string    `yaml:"password" secret:"true"`
	PIN        int       `yaml:"pin" secret:"true"`
}

type sampleTLS struct {
	Enabled bool   `yaml:"enabled"`
	CAFile  string `yaml:"ca_file"`
	Phrase  hidden `yaml:"phrase"`
}

// hidden is a text that keeps itself out of logs.
type hidden string

func (hidden) LogValue() slog.Value { return slog.StringValue("hidden") }

type sampleLog struct {
	Level string `yaml:"level"`
}

func defaults() sample {
	return sample{
		Profile: "dev", Data: "./data",
		Ingest: sampleIngest{Listen: "127.0.0.1:7080", MaxBodyBytes: 20 << 20, ReadTimeout: 10 * time.Second, Compat: []string{"segment", "posthog", "amplitude"}, Ratio: 0.5},
		Broker: sampleBroker{Partitions: 4},
		Log:    sampleLog{Level: "info"},
	}
}

func (s *sample) ApplyProfile(name string) error {
	switch name {
	case "dev":
	case "prod":
		s.Ingest.Listen = ":7080"
		s.Broker.Partitions = 12
	default:
		return fmt.Errorf("%q is no profile: set dev or prod", name)
	}
	return nil
}

func (s *sample) Validate() error {
	var errs, broker []error
	if s.Broker.Partitions < 1 {
		broker = append(broker, fmt.Errorf("broker.partitions: %d is below 1", s.Broker.Partitions))
	}
	if s.Ingest.MaxBodyBytes > 1<<30 {
		errs = append(errs, fmt.Errorf("ingest.max_body_bytes: %d is above 1 GiB", s.Ingest.MaxBodyBytes))
	}
	if s.Log.Level == "odd" {
		errs = append(errs, errors.New("something is odd"), fmt.Errorf("log.level: two causes: %w, %w", errors.New("a"), errors.New("b")))
	}
	for i, a := range s.Broker.Addresses {
		if a == "" {
			broker = append(broker, fmt.Errorf("broker.addresses[%d]: is empty", i))
		}
	}
	return errors.Join(errors.Join(broker...), errors.Join(errs...))
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// problems loads and returns the problems, one per line, with the file's folder cut off.
func problems(t *testing.T, opts Options) string {
	t.Helper()
	s := defaults()
	_, err := Load(&s, opts)
	if err == nil {
		return ""
	}
	var bad *Error
	if !errors.As(err, &bad) {
		t.Fatalf("%v is no *Error", err)
	}
	var lines []string
	for _, p := range bad.Problems {
		lines = append(lines, p.String())
	}
	return strings.ReplaceAll(strings.Join(lines, "\n"), filepath.Dir(opts.File)+"/", "")
}

func TestPrecedence(t *testing.T) {
	path := write(t, `
# all of it from here
profile: prod
ingest:
  max_body_bytes: 1.5MiB
  read_timeout: 250ms
  compat: [segment]        # shorter than the default
  ports:
    - 80
    - 443
broker: {partitions: 6, relaxed: true, tls: {enabled: true, ca_file: "/a b"}, password: "x1"}
log:
`)
	s := defaults()
	r, err := Load(&s, Options{
		File: path,
		Env:  []string{"HOME=/", "MILLRACE_BROKER__PARTITIONS=7", "MILLRACE_BROKER__ADDRESSES=a:1, b:2", "MILLRACE_LOG__LEVEL=warn", "MILLRACE_DEV_KEY=k", "MILLRACE_INGEST__RATIO=2.5"},
		Flags: map[string]string{
			"broker.partitions": "8", "broker.tls.enabled": "false", "data": "",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := sample{
		Profile: "prod", Data: "",
		Ingest: sampleIngest{Listen: ":7080", MaxBodyBytes: 3 << 19, ReadTimeout: 250 * time.Millisecond, Compat: []string{"segment"}, Ratio: 2.5, Ports: []uint16{80, 443}},
		Broker: sampleBroker{Addresses: []string{"a:1", "b:2"}, Partitions: 8, Relaxed: true, TLS: sampleTLS{CAFile: "/a b"}, Password: "x1"},
		Log:    sampleLog{Level: "warn"},
	}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got  %+v\nwant %+v", s, want)
	}
	origins := map[string]string{}
	for _, v := range r.Values() {
		origins[v.Path] = strings.ReplaceAll(v.Origin.String(), path, "F")
	}
	for key, want := range map[string]string{
		"profile": "F:3", "data": "flag --data", "ingest.listen": "profile prod", "ingest.max_body_bytes": "F:5", "ingest.compat": "F:7",
		"ingest.ports": "F:8", "broker.partitions": "flag --broker.partitions", "broker.addresses": "env MILLRACE_BROKER__ADDRESSES",
		"broker.relaxed": "F:11", "broker.tls.enabled": "flag --broker.tls.enabled", "broker.pin": "default", "log.level": "env MILLRACE_LOG__LEVEL",
	} {
		if origins[key] != want {
			t.Errorf("origin of %s is %q, want %q", key, origins[key], want)
		}
	}
	if got, want := r.Sources(), "defaults + "+path+" + env + flags"; got != want {
		t.Errorf("sources %q, want %q", got, want)
	}
}

func TestProfileFromAnyLayer(t *testing.T) {
	path := write(t, "profile: dev\nbroker: {partitions: 5}\n")
	for _, c := range []struct {
		opts Options
		want string
	}{
		{Options{}, "dev 127.0.0.1:7080 4"},
		{Options{Env: []string{"MILLRACE_PROFILE=prod"}}, "prod :7080 12"},
		{Options{File: path, Env: []string{"MILLRACE_PROFILE=prod"}}, "prod :7080 5"},
		{Options{File: path, Env: []string{"MILLRACE_PROFILE=prod"}, Flags: map[string]string{"profile": "dev"}}, "dev 127.0.0.1:7080 5"},
	} {
		s := defaults()
		if _, err := Load(&s, c.opts); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(s.Profile, " ", s.Ingest.Listen, " ", s.Broker.Partitions); got != c.want {
			t.Errorf("%+v: %s, want %s", c.opts, got, c.want)
		}
	}
}

func TestDefaultsAreNotShared(t *testing.T) {
	s := defaults()
	list := s.Ingest.Compat
	if _, err := Load(&s, Options{Flags: map[string]string{"ingest.compat": "x,y"}}); err != nil {
		t.Fatal(err)
	}
	if list[0] != "segment" || fmt.Sprint(s.Ingest.Compat) != "[x y]" {
		t.Errorf("the default list is %v, the loaded one %v", list, s.Ingest.Compat)
	}
}

// TestFileProblems holds one bad file per line of what a person can get wrong; place and words are part of the promise.
func TestFileProblems(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"ingest:\n  max_bodi_bytes: 1\n", "m.yaml:2:3: ingest.max_bodi_bytes: unknown key, did you mean ingest.max_body_bytes?"},
		{"max_body_bytes: 1\n", "m.yaml:1:1: max_body_bytes: unknown key, did you mean ingest.max_body_bytes?"},
		{"ingst: {listen: a}\n", "m.yaml:1:1: ingst: unknown key, did you mean ingest?"},
		{"zebra: 1\n", "m.yaml:1:1: zebra: unknown key"},
		{"ingest.listen: a\n", "m.yaml:1:1: ingest.listen: unknown key: write sections as ingest: {listen: …}"},
		{"\"\": 1\n", "m.yaml:1:1: unknown key"},
		{"broker:\n  tls: true\n", "m.yaml:2:8: broker.tls: is a boolean, want a section with the keys enabled, ca_file, phrase"},
		{"[a]\n", "m.yaml:1:1: is a list, want a section with the keys profile, data, ingest, broker, log"},
		{"log: {level: {a: b}}\n", `m.yaml:1:7: log.level: is a section, want one text such as "text"`},
		{"log: {level: [a]}\n", `m.yaml:1:7: log.level: is a list, want one text such as "text"`},
		{"log:\n  level:\n", `m.yaml:2:3: log.level: has no value: write "text", or remove the line`},
		{"log: {level: 5}\n", "m.yaml:1:14: log.level: 5 is a number, want a text: put it in quotes"},
		{"log: {level: true}\n", "m.yaml:1:14: log.level: true is a boolean, want a text: put it in quotes"},
		{"broker: {relaxed: yes}\n", `m.yaml:1:19: broker.relaxed: "yes" is a text, want boolean: write true or false, without quotes`},
		{"broker: {relaxed: True}\n", `m.yaml:1:19: broker.relaxed: "True" is not a valid boolean: write true or false`},
		{"broker: {relaxed: 1}\n", `m.yaml:1:19: broker.relaxed: "1" is not a valid boolean: write true or false`},
		{"broker: {partitions: \"4\"}\n", `m.yaml:1:22: broker.partitions: "4" is a text, want integer: write 100, without quotes`},
		{"broker: {partitions: 4.5}\n", `m.yaml:1:22: broker.partitions: "4.5" is not a valid integer: write digits only, such as 100`},
		{"broker: {partitions: 0x10}\n", `m.yaml:1:22: broker.partitions: "0x10" is not a valid integer: write digits only, such as 100`},
		{"broker: {small: 128}\n", "m.yaml:1:17: broker.small: 128 is not between -128 and 127"},
		{"ingest: {ports: [80, 65536]}\n", "m.yaml:1:10: ingest.ports: item 2: 65536 is not between 0 and 65535"},
		{"ingest: {ports: [80, [81]]}\n", "m.yaml:1:10: ingest.ports: item 2: is a list, want one integer such as 100"},
		{"ingest: {ratio: .inf}\n", `m.yaml:1:17: ingest.ratio: ".inf" is not a valid number: write 0.5`},
		{"ingest: {read_timeout: 5}\n", "m.yaml:1:24: ingest.read_timeout: 5 has no unit: write 5s for seconds or 5ms for milliseconds"},
		{"ingest: {read_timeout: 5 apples}\n", `m.yaml:1:24: ingest.read_timeout: "5 apples" is not a valid duration: write 250ms, 5s, 1h30m or 60d`},
		{"ingest: {max_body_bytes: 64M}\n", `m.yaml:1:26: ingest.max_body_bytes: "64M" is ambiguous: write MiB (1024) or MB (1000)`},
		{"ingest: {max_body_bytes: 64 apples}\n", `m.yaml:1:26: ingest.max_body_bytes: "64 apples" is not a valid size: write 64MiB`},
		{"ingest: {max_body_bytes: 0.3B}\n", `m.yaml:1:26: ingest.max_body_bytes: "0.3B" is not a whole number of bytes`},
		{"ingest: {max_body_bytes: 99999999TiB}\n", `m.yaml:1:26: ingest.max_body_bytes: "99999999TiB" is out of range: 109951161678088372224 is not between -9223372036854775808 and 9223372036854775807`},
		{"ingest: {max_body_bytes: 1/3kb}\n", `m.yaml:1:26: ingest.max_body_bytes: "1/3kb" is not a valid size: write 64MiB`},
		{"ingest: {max_body_bytes: 2GiB}\n", "m.yaml:1:26: ingest.max_body_bytes: 2147483648 is above 1 GiB"},
		{"ingest: {compat: segment}\n", `m.yaml:1:18: ingest.compat: "segment" is a text, want a list: write [segment]`},
		{"ingest: {compat: }\n", "m.yaml:1:10: ingest.compat: has no value: write [] for an empty list, or remove the line"},
		{"broker: {password: 1234}\n", "m.yaml:1:20: broker.password: ******** is a number, want a text: put it in quotes"},
		{"broker: {pin: s3cret}\n", "m.yaml:1:15: broker.pin: ******** is a text, want integer: write 100, without quotes"},
		{"broker: {tls: {phrase: 1234}}\n", "m.yaml:1:24: broker.tls.phrase: ******** is a number, want a text: put it in quotes"},
		{"profile: prdo\n", `m.yaml:1:10: profile: "prdo" is no profile: set dev or prod`},
		{"log: *x\n", "m.yaml:1:6: *x refers to no value above"},
		{"log: {level: *x}\n", "m.yaml:1:14: *x refers to no value above"},
		{"ingest: {compat: [a, *x]}\n", "m.yaml:1:22: *x refers to no value above"},
		{"log: {level: !!str 5}\n", "m.yaml:1:14: !!str is not supported: write the value plainly, a text in quotes"},
		{"log: {level: debug}\n---\ndata: x\n", "m.yaml:3:5: a second document: one file holds one configuration"},
		{"a: &x 1\nlog:\n  <<: *x\n", "m.yaml:1:1: a: unknown key\nm.yaml:3:3: log: << is not supported: write the keys out"},
		{"log: {level: info}\nlog: {level: warn}\n", `m.yaml:2:1: mapping key "log" already defined at [1:1]`},
		{"broker:\n  password: 'topsecret\n  tls: {}\n", "m.yaml:2:13: could not find end character of single-quoted text"},
		{"log: [1\n", "m.yaml:1:6: sequence end token ']' not found"},
		{"log: {level: odd}\n", "something is odd\nm.yaml:1:14: log.level: two causes: a, b"},
		{"broker:\n  addresses: [a, '']\n", "m.yaml:2:3: broker.addresses[1]: is empty"},
		{"profile: prod\nbroker: {partitions: 0}\n", "m.yaml:2:22: broker.partitions: 0 is below 1"},
		{"broker: &A {tls: *A}\n", "m.yaml:1:13: broker.tls.tls: unknown key"},
		{"ingest: {compat: &A [*A]}\n", `m.yaml:1:10: ingest.compat: item 1: is a list, want one text such as "text"`},
	} {
		if got := problems(t, Options{File: write(t, c.file)}); got != c.want {
			t.Errorf("%q\n got: %s\nwant: %s", c.file, got, c.want)
		}
	}
}

func TestFilesThatLoad(t *testing.T) {
	for _, file := range []string{
		"", "# nothing\n", "log:\n", "log: {}\n", "---\nlog: {level: debug}\n",
		"log: &l {level: &v debug}\ndata: *v\n", "? data\n: x\n", "data: |\n  /tmp\n", "ingest: {read_timeout: 0, max_body_bytes: 0, compat: []}\n",
		"ingest: {max_body_bytes: 64 mib}\n", "ingest: {max_body_bytes: 1GB}\n", "log: {level: '5'}\n",
	} {
		if got := problems(t, Options{File: write(t, file)}); got != "" {
			t.Errorf("%q: %s", file, got)
		}
	}
}

func TestMissingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.yaml")
	if got, want := problems(t, Options{File: path}), "none.yaml: open: no such file or directory"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEnvProblems(t *testing.T) {
	for _, c := range []struct{ env, want string }{
		{"MILLRACE_BROKER__ADRESSES=x", "env MILLRACE_BROKER__ADRESSES: unknown key, did you mean MILLRACE_BROKER__ADDRESSES?"},
		{"MILLRACE_BROKER_ADDRESSES=x", "env MILLRACE_BROKER_ADDRESSES: unknown key, did you mean MILLRACE_BROKER__ADDRESSES?"},
		{"MILLRACE_log__level=x", "env MILLRACE_log__level: unknown key, did you mean MILLRACE_LOG__LEVEL?"},
		{"MILLRACE_BROKR__TLS=x", "env MILLRACE_BROKR__TLS: unknown key, did you mean MILLRACE_BROKER__TLS__…?"},
		{"MILLRACE_A__B=x", "env MILLRACE_A__B: unknown key"},
		{"MILLRACE_LOG=debug", "env MILLRACE_LOG: is a section: set MILLRACE_LOG__LEVEL and the like"},
		{"MILLRACE_PROFIL=prod", "env MILLRACE_PROFIL: unknown key, did you mean MILLRACE_PROFILE?"},
		{"MILLRACE_BROKER__PARTITIONS=", `env MILLRACE_BROKER__PARTITIONS: broker.partitions: "" is not a valid integer: write digits only, such as 100`},
		{"MILLRACE_BROKER__RELAXED=TRUE", `env MILLRACE_BROKER__RELAXED: broker.relaxed: "TRUE" is not a valid boolean: write true or false`},
		{"MILLRACE_INGEST__PORTS=1,x", `env MILLRACE_INGEST__PORTS: ingest.ports: item 2: "x" is not a valid integer: write digits only, such as 100`},
		{"MILLRACE_BROKER__PIN=s3cret", "env MILLRACE_BROKER__PIN: broker.pin: ******** is not a valid integer: write digits only, such as 100"},
		{"MILLRACE_PROFILE=prdo", `env MILLRACE_PROFILE: profile: "prdo" is no profile: set dev or prod`},
		{"MILLRACE_DEV_KEY=x", ""},
		{"MILLRACE_PORT=tcp://10.0.0.1:80", ""},
		{"MILLRACE_SERVICE_HOST=10.0.0.1", ""},
		{"MILLRACE_PORT_7080_TCP_ADDR=10.0.0.1", ""},
		{"MILLRACE_TEAM=web", ""},
		{"MILLRACE_LAST__RUN=1", ""},
		{"MILLRACE_INGEST__COMPAT=", ""},
		{"MILLRACE_INGEST__PORTS=1 , 2", ""},
	} {
		got := problems(t, Options{Env: []string{c.env}, ReservedEnv: []string{"MILLRACE_LAST__RUN"}})
		if got != c.want {
			t.Errorf("%s\n got: %s\nwant: %s", c.env, got, c.want)
		}
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	got := problems(t, Options{
		File:  write(t, "log: {levl: x}\nbroker: {partitions: x}\ningest: {max_body_bytes: 2GiB}\n"),
		Env:   []string{"MILLRACE_LOG__COLOUR=x", "MILLRACE_INGEST__RATIO=x"},
		Flags: map[string]string{"log.levl": "x", "ingest.read-timeout": "5"},
	})
	want := `m.yaml:1:7: log.levl: unknown key, did you mean log.level?
env MILLRACE_LOG__COLOUR: unknown key
flag --log.levl: unknown key, did you mean --log.level?
m.yaml:2:22: broker.partitions: "x" is a text, want integer: write 100, without quotes
env MILLRACE_INGEST__RATIO: ingest.ratio: "x" is not a valid number: write 0.5
flag --ingest.read-timeout: ingest.read_timeout: 5 has no unit: write 5s for seconds or 5ms for milliseconds
m.yaml:3:26: ingest.max_body_bytes: 2147483648 is above 1 GiB`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestErrorText(t *testing.T) {
	one := &Error{Problems: []Problem{{Where: "f:1:2", Key: "a.b", Message: "is wrong"}}}
	if got, want := one.Error(), "configuration: f:1:2: a.b: is wrong"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	two := &Error{Problems: append(one.Problems, Problem{Message: "odd"})}
	if got, want := two.Error(), "configuration: 2 problems\n  f:1:2: a.b: is wrong\n  odd"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFindOrder(t *testing.T) {
	work, home := t.TempDir(), t.TempDir()
	t.Chdir(work)
	t.Setenv("XDG_CONFIG_HOME", home)
	if _, err := os.Stat("/etc/millrace"); err == nil {
		t.Skip("this machine has /etc/millrace")
	}
	if got := Find(""); got != "" {
		t.Errorf("found %q where there is none", got)
	}
	user := filepath.Join(home, "millrace", "millrace.yaml")
	if err := os.MkdirAll(user, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := Find(""); got != "" {
		t.Errorf("took a folder, %q", got)
	}
	if err := errors.Join(os.Remove(user), os.WriteFile(user, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if got := Find(""); got != user {
		t.Errorf("found %q, want %q", got, user)
	}
	if err := os.WriteFile("millrace.yaml", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := Find(""); got != "millrace.yaml" {
		t.Errorf("found %q, want the one of the working directory", got)
	}
	if got := Find("other.yaml"); got != "other.yaml" {
		t.Errorf("found %q, want the explicit one", got)
	}
}

func TestDurationsInDays(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"60d": 60 * aDay, "1d12h": 36 * time.Hour, "0d": 0, "106751d": 106751 * aDay, "24h": aDay, "1d1ms": aDay + time.Millisecond,
	} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"d", "-1d", "1.5d", "1d-1h", "1d+1h", "1dd", "106752d", "106751d24h", "99999999999d", "1h1d", "1d 1h"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("%s is taken for %v", text, got)
		}
	}
	for want, d := range map[string]time.Duration{"60d": 60 * aDay, "24h": aDay, "0s": 0, "49h": 49 * time.Hour} {
		if got := renderDuration(d); got != want {
			t.Errorf("%v is written %s, want %s", d, got, want)
		}
	}
}
