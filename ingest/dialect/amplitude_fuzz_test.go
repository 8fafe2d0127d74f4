package dialect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/schema"
)

// checkAmplitude compares the decoder with the oracle on one body, and returns how many events were taken and refused.
func checkAmplitude(t *testing.T, limits schema.Limits, maxEvents int, body []byte) (taken, refused int) {
	t.Helper()
	r, ok := Lookup([]byte("/2/httpapi"))
	if !ok {
		t.Fatal("no route /2/httpapi")
	}
	o := amplitudeOracle{oracle: oracle{limits: limits, max: maxEvents}}
	want := o.decode(body)
	b := &schema.Batch{Buf: bytes.Clone(body)}
	err := New(limits, maxEvents).Decode(r, b, Options{})
	var got Fault
	var e *Error
	if errors.As(err, &e) {
		got = e.Fault
	} else if err != nil {
		t.Fatalf("%q: error of type %T", body, err)
	}
	if got == TooMany && want != TooMany && bytes.ContainsAny(body, ",") {
		return 0, 0 // it gave up before it could see what the oracle saw
	}
	if got != want {
		t.Fatalf("%q: fault %v (%v), want %v", body, got, err, want)
	}
	if err != nil {
		return 0, 0
	}
	if !bytes.Equal(b.Buf[:len(body)], body) {
		t.Fatalf("%q: the body was changed to %q", body, b.Buf[:len(body)])
	}
	if len(b.Events) != len(o.events) {
		t.Fatalf("%q: %d events, want %d", body, len(b.Events), len(o.events))
	}
	if b.HasSentAt != (o.sentAt != nil) || b.HasSentAt && b.SentAt != *o.sentAt {
		t.Errorf("%q: sent at %v %v, want %v", body, b.HasSentAt, b.SentAt, o.sentAt)
	}
	for i := range b.Events {
		event, x := &b.Events[i], &o.events[i]
		if r := o.revenues[i]; r.begin != "" && !x.faults[schema.InvalidUTF8] {
			got := string(event.Text(schema.FieldProperties).In(b.Buf))
			if diff := r.compare(got, x.fields[schema.FieldProperties]); diff != "" {
				t.Errorf("%q: event %d: %s", body, i, diff)
			}
			x.fields[schema.FieldProperties] = got
		}
		for _, diff := range append(x.compare(event, b.Buf), x.compareClient(event, b.Buf)...) {
			t.Errorf("%q: event %d: %s", body, i, diff)
		}
		checkTexts(t, event, b.Buf)
		for _, f := range [...]schema.Field{schema.FieldProperties, schema.FieldContext, schema.FieldTraits} {
			if text := event.Text(f).In(b.Buf); !event.Refused() && len(text) > 0 && (text[0] != '{' || !json.Valid(text)) {
				t.Errorf("%q: event %d: %v is no object: %s", body, i, f, text)
			}
		}
		if event.Refused() {
			refused++
		} else {
			taken++
		}
	}
	return taken, refused
}

