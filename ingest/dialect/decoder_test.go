package dialect

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/millrace/millrace/schema"
)

func route(tb testing.TB, path string) *Route {
	tb.Helper()
	r, ok := Lookup([]byte(path))
	if !ok {
		tb.Fatalf("no route %s", path)
	}
	return r
}

func TestLookup(t *testing.T) {
	for _, c := range []struct {
		path string
		want string
	}{
		{"/v1/events", "/v1/events"},
		{"/v1/events/", "/v1/events"},
		{"/v1/track/", "/v1/track"},
		{"/v1/t", "/v1/t"},
		{"/api/s/s2s/track", "/api/s/s2s/track"},
		{"/jitsu/api/s/track/", "/api/s/track"},
		{"/rudderstack/pixel/v1/page", "/pixel/v1/page"},
		{"/posthog/v1/t", ""},
		{"/v1/events//", ""},
		{"/v1/Events", ""},
		{"/v1", ""},
		{"/", ""},
		{"", ""},
	} {
		r, ok := Lookup([]byte(c.path))
		if ok != (c.want != "") || ok && r.Path != c.want {
			t.Errorf("Lookup(%q) = %+v, %v", c.path, r, ok)
		}
	}
	for i, r := range Routes() {
		if r.Index != i || r.Shape == Batch && r.Type != schema.TypeNone || r.Shape == Single && (r.Type == schema.TypeNone) != strings.HasSuffix(r.Path, "/event") {
			t.Errorf("route %+v at %d makes no sense", r, i)
		}
	}
}

