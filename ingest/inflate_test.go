package ingest

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/hex"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/andybalholm/brotli"
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

// compressor is one way to compress a body: those of gzip, zlib and raw deflate are the standard library's, not the ones that decode.
type compressor struct {
	encoding string // as Content-Encoding names it
	bytes    func(testing.TB, []byte) []byte
	joins    bool // several streams one after the other are one body
	sums     bool // a checksum ends it
	marked   bool // it is told by its first bytes
}

var compressors = map[string]compressor{
	"gzip":        {"gzip", gzipBytes, true, true, true},
	"zstd":        {"zstd", func(t testing.TB, body []byte) []byte { return zstdBytes(t, body) }, true, true, true},
	"zlib":        {"deflate", zlibBytes, false, true, true},
	"raw deflate": {"deflate", deflateBytes, false, false, false},
	"brotli":      {"br", brotliBytes, false, false, false},
}

// written is what a compressor makes of body.
func written(t testing.TB, body []byte, open func(io.Writer) (io.WriteCloser, error)) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := open(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zlibBytes(t testing.TB, body []byte) []byte {
	t.Helper()
	return written(t, body, func(w io.Writer) (io.WriteCloser, error) { return zlib.NewWriter(w), nil })
}

func deflateBytes(t testing.TB, body []byte) []byte {
	t.Helper()
	return written(t, body, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.DefaultCompression) })
}