// amplitudeSeeds are what real SDKs have sent, and bodies that are hard on a decoder.
func amplitudeSeeds(tb testing.TB) (list [][]byte) {
	tb.Helper()
	files, err := filepath.Glob("testdata/amplitude/*.json")
	if err != nil || len(files) == 0 {
		tb.Fatalf("no bodies of SDKs: %v", err)
	}
	for _, f := range files {
		body, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, body)
	}
	for _, body := range []string{
		``, ` `, `null`, `5`, `"x"`, `{}`, `[]`, byteOrderMark, byteOrderMark + `[{"event_type":"e"}]`, `{"events":[]}`, `{"events":null}`, `{"events":7}`, `{"events":""}`, `{"event":false}`, `{"api_key":"k"}`,
		`[1,null,{},[],"x"]`, `{"event_type":"bare","user_id":"u","api_key":"k"}`, `{"event_type":"bare"} x`, `{"event_type":null}`, `{"event_type":"bare","events":null}`, `{"event_type":"x","events":[{}]}`,
		`{"event":{"event_type":"a"}}`, `{"event":[{"event_type":"a"}],"client_upload_time":1700000000123}`, `{"events":[{"event_type":"a"}],"event":{"event_type":"b"}}`, `{"events":[{}],"events":null}`, `{"events":{"event_type":"x"},"options":{"a":{"b":{"c":{"d":{"e":{}}}}}}}`,
		`{"client_upload_time":"2026-11-01T00:00:00.000Z","events":[{"event_type":"x"}],"client_upload_time":"never"}`, `{"events":[{"event_type":"x"},]}`, `{"events":[{"event_type":"x"}`, `{"event":{"event_type":tru}}`, `{"events":tru}`, `{"event_type":tru}`,
		`[{},{},{},{},{},{}]`, `[{},{},{},{},{},{},{}]`, `{"events":[0,0,0,0,0,0,0]}`, `{"e\u0076ents":[{"event\u005ftype":"\u0024identify"}]}`,
		`[{"event_type":"$identify","user_id":"u","device_id":"d"},{"event_type":"$groupidentify"},{"event_type":"[Amplitude] Page Viewed"},{"event_type":"[Amplitude] Screen Viewed"}]`,
		`[{"event_type":5},{"user_id":5},{"device_id":{}},{"insert_id":[]},{"session_id":true},{"time":{}}]`, `[{"event_properties":5},{"user_properties":"x"},{"event_type":"$groupidentify","group_properties":[1]},{"event_properties":[],"user_properties":[],"groups":[]}]`,
		`[{"event_type":"e","event_type":null},{"event_properties":{"a":1},"event_properties":null},{"event_properties":{"$price":1},"event_properties":{}},{"user_id":"a","user_id":""}]`,
		`[{"insert_id":"1","device_id":"d"},{"insert_id":"1","user_id":"u"},{"insert_id":"1"},{"insert_id":"0192b6c1-7d2e-7a3b-9c1f-000000000001","device_id":"d"},{"insert_id":"1","device_id":"d\u0031"},{"insert_id":"\u0031","device_id":"0123456789012345678901234567890123456789"}]`,
		`[{"session_id":-1},{"session_id":0},{"session_id":1700000000000,"device_id":"d"},{"session_id":"-1"},{"session_id":"0192b6c1-7d2e-7a3b-9c1f-000000000001","device_id":"d"},{"session_id":"s","user_id":"u"}]`,
		`[{"time":1700000000123},{"time":"1700000000123"},{"time":"2026-11-01T00:00:00Z"},{"time":"never"},{"time":-1},{"time":1e400}]`,
		`[{"groups":{"company":"a"}},{"groups":{"company":["a","b"],"team":"t"}},{"groups":{"":"x","n":null,"o":{},"e":"","l":[[],{},null,"",5],"t":"x"}},{"groups":{"n":15}},{"groups":"x"},{"groups":{"t\u0065am":"\ud83d\ude00","t":[]}}]`,
		`[{"event_type":"$groupidentify","groups":{"c":"g"},"group_properties":{"$set":{"a":1}},"user_properties":{"b":1}},{"groups":{"c":"g"},"group_properties":{"$set":{"a":1}},"user_properties":{"b":1}},{"event_type":"$groupidentify","groups":{"c":"g"},"user_id":5}]`,
		`[{"user_properties":{"a":1,"b":2}},{"user_properties":{}},{"user_properties":{"$set":{}}},{"user_properties":{"$append":{}}},{"user_properties":{"$preInsert":{},"$postInsert":{}}},{"user_properties":{"$clearAll":"-"}}]`,
		`[{"user_properties":{"$set":{"a":1},"b":2,"$setOnce":{"c":3}}},{"user_properties":{"$append":{"a":1,"b":[1,2],"c":{}}}},{"user_properties":{"$preInsert":{"a":1},"$postInsert":{"b":[2]}}},{"user_properties":{"$unset":{"a":"-"},"$remove":{"b":1}}},{"user_properties":{"$unset":["a","b"]}}]`,
		`[{"user_properties":{"$set":5}},{"user_properties":{"$set":5,"$add":{"n":1}}},{"user_properties":{"$set":null,"$add":{"n":1}}},{"user_properties":{"$set":{"a":1},"$set":5}},{"user_properties":{"$set":5,"$set":{"a":1},"x":1}},{"user_properties":{"$clearAll":false,"$clearAll":true}}]`,
		`[{"user_properties":{"$clearAll":false}},{"user_properties":{"$clearAll":null,"$add":{}}},{"user_properties":{"$clearAll":{},"plan":"x"}},{"user_properties":{"$s\u0065t":{"\u0061":"\u0062"},"\u0063":1}},{"user_properties":{"$set_once":{"a":1},"$prepend":{"b":[1]}}}]`,
		`[{"user_properties":{"a":1,"b":2,"c":3,"d":4}},{"user_properties":{"$set":{"a":1,"b":2},"c":3,"d":4}},{"user_properties":{"$preInsert":{"a":1,"b":2},"$postInsert":{"c":1,"d":1}}},{"user_properties":{"$unset":["a","b","c","d"]}},{"event_properties":{"a":1,"b":2,"c":3,"d":4}}]`,
		`[{"price":9.5,"quantity":2},{"price":9.99,"quantity":3,"revenue":1},{"revenue":5},{"price":5},{"quantity":5},{"revenue":"5","price":null}]`,
		`[{"event_properties":{"$price":0.1,"$quantity":3}},{"event_properties":{"$price":-4}},{"event_properties":{"$quantity":4}},{"event_properties":{"$revenue":5,"$price":0,"$quantity":1}},{"event_properties":{"revenue":null,"$price":1}},{"event_properties":{"$revenue":null,"$price":1}}]`,
		`[{"revenue":7,"event_properties":{}},{"revenue":7,"event_properties":{ }},{"revenue":7,"event_properties":{"a":1 }},{"revenue":7,"event_properties":{"revenue":"x"}},{"revenue":7,"event_properties":[]},{"revenue":7,"event_properties":5}]`,
		`[{"price":1e400,"quantity":2},{"price":1e300,"quantity":1e300},{"price":1e5,"quantity":1e-30},{"price":123456789012345678901,"quantity":98765432109876543210},{"price":-0.0,"quantity":5},{"price":1.50E+2,"quantity":-2.5e-3}]`,
		`[{"price":0.00000000000000000000000000000001,"quantity":1},{"price":1` + strings.Repeat("0", 70) + `,"quantity":1},{"price":18446744073709551615,"quantity":1},{"price":1` + strings.Repeat("0", 30) + `,"quantity":1e20},{"price":100,"quantity":100},{"price":0e999,"quantity":1}]`,
		`[{"ip":"$remote"},{"ip":"203.0.113.9"},{"ip":"2001:DB8::1"},{"ip":"nobody"},{"ip":7},{"ip":"\u0031.2.3.4"}]`, `[{"ip":"fe80::1%eth0"},{"ip":"::ffff:1.2.3.4"},{"ip":"\u0024remote"},{"ip":""},{"ip":null},{"ip":"1.2.3.04"}]`,
		`[{"library":"amplitude-ts/2.45.6","os_name":"Chrome","os_version":"142"},{"library":"amplitude-node-ts\/1.5.73","os_name":"iOS"},{"library":"x"},{"library":"a/b/c"},{"library":"/1"},{"library":"x/"}]`,
		`[{"library":{"name":"amplitude-android","version":"2.1"}},{"library":"\u0061mplitude-js/8\u002e1","os_name":"Firefox"},{"library":"a\\/b"},{"library":"a\u002f1"},{"library":"/"},{"library":"amplitude-ts-sdk-script/2.45.6","os_name":5,"os_version":""}]`,
		`[{"country":"DE"},{"country":"de"},{"country":"dE"},{"country":"Germany"},{"country":"1A"},{"country":5}]`, `[{"country":"D\u0045"},{"country":"é"},{"city":"K\u00f6ln"},{"city":5},{"language":"de-DE","language":7},{"user_agent":"Mozilla/5.0"}]`,
		`[{"user_agent":5},{"platform":"Web","x":null,"y":"","z":{"a":[1]},"x":1},{"plan":{"branch":"main"},"device_model":"Pixel \u0039"},{"b\u0061d":1,"api_key":"secret"},{"uuid":"x","event_id":0},{}]`,
		`[{"event_properties":{"[Amplitude] Page Location":"https://Shop.Example/a?utm_source=x","[Amplitude] Page Path":"/a","referrer":"https://News.Example/x"}},{"event_type":"[Amplitude] Page Viewed","event_properties":{"[Amplitude] Page URL":"https://h/p","referrer":"http://r/"}}]`,
		`[{"event_properties":{"referrer":"https://r.example/"}},{"event_properties":{"utm_source":"a","utm_medium":5,"utm_campaign":"c"}},{"event_type":"[Amplitude] Screen Viewed","event_properties":{"[Amplitude] Screen Name":"Home"}},{"event_properties":{"[Amplitude] Screen Name":"Home"}}]`,
		`[{"event_type":"[Amplitude] Screen Viewed","event_properties":{"[Amplitude] Screen Name":"a name of more than twenty bytes"}},{"event_properties":{"[Amplitude] Page Location":5,"[Amplitude] Page URL":"//h"}},{"event_properties":{"[\u0041mplitude] Page Path":"/\u0061"}}]`,
		`[{"a":{"b":{"c":{"d":{"e":1}}}}},{"event_properties":{"a":{"b":{"c":{}}}}},{"user_properties":{"$set":{"a":[[[]]]}}},{"groups":{"a":[[[[[]]]]]}}]`,
		"[{\"event_type\":\"\xff\"},{\"event_properties\":{\"a\":\"\xff\"}},{\"user_properties\":{\"\xff\":1}},{\"groups\":{\"a\":\"\xed\xa0\x80\"}},{\"x\xff\":1},{\"event_type\":\"ok\"}]", `[{"event_type":"\ud800\u0000","groups":{"\ud83d":"\ude00"}}]`,
	} {
		list = append(list, []byte(body))
	}
	return list
}