// What is refused names the member, what was found, the limit with its setting, and the cure.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		path, event string
		reason      schema.Reason
		pointer     string
		says        []string
	}{
		{"/v1/events", `5`, schema.InvalidType, "", []string{"object", "a number"}},
		{"/v1/events", `{"user_id":5}`, schema.InvalidType, "/user_id", []string{"user_id must be a string", "found a number"}},
		{"/v1/batch", `{"type":"track","userId":{}}`, schema.InvalidType, "/userId", []string{"userId must be a string", "found an object"}},
		{"/v1/batch", `{"event":"x"}`, schema.InvalidType, "/type", []string{"type is missing", "track"}},
		{"/v1/batch", `{"type":"<b>"}`, schema.InvalidType, "/type", []string{`"<b>"`, "identify"}},
		{"/v1/batch", `{"type":"track","context":[]}`, schema.InvalidType, "/context", []string{"context must be an object", "an array"}},
		{"/v1/batch", `{"type":"track","originalTimestamp":"soon"}`, schema.InvalidTimestamp, "/originalTimestamp", []string{`"soon"`, "RFC 3339"}},
		{"/v1/events", `{"ts":-1e300}`, schema.InvalidTimestamp, "/ts", []string{`"-1e300"`}},
		{"/v1/events", `{"hops":256}`, schema.InvalidType, "/hops", []string{"256", "255"}},
		{"/v1/events", `{"set":[]}`, schema.InvalidType, "/set", []string{"set must be an object"}},
		{"/v1/events", `{"properties":{"a":1,"b":1,"c":1,"d":1}}`, schema.TooManyProperties, "/properties", []string{"4 members", "more than 3", "limits.max_properties"}},
		{"/v1/events", `{"set":{"a":1},"traits":{"b":1}}`, schema.InvalidType, "/traits", []string{"beside set"}},
		{"/v1/events", `{"set_once":{"a":1,"b":1,"c":1,"d":1}}`, schema.TooManyProperties, "/set_once", []string{"4 members"}},
		{"/v1/events", `{"add":5}`, schema.InvalidType, "/add", []string{"add must be an object", "found a number"}},
		{"/v1/events", `{"add":{"a":1,"n/~\u006d":"5"}}`, schema.InvalidType, "/add/n~1~0m", []string{"numbers only", "a string", `"n/~m"`}},
		{"/v1/events", `{"add":{"` + strings.Repeat("n", 201) + `":null}}`, schema.InvalidType, "/add", []string{"numbers only", "null", `"nnn`, `…"`}},
		{"/v1/events", `{"append":[]}`, schema.InvalidType, "/append", []string{"append must be an object", "found an array"}},
		{"/v1/events", `{"append":{"a":1,"b":1,"c":1,"d":1}}`, schema.TooManyProperties, "/append", []string{"4 members", "more than 3"}},
		{"/v1/events", `{"concat":[1]}`, schema.InvalidType, "/concat", []string{"concat must be an object", "found an array"}},
		{"/v1/events", `{"prepend":"a"}`, schema.InvalidType, "/prepend", []string{"prepend must be an object", "found a string"}},
		{"/v1/events", `{"union":true}`, schema.InvalidType, "/union", []string{"union must be an object", "found a boolean"}},
		{"/v1/events", `{"remove":{"a":1,"b":1,"c":1,"d":1}}`, schema.TooManyProperties, "/remove", []string{"4 members", "more than 3"}},
		{"/v1/events", `{"clear":["a"]}`, schema.InvalidType, "/clear", []string{"clear must be a boolean", "found an array"}},
		{"/v1/events", `{"clear":true,"set":{"a":1},"traits":{"b":1}}`, schema.InvalidType, "/traits", []string{"beside set"}},
		{"/v1/events", `{"unset":{"a":1}}`, schema.InvalidType, "/unset", []string{"unset must be an array", "found an object"}},
		{"/v1/events", `{"unset":["a",null]}`, schema.InvalidType, "/unset/1", []string{"names only", "null"}},
		{"/v1/events", `{"unset":["a","b","c","d"]}`, schema.TooManyProperties, "/unset", []string{"4 members", "more than 3"}},
		{"/v1/events", `{"set":{"a":1},"add":{"b":1},"traits":{"b":1}}`, schema.InvalidType, "/traits", []string{"beside set"}},
		{"/v1/events", `{"properties":{"a":{"b":{"c":{"d":{}}}}}}`, schema.TooDeep, "/properties", []string{"5 levels", "limits.max_depth"}},
		{"/v1/events", "{\"event\":\"ok\",\"properties\":{\"a\":\"\xff\"}}", schema.InvalidUTF8, "/properties", []string{"UTF-8"}},
		{"/v1/events", "{\"other\":\"\xff\"}", schema.InvalidUTF8, "", []string{"UTF-8"}},
		{"/v1/events", `{"x":"` + strings.Repeat("y", 600) + `"}`, schema.EventTooLarge, "", []string{"608 bytes", "more than 600", "limits.max_event_bytes"}},
	} {
		body := "[" + c.event + `,{"type":"track","event":"sibling"}]`
		if c.path == "/v1/batch" {
			body = `{"batch":` + body + "}"
		}
		b := &schema.Batch{Buf: []byte(body)}
		if err := New(tight, tightEvents).Decode(route(t, c.path), b, Options{}); err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		e := &b.Events[0]
		if !e.Refused() || e.Reason != c.reason || e.Pointer != c.pointer {
			t.Errorf("%s: %v %v at %q (%s), want %v at %q", c.event, e.Refused(), e.Reason, e.Pointer, e.Detail, c.reason, c.pointer)
		}
		for _, s := range c.says {
			if !strings.Contains(e.Detail, s) {
				t.Errorf("%s: detail %q does not say %q", c.event, e.Detail, s)
			}
		}
		if b.Events[1].Refused() {
			t.Errorf("%s: its sibling was refused too: %s", c.event, b.Events[1].Detail)
		}
	}
}

