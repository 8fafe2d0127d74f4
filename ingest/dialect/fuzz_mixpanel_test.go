package dialect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/schema"
)

var mixpanelRoutes = []string{"/mixpanel/track", "/engage", "/groups", "/import"}

func checkMixpanelAll(t *testing.T, body []byte) (taken, refused int) {
	t.Helper()
	for _, path := range mixpanelRoutes {
		for _, opt := range []Options{{}, {Key: []byte("k1")}, {Lines: true}} {
			n, m := checkMixpanel(t, path, body, opt)
			taken, refused = taken+n, refused+m
		}
	}
	return taken, refused
}

// mixpanelSeeds are bodies that are hard to get right, beside those that SDKs send.
func mixpanelSeeds() (list [][]byte) {
	for _, body := range []string{
		``, ` `, `[]`, `5`, `"x"`, `null`, byteOrderMark, `{}`, `[{}]`, `[1,null,{},[],"x"]`, `[{},{},{},{},{},{},{}]`, `{} 5`, `{}{}`, "{}\n5", "{}\n{", "{}\n{}\nx\n\n[1]\n{}", `[{"event":"a"},]`, `{"event":tru}`,
		`{"event":"a","properties":{"token":"k1"}}`, `{"event":"a","properties":{"token":"k1","token":"k1"}}`, `{"event":"a","properties":{ "token" : "k1" , "a":1 , "token":2,"b":2}}`, `{"event":"a","properties":{"a":1,"token":"k2"}}`,
		`{"event":"a","properties":{"a":1 ,"token":"k1", "b":2}}`, `{"event":"a","properties":{"tok\u0065n":"k1","b":2}}`, `{"event":"a","properties":{"token":{"token":1},"token":[2],"b":2,"c":3}}`, `{"event":"a","properties":{"a":1,"b":2,"c":3,"token":"k1"}}`,
		`{"event":"a","properties":{"a":1,"b":2,"c":3,"d":4}}`, `{"event":"a","properties":{}}`, `{"event":"a","properties":[]}`, `{"event":"a","properties":{"distinct_id":"u","token":"x"},"properties":null}`, `{"event":"a","properties":{"distinct_id":"u"},"properties":{"time":1}}`,
		`{"event":"a","properties":{"distinct_id":"u","utm_source":"s"},"properties":7,"event":"b"}`, `{"event":"","properties":{"distinct_id":1}}`, `{"event":7}`, `{"event":"a","token":"k1","$token":5,"x":1,"x":{"y":[]}}`,
		`{"properties":{"distinct_id":12,"$device_id":-3.5e2,"$user_id":true}}`, `{"properties":{"distinct_id":"$device:d1"}}`, `{"properties":{"distinct_id":"\u0024dev\u0069ce:d\u0031","$user_id":"u"}}`, `{"properties":{"distinct_id":"\u0024device:"}}`,
		`{"properties":{"distinct_id":"$device:d1","$device_id":"$device:d2"}}`, `{"properties":{"distinct_id":"$device:null"}}`, `{"properties":{"distinct_id":"null"}}`, `{"properties":{"distinct_id":"$device:\ud83d"}}`, `{"properties":{"distinct_id":"` + strings.Repeat("u", 41) + `"}}`,
		`{"event":"$identify","properties":{"distinct_id":"u","$anon_distinct_id":"$device:d"}}`, `{"event":"$identify","properties":{"$identified_id":"u","$anon_id":"d","$anon_distinct_id":5}}`, `{"event":"$identify","properties":{"distinct_id":"$device:d"}}`, `{"event":"$identify"}`,
		`{"event":"$identify","properties":{"$anon_id":[],"$identified_id":{},"$anon_distinct_id":false}}`, `{"event":"\u0024identify","properties":{"distinct_id":"u"}}`, `{"event":"$create_alias","properties":{"distinct_id":"$device:d","alias":"u"}}`,
		`{"event":"$create_alias","properties":{"distinct_id":"d"}}`, `{"event":"$create_alias","properties":{"alias":9}}`, `{"event":"$merge","properties":{"$distinct_ids":["a","b"],"distinct_id":"x"}}`, `{"event":"$merge","properties":{"$distinct_ids":["a"]}}`,
		`{"event":"$merge","properties":{"$distinct_ids":["$device:a",5]}}`, `{"event":"$merge","properties":{"$distinct_ids":["a","b","c"]}}`, `{"event":"$merge","properties":{"$distinct_ids":["","null"]}}`, `{"event":"$merge","properties":{"$distinct_ids":{"a":1,"b":2}}}`, `{"event":"$merge"}`,
		`{"event":"$merge","properties":{"$distinct_ids":[ [1,2] , {"a":"b"} ]}}`, `{"event":"$mp_web_page_view","properties":{"$current_url":"https://H.example:80/p?utm_source=x"}}`, `{"event":"mp_page_view"}`,
		`{"properties":{"time":"yesterday"}}`, `{"properties":{"time":1795169472.345}}`, `{"properties":{"time":"1795169472345"}}`, `{"properties":{"time":[]}}`, `{"properties":{"time":1e400}}`, `{"properties":{"$insert_id":12}}`, `{"properties":{"$insert_id":[]}}`,
		`{"properties":{"ip":0,"a":1}}`, `[{"properties":{"ip":"0"}},{"properties":{"ip":"1.2.3.4"}},{"properties":{"a":1}},{"properties":{"ip":0}},{}]`, `{"properties":{"ip":"::1"}}`, `{"properties":{"$browser_version":142,"$os_version":17.1,"$lib_version":"\u0031"}}`,
		`{"properties":{"mp_country_code":"DE","$city":"K\u00f6ln"}}`, `{"properties":{"mp_country_code":"de"}}`, `{"properties":{"mp_country_code":"\u0044E"}}`, `{"properties":{"$referring_domain":"A.example:81"}}`, `{"properties":{"$referring_domain":"::1","$referrer":""}}`,
		`{"properties":{"$referring_domain":"a","$referrer":"http://b/"}}`, `{"properties":{"$user_agent":"Mozilla/5.0"}}`, `{"properties":{"$screen_width":1e9,"$screen_height":-1}}`, `{"properties":{"$session_id":"s"},"$mp_metadata":{"$mp_session_id":"t"}}`,
		`{"$mp_metadata":{"$mp_session_id":7}}`, `{"$mp_metadata":{"$mp_session_id":"t"},"$mp_metadata":1}`, `{"properties":{"$session_id":true},"$mp_metadata":{"$mp_session_id":"t","$mp_session_id":[]}}`, `{"$mp_metadata":{"a":1},"properties":{"a":{"b":{"c":{}}}}}`,
		"{\"event\":\"a\",\"properties\":{\"a\":\"\xff\"}}", "{\"$mp_metadata\":{\"\xff\":1}}", "[{\"$set\":{\"a\":\"\xff\"}},{\"$distinct_id\":\"u\"}]", `{"x":"` + strings.Repeat("y", 600) + `"}`,
		`{"$token":"k1","$distinct_id":"u","$set":{"a":1},"$set_once":{"b":2},"$add":{"c":3},"$append":{"d":4},"$union":{"e":[5]},"$remove":{"f":6},"$unset":["g"],"$delete":""}`, `{"$token":"k2","$distinct_id":"u"}`, `{"$token":5,"$distinct_id":"$device:d","$user_id":"u"}`,
		`{"$distinct_id":"u","$delete":false}`, `{"$distinct_id":"u","$delete":null}`, `{"$distinct_id":"u","$delete":true,"$ignore_alias":true}`, `{"$distinct_id":"u","$set":[]}`, `{"$distinct_id":"u","$unset":{"a":1}}`, `{"$distinct_id":"u","$set":{"a":1,"b":1,"c":1,"d":1}}`,
		`{"$distinct_id":"u","$unset":["a","b","c","d"]}`, `{"$distinct_id":"u","$set":{"a":1},"$set":null,"$add":""}`, `{"$distinct_id":"u","$ip":"1.2.3.4","$time":"2026-11-01","$ignore_time":true}`, `{"$distinct_id":"u","$ip":0,"x":{}}`, `{"$distinct_id":"u","$group_key":"k","$group_id":[1]}`,
		`{"$group_key":"company","$group_id":"g-1","$set":{"a":1}}`, `{"$group_key":"company","$group_id":7}`, `{"$group_key":"company"}`, `{"$group_id":"g"}`, `{"$group_key":{},"$group_id":true}`, `{"$group_key":"\u0063","$group_id":"\"","$user_id":"u","$device_id":"d"}`,
		`{"$group_key":"` + strings.Repeat("k", 20) + `","$group_id":"` + strings.Repeat(`\u0067`, 18) + `"}`, `{"$group_key":"` + strings.Repeat("k", 20) + `","$group_id":"` + strings.Repeat("g", 19) + `"}`, `{"$distinct_id":"u","$set":{"a":{"b":{"c":{"d":1}}}}}`,
	} {
		list = append(list, []byte(body))
	}
	for _, c := range mixpanelCases {
		list = append(list, []byte(c.event))
	}
	return list
}

