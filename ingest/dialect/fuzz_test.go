package dialect

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/schema"
)

// tight are limits that small inputs can exceed.
var tight = schema.Limits{MaxEventBytes: 600, MaxNameBytes: 20, MaxIDBytes: 40, MaxProperties: 3, MaxDepth: 5, MaxAge: 1, MaxAhead: 1}

const tightEvents = 6

// check compares the decoder with the oracle on one body, for one route.
func check(t *testing.T, path string, body []byte, opt Options) {
	t.Helper()
	r, ok := Lookup([]byte(path))
	if !ok {
		t.Fatalf("no route %s", path)
	}
	o := oracle{limits: tight, max: tightEvents}
	want := o.decode(r, body, opt)
	b := &schema.Batch{Buf: bytes.Clone(body)}
	err := New(tight, tightEvents).Decode(r, b, opt)
	var got Fault
	var e *Error
	if errors.As(err, &e) {
		got = e.Fault
	} else if err != nil {
		t.Fatalf("%s %q: error of type %T", path, body, err)
	}
	if got == TooMany && want != TooMany && bytes.ContainsAny(body, ",\n") {
		return // it gave up before it could see what the oracle saw
	}
	if got != want {
		t.Fatalf("%s %q: fault %v (%v), want %v", path, body, got, err, want)
	}
	if err != nil {
		return
	}
	if !bytes.Equal(b.Buf[:len(body)], body) {
		t.Fatalf("%s %q: the body was changed to %q", path, body, b.Buf[:len(body)])
	}
	if len(b.Events) != len(o.events) {
		t.Fatalf("%s %q: %d events, want %d", path, body, len(b.Events), len(o.events))
	}
	if b.HasSentAt != (o.sentAt != nil) || b.HasSentAt && b.SentAt != *o.sentAt {
		t.Errorf("%s %q: sent at %v %v, want %v", path, body, b.HasSentAt, b.SentAt, o.sentAt)
	}
	for i := range b.Events {
		if b.Events[i].Index != i {
			t.Errorf("%s %q: event %d has index %d", path, body, i, b.Events[i].Index)
		}
		for _, diff := range append(o.events[i].compare(&b.Events[i], b.Buf), o.events[i].compareClient(&b.Events[i], b.Buf)...) {
			t.Errorf("%s %q: event %d: %s", path, body, i, diff)
		}
		checkTexts(t, &b.Events[i], b.Buf)
	}
}

// checkTexts makes sure that every text of an accepted event can stand in a record.
func checkTexts(t *testing.T, e *schema.Event, buf []byte) {
	t.Helper()
	if e.Refused() {
		return
	}
	for f := schema.Field(0); f < schema.NumFields; f++ {
		text := e.Text(f).In(buf)
		if len(text) == 0 {
			continue
		}
		if text[0] != '{' {
			text = append(append([]byte{'"'}, text...), '"')
		}
		if !json.Valid(text) && !json.Valid(append(append([]byte{'"'}, e.Text(f).In(buf)...), '"')) {
			t.Errorf("%v = %q cannot stand in a record", f, text)
		}
	}
}

var everyRoute = []string{"/v1/events", "/v1/batch", "/v1/track", "/v1/identify"}

func checkAll(t *testing.T, body []byte) {
	t.Helper()
	for _, path := range everyRoute {
		check(t, path, body, Options{})
	}
	check(t, "/v1/events", body, Options{Lines: true})
}