// Native operations become the traits of the event, in the order in which they are applied.
func TestOperations(t *testing.T) {
	for _, c := range []struct{ path, event, traits string }{
		{"/v1/events", `{"unset":["e"],"append":{"d":[4]},"add":{"c":3},"set_once":{"b":2},"set":{"a":1}}`, `{"$set":{"a":1},"$set_once":{"b":2},"$add":{"c":3},"$append":{"d":[4]},"$unset":["e"]}`},
		{
			"/v1/events", `{"unset":["e"],"remove":{"d":[1]},"union":{"d":[4]},"prepend":{"d":1},"concat":{"d":[2, 3]},"append":{"d":[4]},"set":{"a":1},"clear":true}`,
			`{"$clear":true,"$set":{"a":1},"$append":{"d":[4]},"$concat":{"d":[2, 3]},"$prepend":{"d":1},"$union":{"d":[4]},"$remove":{"d":[1]},"$unset":["e"]}`,
		},
		{"/v1/events", `{"traits":{"a":1},"clear":true}`, `{"$clear":true,"$set":{"a":1}}`},
		{"/v1/events", `{"traits":{"a":1},"clear":false}`, `{"a":1}`},
		{"/v1/events", `{"clear":false,"union":{"a":1}}`, `{"$union":{"a":1}}`},
		{"/v1/events", `{"add":{ "c" : -3.5e1 }}`, `{"$add":{ "c" : -3.5e1 }}`},
		{"/v1/events", `{"traits":{"a":1},"unset":[]}`, `{"$set":{"a":1},"$unset":[]}`},
		{"/v1/events", `{"traits":{"a":1},"add":null,"unset":""}`, `{"a":1}`},
		{"/v1/events", `{"append":{"a":1},"append":{"b":1}}`, `{"$append":{"b":1}}`},
		{"/v1/events", `{"event":"x"}`, ``},
		{"/v1/identify", `{"traits":{"$add":{"n":1}},"add":{"n":"x"},"unset":5}`, `{"$add":{"n":1}}`}, // of this family, unknown members
	} {
		b := &schema.Batch{Buf: []byte(c.event)}
		if err := New(tight, tightEvents).Decode(route(t, c.path), b, Options{}); err != nil {
			t.Errorf("%s: %v", c.event, err)
			continue
		}
		if e := &b.Events[0]; e.Refused() || string(e.Text(schema.FieldTraits).In(b.Buf)) != c.traits {
			t.Errorf("%s: traits %s (%s), want %s", c.event, e.Text(schema.FieldTraits).In(b.Buf), e.Detail, c.traits)
		}
	}
}

func TestFaultsOfTheBody(t *testing.T) {
	for _, c := range []struct {
		path, body string
		fault      Fault
		pointer    string
		says       string
	}{
		{"/v1/events", `{"event":tru}`, Malformed, "", "invalid JSON: invalid literal at byte 9, near \"tru}\""},
		{"/v1/events", `{"event":"x"`, Malformed, "", "expected ',' or '}' at byte 12, the end of the text"},
		{"/v1/events", `{"event":"x"} y`, Malformed, "", "unexpected text after the JSON value at byte 14"},
		{"/v1/batch", `{"batch":[{},{]}`, Malformed, "", "expected a string key at byte 14"},
		{"/v1/events", `{"events":{}}`, Misshapen, "/events", "found an object"},
		{"/v1/events", `true`, Misshapen, "", "found a boolean"},
		{"/v1/batch", `[]`, Misshapen, "", "found an array"},
		{"/v1/batch", `{}`, Misshapen, "/batch", "missing"},
		{"/v1/batch", `{"batch":{}}`, Misshapen, "/batch", "found an object"},
		{"/v1/track", `[]`, Misshapen, "", "one event as an object, found an array"},
		{"/v1/track", ``, Empty, "", "at least one"},
		{"/v1/events", "[]", Empty, "", "at least one"},
		{"/v1/events", "[" + strings.Repeat("{},", 6) + "{}]", TooMany, "", "more than 6 events (limit ingest.max_events)"},
	} {
		err := New(tight, tightEvents).Decode(route(t, c.path), &schema.Batch{Buf: []byte(c.body)}, Options{})
		var e *Error
		if !errors.As(err, &e) || e.Fault != c.fault || e.Pointer != c.pointer || !strings.Contains(e.Detail, c.says) {
			t.Errorf("%s %s: %#v, want fault %v at %q saying %q", c.path, c.body, err, c.fault, c.pointer, c.says)
		}
	}
}

