package compare

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseTarget(t *testing.T) {
	for text, want := range map[string]Target{
		"gateway":                     {Name: "gateway"},
		"vector=http://127.0.0.1:9":   {Name: "vector", URL: "http://127.0.0.1:9"},
		"a=http://k%C3%A4@host:1/in":  {Name: "a", URL: "http://host:1/in", Key: "kä"},
		" b=http://h:1  prog -x  y=z": {Name: "b", URL: "http://h:1", Command: []string{"prog", "-x", "y=z"}},
	} {
		got, err := ParseTarget(text)
		if len(got.Command) == 0 {
			got.Command = nil
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v, want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                 "a name",
		"other":            "it needs a URL",
		"x=":               "the URL is missing",
		"x=127.0.0.1:9000": "first path segment",
		"x=ftp://host:1":   "it must be http://host:port",
		"=http://h:1":      "a name",
		"a b=http://h:1":   "a name",
	} {
		if _, err := ParseTarget(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestOptions(t *testing.T) {
	for name, c := range map[string]struct {
		o    Options
		want string
	}{
		"no program":      {Options{}, "the path of the millrace program is missing"},
		"needs broker":    {Options{Targets: []Target{{Name: "x", Command: []string{"x", "--to={broker}"}}}}, "the path of the millrace program is missing"},
		"same name":       {Options{Self: "x", Targets: []Target{{Name: Null}, {Name: Null}}}, "there are two of that name"},
		"no rounds":       {Options{Self: "x", Rounds: -1}, "-1 rounds"},
		"backwards":       {Options{Self: "x", Window: -1}, "a negative time"},
		"too many events": {Options{Self: "x", Batches: []int{10, 0, 100_000}}, "batch 100000: "},
		"odd dialect":     {Options{Self: "x", Dialect: "latin"}, "latin"},
	} {
		if _, err := Run(t.Context(), c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	o := Options{}.withDefaults()
	for batch, want := range map[int]int{1: 256, 9: 256, 10: 64, 100: 32, 500: 32, 1000: 16, 10_000: 16} {
		if got := o.connections(batch); got != want {
			t.Errorf("batch %d: %d connections, want %d", batch, got, want)
		}
	}
	st := stage{broker: "h:9"}
	got, err := st.set(Target{Name: "x", Command: []string{"x", "--to={broker}", "y"}})
	if err != nil || !reflect.DeepEqual(got.Command, []string{"x", "--to=h:9", "y"}) {
		t.Errorf("command %q, %v", got.Command, err)
	}
}