func TestMixpanelAgreesWithEncodingJSON(t *testing.T) {
	for _, body := range mixpanelSeeds() {
		checkMixpanelAll(t, body)
		if json.Valid(body) {
			checkMixpanelAll(t, []byte("["+string(body)+", "+string(body)+"]"))
			checkMixpanelAll(t, []byte(strings.ReplaceAll(string(body), "\n", " ")+"\n"+string(body)))
		}
	}
}

// A decoder that has seen anything at all reads the next body as a new one does.
func TestMixpanelReuse(t *testing.T) {
	used, batch := New(tight, tightEvents), new(schema.Batch)
	for _, body := range mixpanelSeeds() {
		for _, path := range mixpanelRoutes {
			r := route(t, path)
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
			if len(batch.Events) != len(fresh.Events) || !bytes.Equal(batch.Buf, fresh.Buf) {
				t.Fatalf("%s %q: the batch differs", path, body)
			}
			for i := range batch.Events {
				if a, b := visible(&batch.Events[i], batch.Buf), visible(&fresh.Events[i], fresh.Buf); !maps.Equal(a, b) {
					t.Fatalf("%s %q: event %d is %v, want %v", path, body, i, a, b)
				}
			}
		}
	}
}

// Every prefix and many single-byte changes of the seeds.
func TestMixpanelAgreesOnBrokenBodies(t *testing.T) {
	for _, body := range mixpanelSeeds() {
		body = body[:min(len(body), 700)]
		for i := 0; i < len(body); i++ {
			checkMixpanel(t, mixpanelRoutes[i%4], body[:i], Options{})
			changed := bytes.Clone(body)
			changed[i] = "\x00 \"\\{}[],:0e.tn\x80\xff\n"[(i+len(body))%18]
			checkMixpanel(t, mixpanelRoutes[(i/3)%4], changed, Options{Key: []byte("k1")})
		}
	}
}

