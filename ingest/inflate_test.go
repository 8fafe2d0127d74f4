package ingest

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/millrace/millrace/schema"
)

func zstdBytes(t testing.TB, body []byte, opts ...zstd.EOption) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil, opts...)
	if err != nil {
		t.Fatal(err)
	}
	out := z.EncodeAll(body, nil)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

var compressors = map[string]func(testing.TB, []byte) []byte{
	"gzip": gzipBytes,
	"zstd": func(t testing.TB, body []byte) []byte { return zstdBytes(t, body) },
}

// compressible is a batch of n events, about as compressible as real ones.
func compressible(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"batch":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"type":"track","event":"Product Viewed","userId":"user-%06d","messageId":"m-%d","properties":{"price":%d.5,"note":"%x"}}`, i*7919%1000000, i, i%97, i*i*2654435761)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

func TestCompressedBodies(t *testing.T) {
	d := open(t, nil)
	for name, compress := range compressors {
		for _, n := range []int{1, 10, 1000, 9000} {
			body := compressible(n)
			a := d.post("/v1/batch", string(compress(t, body)), "Content-Encoding", name)
			if b := d.sub.last(); a.status != 200 || len(b.Events) != n || !bytes.Equal(b.Buf[:len(body)], body) {
				t.Errorf("%s, %d events: %v", name, n, a.status)
			}
		}
	}
	// Several members or frames one after the other are one body.
	body := compressible(10)
	for name, compress := range compressors {
		joined := append(compress(t, body[:100]), compress(t, body[100:])...)
		if a := d.post("/v1/batch", string(joined), "Content-Encoding", name); a.status != 200 || !bytes.Equal(d.sub.last().Buf[:len(body)], body) {
			t.Errorf("%s in two parts: %v", name, a)
		}
	}
	if d.bodies.used.Load() != 0 {
		t.Errorf("%d bytes are still charged", d.bodies.used.Load())
	}
}

// A body cut off anywhere, changed anywhere, or followed by anything is refused, and the pooled decoders work on.
func TestBrokenCompression(t *testing.T) {
	d := open(t, nil)
	body := compressible(3)
	for name, compress := range compressors {
		whole := compress(t, body)
		refused := 0
		for i := range whole {
			a := d.post("/v1/batch", string(whole[:i]), "Content-Encoding", name)
			if i == 0 && name == "zstd" {
				// No frame at all is an empty body.
				if a.status != 400 || a.code() != "empty_batch" {
					t.Errorf("%s of no bytes: %v", name, a)
				}
				continue
			}
			if a.status != 400 || a.code() != "invalid_encoding" {
				t.Errorf("%s cut at %d of %d: %v", name, i, len(whole), a)
			}
			refused++
		}
		if refused < len(whole)-1 {
			t.Errorf("%s: only %d of %d cuts were refused", name, refused, len(whole))
		}
		for i := range whole {
			broken := bytes.Clone(whole)
			broken[i] ^= 0x55
			before := d.sub.count()
			a := d.post("/v1/batch", string(broken), "Content-Encoding", name)
			// A change can hit a byte that does not matter, such as a time in the header: then the body must be what it was.
			if a.status == 200 && !bytes.Equal(d.sub.last().Buf[:len(body)], body) {
				t.Errorf("%s changed at %d was taken as %q", name, i, d.sub.last().Buf)
			}
			if a.status != 200 && d.sub.count() != before {
				t.Errorf("%s changed at %d: %v, and yet submitted", name, i, a)
			}
		}
		for _, tail := range []string{"x", "garbage", "\x1f\x8b", "\x00\x00"} {
			if a := d.post("/v1/batch", string(whole)+tail, "Content-Encoding", name); a.status != 400 || a.code() != "invalid_encoding" {
				t.Errorf("%s followed by %q: %v", name, tail, a)
			}
		}
		if a := d.post("/v1/batch", string(whole), "Content-Encoding", name); a.status != 200 {
			t.Errorf("%s in order, after all that: %v", name, a)
		}
	}
}

func TestBombs(t *testing.T) {
	d := open(t, func(c *Config, _ *schema.Limits, _ *Deps) { c.MaxDecompressedBytes, c.MaxRatio = 4<<20, 50 })
	zeros := bytes.Repeat([]byte(" "), 32<<20)
	noise := compressible(40_000) // compresses little, so that the size counts and not the ratio
	for name, compress := range compressors {
		for _, c := range []struct {
			what, says string
			body       []byte
		}{
			{"zeros", "ingest.max_ratio", compress(t, zeros)},
			{"zeros in many parts", "ingest.max_ratio", bytes.Repeat(compress(t, zeros[:1<<20]), 32)},
			{"a large body", "ingest.max_decompressed_bytes", compress(t, noise)},
		} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			a := d.post("/v1/batch", string(c.body), "Content-Encoding", name)
			runtime.ReadMemStats(&after)
			if a.status != 413 || a.code() != "decompressed_too_large" || !strings.Contains(a.body, c.says) {
				t.Errorf("%s, %s (%d bytes): %v", name, c.what, len(c.body), a)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 48<<20 {
				t.Errorf("%s, %s: %d bytes were allocated", name, c.what, grown)
			}
		}
	}
	// Ratio counts only beyond the first 64 KiB: small repetitive bodies are no bombs.
	small := `{"event":"` + strings.Repeat("x", 60_000) + `"}`
	for name, compress := range compressors {
		if a := d.post("/v1/track", string(compress(t, []byte(small))), "Content-Encoding", name); a.status != 200 {
			t.Errorf("%s: %v", name, a)
		}
	}
}

func TestExactlyTheLimit(t *testing.T) {
	const limit = 200_000
	d := open(t, func(c *Config, _ *schema.Limits, _ *Deps) { c.MaxDecompressedBytes, c.MaxRatio = limit, 100_000 })
	for name, compress := range compressors {
		for n, status := range map[int]int{limit - 1: 200, limit: 200, limit + 1: 413} {
			if a := d.post("/v1/track", string(compress(t, []byte(event(n)))), "Content-Encoding", name); a.status != status {
				t.Errorf("%s, %d bytes: %v", name, n, a.status)
			}
		}
	}
}

func TestZstdWindow(t *testing.T) {
	d := open(t, nil)
	body := compressible(9000)
	for len(body) < 17<<20 {
		body = append(body, body...)
	}
	// The window is only written when the size is not, as a stream has it.
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b, zstd.WithWindowSize(16<<20))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	a := d.post("/v1/batch", b.String(), "Content-Encoding", "zstd")
	if a.status != 413 || a.code() != "decompressed_too_large" || !strings.Contains(a.body, "window") {
		t.Error(a)
	}
}

func TestNestedEncoding(t *testing.T) {
	d := open(t, nil)
	for outer, f := range compressors {
		for inner, g := range compressors {
			a := d.post("/v1/batch", string(f(t, g(t, compressible(1)))), "Content-Encoding", outer)
			if a.status != 400 || a.code() != "nested_encoding" {
				t.Errorf("%s in %s: %v", inner, outer, a)
			}
		}
	}
}

func TestParseEncoding(t *testing.T) {
	for _, c := range []struct {
		value string
		lines int
		want  encoding
		code  code
	}{
		{"", 0, identity, codeOK},
		{"identity", 1, identity, codeOK},
		{" X-GZIP ", 1, gzipped, codeOK},
		{"identity, gzip,", 1, gzipped, codeOK},
		{"zstd", 1, zstandard, codeOK},
		{"gzip, gzip", 1, identity, codeNestedEncoding},
		{"gzip", 2, identity, codeNestedEncoding},
		{"deflate", 1, identity, codeUnsupportedEncoding},
		{"gzip; q=1", 1, identity, codeUnsupportedEncoding},
	} {
		if enc, code := parseEncoding([]byte(c.value), c.lines); enc != c.want || code != c.code {
			t.Errorf("parseEncoding(%q, %d) = %v, %v; want %v, %v", c.value, c.lines, enc, code, c.want, c.code)
		}
	}
}

func TestParseMedia(t *testing.T) {
	for _, c := range []struct {
		value     string
		lines, ok bool
	}{
		{"", false, true},
		{"application/json", false, true},
		{"Application/JSON; charset=UTF-8", false, true},
		{`application/json; charset="utf-8"; x=y`, false, true},
		{"application/vnd.api+json", false, true},
		{"application/cloudevents-batch+json;charset=us-ascii", false, true},
		{"text/plain;charset=UTF-8", false, true},
		{"text/json", false, true},
		{"application/x-www-form-urlencoded", false, true},
		{"application/octet-stream", false, true},
		{"application/gzip", false, true},
		{"application/x-ndjson", true, true},
		{"application/ndjson", true, true},
		{"application/jsonl; charset=utf-8", true, true},
		{"application/jsonlines", true, true},
		{"text/html", false, false},
		{"text/xml", false, false},
		{"multipart/form-data; boundary=x", false, false},
		{"application/xml", false, false},
		{"application/+json", false, false},
		{"application/json; charset=latin1", false, false},
		{"application/json;charset=utf-16", false, false},
		{"json", false, false},
		{"/", false, false},
	} {
		if lines, ok := parseMedia([]byte(c.value)); lines != c.lines || ok != c.ok {
			t.Errorf("parseMedia(%q) = %v, %v; want %v, %v", c.value, lines, ok, c.lines, c.ok)
		}
	}
}