// A decoder that has seen anything at all, of whatever family, reads the next body as a new one does.
func TestReuse(t *testing.T) {
	used, batch := New(tight, tightEvents), new(schema.Batch)
	bodies := seeds(t)
	for _, dir := range []string{"posthog", "amplitude"} {
		files, err := filepath.Glob("testdata/" + dir + "/*.json")
		if err != nil || len(files) == 0 {
			t.Fatalf("no bodies of %s: %v", dir, err)
		}
		for _, f := range files {
			body, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			bodies = append(bodies, body)
		}
	}
	for _, body := range bodies {
		for i := range Routes() {
			r := &Routes()[i]
			path := r.Path
			fresh := &schema.Batch{Buf: bytes.Clone(body)}
			want := New(tight, tightEvents).Decode(r, fresh, Options{})
			batch.Reset(1 << 20)
			batch.Buf = append(batch.Buf, body...)
			got := used.Decode(r, batch, Options{})
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("%s %q: %v, want %v", path, body, got, want)
			}
			if got != nil {
				continue
			}
			if len(batch.Events) != len(fresh.Events) || batch.SentAt != fresh.SentAt || batch.HasSentAt != fresh.HasSentAt || !bytes.Equal(batch.Buf, fresh.Buf) {
				t.Fatalf("%s %q: the batch differs", path, body)
			}
			for i := range batch.Events {
				// Spans of absent fields may be stale, so the events are compared by what can be read of them.
				if a, b := visible(&batch.Events[i], batch.Buf), visible(&fresh.Events[i], fresh.Buf); !reflect.DeepEqual(a, b) {
					t.Fatalf("%s %q: event %d is %v, want %v", path, body, i, a, b)
				}
			}
		}
	}
}

func visible(e *schema.Event, buf []byte) map[string]string {
	m := map[string]string{
		"raw": string(e.Raw.In(buf)), "id": string(e.ClientID.In(buf)), "time": string(e.ClientTime.In(buf)), "session": string(e.ClientSession.In(buf)),
		"outcome": fmt.Sprint(e.Result, e.Reason, e.Pointer, e.Detail, e.Index), "typed": fmt.Sprint(e.Type, e.ClientTS, e.Hops, e.ScreenW, e.ScreenH),
	}
	for f := schema.Field(0); f < schema.NumFields; f++ {
		m[f.String()] = fmt.Sprint(e.Has(f), string(e.Text(f).In(buf)))
	}
	return m
}

func TestKey(t *testing.T) {
	for _, c := range []struct {
		body, key string
		fault     Fault
	}{
		{`{"writeKey":"k1","batch":[{"writeKey":"no"}]}`, "k1", 0},
		{`{"batch":[],"wr\u0069teKey":"a\u0062"}`, "ab", 0},
		{`{"writeKey":"k1","writeKey":"k2"}`, "k2", 0},
		{`{"writeKey":"k1","writeKey":null}`, "", 0},
		{`{"writeKey":5}`, "", 0},
		{`{"writeKey":""}`, "", 0},
		{`{"context":{"writeKey":"no"}}`, "", 0},
		{`{"writeKey":"k1","batch":[`, "k1", 0},
		{`{"batch":[tru],"writeKey":"k1"}`, "", Malformed},
		{`["writeKey","k"]`, "", 0},
		{byteOrderMark + `{"writeKey":"k"}`, "k", 0},
		{`[`, "", Malformed},
		{``, "", Empty},
	} {
		key, err := New(tight, tightEvents).Key(route(t, "/v1/batch"), []byte(c.body))
		var e *Error
		errors.As(err, &e)
		if string(key) != c.key || (err == nil) != (c.fault == 0) || e != nil && e.Fault != c.fault {
			t.Errorf("Key(%s) = %q, %v; want %q, fault %v", c.body, key, err, c.key, c.fault)
		}
	}
}