// seeds are the bodies that the fuzz tests start from: one file each, and some that are easier to read here.
func seeds(tb testing.TB) [][]byte {
	tb.Helper()
	files, err := filepath.Glob("testdata/bodies/*")
	if err != nil || len(files) == 0 {
		tb.Fatalf("no seed bodies: %v", err)
	}
	list := [][]byte{
		nil, []byte(" "), []byte("null"), []byte("5"), []byte(`"x"`), []byte("{}"), []byte("[]"), []byte(byteOrderMark), []byte(byteOrderMark + `{"event":"e"}`),
		[]byte(`{"events":[]}`), []byte(`{"batch":[]}`), []byte(`{"batch":null}`), []byte(`{"events":null,"event":"x"}`), []byte(`{"events":7}`), []byte(`{"events":""}`),
		[]byte(`[1,null,{},[],"x"]`), []byte(`{"events":[{"event":"a"}],"events":[{"event":"b"},{"event":"c"}]}`), []byte(`{"events":[{"event":"a"}],"events":null,"event":"d"}`),
		[]byte(`{"event":"a"}{"event":"b"}`), []byte("{\"event\":\"a\"}\n{\"event\":\"b\"}\n"), []byte("{\"event\":\"a\"}\r\n\r\n{\"event\":\r\n{\"event\":\"b\"} x\n[1]\n"), []byte("{\n\"event\":\"a\"}\n\t{}"),
		[]byte(`{"event":"a"} 5`), []byte("{\"event\":\"a\"}\n5"), []byte(`{"event":"a"`), []byte(`{"event":tru}`), []byte(`[{"event":"a"},]`), []byte(`{"batch":[{"type":"track"},]}`),
		[]byte(`{"t\u0079pe":"page","\u0065vent":"\ud83d\ude00","us\u0065rId":"a\u0062","user_id":"a\u0062"}`),
		[]byte(`{"userId":"a","userId":null,"user_id":5,"user_id":"b","event":"x","event":""}`),
		[]byte(`{"type":5,"event":{},"properties":[],"context":"x","traits":1,"userId":true,"messageId":1,"id":[],"ts":{},"timestamp":{},"hops":"1","set":1,"set_once":[]}`),
		[]byte(`{"type":"nonsense"}`), []byte(`{"type":"Track"}`), []byte(`{"type":""}`), []byte(`{"type":"tr\u0061ck"}`),
		[]byte(`{"ts":"yesterday"}`), []byte(`{"timestamp":"2026-11-01 10:00"}`), []byte(`{"ts":1700000000,"timestamp":"bad"}`), []byte(`{"timestamp":"","originalTimestamp":1.7e12}`), []byte(`{"ts":1e400}`),
		[]byte(`{"hops":0}`), []byte(`{"hops":255}`), []byte(`{"hops":256}`), []byte(`{"hops":-1}`), []byte(`{"hops":1.5}`), []byte(`{"hops":2e1}`), []byte(`{"hops":null}`),
		[]byte(`{"properties":{"a":1,"b":2,"c":3,"d":4}}`), []byte(`{"properties":{"a":1,"a":2,"a":3,"a":4}}`), []byte(`{"a":{"b":{"c":{"d":{"e":1}}}}}`), []byte(`[{"a":[[[[[]]]]]},{"a":[[[[]]]]}]`),
		[]byte(`{"set":{"a":1},"set_once":{"b":2},"traits":{"c":3}}`), []byte(`{"set_once":{"b":2},"traits":{"c":3}}`), []byte(`{"set":{},"traits":5}`), []byte(`{"set":null,"traits":{"c":3}}`),
		[]byte(`{"add":{"a":1,"b":-2.5e3},"append":{"c":[1]},"unset":["d","e\u0000"],"set":{},"set_once":{"f":null}}`), []byte(`{"traits":{"a":1},"add":{"n":1}}`), []byte(`{"set":{"a":1},"traits":{"b":1},"unset":["c"]}`),
		[]byte(`{"add":{"a":"1"}}`), []byte(`{"add":{"a":null,"a":1}}`), []byte(`{"add":{"a/b~c":[1,{"x":2}]}}`), []byte(`{"add":[1]}`), []byte(`{"add":null,"append":"","unset":null,"traits":{"b":1}}`), []byte(`{"add":{}}`), []byte(`{"add":{"a":1},"add":{"b":"x"},"add":{"c":2}}`),
		[]byte(`{"unset":["a",1]}`), []byte(`{"unset":[null]}`), []byte(`{"unset":{"a":1}}`), []byte(`{"unset":[]}`), []byte(`{"unset":["a","b","c","d"]}`), []byte(`{"unset":[["a"]]}`), []byte(`{"append":{"a":1,"b":2,"c":3,"d":4}}`), []byte(`{"append":[1],"set_once":{"a":1}}`),
		[]byte(`{"remove":{"a":[1]},"union":{"b":"x"},"prepend":{"c":[]},"concat":{"d":[1,2]},"clear":true,"set":{"e":1}}`), []byte(`{"traits":{"a":1},"clear":true}`), []byte(`{"traits":{"a":1},"clear":false}`), []byte(`{"clear":false,"unset":["a"]}`), []byte(`{"clear":1}`), []byte(`{"clear":"true"}`),
		[]byte(`{"clear":null,"union":[1]}`), []byte(`{"clear":true,"clear":false}`), []byte(`{"concat":{"a":1,"b":2,"c":3,"d":4}}`), []byte(`{"prepend":""}`), []byte(`{"traits":{"a":1},"remove":{"a":1}}`), []byte(`{"union":{"\u0061":[[[[[]]]]]}}`), []byte("{\"concat\":{\"a\":\"\xff\"}}"),
		[]byte("{\"add\":{\"\xff\":1,\"b\":\"\xff\"}}"), []byte(`{"add":{"\u0061":[[[[[]]]]]}}`), []byte("{\"add\":{\"a\":1}}\n{\"unset\":[\"a\"]}\n{\"add\":{\"a\":false}}"),
		[]byte("{\"event\":\"\xff\"}"), []byte("[{\"event\":\"\xed\xa0\x80\"},{\"event\":\"ok\"}]"), []byte("{\"x\xff\":1}"), []byte("{\"events\":[{\"event\":\"ok\"}],\"x\":\"\xff\"}"), []byte(`{"event":"\ud800\u0000"}`),
		[]byte(`{"sent_at":"2026-11-01T00:00:00Z","sentAt":1700000000123,"event":"e"}`), []byte(`{"sent_at":"never","sentAt":[],"event":"e"}`),
		[]byte(`{"batch":[{"type":"track","sentAt":1}],"sentAt":"2026-11-01T00:00:00Z","batch":[{"type":"page"}]}`),
		[]byte(`[{},{},{},{},{},{}]`), []byte(`[{},{},{},{},{},{},{}]`), []byte(`{"batch":[0,0,0,0,0,0,0]}`), []byte(strings.Repeat("{}\n", 7)), []byte(strings.Repeat("x\n", 7)),
		[]byte(`{"context":{"page":{"url":"https:\/\/Shop.Example:8080\/a\/b?c#d","referrer":"HTTP://u:p@[2001:DB8::1]:1/x"}}}`),
		[]byte(`{"context":{"page":{"url":"//h","path":""}}}`), []byte(`{"context":{"page":{"url":"/only/path?x"}}}`), []byte(`{"context":{"page":{"url":"about:blank","referrer":"$direct"}}}`),
		[]byte(`{"context":{"page":{"url":"a"},"page":{"path":"/b"}}}`), []byte(`{"context":{"page":{"url":"http://a/b"},"page":null},"context":{"os":{"name":"x"}}}`), []byte(`{"context":{"os":{"name":"x"}},"context":null}`),
		[]byte(`{"context":{"ip":"::FFFF:1.2.3.4"}}`), []byte(`{"context":{"ip":"1.2.3.04"}}`), []byte(`{"context":{"ip":"1.2.3.4"}}`), []byte(`{"context":{"ip":"fe80::1%eth0"}}`), []byte(`{"context":{"ip":"\u0031.2.3.4"}}`), []byte(`{"context":{"ip":7}}`),
		[]byte(`{"context":{"userAgent":"Mozilla/5.0 \u0041","browser":{"name":"Firefox","version":"131.0"},"location":{"country":"DE","city":"K\u00f6ln"}}}`), []byte(`{"context":{"ip":"nobody","userAgent":"a","userAgent":5,"browser":"x","location":[1]}}`),
		[]byte(`{"context":{"page":{"url":"https://h/p?a=1&utm_source=news%20letter&utm_medium=e+mail&utm_campaign=K%C3%B6ln&utm_source=second#utm_medium=x"}}}`), []byte(`{"context":{"page":{"url":"/p?utm_source=a&utm_medium=b&utm_campaign=c"},"campaign":{"name":"mine"}}}`),
		[]byte(`{"context":{"page":{"url":"?utm_source=&utm_source=%ff%zz%4&utm_medium=%00&utm_campaign&xutm_source=1"}}}`), []byte(`{"context":{"page":{"url":"https:\/\/h\/?utm_source=\u0061%22"},"campaign":{}}}`), []byte(`{"context":{"page":{"url":"//h#?utm_source=no"}}}`), []byte(`{"context":{"page":{"url":"//h?x#y?utm_source=no"},"campaign":{"source":7}}}`),
		[]byte(`{"context":{"page":{"url":"//h?utm_source=%80%80a%80&utm_campaign=%ed%a0%80"}}}`),
		[]byte(`{"context":{"screen":{"width":1e9,"height":-4}}}`), []byte(`{"context":{"screen":{"width":12.9,"height":"5"}}}`), []byte(`{"context":{"screen":{"width":1e-7,"height":65536}}}`),
		[]byte(`{"context":{"sessionId":1700000000}}`), []byte(`{"context":{"sessionId":"s"},"session_id":"t"}`), []byte(`{"context":{"sessionId":true},"session_id":12}`), []byte(`{"context":{"locale":1,"library":[],"device":{"type":{}}}}`),
	}
	for _, f := range files {
		body, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, body)
	}
	return list
}

func TestAgreesWithEncodingJSON(t *testing.T) {
	for _, body := range seeds(t) {
		checkAll(t, body)
	}
}

// Every prefix and many single-byte changes of bodies that SDKs really send.
func TestAgreesOnBrokenBodies(t *testing.T) {
	for _, body := range seeds(t) {
		if len(body) > 1500 {
			body = body[:1500]
		}
		for i := range body {
			checkAll(t, body[:i])
		}
		for i := 0; i < len(body); i += 3 {
			changed := bytes.Clone(body)
			changed[i] = "\x00 \"\\{}[],:0e.tn\x80\xff\n"[i%18]
			checkAll(t, changed)
		}
	}
}

func FuzzNative(f *testing.F) {
	for _, body := range seeds(f) {
		f.Add(body, false)
		f.Add(body, true)
	}
	f.Fuzz(func(t *testing.T, body []byte, lines bool) {
		if len(body) < maxContextText {
			check(t, "/v1/events", body, Options{Lines: lines})
		}
	})
}

func FuzzSegment(f *testing.F) {
	for _, body := range seeds(f) {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) < maxContextText {
			check(t, "/v1/batch", body, Options{})
			check(t, "/v1/page", body, Options{})
		}
	})
}