func TestAmplitudeAgreesWithEncodingJSON(t *testing.T) {
	for _, body := range amplitudeSeeds(t) {
		checkAmplitude(t, tight, tightEvents, body)
		checkAmplitude(t, schema.DefaultLimits(), 1000, body)
	}
}

// Every prefix and many single-byte changes.
func TestAmplitudeAgreesOnBrokenBodies(t *testing.T) {
	for _, body := range amplitudeSeeds(t) {
		if len(body) > 1200 {
			body = body[:1200]
		}
		for i := range body {
			checkAmplitude(t, tight, tightEvents, body[:i])
		}
		for i := 0; i < len(body); i += 2 {
			changed := bytes.Clone(body)
			changed[i] = "\x00 \"\\{}[],:0e.tn\x80\xff\n"[i%18]
			checkAmplitude(t, tight, tightEvents, changed)
		}
	}
}

// amplitudeWords are what bodies are made of at random.
var amplitudeWords = struct{ members, properties, operations, values []string }{
	members:    append([]string{"platform", "device_model", "event_id", "plan", "x", "event_ty\\u0070e"}, amplitudeKnown...),
	properties: []string{"revenue", "$revenue", "$price", "$quantity", "[Amplitude] Page Location", "[Amplitude] Page URL", "[Amplitude] Page Path", "[Amplitude] Screen Name", "referrer", "utm_source", "utm_medium", "utm_campaign", "a", "\\u0061"},
	operations: []string{"$set", "$setOnce", "$add", "$append", "$prepend", "$preInsert", "$postInsert", "$remove", "$unset", "$clearAll", "plan", "$s\\u0065t", "$set_once"},
	values: []string{
		`null`, `""`, `"x"`, `5`, `-1`, `0`, `9.99`, `1e3`, `true`, `false`, `[]`, `{}`, `[1,"a"]`, `["g",null]`, `{"a":1}`, `{"a":[1],"b":"c"}`, `"1700000000123"`, `1700000000123`, `"$identify"`, `"$groupidentify"`, `"[Amplitude] Page Viewed"`,
		`"[Amplitude] Screen Viewed"`, `"Order Paid"`, `"203.0.113.9"`, `"$remote"`, `"2001:db8::1"`, `"DE"`, `"de"`, `"Germany"`, `"amplitude-ts/2.45.6"`, `"amplitude-node-ts\/1.5.73"`, `"0192b6c1-7d2e-7a3b-9c1f-000000000001"`, `"https://shop.example/a?utm_source=n&utm_medium=%20"`,
		`"\u00e9\ud83d\ude00"`, `"\ud800"`, `{"company":"acme"}`, `{"company":["a","b"],"team":5}`, `[[[[[]]]]]`, `12345678901234567890.5`,
	},
}