func TestQuote(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", `""`},
		{`plain 'x' "y" \z`, `"plain 'x' \"y\" \\z"`},
		{"é漢\n\x00\xff\u202e", `"é漢\n\x00\xff\u202e"`},
		{strings.Repeat("a", 64), `"` + strings.Repeat("a", 64) + `"`},
		{strings.Repeat("a", 65), `"` + strings.Repeat("a", 64) + `…"`},
		{strings.Repeat("\x01", 99), `"` + strings.Repeat(`\x01`, 16) + `…"`},
	} {
		if got := Quote([]byte(c.in)); got != c.want {
			t.Errorf("Quote(%q) = %s, want %s", c.in, got, c.want)
		}
	}
}

func TestSplitURL(t *testing.T) {
	for _, c := range []struct{ url, host, path, query string }{
		{"https://shop.example/a/b?x#y", "shop.example", "/a/b", "x"},
		{"https://u:p@shop.example:8080", "shop.example", "", ""},
		{"https://[2001:db8::1]:8080/x", "2001:db8::1", "/x", ""},
		{"https://[broken/x", "", "/x", ""},
		{"//cdn.example/x", "cdn.example", "/x", ""},
		{"/only?x=//y", "", "/only", "x=//y"},
		{"android-app://com.example.app/", "com.example.app", "/", ""},
		{"http://a?b=c://d/e", "a", "", "b=c://d/e"},
		{"mailto:a@b//c", "", "", ""},
		{"not a url", "", "", ""},
		{"not a url?a=b?c", "", "", "a=b?c"},
		{"http://a#b?c", "a", "", ""},
		{"http://a?", "a", "", ""},
		{"?#", "", "", ""},
		{"", "", "", ""},
		{"http://", "", "", ""},
	} {
		host, path, query := splitURL([]byte(c.url))
		if h, p, q := string(host.of([]byte(c.url))), string(path.of([]byte(c.url))), string(query.of([]byte(c.url))); h != c.host || p != c.path || q != c.query {
			t.Errorf("splitURL(%q) = %q, %q, %q; want %q, %q, %q", c.url, h, p, q, c.host, c.path, c.query)
		}
	}
}

// Values too long for a field of their own stay in the context, and only there.
func TestLongContextText(t *testing.T) {
	body := `{"context":{"page":{"url":"https://h/` + strings.Repeat("p", maxContextText) + `"},"locale":"` + strings.Repeat("l", maxContextText+1) + `","os":{"name":"` + strings.Repeat("o", maxContextText) + `"}}}`
	b := &schema.Batch{Buf: []byte(body)}
	if err := New(schema.DefaultLimits(), 1).Decode(route(t, "/v1/track"), b, Options{}); err != nil {
		t.Fatal(err)
	}
	e := &b.Events[0]
	if e.Has(schema.FieldPageHost) || e.Has(schema.FieldPagePath) || e.Has(schema.FieldLocale) || !e.Has(schema.FieldOS) || e.Text(schema.FieldContext).Len() != len(body)-len(`{"context":}`) {
		t.Errorf("wrong fields: %v", visible(e, nil))
	}
}