func brotliBytes(t testing.TB, body []byte) []byte {
	t.Helper()
	return written(t, body, func(w io.Writer) (io.WriteCloser, error) { return brotli.NewWriter(w), nil })
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
	for name, c := range compressors {
		for _, n := range []int{1, 10, 1000, 9000} {
			body := compressible(n)
			a := d.post("/v1/batch", string(c.bytes(t, body)), "Content-Encoding", c.encoding)
			if b := d.sub.last(); a.status != 200 || len(b.Events) != n || !bytes.Equal(b.Buf[:len(body)], body) {
				t.Errorf("%s, %d events: %v", name, n, a.status)
			}
		}
	}
	// Several members or frames one after the other are one body.
	body := compressible(10)
	for name, c := range compressors {
		joined := append(c.bytes(t, body[:100]), c.bytes(t, body[100:])...)
		a := d.post("/v1/batch", string(joined), "Content-Encoding", c.encoding)
		if !c.joins && (a.status != 400 || a.code() != "invalid_encoding") || c.joins && (a.status != 200 || !bytes.Equal(d.sub.last().Buf[:len(body)], body)) {
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
	for name, c := range compressors {
		whole := c.bytes(t, body)
		refused := 0
		for i := range whole {
			a := d.post("/v1/batch", string(whole[:i]), "Content-Encoding", c.encoding)
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
			a := d.post("/v1/batch", string(broken), "Content-Encoding", c.encoding)
			// A change can hit a byte that does not matter, such as a time in the header: then the body must be what it was. Raw deflate and brotli cannot tell.
			if a.status == 200 && c.sums && !bytes.Equal(d.sub.last().Buf[:len(body)], body) {
				t.Errorf("%s changed at %d was taken as %q", name, i, d.sub.last().Buf)
			}
			if a.code() == "invalid_encoding" && d.sub.count() != before {
				t.Errorf("%s changed at %d: %v, and yet submitted", name, i, a)
			}
		}
		for _, tail := range []string{"x", "garbage", "\x1f\x8b", "\x00\x00"} {
			if a := d.post("/v1/batch", string(whole)+tail, "Content-Encoding", c.encoding); a.status != 400 || a.code() != "invalid_encoding" {
				t.Errorf("%s followed by %q: %v", name, tail, a)
			}
		}
		if a := d.post("/v1/batch", string(whole), "Content-Encoding", c.encoding); a.status != 200 {
			t.Errorf("%s in order, after all that: %v", name, a)
		}
	}
}

func TestBombs(t *testing.T) {
	d := open(t, func(c *Config, _ *schema.Limits, _ *Deps) { c.MaxDecompressedBytes, c.MaxRatio = 4<<20, 50 })
	zeros := bytes.Repeat([]byte(" "), 32<<20)
	noise := compressible(40_000) // compresses little, so that the size counts and not the ratio
	for name, by := range compressors {
		type bomb struct {
			what, says string
			body       []byte
		}
		bombs := []bomb{
			{"zeros", "ingest.max_ratio", by.bytes(t, zeros)},
			{"a large body", "ingest.max_decompressed_bytes", by.bytes(t, noise)},
		}
		if by.joins {
			bombs = append(bombs, bomb{"zeros in many parts", "ingest.max_ratio", bytes.Repeat(by.bytes(t, zeros[:1<<20]), 32)})
		}
		for _, c := range bombs {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			a := d.post("/v1/batch", string(c.body), "Content-Encoding", by.encoding)
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
	for name, c := range compressors {
		if a := d.post("/v1/track", string(c.bytes(t, []byte(small))), "Content-Encoding", c.encoding); a.status != 200 {
			t.Errorf("%s: %v", name, a)
		}
	}
}

func TestExactlyTheLimit(t *testing.T) {
	const limit = 200_000
	d := open(t, func(c *Config, _ *schema.Limits, _ *Deps) { c.MaxDecompressedBytes, c.MaxRatio = limit, 100_000 })
	for name, c := range compressors {
		for n, status := range map[int]int{limit - 1: 200, limit: 200, limit + 1: 413} {
			if a := d.post("/v1/track", string(c.bytes(t, []byte(event(n)))), "Content-Encoding", c.encoding); a.status != status {
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

// What the reference encoder writes of one body with different windows.
func TestBrotliWindow(t *testing.T) {
	d := open(t, nil)
	const body = `{"event":"Größe","userId":"u-1","properties":{"n":1}}`
	const stored = "1b807b226576656e74223a224772c3b6c39f65222c22757365724964223a22752d31222c2270726f70657274696573223a7b226e223a317d7d03"
	for _, c := range []struct {
		name, stream string
		status       int
	}{
		{"10 bits", "a1b001002010b6237f5e301d4897788324a88b76234e2c907a1281060a4a5a674aa01ba3aefffe758424e1b68e718a225c0a7df8c682896926", 200},
		{"22 bits", "0b" + stored, 200},
		{"24 bits", "0f" + stored, 413},
		{"26 bits, another format", "111a6c0002" + stored[4:], 413},
	} {
		stream, err := hex.DecodeString(c.stream)
		if err != nil {
			t.Fatal(err)
		}
		a := d.post("/v1/track", string(stream), "Content-Encoding", "br")
		switch {
		case a.status != c.status:
			t.Errorf("%s: %v", c.name, a)
		case a.status == 200 && string(d.sub.last().Buf[:len(body)]) != body:
			t.Errorf("%s: %q", c.name, d.sub.last().Buf)
		case a.status == 413 && (a.code() != "decompressed_too_large" || !strings.Contains(a.body, "--lgwin=22")):
			t.Errorf("%s: %v", c.name, a)
		}
	}
	// 23 bits is the largest window. A stored block that announces 16 MiB gets it for the few bytes that come, and no more.
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	a := d.post("/v1/track", "\xcd\xff\xff\xffabc", "Content-Encoding", "br")
	runtime.ReadMemStats(&after)
	if a.status != 400 || a.code() != "invalid_encoding" {
		t.Error(a)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown < maxWindow || grown > maxWindow+4<<20 {
		t.Errorf("%d bytes were allocated, which is not one window", grown)
	}
}

// A body whose decoder has a large window waits while there is no place for one more, and gives the place back however it ends; the others do not wait.
func TestWindowsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := quiet(t, nil)
		places := s.decoders.windows
		for range cap(places) {
			places <- struct{}{}
		}
		for name, c := range compressors {
			for _, broken := range []bool{false, true} {
				sent := c.bytes(t, compressible(200))
				if broken {
					sent = sent[:len(sent)/2]
				}
				r := s.request(string(sent), "")
				r.enc, _ = parseEncoding([]byte(c.encoding), 1)
				var refused *refusal
				ended := false
				go func() {
					refused = r.decompress()
					ended = true
				}()
				synctest.Wait()
				if waits := c.encoding == "br" || c.encoding == "zstd"; ended == waits {
					t.Errorf("%s: ended %v without a place", name, ended)
				}
				if !ended {
					<-places
					synctest.Wait()
					if !ended || len(places) != cap(places)-1 {
						t.Errorf("%s: ended %v with a place, %d of %d are taken", name, ended, len(places), cap(places))
					}
					places <- struct{}{}
				}
				if (refused != nil) != broken {
					t.Errorf("%s, broken %v: %+v", name, broken, refused)
				}
				s.release(r)
			}
		}
	})
}

func TestNestedEncoding(t *testing.T) {
	d := open(t, nil)
	for outerName, outer := range compressors {
		for innerName, inner := range compressors {
			before := d.sub.count()
			a := d.post("/v1/batch", string(outer.bytes(t, inner.bytes(t, compressible(1)))), "Content-Encoding", outer.encoding)
			switch {
			case inner.marked && (a.status != 400 || a.code() != "nested_encoding"):
				t.Errorf("%s in %s: %v", innerName, outerName, a)
			case !inner.marked && (a.status != 400 || a.code() != "invalid_json"): // it cannot be told from garbage
				t.Errorf("%s in %s: %v", innerName, outerName, a)
			case inner.marked && d.sub.count() != before:
				t.Errorf("%s in %s was submitted", innerName, outerName)
			}
		}
	}
}

// A body whose compression no header names is known by its first bytes, or by what the query says.
func TestUnnamedEncoding(t *testing.T) {
	d := open(t, nil)
	body := compressible(5)
	for name, c := range compressors {
		sent := string(c.bytes(t, body))
		for _, query := range []string{"", "?compression=" + c.encoding, "?compression=gzip-js&ver=1"} {
			a := d.post("/v1/batch"+query, sent, "Content-Type", "text/plain")
			if known := c.marked || strings.HasSuffix(query, c.encoding); known && (a.status != 200 || !bytes.Equal(d.sub.last().Buf[:len(body)], body)) || !known && a.status != 400 {
				t.Errorf("%s%s: %v", name, query, a)
			}
		}
	}
	for _, level := range []int{zlib.NoCompression, zlib.BestSpeed, 3, zlib.DefaultCompression, zlib.BestCompression} {
		sent := written(t, body, func(w io.Writer) (io.WriteCloser, error) { return zlib.NewWriterLevel(w, level) })
		if a := d.post("/v1/batch", string(sent)); a.status != 200 {
			t.Errorf("zlib at level %d, which begins with % x: %v", level, sent[:2], a)
		}
	}
	// The query is only a hint.
	for _, compression := range []string{"gzip-js", "gzip", "deflate", "br", "zstd", "base64", "lz64", "anything"} {
		if a := d.post("/v1/batch?compression="+compression, string(body)); a.status != 200 {
			t.Errorf("plain JSON with compression=%s: %v", compression, a)
		}
	}
}

// What is not compressed as Content-Encoding says is refused, plain JSON too; and no compressed body is taken for JSON because it begins like it.
func TestNamedButPlain(t *testing.T) {
	d := open(t, nil)
	for _, enc := range []string{"gzip", "deflate", "br", "zstd"} {
		for _, body := range []string{`{"event":"a"}`, " \r\n\t{\"event\":\"Größe\"}", "{\"event\":\"a\x00\"}", "{\xff}", "event=a", "data={}", "xyz"} {
			if a := d.post("/v1/track", body, "Content-Encoding", enc); a.status != 400 || a.code() != "invalid_encoding" || d.sub.count() != 0 {
				t.Errorf("%q as %s: %v", body, enc, a)
			}
		}
	}
	// Raw deflate, in one block with the fixed code, of JSON behind a byte order mark.
	a := d.post("/v1/events", "\x7b\xbf\x7b\x7f\xb5\x52\x6a\x59\x6a\x5e\x89\x92\x95\x52\xa2\x52\x2d\x00", "Content-Encoding", "deflate")
	if want := "\xef\xbb\xbf{\"event\":\"a\"}"; a.status != 200 || string(d.sub.last().Buf[:len(want)]) != want {
		t.Error(a)
	}
	// Brotli of a longer body, as the reference encoder writes it at its best.
	want := "[" + strings.TrimSuffix(strings.Repeat(`{"event":"e","userId":"u"},`, 2500), ",") + "]"
	a = d.post("/v1/events", "\x5b\xac\x07\x81\xdf\x71\x60\xc7\x90\x7f\x10\x07\xb6\xcd\xc3\xc5\x2c\x45\x92\xb6\x9a\xac\xac\x6e\x4f\xb3\xe8\x74\xf5\x69\x45\x36\x91\xe5\x37\xa9\x82\x0e\x64\xf8\x2a\x09\x5f\xe9\x1f\x20\x28\x83\x00",
		"Content-Encoding", "br")
	if a.status != 200 || string(d.sub.last().Buf[:len(want)]) != want {
		t.Error(a)
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
		{"Deflate", 1, deflated, codeOK},
		{"br", 1, brotlied, codeOK},
		{"br, deflate", 1, identity, codeNestedEncoding},
		{"gzip, gzip", 1, identity, codeNestedEncoding},
		{"gzip", 2, identity, codeNestedEncoding},
		{"compress", 1, identity, codeUnsupportedEncoding},
		{"gzip; q=1", 1, identity, codeUnsupportedEncoding},
	} {
		if enc, code := parseEncoding([]byte(c.value), c.lines); enc != c.want || code != c.code {
			t.Errorf("parseEncoding(%q, %d) = %v, %v; want %v, %v", c.value, c.lines, enc, code, c.want, c.code)
		}
	}
}

func TestParseMedia(t *testing.T) {
	for _, c := range []struct {
		value           string
		lines, form, ok bool
	}{
		{"", false, false, true},
		{"application/json", false, false, true},
		{"Application/JSON; charset=UTF-8", false, false, true},
		{`application/json; charset="utf-8"; x=y`, false, false, true},
		{"application/vnd.api+json", false, false, true},
		{"application/cloudevents-batch+json;charset=us-ascii", false, false, true},
		{"text/plain;charset=UTF-8", false, false, true},
		{"text/json", false, false, true},
		{"application/x-www-form-urlencoded", false, true, true},
		{"application/x-www-form-urlencoded; charset=UTF-8", false, true, true},
		{"Application/X-WWW-Form-Urlencoded;charset=latin1", false, false, false},
		{"application/zlib", false, false, true},
		{"application/octet-stream", false, false, true},
		{"application/gzip", false, false, true},
		{"application/x-ndjson", true, false, true},
		{"application/ndjson", true, false, true},
		{"application/jsonl; charset=utf-8", true, false, true},
		{"application/jsonlines", true, false, true},
		{"text/html", false, false, false},
		{"text/xml", false, false, false},
		{"multipart/form-data; boundary=x", false, false, false},
		{"application/xml", false, false, false},
		{"application/+json", false, false, false},
		{"application/json; charset=latin1", false, false, false},
		{"application/json;charset=utf-16", false, false, false},
		{"json", false, false, false},
		{"/", false, false, false},
	} {
		if m, ok := parseMedia([]byte(c.value)); ok != c.ok || m != (media{c.lines, c.form}) && ok {
			t.Errorf("parseMedia(%q) = %+v, %v; want %+v", c.value, m, ok, c)
		}
	}
	if says := wrongMedia([]byte("multipart/form-data; boundary=x")); !strings.Contains(says, "parts") || !strings.Contains(says, "application/json") {
		t.Error(says)
	}
	if says := wrongMedia([]byte("text/html")); !strings.Contains(says, `"text/html"`) || !strings.Contains(says, "application/json") {
		t.Error(says)
	}
}
