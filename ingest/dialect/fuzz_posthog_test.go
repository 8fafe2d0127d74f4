package dialect

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/millrace/millrace/schema"
)

const posthogReceived = 1795362059998

// checkPostHog compares the decoder with the oracle on one body. It returns how many events there were and how many of them are good.
func checkPostHog(t *testing.T, path string, body []byte, opt Options, agent string) (events, good int) {
	t.Helper()
	r := route(t, path)
	d := New(tight, tightEvents)
	b := &schema.Batch{Buf: bytes.Clone(body), ReceivedAt: posthogReceived, UserAgent: []byte(agent)}
	key, err := d.Key(r, body)
	text := bytes.Trim(bytes.TrimPrefix(body, []byte(byteOrderMark)), " \t\r\n")
	if json.Valid(text) && utf8.Valid(text) {
		if want := posthogSlowKey(body); err != nil || string(key) != want {
			t.Errorf("%s %q: key %q, %v, want %q", path, body, key, err, want)
		}
	}
	if opt.Key == nil && len(key) > 0 {
		opt.Key = bytes.Clone(key)
	}
	o := posthogOracle{limits: tight, max: tightEvents, received: posthogReceived, opt: opt, userAgent: agent}
	want := o.decode(r, body)
	err = d.Decode(r, b, opt)
	var got Fault
	var fault *Error
	if errors.As(err, &fault) {
		got = fault.Fault
	} else if err != nil {
		t.Fatalf("%s %q: error of type %T", path, body, err)
	}
	if got == TooMany && want != TooMany && bytes.ContainsAny(body, ",") {
		return 0, 0 // it gave up before it could see what the oracle saw
	}
	if got != want {
		t.Fatalf("%s %q: fault %v (%v), want %v", path, body, got, err, want)
	}
	if err != nil {
		return 0, 0
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
		for _, diff := range o.events[i].compareAll(&b.Events[i], b.Buf) {
			t.Errorf("%s %q: event %d: %s", path, body, i, diff)
		}
		checkTexts(t, &b.Events[i], b.Buf)
		if !b.Events[i].Refused() {
			good++
		}
	}
	return len(b.Events), good
}

var posthogPaths = []string{"/posthog/batch", "/e", "/i/v1/analytics/events"}

func checkPostHogAll(t *testing.T, body []byte) (events, good int) {
	t.Helper()
	for i, path := range posthogPaths {
		n, g := checkPostHog(t, path, body, Options{}, [...]string{"", "posthog-python/7 x", "curl/8"}[i])
		events, good = events+n, good+g
	}
	n, g := checkPostHog(t, "/posthog/capture", body, Options{Key: []byte("other"), Library: []byte("posthog-node/5.70.0")}, "")
	return events + n, good + g
}

