package ingest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var percentEncoded = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

// unescaped is what the URL standard says of text, in two steps of the standard library.
func unescaped(text string) string {
	return percentEncoded.ReplaceAllStringFunc(strings.ReplaceAll(text, "+", " "), func(x string) string {
		n, _ := strconv.ParseUint(x[1:], 16, 8) // matched
		return string([]byte{byte(n)})
	})
}

func FuzzUnescape(f *testing.F) {
	for _, seed := range []string{"", "a+b", "%7B%22a%22%3a1%7d", "%", "%4", "%4g%41", "100%", "%%41", "+%2B+"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		want := unescaped(string(text))
		if got := appendUnescaped([]byte("x"), bytes.Clone(text)); string(got) != "x"+want {
			t.Fatalf("%q: %q, want %q", text, got, "x"+want)
		}
		inPlace := append([]byte("data="), text...)
		if got := appendUnescaped(inPlace[:0], inPlace[5:]); string(got) != want {
			t.Fatalf("%q in place: %q, want %q", text, got, want)
		}
		if std, err := url.QueryUnescape(string(text)); err == nil && std != want {
			t.Fatalf("%q: the standard library says %q, not %q", text, std, want)
		}
	})
}

func TestForm(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	s := quiet(t, nil)
	for range 2000 {
		values := url.Values{}
		for i := range rng.IntN(8) {
			value := make([]byte, rng.IntN(20))
			for j := range value {
				value[j] = byte(rng.IntN(256))
			}
			values.Set(fmt.Sprintf("%c&=%d", 'a'+rng.IntN(26), i), string(value))
		}
		data := fmt.Sprintf(`{"event":"+ %% & = ö","n":%d}`, rng.Int64())
		values.Set("data", data)
		r := s.request(values.Encode(), "")
		r.media.form = true
		if refused := r.unwrap(); refused != nil || string(r.batch.Buf) != data || r.size != len(data) {
			t.Fatalf("%s: %q, %v", values.Encode(), r.batch.Buf, refused)
		}
		for name := range values {
			if got := r.param(name); name != "data" && string(got) != values.Get(name) {
				t.Fatalf("%s: %s is %q", values.Encode(), name, got)
			}
		}
		s.done(t, r)
	}
}

func TestParam(t *testing.T) {
	s := quiet(t, nil)
	r := s.request("verbose=1&data=%7B%7D&ip=0&verbose=2&callback=f%28%29&img=", "verbose=3&beacon=1&ip=")
	r.media.form = true
	if refused := r.unwrap(); refused != nil {
		t.Fatal(refused)
	}
	for name, want := range map[string]string{"verbose": "3", "beacon": "1", "ip": "0", "callback": "f()", "img": "", "redirect": "", "data": ""} {
		if got := r.param(name); string(got) != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	s.done(t, r)
	r = s.request(`{}`, "")
	if got := r.param("verbose"); len(got) > 0 {
		t.Errorf("a parameter of the request before: %q", got)
	}
	s.done(t, r)
}