// mixpanelWriter writes bodies at random, out of the names and values that mean something and some that do not.
type mixpanelWriter struct{ *rand.Rand }

func (w mixpanelWriter) one(of ...string) string { return of[w.IntN(len(of))] }

func (w mixpanelWriter) value() string {
	return w.one(`"u"`, `"d"`, `"$device:d"`, `"\u0024device:d"`, `"$device:"`, `""`, `null`, `0`, `"0"`, `12`, `-1.5`, `1795169472345`, `"2026-11-01T00:00:00Z"`, `true`, `false`, `{}`, `{"a":1}`, `{"a":1,"b":"x","c":[],"d":{}}`,
		`[]`, `["a"]`, `["a","b"]`, `["$device:a",5]`, `"k1"`, `"k2"`, `"https://a.example/b?utm_source=c"`, `"1.2.3.4"`, `"DE"`, `"é"`, `"\ud800"`, `{"$mp_session_id":"s"}`, `{"token":"k1"}`, `[[[]]]`, "\"\xff\"")
}

func (w mixpanelWriter) object(names ...string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i := range w.IntN(7) {
		if i > 0 {
			b.WriteString(w.one(",", ",", " , ", ",\t"))
		}
		name := w.one(names...)
		b.WriteString(`"` + name + `"` + w.one(":", ":", ": ", " :"))
		switch {
		case name == "properties" && w.IntN(8) > 0:
			b.WriteString(w.object("token", "token", "distinct_id", "distinct_id", "$user_id", "$device_id", "$insert_id", "time", "alias", "$identified_id", "$anon_id", "$anon_distinct_id", "$distinct_ids", "$session_id", "mp_lib",
				"$lib_version", "$os", "$browser_version", "$current_url", "$referrer", "$referring_domain", "utm_medium", "$screen_width", "mp_country_code", "$city", "ip", "$user_agent", "a", "d\\u0069stinct_id", "tok\\u0065n"))
		case name == "event" && w.IntN(4) > 0:
			b.WriteString(w.one(`"a"`, `"$identify"`, `"$create_alias"`, `"$merge"`, `"$mp_web_page_view"`, `"\u0024merge"`))
		default:
			b.WriteString(w.value())
		}
	}
	b.WriteByte('}')
	return b.String()
}

