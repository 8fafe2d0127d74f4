package dialect

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"unicode/utf8"

	"github.com/millrace/millrace/schema"
)

// recorded are bodies of all families, as their SDKs send them, and the seeds of the fuzz targets.
func recorded(t *testing.T) [][]byte {
	t.Helper()
	bodies := seeds(t)
	files, err := filepath.Glob("testdata/*/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no bodies: %v", err)
	}
	for _, f := range files {
		body, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	return append(bodies, mixpanelSeeds()...)
}

// mutated changes a body in some places, so that about half of the results are still JSON.
func mutated(r *rand.Rand, body, other []byte) []byte {
	out := bytes.Clone(body)
	for range r.IntN(4) {
		if len(out) == 0 {
			break
		}
		i := r.IntN(len(out))
		switch r.IntN(6) {
		case 0:
			out[i] = byte(r.IntN(256))
		case 1:
			out[i] = `{}[]",:\0129truefalsn eE+-.`[r.IntN(27)]
		case 2:
			out = append(out[:i], out[i+1:]...)
		case 3:
			out = append(out[:i:i], append([]byte{out[i]}, out[i:]...)...)
		case 4:
			j := i + r.IntN(min(len(out)-i, 40))
			out = append(out[:i:i], out[j:]...)
		default:
			if len(other) > 0 {
				k := r.IntN(len(other))
				out = append(out[:i:i], append(bytes.Clone(other[k:k+r.IntN(min(len(other)-k, 40)+1)]), out[i:]...)...)
			}
		}
	}
	return out
}

// Of every family and shape: what encoding/json takes for JSON is never refused as none, what it does not is never taken, and neither are bytes that are not UTF-8.
func TestJSONOfEveryDialect(t *testing.T) {
	n := 3000
	if s := os.Getenv("MILLRACE_TEST_SEEDS"); s != "" {
		seeds, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		n = max(seeds, 1) * 1000
	}
	bodies := recorded(t)
	limits := schema.DefaultLimits()
	type shape struct {
		dialect schema.Dialect
		shape   Shape
	}
	done := map[shape]bool{}
	for i := range Routes() {
		route := &Routes()[i]
		s := shape{route.Dialect, route.Shape}
		if done[s] || route.Shape == Discarded {
			continue
		}
		done[s] = true
		r := rand.New(rand.NewPCG(7, uint64(i)))
		d := New(limits, 10_000)
		var valid, invalid, taken, refused, lines int
		for range n {
			body := mutated(r, bodies[r.IntN(len(bodies))], bodies[r.IntN(len(bodies))])
			b := &schema.Batch{Buf: bytes.Clone(body)}
			err := d.Decode(route, b, Options{})
			var fault *Error
			if err != nil && !errors.As(err, &fault) {
				t.Fatalf("%s %q: %v", route.Path, body, err)
			}
			isJSON := json.Valid(bytes.TrimPrefix(body, []byte(byteOrderMark)))
			if isJSON {
				valid++
			} else {
				invalid++
			}
			switch {
			case fault != nil && fault.Fault == Malformed && isJSON:
				t.Errorf("%s: JSON is refused as none (%v): %q", route.Path, err, body)
			case fault == nil && !isJSON && (route.Dialect == schema.DialectNative || route.Dialect == schema.DialectMixpanel):
				lines++ // each stands alone
			case fault == nil && !isJSON:
				t.Errorf("%s: what is no JSON is taken: %q", route.Path, body)
			}
			if fault != nil {
				continue
			}
			for j := range b.Events {
				e := &b.Events[j]
				raw := e.Raw.In(b.Buf)
				good := json.Valid(raw) && utf8.Valid(raw)
				if e.Refused() {
					refused++
					if e.Reason == schema.InvalidJSON && json.Valid(raw) || e.Reason == schema.InvalidUTF8 && utf8.Valid(raw) {
						t.Errorf("%s: %s is refused as %v: %q", route.Path, raw, e.Reason, body)
					}
					continue
				}
				taken++
				if !good {
					t.Errorf("%s: %q is taken, of %q", route.Path, raw, body)
				}
				checkTexts(t, e, b.Buf)
			}
		}
		t.Logf("%-9s shape %d: %d bodies, %d of them JSON, %d not (%d of those lines that stand alone); %d events taken, %d refused, no difference", route.Dialect, route.Shape, n, valid, invalid, lines, taken, refused)
		if valid < n/10 || invalid < n/10 || taken == 0 {
			t.Errorf("%s: the bodies are too much of one kind", route.Path)
		}
	}
	if len(done) < 9 {
		t.Errorf("only %d shapes", len(done))
	}
}
