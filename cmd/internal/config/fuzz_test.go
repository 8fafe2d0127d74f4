package config

import (
	"reflect"
	"strings"
	"testing"
)

// FuzzFile: whatever stands in the file, loading ends, and every problem says where it is.
func FuzzFile(f *testing.F) {
	for _, seed := range []string{
		"profile: prod\ningest: {listen: ':1', max_body_bytes: 1MiB, compat: [a, b]}\n",
		"broker: &a\n  tls: *a\n  addresses:\n    - x\n", "? log\n: {level: |\n a}\n", "<<: {a: b}\n", "--- !!map\n{}\n", "log: [\n", "a: &a [*a, *a]\n", "%YAML 1.2\n---\n", "?", "? ", "? :\n", "log: {level}",
	} {
		f.Add([]byte(seed))
	}
	s := defaults()
	keys := Keys(&s)
	f.Fuzz(func(t *testing.T, source []byte) {
		d := newDocument("f", describe(reflect.TypeFor[sample]()))
		d.decode(source)
		for _, p := range d.problems {
			if !strings.HasPrefix(p.Where, "f") || p.Message == "" {
				t.Errorf("%q: problem %+v", source, p)
			}
		}
		if len(d.values) > len(keys) {
			t.Errorf("%q: %d values for %d keys", source, len(d.values), len(keys))
		}
		for _, r := range d.values {
			if r.origin.Line < 1 || r.origin.Column < 1 {
				t.Errorf("%q: %s has no place: %+v", source, r.key, r.origin)
			}
			_, _ = d.layout.lookup(r.key).parse(r)
		}
	})
}