func (w mixpanelWriter) event(path string) string {
	if path == "/engage" || path == "/groups" {
		return w.object("$token", "$distinct_id", "$distinct_id", "$user_id", "$device_id", "$group_key", "$group_key", "$group_id", "$group_id", "$time", "$ip", "$ignore_time", "$delete", "$set", "$set", "$set_once", "$add", "$append", "$union", "$remove", "$unset", "$mp_metadata", "x")
	}
	return w.object("event", "event", "properties", "properties", "properties", "$mp_metadata", "token", "x")
}

func (w mixpanelWriter) body(path string) string {
	var events []string
	for range 1 + w.IntN(3) {
		events = append(events, w.event(path))
	}
	switch w.IntN(4) {
	case 0:
		return events[0]
	case 1:
		return strings.Join(events, "\n")
	}
	return "[" + strings.Join(events, ",") + "]"
}

func TestMixpanelAgreesOnRandomBodies(t *testing.T) {
	seeds := uint64(4)
	if text := os.Getenv("MILLRACE_TEST_SEEDS"); text != "" {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			t.Fatalf("MILLRACE_TEST_SEEDS is %q: a number of seeds, of which each is ten thousand bodies here", text)
		}
		seeds = n
	}
	bodies, taken, refused := 0, 0, 0
	for seed := range seeds {
		w := mixpanelWriter{rand.New(rand.NewPCG(seed, 7))}
		for range 10_000 {
			path := mixpanelRoutes[w.IntN(4)]
			opt := Options{Lines: w.IntN(10) == 0}
			if w.IntN(3) == 0 {
				opt.Key = []byte("k1")
			}
			n, m := checkMixpanel(t, path, []byte(w.body(path)), opt)
			bodies, taken, refused = bodies+1, taken+n, refused+m
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d bodies, %d events taken, %d refused", bodies, taken, refused)
	if taken < bodies/4 || refused < bodies/4 {
		t.Errorf("of %d bodies %d events were taken and %d refused: too few to show anything", bodies, taken, refused)
	}
}

func FuzzMixpanel(f *testing.F) {
	for _, body := range mixpanelSeeds() {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) < maxContextText {
			checkMixpanelAll(t, body)
		}
	})
}