// posthogSeeds are bodies that come near the corners of the decoder.
var posthogSeeds = []string{
	`{}`, `[]`, `{"batch":[]}`, `{"batch":null}`, `{"batch":7}`, `{"batch":""}`, `{"batch":{}}`, `5`, `null`, `"x"`, `[1,null,{},[],"x"]`, `{"batch":[null,{"event":"e"}]}`, "\ufeff" + `{"event":"e"}`, ` `, ``,
	`{"batch":[{"event":"a"}],"batch":null,"event":"b","library":"l"}`, `{"batch":[{"event":"a"}],"batch":[{"event":"b"},{"event":"c"}]}`, `{"batch":[{"event":"a"}],"batch":5}`, `{"event":"e","batch":"","batch":null}`,
	`{"batch":[{"event":"a","batch":[1],"x":{"batch":[]}}],"sent_at":"2026-11-01T00:00:00Z"}`, `[{"event":"a","batch":[1]}]`, `{"sentAt":1700000000123,"event":"e","sent_at":null}`,
	`{"api_key":"k","batch":[{"event":"e","distinct_id":5},{"event":"e","distinct_id":true},{"event":"e","distinct_id":{}},{"event":"e","distinct_id":""}]}`,
	`{"event":"e","$distinct_id":"a","distinct_id":"b"}`, `{"event":"e","$distinct_id":1.50}`, `{"event":"e","properties":{"distinct_id":[]}}`,
	`{"event":"$identify","distinct_id":"u","properties":{"$anon_distinct_id":"a"},"$set":{"a":1}}`, `{"event":"$identify","distinct_id":"u","properties":{"$anon_distinct_id":{}}}`,
	`{"event":"$create_alias","distinct_id":"u","properties":{"alias":"a"}}`, `{"event":"$create_alias","distinct_id":"u","properties":{"alias":"a","$is_identified":false}}`,
	`{"event":"$create_alias","distinct_id":"u","properties":{"alias":5,"$device_id":"\u0075"}}`, `{"event":"$create_alias","distinct_id":"u","properties":{"alias":"a","$lib":"posthog-python"}}`,
	`{"event":"$create_alias","distinct_id":"u","properties":{"$is_identified":false}}`, `{"event":"$merge_dangerously","distinct_id":"u","properties":{"alias":[]}}`,
	`{"event":"$groupidentify","distinct_id":"$c_1","properties":{"$group_type":"c","$group_key":1,"$group_set":{"a":1}},"$set_once":{"b":1}}`,
	`{"event":"$groupidentify","distinct_id":"u","properties":{"$group_type":"a:b%","$group_key":"k\u003a","$group_set":[]}}`, `{"event":"$groupidentify","distinct_id":"u","properties":{"$group_key":"k","$group_type":{}}}`,
	`{"event":"e","properties":{"$groups":{"a":null,"b":true,"c":"","d\u0065":"x"}}}`, `{"event":"e","properties":{"$groups":{"a":5}}}`, `{"event":"e","properties":{"$groups":[]}}`,
	`{"event":"$screen","properties":{"$screen_name":"Main"}}`, `{"event":"$screen","properties":{"$screen_name":"too long a name for this"}}`, `{"event":"$screen","properties":{"$screen_name":7}}`, `{"\u0065vent":"$pageview"}`,
	`{"event":"e","properties":{"token":"mine"}}`, `{"event":"e","properties":{"token":"phc_x"},"api_key":"k"}`, `[{"event":"a","properties":{"token":"k"}},{"event":"b","token":"j"},{"event":"c","properties":{"token":"j"}}]`,
	`{"batch":[{"event":"a","api_key":"j","properties":{"token":"k"}},{"event":"b","token":5}],"token":"k"}`, `{"batch":[{"properties":{"token":"k"}},{"token":"z"}]}`, `{"properties":{"token":"a"},"token":"","$token":"b"}`,
	`{"event":"e","properties":{"token":"phc_1","token":"mine"}}`, `{"event":"e","properties":{ "a" : 1 , "token" : "mr_1" , "b" : [","] , "$ip":"1.2.3.4" }}`, `{"event":"e","properties":{"token":"phc_"}}`,
	`{"event":"e","properties":{"$ip":"::FFFF:1.2.3.4"}}`, `{"event":"e","properties":{"$ip":"face"}}`, `{"event":"e","properties":{"$ip":"1.2.3.4:80, 5.6.7.8"}}`, `{"event":"e","properties":{"$ip":"unknown"}}`, `{"event":"e","properties":{"$ip":7}}`,
	`{"event":"e","properties":{"$set":{"a":1},"$set_once":{},"$unset":["x"]},"$set":{"b":2},"$set_once":{"c":3},"$unset":{"y":1,"z\u0061":2}}`, `{"event":"e","properties":{"$unset":{}},"$unset":["a",5]}`,
	`{"event":"e","properties":{"$set":[],"$set_once":"x","$unset":"y"},"$set":5,"$set_once":[1],"$unset":true}`, `{"event":"e","properties":{"$set":{"a":1,"b":2,"c":3,"d":4}}}`, `{"event":"e","$unset":["a","b","c","d"]}`,
	`{"event":"e","properties":{"a":1,"b":2,"c":3,"d":4}}`, `{"event":"e","properties":[]}`, `{"event":"e","properties":[ ]}`, `{"event":"e","properties":[1]}`, `{"event":"e","properties":"x","session_id":"s"}`, `{"event":"e","properties":{"a":1},"properties":null}`,
	`{"event":"e","properties":{"$session_id":"p"},"session_id":"t","window_id":5}`, `{"event":"e","session_id":{},"options":{}}`, `{"event":"e","properties":{},"session_id":1.5,"options":{"cookieless_mode":true,"product_tour_id":"p"}}`,
	`{"event":"e","options":{"disable_skew_correction":true,"x":1}}`, `{"event":"e","options":{"disable_skew_adjustment":"1"},"properties":{"$ignore_sent_at":false}}`, `{"event":"e","options":5}`, `{"event":"e","options":{"process_person_profile":false},"options":null}`,
	`{"event":"e","distinct_id":"d","options":{"process_person_profile":false}}`, `{"event":"e","distinct_id":"d","properties":{"$process_person_profile":" FALSE "}}`, `{"event":"e","distinct_id":"d","properties":{"$is_identified":0e5}}`,
	`{"event":"e","distinct_id":"d","properties":{"$is_identified":true,"$device_id":"x"}}`, `{"event":"e","distinct_id":"d","properties":{"$is_identified":true,"$device_id":"d"}}`, `{"event":"e","distinct_id":"$posthog_cookieless","properties":{"$device_id":null}}`,
	`{"batch":[{"event":"e"}],"historical_migration":true}`, `{"historical_migration":"1","batch":[{"event":"e"},{"event":"f","historical_migration":false}]}`, `{"event":"e","historical_migration":1}`,
	`{"event":"e","offset":1500}`, `{"event":"e","offset":-1.5e3}`, `{"event":"e","offset":1e300}`, `{"event":"e","offset":1e999}`, `{"event":"e","offset":"5"}`, `{"event":"e","offset":5,"timestamp":"2026-11-01"}`, `{"event":"e","timestamp":"never"}`, `{"event":"e","timestamp":{}}`,
	`{"event":5,"uuid":7}`, `{"event":"e","uuid":null,"messageId":"m","type":"capture","library":"x","library_version":"1"}`, `{"event":"e","uuid":"u","messageId":5}`,
	`{"event":"e","properties":{"$current_url":"https://A.example:8/b?utm_source=x","$host":"z","$pathname":"/p","$referrer":"$direct","$referring_domain":"r.example"}}`, `{"event":"e","properties":{"$host":"A.example:80","$pathname":"/p","$referring_domain":"$direct"}}`,
	`{"event":"e","properties":{"$host":"[::1]:80","$referring_domain":"r\u002eexample"}}`, `{"event":"e","properties":{"$host":"[::1"}}`, `{"event":"e","properties":{"$current_url":5,"$pathname":5}}`,
	`{"event":"e","properties":{"$os":"Linux","$os_version":12,"$is_server":true,"$browser":"Chrome","$browser_version":156}}`, `{"event":"e","properties":{"$os":"Linux","$os_version":12.0,"$device_type":"Desk\u0054op","$browser_type":"bot"}}`,
	`{"event":"e","properties":{"$screen_width":1280,"$screen_height":1e9,"$locale":5,"$browser_language":"en"}}`, `{"event":"e","properties":{"$raw_user_agent":"","$user_agent":"a","utm_source":null,"utm_medium":"m"}}`, `{"event":"e","properties":{"":1,"t":2,"$":3}}`,
	"{\"event\":\"\xff\"}", "{\"batch\":[{\"event\":\"a\",\"$set\":{\"x\":\"\xff\"}},{\"event\":\"b\"}]}", `{"batch":[{"event":"a","x":[[[[[]]]]]},{"event":"b","properties":{"x":[[[]]]}}]}`, `{"batch":[{},{},{},{},{},{},{}]}`, `[{},{},{},{},{},{},{}]`,
	`{"batch":[{"event":"a"},],"api_key":"k"}`, `{"api_key":"k","batch":[{"event":"a"}]} x`, `{"event":"e","properties":{"a":}}`, `{"event":"e","options":{"a":tru}}`,
}