// randomAmplitude makes a body, most of which are valid.
func randomAmplitude(r *rand.Rand) []byte {
	pick := func(list []string) string { return list[r.IntN(len(list))] }
	var b strings.Builder
	object := func(names []string, n int, value func(name string) string) string {
		var o strings.Builder
		o.WriteByte('{')
		for i := range r.IntN(n + 1) {
			if i > 0 {
				o.WriteString([]string{",", " , ", ",\n"}[r.IntN(3)])
			}
			name := pick(names)
			fmt.Fprintf(&o, `"%s":%s`, name, value(name))
		}
		o.WriteString([]string{"}", " }"}[r.IntN(2)])
		return o.String()
	}
	any := func(string) string { return pick(amplitudeWords.values) }
	operation := func(string) string {
		if r.IntN(4) == 0 {
			return any("")
		}
		return object(amplitudeWords.properties, 3, any)
	}
	event := func() string {
		return object(amplitudeWords.members, 9, func(name string) string {
			switch {
			case r.IntN(8) == 0:
				return any(name)
			case name == "event_properties":
				return object(amplitudeWords.properties, 4, any)
			case name == "user_properties", name == "group_properties":
				return object(amplitudeWords.operations, 4, operation)
			case name == "groups":
				return object(amplitudeWords.operations, 2, any)
			case strings.HasSuffix(name, "_id"):
				return strconv.Quote(pick([]string{"u-1", "d-1", "a much longer id, longer than forty bytes", ""}))
			}
			return any(name)
		})
	}
	fmt.Fprintf(&b, `{"api_key":"k","%s":[`, pick([]string{"events", "events", "event"}))
	for i := range 1 + r.IntN(4) {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(event())
	}
	b.WriteString(`],"client_upload_time":` + any("") + `}`)
	body := []byte(b.String())
	if r.IntN(10) == 0 {
		body[r.IntN(len(body))] = byte(r.IntN(256))
	}
	return body
}