// Nesting of any depth costs neither stack nor siblings.
func TestVeryDeep(t *testing.T) {
	const n = 1_000_000
	for _, deep := range []string{
		strings.Repeat("[", n) + strings.Repeat("]", n),
		strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n),
		strings.Repeat(`[{"a":`, n/2) + "[]" + strings.Repeat("}]", n/2),
	} {
		for _, event := range []string{`{"type":"track","ignored":` + deep + `}`, `{"type":"track","context":{"page":{"url":` + deep + `}}}`, `{"type":"track","properties":{"a":` + deep + `}}`} {
			b := &schema.Batch{Buf: []byte(`{"batch":[{"type":"track"},` + event + `,{"type":"track"}],"x":` + deep + `}`)}
			limits := schema.DefaultLimits()
			limits.MaxEventBytes = 64 << 20
			if err := New(limits, 10).Decode(route(t, "/v1/batch"), b, Options{}); err != nil {
				t.Fatal(err)
			}
			if len(b.Events) != 3 || b.Events[0].Refused() || b.Events[1].Reason != schema.TooDeep || b.Events[2].Refused() {
				t.Errorf("%.60s…: %d events, %v", event, len(b.Events), b.Events[1].Reason)
			}
		}
	}
}

// shopBatch is a batch as a shop's server sends it: n events of about 880 bytes, no two alike.
func shopBatch(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"batch":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"timestamp":"2026-11-01T10:%02d:%02d.131Z","type":"track","event":"Product %s","messageId":"node-next-1793527872%03d-0f6c%04d","userId":"user-%06d",`+
			`"properties":{"order_id":"o-%05d","total":%d.95,"currency":"EUR","coupon":null,"items":[{"sku":"A-%d","name":"Größe \"M\"","qty":2,"price":39.5},{"sku":"B-7","name":"Sneaker","qty":1,"price":50.95}],"note":"Lieferung bitte an die Hintertür"},`+
			`"context":{"library":{"name":"@segment/analytics-node","version":"3.1.0"},"locale":"de-DE","ip":"203.0.113.%d","page":{"url":"https://shop.example/checkout/%d?x=1","path":"/checkout/%d","referrer":"https://shop.example/cart","title":"Danke"},`+
			`"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36","screen":{"width":1920,"height":1080},"campaign":{"source":"newsletter","medium":"email","name":"november"}}}`,
			i/60%60, i%60, []string{"Viewed", "Added", "Removed"}[i%3], i%1000, i, i*7919%1000000, i, i%500, i%40, i%250, i, i)
	}
	b.WriteString(`],"sentAt":"2026-11-01T10:11:13.000Z","writeKey":"k"}`)
	return b.Bytes()
}

func TestOperationsAllocateNothing(t *testing.T) {
	body := []byte(`{"user_id":"u","set":{"a":1},"set_once":{"b":2},"add":{"c":3,"d":-1},"append":{"e":[4]},"unset":["f","g"],"concat":{"h":[1]},"prepend":{"h":[2]},"union":{"h":3},"remove":{"h":1},"clear":true}`)
	d, b, r := New(schema.DefaultLimits(), 10_000), new(schema.Batch), route(t, "/v1/events")
	if n := testing.AllocsPerRun(50, func() {
		b.Reset(1 << 20)
		b.Buf = append(b.Buf, body...)
		if err := d.Decode(r, b, Options{}); err != nil || b.Events[0].Refused() {
			t.Fatal(err, b.Events[0].Detail)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestDecodeAllocatesNothing(t *testing.T) {
	body := shopBatch(100)
	d, b, r := New(schema.DefaultLimits(), 10_000), new(schema.Batch), route(t, "/v1/batch")
	decode := func() {
		b.Reset(1 << 20)
		b.Buf = append(b.Buf, body...)
		if err := d.Decode(r, b, Options{}); err != nil {
			t.Fatal(err)
		}
	}
	decode()
	for i := range b.Events {
		if b.Events[i].Refused() {
			t.Fatalf("event %d: %s", i, b.Events[i].Detail)
		}
	}
	if n := testing.AllocsPerRun(50, decode); n != 0 {
		t.Errorf("%v allocations for 100 events", n)
	}
}