func TestPostHogAgreesWithEncodingJSON(t *testing.T) {
	for _, body := range posthogSeeds {
		checkPostHogAll(t, []byte(body))
	}
	for _, body := range seeds(t) {
		checkPostHogAll(t, body)
	}
}

// Every prefix and many changes of a byte.
func TestPostHogAgreesOnBrokenBodies(t *testing.T) {
	for _, body := range posthogSeeds {
		for i := range body {
			checkPostHogAll(t, []byte(body[:i]))
			if i%2 == 0 {
				changed := []byte(body)
				changed[i] = "\x00 \"\\{}[],:0e.tn\x80\xff\n"[i%18]
				checkPostHogAll(t, changed)
			}
		}
	}
}

// posthogMaker writes bodies out of everything that means something, in any order and of any kind.
type posthogMaker struct{ *rand.Rand }

func (m posthogMaker) of(words ...string) string { return words[m.IntN(len(words))] }

var (
	posthogTopNames = strings.Fields(`event event event uuid messageId distinct_id $distinct_id timestamp offset token api_key $token sent_at historical_migration batch properties properties properties $set $set_once
		$unset library library_version session_id window_id options type context \\u0065vent`)
	posthogPropertyNames = strings.Fields(`distinct_id token alias utm_source utm_medium utm_campaign $set $set_once $unset $group_set $ip $anon_distinct_id $device_id $group_type $group_key $groups $screen_name
		$is_identified $process_person_profile $cookieless_mode $product_tour_id $ignore_sent_at $is_server $browser_type $session_id $window_id $current_url $host $pathname $referrer $referring_domain $lib
		$lib_version $locale $browser_language $raw_user_agent $user_agent $device_type $os $os_version $browser $browser_version $screen_width $screen_height n \\u0024lib t\\u006fken`)
	posthogOptionNames = strings.Fields(`disable_skew_correction disable_skew_adjustment process_person_profile cookieless_mode product_tour_id other`)
	posthogEventNames  = strings.Fields(`"e" "$identify" "$create_alias" "$merge_dangerously" "$groupidentify" "$pageview" "$screen" "$set" 5 null ""`)
	posthogScalars     = []string{
		`"a"`, `"d"`, `"\u0061"`, `"phc_1"`, `"mr_1"`, `"k"`, `5`, `-1.5e3`, `0`, `true`, `false`, `null`, `""`, `"1"`, `" True "`, `"posthog-python"`, `"https://A.example:8/b?c"`, `"//h"`, `"1.2.3.4"`, `"::1"`, `"x y"`,
		`"2026-11-01T10:00:00Z"`, `1700000000123`, `"bot"`, `"Desktop"`, `"$a_5"`, `"$direct"`, `"$posthog_cookieless"`,
	}
)