// The number of inputs is that of MILLRACE_TEST_SEEDS.
func TestAmplitudeAgreesOnRandomBodies(t *testing.T) {
	n := 20_000
	if text := os.Getenv("MILLRACE_TEST_SEEDS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatalf("MILLRACE_TEST_SEEDS: %v", err)
		}
	}
	r := rand.New(rand.NewPCG(7, 11))
	roomy := tight
	roomy.MaxEventBytes, roomy.MaxProperties, roomy.MaxDepth = 1<<20, 1000, 32
	taken, refused, broken := 0, 0, 0
	for i := range n {
		body := randomAmplitude(r)
		limits := tight
		if i%3 != 0 {
			limits = roomy
		}
		a, b := checkAmplitude(t, limits, tightEvents, body)
		taken += a
		refused += b
		if a+b == 0 {
			broken++
		}
		if t.Failed() {
			t.Fatalf("input %d", i)
		}
	}
	t.Logf("%d bodies, of which %d were refused whole; %d events taken, %d refused: all as encoding/json has it", n, broken, taken, refused)
	if taken < n/2 || refused < n/20 || broken < n/50 {
		t.Errorf("the inputs are too much alike: %d taken, %d refused, %d broken", taken, refused, broken)
	}
}

func FuzzAmplitude(f *testing.F) {
	for _, body := range amplitudeSeeds(f) {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) < maxContextText {
			checkAmplitude(t, tight, tightEvents, body)
		}
	})
}
