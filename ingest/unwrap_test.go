package ingest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metrics"
	"github.com/millrace/millrace/schema"
	"github.com/valyala/fasthttp"
)

// quietServer gives requests that came over no connection.
type quietServer struct{ *Server }

func quiet(t testing.TB, change func(*Config)) quietServer {
	t.Helper()
	cfg := DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg, schema.DefaultLimits(), Deps{
		Submitter: accepting{}, Validate: func(*schema.Batch) {}, Keys: keys{}, Health: func(bool) (int, []byte) { return 200, nil },
		Log: slog.New(slog.DiscardHandler), Metrics: metrics.NewSet(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return quietServer{s}
}

// request is one whose body has been read, with a query.
func (s quietServer) request(body, query string) *request {
	r := s.requests.Get().(*request)
	ctx := &fasthttp.RequestCtx{}
	ctx.Request.SetRequestURI("/track?" + query)
	r.begin(ctx)
	r.batch.Buf = append(r.batch.Buf[:0], body...)
	r.size = len(body)
	return r
}

// done releases a request and checks that it had paid for its memory and gives all of it back.
func (s quietServer) done(t testing.TB, r *request) {
	t.Helper()
	if len(r.batch.Buf) != r.size {
		t.Errorf("%d bytes are in the buffer, and the size is %d", len(r.batch.Buf), r.size)
	}
	s.release(r)
	if used := s.bodies.used.Load(); used != 0 {
		t.Fatalf("%d bytes are still charged", used)
	}
}

func b64(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// Every way to wrap a body, in every combination that some client may send, gives back the body.
func TestUnwrap(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	s := quiet(t, nil)
	bodies := []string{`{}`, `[]`, string(compressible(1)), string(compressible(50)), "\n{\"a\":\"ö+ /%\"}\n", "\xef\xbb\xbf[1]", "{\"event\":\"a\"}\n{\"event\":\"b\"}\n"}
	for _, body := range bodies {
		for packing := range 6 {
			packed := body
			switch packing {
			case 1:
				packed = string(gzipBytes(t, []byte(body)))
			case 2:
				packed = string(zlibBytes(t, []byte(body)))
			case 3:
				packed = string(zstdBytes(t, []byte(body)))
			case 4:
				packed = string(armor(rng, []byte(body)))
			case 5:
				packed = string(armor(rng, gzipBytes(t, []byte(body))))
			}
			for name, sent := range map[string]string{
				"alone":        packed,
				"form":         "data=" + url.QueryEscape(packed),
				"last field":   "verbose=1&ip=0&data=" + url.QueryEscape(packed),
				"first field":  "data=" + url.QueryEscape(packed) + "&_=1",
				"between":      "&compression=base64&&data=" + url.QueryEscape(packed) + "&",
				"with a line":  "data=" + url.QueryEscape(packed) + "\r\n",
				"in the query": "",
			} {
				r := s.request(sent, "")
				r.media.form = strings.Contains(sent, "data=")
				var refused *refusal
				if name == "in the query" {
					r.ctx.Request.URI().SetQueryString("ip=0&data=" + url.QueryEscape(packed))
					refused = r.takeQuery()
				} else if refused = r.decompress(); refused == nil {
					refused = r.unwrap()
				}
				if refused != nil || strings.TrimRight(string(r.batch.Buf), "\r\n") != strings.TrimRight(body, "\r\n") {
					t.Errorf("packing %d, %s, %q: %q, %v", packing, name, sent, r.batch.Buf, refused)
				}
				s.done(t, r)
			}
		}
	}
}

func TestUnwrapRefusals(t *testing.T) {
	s := quiet(t, nil)
	gz := func(text string) string { return string(gzipBytes(t, []byte(text))) }
	deep := url.QueryEscape
	for _, c := range []struct {
		name, body, query string
		form              bool
		code              code
		says              string
	}{
		{"no data", "verbose=1", "", true, codeInvalidRequest, "no field data"},
		{"no field at all", "&&", "", true, codeInvalidRequest, "no field data"},
		{"data twice", "data=%7B%7D&data=%7B%7D", "", true, codeInvalidRequest, "2 fields data"},
		{"a form in the form", "data=" + deep("data={}"), "", true, codeInvalidRequest, "once more"},
		{"a form in the form, type or not", "data=data={}", "", false, codeInvalidRequest, "once more"},
		{"empty", "data=", "", true, codeEmptyBatch, "is empty"},
		{"blank", "verbose=1&data=+%0A", "", true, codeEmptyBatch, "is empty"},
		{"many fields", strings.Repeat("a=1&", maxFormFields+1) + "data={}", "", true, codeInvalidRequest, "32 fields"},
		{"large fields", "a=" + strings.Repeat("x", maxFormBytes) + "&data={}", "", true, codeInvalidRequest, "4096 bytes"},
		{"neither", "data=%21", "", true, codeInvalidEncoding, "neither JSON nor base64: byte 0 is '!'"},
		{"a wrong byte", "eyJhIjox*fQ==", "", false, codeInvalidEncoding, "the body is base64 up to byte 8, which is '*'"},
		{"a wrong byte behind blanks", "  eyJhIjox*fQ==", "", false, codeInvalidEncoding, "byte 10, which is '*'"},
		{"a wrong byte in a form", "ip=1&data=eyJh%2Aox", "", true, codeInvalidEncoding, "the form's field data is base64 up to byte 4, which is '*'"},
		{"cut off", "data=eyJhI", "", true, codeInvalidEncoding, "cut off at byte 5"},
		{"cut off body", "eyJhI\n", "", false, codeInvalidEncoding, "cut off at byte 5"},
		{"base64 of a word", "data=" + b64("hello"), "", true, codeInvalidEncoding, "neither JSON nor a compressed body"},
		{"base64 of nothing", "data=%0A%3D%3D", "", true, codeInvalidEncoding, "neither JSON nor base64"},
		{"base64 twice", "data=" + b64(b64("{}")), "", true, codeInvalidEncoding, "neither JSON nor a compressed body"},
		{"lz64", "data=NoZwXA", "compression=lz64", true, codeUnsupportedEncoding, "lz64"},
		{"lz64 said in the form", "data=NoZwXA&compression=LZ64", "", true, codeUnsupportedEncoding, "gzip-js"},
		{"lz64 without a form", "NoZwXA", "compression=lz64", false, codeUnsupportedEncoding, "lz64"},
		{"gzip in base64 in gzip", gz(b64(gz("{}"))), "", false, codeNestedEncoding, "once"},
		{"gzip in a form in gzip", gz("data=" + deep(gz("{}"))), "", false, codeNestedEncoding, "once"},
		{"gzip in gzip in base64", b64(gz(gz("{}"))), "", false, codeNestedEncoding, "once"},
		{"half a gzip in base64", "data=" + deep(b64(gz("{}")[:12])), "", true, codeInvalidEncoding, "cut off"},
		{"a bomb in base64", b64(gz(strings.Repeat(" ", 32<<20))), "", false, codeDecompressedTooLarge, "ingest.max_ratio"},
		{"a bomb in a form", "data=" + deep(gz(strings.Repeat(" ", 32<<20))), "", true, codeDecompressedTooLarge, "ingest.max_ratio"},
	} {
		r := s.request(c.body, c.query)
		r.media.form = c.form
		refused := r.decompress()
		if refused == nil {
			refused = r.unwrap()
		}
		if refused == nil || refused.code != c.code || !strings.Contains(refused.detail, c.says) {
			t.Errorf("%s: %+v, want %v with %q", c.name, refused, c.code, c.says)
		}
		s.release(r)
	}
	for query, want := range map[string]code{
		"":                        codeInvalidRequest,
		"verbose=1":               codeInvalidRequest,
		"data={}&data={}":         codeInvalidRequest,
		"data=data%3D%7B%7D":      codeInvalidRequest,
		"data":                    codeEmptyBatch,
		"data=+":                  codeEmptyBatch,
		"data=*":                  codeInvalidEncoding,
		"data=x&compression=lz64": codeUnsupportedEncoding,
	} {
		r := s.request("", query)
		if refused := r.takeQuery(); refused == nil || refused.code != want {
			t.Errorf("?%s: %+v, want %v", query, refused, want)
		}
		s.release(r)
	}
	if used := s.bodies.used.Load(); used != 0 {
		t.Errorf("%d bytes are still charged", used)
	}
}

// What is no wrapping is left to the decoder, which says what it is.
func TestNotWrapped(t *testing.T) {
	s := quiet(t, nil)
	for _, body := range []string{"", " \n", `{`, `{"a":1}`, ` [1]`, "5", "-1", "null", `"text"`, "true", "event", "<html>", "\x00\x01", "datum=1", "{\"data=\":1}"} {
		for _, form := range []bool{false, true} {
			if form && body != "" && !strings.ContainsAny(body[:1], " {") {
				continue
			}
			r := s.request(body, "")
			r.media.form = form
			if refused := r.unwrap(); refused != nil || string(r.batch.Buf) != body {
				t.Errorf("%q, form %v: %q, %v", body, form, r.batch.Buf, refused)
			}
			s.done(t, r)
		}
	}
}

// The size is capped after each step, whichever of them the body has.
func TestUnwrapCaps(t *testing.T) {
	const limit = 10_000
	s := quiet(t, func(c *Config) { c.MaxDecompressedBytes = limit })
	for n, want := range map[int]code{limit: codeOK, limit + 1: codeDecompressedTooLarge} {
		body := event(n)
		gz := string(gzipBytes(t, []byte(body)))
		for name, sent := range map[string]string{
			"form": "data=" + url.QueryEscape(body), "base64": b64(body), "gzip in base64": b64(gz), "gzip in a form": "data=" + url.QueryEscape(gz),
		} {
			r := s.request(sent, "")
			refused := r.unwrap()
			if want == codeOK && (refused != nil || string(r.batch.Buf) != body) || want != codeOK && (refused == nil || refused.code != want) {
				t.Errorf("%d bytes, %s: %+v", n, name, refused)
			}
			s.release(r)
		}
	}
}

// A request without memory left in the budgets is refused, not served.
func TestUnwrapCharges(t *testing.T) {
	s := quiet(t, nil)
	s.bodies.limit = 1000
	r := s.request("", "data="+strings.Repeat("e", 1001))
	if refused := r.takeQuery(); refused == nil || refused.code != codeOverloaded {
		t.Errorf("a query: %+v", refused)
	}
	s.release(r)
	r = s.request("x="+strings.Repeat("y", 1000)+"&data={}", "")
	r.media.form = true
	if refused := r.unwrap(); refused == nil || refused.code != codeOverloaded {
		t.Errorf("a form: %+v", refused)
	}
	s.release(r)
	r = s.request(b64(string(gzipBytes(t, compressible(100)))), "")
	if refused := r.unwrap(); refused == nil || refused.code != codeOverloaded {
		t.Errorf("gzip in base64: %+v", refused)
	}
	s.release(r)
	if used := s.bodies.used.Load(); used != 0 {
		t.Errorf("%d bytes are still charged", used)
	}
}

// FuzzUnwrap sends any bytes through all of body decoding: nothing panics, nothing grows beyond the caps or what was charged, everything is given back, and JSON
// stands as it was.
func FuzzUnwrap(f *testing.F) {
	body := `{"batch":[{"event":"a","userId":"u"}]}`
	gz := string(gzipBytes(f, []byte(body)))
	for _, seed := range []string{
		body, gz, string(zlibBytes(f, []byte(body))), string(deflateBytes(f, []byte(body))), string(brotliBytes(f, []byte(body))), string(zstdBytes(f, []byte(body))),
		b64(body), b64(gz), "data=" + url.QueryEscape(body), "ip=1&data=" + url.QueryEscape(b64(gz)), "data=" + url.QueryEscape(gz), "data=data=", "data=%", "eyJ=", "[*M\x18\x00\x00\x00\x00",
	} {
		for enc := range uint8(5) {
			f.Add([]byte(seed), enc, false, "compression=br")
			f.Add([]byte(seed), enc, true, "data="+url.QueryEscape(seed))
		}
	}
	const limit = 64 << 10
	s := quiet(f, func(c *Config) { c.MaxDecompressedBytes, c.MaxBodyBytes, c.MaxRatio = limit, limit, 10 })
	f.Fuzz(func(t *testing.T, body []byte, enc uint8, form bool, query string) {
		if len(body) > limit {
			return
		}
		check := func(r *request, refused *refusal) {
			if len(r.batch.Buf) > limit+1 || cap(r.batch.Buf)+cap(r.sent) > 8*limit || int64(cap(r.form.text)) > 2*maxFormBytes || r.charged > 4*limit {
				t.Fatalf("%d bytes became %d in %d and %d, with %d beside, %d charged", len(body), len(r.batch.Buf), cap(r.batch.Buf), cap(r.sent), cap(r.form.text), r.charged)
			}
			if refused != nil {
				if refused.status < 400 || refused.status >= 500 || refused.detail == "" {
					t.Fatalf("%+v", refused)
				}
				r.size = len(r.batch.Buf)
			}
			s.done(t, r)
		}
		r := s.request(string(body), query)
		r.enc, r.media.form = encoding(enc%5), form
		refused := r.decompress()
		if refused == nil {
			refused = r.unwrap()
		}
		changed := r.enc == identity && json.Valid(body) && beginsJSON(body) && isText(body) && (refused != nil || !bytes.Equal(r.batch.Buf, body))
		check(r, refused) // first: what stays charged would fail all that come after it
		if changed {
			t.Fatalf("JSON %q changed: %+v", body, refused)
		}
		r = s.request("", query)
		refused = r.takeQuery()
		check(r, refused)
	})
}

// All of it over HTTP, as the SDKs send it.
func TestWrappedRequests(t *testing.T) {
	d := open(t, nil)
	one := `{"event":"Größe","userId":"u"}`
	for _, c := range []struct {
		name, body string
		headers    []string
	}{
		{"form", "data=" + url.QueryEscape(one) + "&verbose=1&ip=0", []string{"Content-Type", "application/x-www-form-urlencoded"}},
		{"form of base64", "data=" + url.QueryEscape(b64(one)), []string{"Content-Type", "application/x-www-form-urlencoded; charset=UTF-8"}},
		{"form of base64, not escaped", "data=" + b64(one), []string{"Content-Type", "text/plain"}},
		{"form in gzip", string(gzipBytes(t, []byte("data="+url.QueryEscape(one)))), []string{"Content-Type", "application/x-www-form-urlencoded", "Content-Encoding", "gzip"}},
		{"base64 of gzip", b64(string(gzipBytes(t, []byte(one)))), []string{"Content-Type", "text/plain;charset=UTF-8"}},
		{"JSON called a form", one, []string{"Content-Type", "application/x-www-form-urlencoded"}},
	} {
		if a := d.post("/v1/track", c.body, c.headers...); a.status != 200 || string(d.sub.last().Buf[:len(one)]) != one {
			t.Errorf("%s: %v", c.name, a)
		}
	}
	before := d.sub.count()
	if a := d.post("/v1/track", "--x\r\n", "Content-Type", "multipart/form-data; boundary=x"); a.status != 415 || a.code() != "unsupported_media_type" || !strings.Contains(a.body, "has parts") {
		t.Error(a)
	}
	if a := d.post("/v1/track", "verbose=1", "Content-Type", "application/x-www-form-urlencoded"); a.status != 400 || a.code() != "invalid_request" {
		t.Error(a)
	}
	if a := d.post("/v1/track", "", "Content-Type", "application/x-www-form-urlencoded"); a.status != 400 || a.code() != "empty_batch" {
		t.Error(a)
	}
	if n := d.sub.count(); n != before {
		t.Errorf("%d refused bodies were submitted", n-before)
	}
}

// BenchmarkDecode is what each encoding and wrapping costs, per byte of the body that comes out.
func BenchmarkDecode(b *testing.B) {
	body := []byte(shopBatch(1200)) // 1 MB
	sent := map[string]struct {
		body string
		enc  encoding
	}{
		"plain":          {string(body), identity},
		"named, plain":   {string(body), gzipped},
		"form":           {"data=" + url.QueryEscape(string(body)), identity},
		"base64":         {b64(string(body)), identity},
		"base64 in form": {"data=" + url.QueryEscape(b64(string(body))), identity},
	}
	for name, c := range compressors {
		enc, _ := parseEncoding([]byte(c.encoding), 1)
		sent[name] = struct {
			body string
			enc  encoding
		}{string(c.bytes(b, body)), enc}
	}
	s := quiet(b, func(c *Config) { c.MaxRatio = 10_000 })
	for name, c := range sent {
		b.Run(strings.ReplaceAll(name, " ", "_"), func(b *testing.B) {
			r := s.request("", "")
			defer s.release(r)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				s.bodies.give(r.charged)
				r.charged, r.packed, r.enc, r.form = 0, false, c.enc, r.form.reset()
				r.batch.Buf = append(r.batch.Buf[:0], c.body...)
				if refused := r.decompress(); refused != nil {
					b.Fatal(refused)
				}
				if refused := r.unwrap(); refused != nil {
					b.Fatal(refused)
				}
				if len(r.batch.Buf) != len(body) {
					b.Fatalf("%d bytes came out", len(r.batch.Buf))
				}
			}
		})
	}
}