func (m posthogMaker) object(n int, names []string, value func(name string) string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i := range m.IntN(n) {
		if i > 0 {
			b.WriteString(m.of(",", " ,\n", ", "))
		}
		name := m.of(names...)
		b.WriteString(`"` + strings.ReplaceAll(name, `\\`, `\`) + m.of(`":`, `" : `) + value(strings.NewReplacer(`\\u0024`, "$", `\\u006f`, "o", `\\u0065`, "e").Replace(name)))
	}
	b.WriteByte('}')
	return b.String()
}

func (m posthogMaker) scalar(string) string { return m.of(posthogScalars...) }

func (m posthogMaker) value(depth int) string {
	switch n := m.IntN(10); {
	case n > 1 || depth == 0:
		return m.scalar("")
	case n == 0:
		return m.object(4, []string{"a", "b", "c", `d\\u0061`}, func(string) string { return m.value(depth - 1) })
	}
	return "[" + strings.Join([]string{m.value(depth - 1), m.value(depth - 1)}[:m.IntN(3)], ",") + "]"
}

func (m posthogMaker) property(name string) string {
	switch name {
	case "$set", "$set_once", "$unset", "$group_set", "$groups":
		if m.IntN(4) > 0 {
			return m.object(4, []string{"a", "b", `c:\\u0061`}, m.scalar)
		}
		return m.of(`["a","b"]`, `[]`, `["a",1]`, `5`, `null`)
	}
	return m.value(2)
}

func (m posthogMaker) event() string {
	return m.object(9, posthogTopNames, func(name string) string {
		switch name {
		case "event":
			return m.of(posthogEventNames...)
		case "properties":
			if m.IntN(8) > 0 {
				return m.object(7, posthogPropertyNames, m.property)
			}
		case "options":
			return m.object(4, posthogOptionNames, m.scalar)
		case "$set", "$set_once", "$unset":
			return m.property(name)
		}
		return m.value(2)
	})
}

func (m posthogMaker) body() string {
	var events []string
	for range 1 + m.IntN(4) {
		events = append(events, m.event())
	}
	switch list := "[" + strings.Join(events, m.of(",", " , ")) + "]"; m.IntN(4) {
	case 0:
		return events[0]
	case 1:
		return list
	default:
		return m.object(4, []string{"api_key", "sent_at", "historical_migration", "x"}, m.scalar)[:1] + m.of(``, `"api_key":"k",`, `"historical_migration":true,`) + `"batch":` + list + m.of(``, `,"token":"k"`, `,"sent_at":"2026-11-01T10:00:00Z"`) + "}"
	}
}

func TestPostHogAgreesOnRandomBodies(t *testing.T) {
	bodies := 4_000
	if text := os.Getenv("MILLRACE_TEST_SEEDS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("MILLRACE_TEST_SEEDS is %q: a number of seeds, of which each is a hundred bodies here", text)
		}
		bodies = 100 * n
	}
	m := posthogMaker{rand.New(rand.NewPCG(7, 11))}
	valid, events, good := 0, 0, 0
	for range bodies {
		body := []byte(m.body())
		if m.IntN(4) == 0 && len(body) > 0 {
			body[m.IntN(len(body))] = "\x00 \"\\{}[],:0e.tn\x80\xff\n"[m.IntN(18)]
		}
		if json.Valid(body) {
			valid++
		}
		n, g := checkPostHogAll(t, body)
		events, good = events+n, good+g
		if t.Failed() {
			return
		}
	}
	t.Logf("%d bodies, %d of them JSON, on %d routes: %d events compared, %d of them good, no difference", bodies, valid, len(posthogPaths)+1, events, good)
	if valid == bodies || valid < bodies/2 || good < bodies/4 {
		t.Errorf("the bodies are too much alike")
	}
}

func FuzzPostHog(f *testing.F) {
	for _, body := range posthogSeeds {
		f.Add([]byte(body))
	}
	for _, body := range seeds(f) {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) < maxContextText {
			checkPostHogAll(t, body)
		}
	})
}
