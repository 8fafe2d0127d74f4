package dialect

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/schema"
)

const mixpanelTestKey = "0123456789abcdef0123456789abcdef"

// mixpanelCases are what the SDKs send, one event each, with the fields that must come out. "-" as the first field is the type.
var mixpanelCases = []struct {
	name, path, event string
	want              map[string]string
}{
	{
		"node: track", "/mixpanel/track",
		`{"event":"Order Completed","properties":{"n":1,"f":1.5,"t":true,"z":null,"s":"é 漢字 😀","list":[1,"a"],"nested":{"a":{"b":2}},"distinct_id":"u-1","$user_id":"u-1","$device_id":"anon-1","$insert_id":"0192b6c1-7d2e-7a3b-9c1f-000000000001",` +
			`"time":1795169472345,"token":"0123456789abcdef0123456789abcdef","mp_lib":"node","$lib_version":"0.24.0"}}`,
		map[string]string{
			"-": "track", "event": "Order Completed", "distinct_id": "u-1", "user_id": "u-1", "anonymous_id": "anon-1", "lib": "node", "lib_version": "0.24.0", "id": "0192b6c1-7d2e-7a3b-9c1f-000000000001", "ts": "1795169472345",
			"properties": `{"n":1,"f":1.5,"t":true,"z":null,"s":"é 漢字 😀","list":[1,"a"],"nested":{"a":{"b":2}},"distinct_id":"u-1","$user_id":"u-1","$device_id":"anon-1","$insert_id":"0192b6c1-7d2e-7a3b-9c1f-000000000001",` +
				`"time":1795169472345,"mp_lib":"node","$lib_version":"0.24.0"}`,
		},
	},
	{
		"node: track of a device", "/mixpanel/track",
		`{"event":"Anonymous","properties":{"distinct_id":"anon-1","$device_id":"anon-1","token":"0123456789abcdef0123456789abcdef","mp_lib":"node","$lib_version":"0.24.0"}}`,
		map[string]string{
			"-": "track", "event": "Anonymous", "distinct_id": "anon-1", "anonymous_id": "anon-1", "lib": "node", "lib_version": "0.24.0", "properties": `{"distinct_id":"anon-1","$device_id":"anon-1","mp_lib":"node","$lib_version":"0.24.0"}`,
		},
	},
	{
		"python: the original way to identify", "/mixpanel/track",
		`{"event":"$identify","properties":{"token":"0123456789abcdef0123456789abcdef","distinct_id":"u-1","time":1795362031.1178172,"$insert_id":"bc08d4e39c0443ba827fcc0c308b3d97","mp_lib":"python","$lib_version":"5.3.0","$identified_id":"u-1","$anon_id":"anon-1"}}`,
		map[string]string{
			"-": "identify", "event": "$identify", "distinct_id": "u-1", "user_id": "u-1", "anonymous_id": "anon-1", "lib": "python", "lib_version": "5.3.0", "id": "bc08d4e39c0443ba827fcc0c308b3d97", "ts": "1795362031117",
			"properties": `{"distinct_id":"u-1","time":1795362031.1178172,"$insert_id":"bc08d4e39c0443ba827fcc0c308b3d97","mp_lib":"python","$lib_version":"5.3.0","$identified_id":"u-1","$anon_id":"anon-1"}`,
		},
	},
	{
		"python: alias", "/mixpanel/track", `{"event":"$create_alias","properties":{"token":"0123456789abcdef0123456789abcdef","distinct_id":"anon-1","time":1795362031.1556945,"alias":"u-1"}}`,
		map[string]string{
			"-": "alias", "user_id": "u-1", "previous_id": "anon-1", "ts": "1795362031155", "properties": `{"distinct_id":"anon-1","time":1795362031.1556945,"alias":"u-1"}`,
		},
	},
	{
		"python: merge", "/import", `{"event":"$merge","properties":{"$distinct_ids":["u-1","$device:d-1"],"token":"0123456789abcdef0123456789abcdef"}}`,
		map[string]string{"-": "merge", "distinct_id": "u-1", "previous_id": "d-1", "properties": `{"$distinct_ids":["u-1","$device:d-1"]}`, "trusted": "true"},
	},
	{
		"browser: page of a visitor", "/mixpanel/track",
		`{"event":"$mp_web_page_view","properties":{"$os":"Mac OS X","$browser":"Chrome","$referrer":"https://www.Search.example/q?x","$referring_domain":"www.search.example","$current_url":"https://shop.example:8443/a/b?utm_source=nl#top","$browser_version":142,` +
			`"$screen_height":900,"$screen_width":1440,"mp_lib":"web","$lib_version":"2.82.1","$insert_id":"k3j4h5g6f7d8s9a0","time":1795169472.345,"utm_source":"nl","utm_medium":"email","utm_campaign":"nov","distinct_id":"$device:19a5c3","$device_id":"19a5c3",` +
			`"current_page_title":"Shop","current_domain":"shop.example","current_url_path":"/a/b","current_url_protocol":"https:","token":"0123456789abcdef0123456789abcdef"}}`,
		map[string]string{
			"-": "page", "distinct_id": "19a5c3", "anonymous_id": "19a5c3", "lib": "web", "lib_version": "2.82.1", "id": "k3j4h5g6f7d8s9a0", "ts": "1795169472345", "os": "Mac OS X", "browser": "Chrome", "browser_version": "142", "host": "shop.example", "path": "/a/b",
			"referrer_host": "www.search.example", "campaign_source": "nl", "campaign_medium": "email", "campaign_name": "nov", "screen": "1440x900",
			"properties": `{"$os":"Mac OS X","$browser":"Chrome","$referrer":"https://www.Search.example/q?x","$referring_domain":"www.search.example","$current_url":"https://shop.example:8443/a/b?utm_source=nl#top","$browser_version":142,` +
				`"$screen_height":900,"$screen_width":1440,"mp_lib":"web","$lib_version":"2.82.1","$insert_id":"k3j4h5g6f7d8s9a0","time":1795169472.345,"utm_source":"nl","utm_medium":"email","utm_campaign":"nov","distinct_id":"$device:19a5c3","$device_id":"19a5c3",` +
				`"current_page_title":"Shop","current_domain":"shop.example","current_url_path":"/a/b","current_url_protocol":"https:"}`,
		},
	},
	{
		"browser: identify", "/mixpanel/track",
		`{"event":"$identify","properties":{"mp_lib":"web","distinct_id":"u-1","$device_id":"19a5c3","$user_id":"u-1","$anon_distinct_id":"$device:19a5c3","token":"0123456789abcdef0123456789abcdef"}}`,
		map[string]string{
			"-": "identify", "event": "$identify", "distinct_id": "u-1", "user_id": "u-1", "anonymous_id": "19a5c3", "lib": "web",
			"properties": `{"mp_lib":"web","distinct_id":"u-1","$device_id":"19a5c3","$user_id":"u-1","$anon_distinct_id":"$device:19a5c3"}`,
		},
	},
	{
		"browser: update", "/engage", `{"$set":{"$os":"Mac OS X","plan":"pro"},"$token":"0123456789abcdef0123456789abcdef","$distinct_id":"u-1","$device_id":"19a5c3","$user_id":"u-1","$had_persisted_distinct_id":true}`,
		map[string]string{
			"-": "identify", "distinct_id": "u-1", "user_id": "u-1", "anonymous_id": "19a5c3", "traits": `{"$set":{"$os":"Mac OS X","plan":"pro"}}`, "context": `{"$had_persisted_distinct_id":true}`,
		},
	},
	{
		"browser: update of a visitor", "/engage", `{"$set_once":{"a":1},"$token":"0123456789abcdef0123456789abcdef","$distinct_id":"$device:19a5c3","$device_id":"19a5c3"}`,
		map[string]string{"-": "identify", "distinct_id": "19a5c3", "anonymous_id": "19a5c3", "traits": `{"$set_once":{"a":1}}`},
	},
	{
		"phone: session, and an id with the mark of devices alone", "/mixpanel/track",
		`{"event":"App Open","properties":{"$os":"iOS","$os_version":"17.1","mp_lib":"swift","distinct_id":"$device:A-1","token":"0123456789abcdef0123456789abcdef","time":1795169472345},"$mp_metadata":{"$mp_event_id":"e1","$mp_session_id":"f00d","$mp_session_seq_id":3}}`,
		map[string]string{
			"-": "track", "event": "App Open", "distinct_id": "A-1", "anonymous_id": "A-1", "lib": "swift", "os": "iOS", "os_version": "17.1", "ts": "1795169472345", "session": "f00d",
			"properties": `{"$os":"iOS","$os_version":"17.1","mp_lib":"swift","distinct_id":"$device:A-1","time":1795169472345}`, "context": `{"$mp_metadata":{"$mp_event_id":"e1","$mp_session_id":"f00d","$mp_session_seq_id":3}}`,
		},
	},
	{
		"server: only the ids of the simplified API", "/import", `{"event":"x","properties":{"$user_id":77,"$device_id":"d-1","ip":"203.0.113.9","mp_country_code":"DE","$city":"Köln","$user_agent":"Mozilla/5.0 x","$insert_id":9}}`,
		map[string]string{
			"-": "track", "event": "x", "user_id": "77", "anonymous_id": "d-1", "id": "9", "ip": "203.0.113.9", "country": "DE", "city": "Köln", "agent": "Mozilla/5.0 x", "trusted": "true",
			"properties": `{"$user_id":77,"$device_id":"d-1","ip":"203.0.113.9","mp_country_code":"DE","$city":"Köln","$user_agent":"Mozilla/5.0 x","$insert_id":9}`,
		},
	},
	{
		"several operations", "/engage",
		`{"$unset":["g"],"$remove":{"f":6},"$union":{"e":[5]},"$append":{"d":[4]},"$add":{"c":-3.5},"$set_once":{"b":2},"$set":{"a":1},"$delete":"","$token":"0123456789abcdef0123456789abcdef","$distinct_id":13793,"$time":1795362031.1205873,"$ip":"203.0.113.9","$ignore_time":true}`,
		map[string]string{
			"-": "identify", "distinct_id": "13793", "ts": "1795362031120", "ip": "203.0.113.9", "context": `{"$ip":"203.0.113.9","$ignore_time":true}`,
			"traits": `{"$clear":true,"$set":{"a":1},"$set_once":{"b":2},"$add":{"c":-3.5},"$append":{"d":[4]},"$union":{"e":[5]},"$remove":{"f":6},"$unset":["g"]}`,
		},
	},
	{
		"no address", "/engage", `{"$token":"0123456789abcdef0123456789abcdef","$distinct_id":"u-1","$ip":0,"$append":{"$transactions":{"price":9.5,"$amount":9.5}}}`,
		map[string]string{"-": "identify", "distinct_id": "u-1", "traits": `{"$append":{"$transactions":{"price":9.5,"$amount":9.5}}}`, "context": `{"$ip":0}`, "ip": "none"},
	},
	{"delete", "/engage", `{"$delete":"u-1","$token":"0123456789abcdef0123456789abcdef","$distinct_id":"u-1"}`, map[string]string{"-": "identify", "distinct_id": "u-1", "traits": `{"$clear":true}`}},
	{
		"group", "/groups", `{"$token":"0123456789abcdef0123456789abcdef","$time":1795362031.752822,"$group_key":"company","$group_id":"g-1","$set":{"name":"ACME"}}`,
		map[string]string{"-": "group", "group_id": "company:g-1", "distinct_id": "$company_g-1", "ts": "1795362031752", "traits": `{"$set":{"name":"ACME"}}`},
	},
	{
		"group whose id is a number, of a person", "/groups", `{"$token":"0123456789abcdef0123456789abcdef","$group_key":"comp\u0061ny","$group_id":42,"$union":{"tags":["a"]},"$user_id":"u-1"}`,
		map[string]string{"-": "group", "group_id": "company:42", "user_id": "u-1", "traits": `{"$union":{"tags":["a"]}}`},
	},
	{"group deleted", "/groups", `{"$delete":"","$group_key":"company","$group_id":"g-1"}`, map[string]string{"-": "group", "group_id": "company:g-1", "distinct_id": "$company_g-1", "traits": `{"$clear":true}`}},
}

// fieldsOf is all that was read of an event, by name.
func fieldsOf(e *schema.Event, buf []byte) map[string]string {
	m := map[string]string{"-": e.Type.String()}
	set := func(name, value string) {
		if value != "" {
			m[name] = value
		}
	}
	for f := schema.Field(0); f < schema.NumFields; f++ {
		name := strings.Replace(f.String(), "campaign.", "campaign_", 1)
		name = name[strings.IndexByte(name, '.')+1:]
		if t := e.Text(f); f >= schema.FieldProperties {
			set(name, string(t.In(buf)))
		} else {
			set(name, string(t.AppendValue(nil, buf)))
		}
	}
	if e.NoAddress {
		m["ip"] = "none"
	}
	set("id", string(e.ClientID.AppendValue(nil, buf)))
	set("session", string(e.ClientSession.AppendValue(nil, buf)))
	set("agent", string(e.ClientAgent.AppendValue(nil, buf)))
	if e.Has(schema.FieldClientTS) {
		m["ts"] = fmt.Sprint(e.ClientTS)
	}
	if e.ScreenW > 0 {
		m["screen"] = fmt.Sprintf("%dx%d", e.ScreenW, e.ScreenH)
	}
	if e.TrustClock {
		m["trusted"] = "true"
	}
	return m
}

func TestMixpanel(t *testing.T) {
	for _, c := range mixpanelCases {
		t.Run(c.name, func(t *testing.T) {
			r := route(t, c.path)
			for _, body := range []string{c.event, " [" + c.event + "]", "[\n" + c.event + " ,\n" + c.event + "]\n", c.event + "\n" + c.event, byteOrderMark + c.event} {
				b := &schema.Batch{Buf: []byte(body)}
				d := New(schema.DefaultLimits(), 10)
				opt := Options{}
				key, err := d.Key(r, b.Buf)
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(c.event, mixpanelTestKey) != (string(key) == mixpanelTestKey) {
					t.Errorf("key is %q", key)
				}
				if len(key) > 0 {
					opt.Key = []byte(string(key))
				}
				if err := d.Decode(r, b, opt); err != nil {
					t.Fatal(err)
				}
				if len(b.Events) == 0 {
					t.Fatal("no event")
				}
				for i := range b.Events {
					e := &b.Events[i]
					if e.Refused() {
						t.Fatalf("refused: %s at %s", e.Detail, e.Pointer)
					}
					if got := fieldsOf(e, b.Buf); !maps.Equal(got, c.want) {
						for _, name := range slices.Sorted(maps.Keys(got)) {
							if got[name] != c.want[name] {
								t.Errorf("%s is %q, want %q", name, got[name], c.want[name])
							}
						}
						for name := range c.want {
							if got[name] == "" {
								t.Errorf("%s is missing", name)
							}
						}
					}
				}
			}
		})
	}
}

// What is refused says where, and leaves its siblings alone.
func TestMixpanelRefusals(t *testing.T) {
	long := strings.Repeat("u", 41)
	for _, c := range []struct {
		path, event string
		reason      schema.Reason
		pointer     string
		says        []string
	}{
		{"/mixpanel/track", `5`, schema.InvalidType, "", []string{"object", "a number"}},
		{"/mixpanel/track", `{"event":"x","properties":{"distinct_id":"u","token":"other"}}`, schema.InvalidType, "/properties/token", []string{"another key", "one project"}},
		{"/mixpanel/track", `{"event":"x","properties":[]}`, schema.InvalidType, "/properties", []string{"an object", "an array"}},
		{"/mixpanel/track", `{"event":7,"properties":{"distinct_id":"u"}}`, schema.InvalidType, "/event", []string{"a string", "a number"}},
		{"/mixpanel/track", `{"event":"x","properties":{"distinct_id":{}}}`, schema.InvalidType, "/properties/distinct_id", []string{"a string", "an object"}},
		{"/mixpanel/track", `{"event":"x","properties":{"distinct_id":"$device:null"}}`, schema.IllegalID, "/properties/distinct_id", []string{`"null"`, "device"}},
		{"/mixpanel/track", `{"event":"x","properties":{"$device_id":"` + long + `"}}`, schema.IDTooLong, "/properties/$device_id", []string{"41 bytes", "is 40"}},
		{"/mixpanel/track", `{"event":"x","properties":{"$insert_id":{}}}`, schema.InvalidType, "/properties/$insert_id", []string{"a string"}},
		{"/mixpanel/track", `{"event":"x","properties":{"time":"soon"}}`, schema.InvalidTimestamp, "/properties/time", []string{`"soon"`}},
		{"/mixpanel/track", `{"event":"$identify","properties":{"distinct_id":"$device:d"}}`, schema.MissingUser, "/properties/distinct_id", []string{"nobody", "$identified_id"}},
		{"/mixpanel/track", `{"event":"$identify","properties":{"distinct_id":"u","$anon_id":[]}}`, schema.InvalidType, "/properties/$anon_id", []string{"an array"}},
		{"/mixpanel/track", `{"event":"$create_alias","properties":{"distinct_id":"u"}}`, schema.MissingUser, "/properties/alias", []string{"alias is missing"}},
		{"/mixpanel/track", `{"event":"$create_alias","properties":{"distinct_id":"u","alias":"undefined"}}`, schema.IllegalID, "/properties/alias", []string{`"undefined"`}},
		{"/mixpanel/track", `{"event":"$merge","properties":{"$distinct_ids":["a"]}}`, schema.MissingUser, "/properties/$distinct_ids", []string{"two ids"}},
		{"/mixpanel/track", `{"event":"$merge","properties":{"$distinct_ids":["a",""]}}`, schema.MissingUser, "/properties/$distinct_ids/1", []string{"no id"}},
		{"/mixpanel/track", `{"event":"$merge","properties":{"$distinct_ids":["a",{}]}}`, schema.InvalidType, "/properties/$distinct_ids/1", []string{"an object"}},
		{"/mixpanel/track", `{"event":"x","properties":{"a":1,"b":1,"c":1,"d":1}}`, schema.TooManyProperties, "/properties", []string{"4 members"}},
		{"/engage", `{"$set":{"a":1}}`, schema.MissingUser, "/$distinct_id", []string{"$distinct_id is missing"}},
		{"/engage", `{"$distinct_id":"u","$token":"other"}`, schema.InvalidType, "/$token", []string{"another key"}},
		{"/engage", `{"$distinct_id":"0"}`, schema.IllegalID, "/$distinct_id", []string{`"0"`}},
		{"/engage", `{"$distinct_id":"u","$set":"x"}`, schema.InvalidType, "/$set", []string{"an object", "a string"}},
		{"/engage", `{"$distinct_id":"u","$unset":"x"}`, schema.InvalidType, "/$unset", []string{"an array", "a string"}},
		{"/engage", `{"$distinct_id":"u","$add":{"a":1,"b":1,"c":1,"d":1}}`, schema.TooManyProperties, "/$add", []string{"4 members"}},
		{"/engage", `{"$distinct_id":"u","$set":{"a":{"b":{"c":{"d":{}}}}}}`, schema.TooDeep, "/$set", []string{"5 levels"}},
		{"/engage", `{"$distinct_id":"u","$time":"x"}`, schema.InvalidTimestamp, "/$time", []string{`"x"`}},
		{"/engage", "{\"$distinct_id\":\"u\",\"$union\":{\"a\":\"\xff\"}}", schema.InvalidUTF8, "/$union", []string{"UTF-8"}},
		{"/groups", `{"$group_id":"g","$set":{"a":1}}`, schema.MissingUser, "/$group_key", []string{"$group_key is missing"}},
		{"/groups", `{"$group_key":"g","$set":{"a":1}}`, schema.MissingUser, "/$group_id", []string{"$group_id is missing"}},
		{"/groups", `{"$group_key":"g","$group_id":[]}`, schema.InvalidType, "/$group_id", []string{"an array"}},
		{"/groups", `{"$group_key":"g","$group_id":"` + long + `"}`, schema.IDTooLong, "/$group_id", []string{"44 bytes", "is 40"}},
	} {
		sibling := `{"event":"ok","properties":{"distinct_id":"u","token":"k1"}}`
		switch c.path {
		case "/engage":
			sibling = `{"$distinct_id":"u","$token":"k1"}`
		case "/groups":
			sibling = `{"$group_key":"k","$group_id":"g","$token":"k1"}`
		}
		b := &schema.Batch{Buf: []byte("[" + sibling + "," + c.event + "," + sibling + "]")}
		if err := New(tight, tightEvents).Decode(route(t, c.path), b, Options{Key: []byte("k1")}); err != nil {
			t.Errorf("%s: %v", c.event, err)
			continue
		}
		e := &b.Events[1]
		if !e.Refused() || e.Reason != c.reason || e.Pointer != c.pointer {
			t.Errorf("%s: %v %v at %q (%s), want %v at %q", c.event, e.Refused(), e.Reason, e.Pointer, e.Detail, c.reason, c.pointer)
		}
		for _, s := range c.says {
			if !strings.Contains(e.Detail, s) {
				t.Errorf("%s: detail %q does not say %q", c.event, e.Detail, s)
			}
		}
		if b.Events[0].Refused() || b.Events[2].Refused() {
			t.Errorf("%s: its siblings were refused too: %s %s", c.event, b.Events[0].Detail, b.Events[2].Detail)
		}
	}
}

func TestMixpanelFaultsOfTheBody(t *testing.T) {
	for _, c := range []struct {
		body  string
		fault Fault
		says  string
	}{
		{``, Empty, "at least one"},
		{`[]`, Empty, "at least one"},
		{`"x"`, Misshapen, "found a string"},
		{`{"event":"x"`, Malformed, "the end of the text"},
		{`{"event":"x"} {}`, Malformed, "unexpected text"},
		{`[{},{},{},{},{},{},{}]`, TooMany, "ingest.max_events"},
		{strings.Repeat("{}\n", 7), TooMany, "ingest.max_events"},
	} {
		for _, path := range mixpanelRoutes {
			err := New(tight, tightEvents).Decode(route(t, path), &schema.Batch{Buf: []byte(c.body)}, Options{})
			var e *Error
			if !errors.As(err, &e) || e.Fault != c.fault || !strings.Contains(e.Detail, c.says) {
				t.Errorf("%s %s: %v, want fault %v saying %q", path, c.body, err, c.fault, c.says)
			}
		}
	}
}

func TestMixpanelKey(t *testing.T) {
	for _, c := range []struct {
		body, key string
		fault     Fault
	}{
		{`{"event":"x","properties":{"token":"k1"}}`, "k1", 0},
		{`[{"event":"x","properties":{"a":{"token":"no"},"token":"k\u0031"}},{"properties":{"token":"no"}}]`, "k1", 0},
		{`[{"properties":{}},{"properties":{"token":"no"}}]`, "", 0},
		{`{"properties":{"token":"k1","token":"k2"}}`, "k2", 0},
		{`{"properties":{"token":"k1"},"properties":{}}`, "", 0},
		{`{"properties":{"token":"k1"},"properties":null}`, "", 0},
		{`{"properties":{"token":5}}`, "", 0},
		{`{"properties":{"token":""}}`, "", 0},
		{`{"token":"no"}`, "", 0},
		{`{"$token":"k1","$set":{"$token":"no","token":"no"}}`, "k1", 0},
		{`[{"$token":"k1"},5`, "k1", 0},
		{`{"$token":"k1","$set":tru`, "k1", 0},
		{"{\"properties\":{\"token\":\"k1\"}}\n{\"properties\":{\"token\":\"no\"}}", "k1", 0},
		{byteOrderMark + ` {"$token":"k"}`, "k", 0},
		{`[]`, "", 0},
		{`5`, "", 0},
		{`[5,{"$token":"no"}]`, "", 0},
		{`{"properties":{"token":`, "", Malformed},
		{`[`, "", Malformed},
		{`x`, "", Malformed},
		{``, "", Empty},
	} {
		for _, path := range mixpanelRoutes {
			key, err := New(tight, tightEvents).Key(route(t, path), []byte(c.body))
			var e *Error
			errors.As(err, &e)
			if string(key) != c.key || (err == nil) != (c.fault == 0) || e != nil && e.Fault != c.fault {
				t.Errorf("%s: Key(%s) = %q, %v; want %q, fault %v", path, c.body, key, err, c.key, c.fault)
			}
		}
	}
}

// Nesting of any depth, and keys without number, cost neither stack nor siblings.
func TestMixpanelHostile(t *testing.T) {
	const n = 300_000
	deep := strings.Repeat(`{"a":[`, n) + strings.Repeat("]}", n)
	limits := schema.DefaultLimits()
	limits.MaxEventBytes = 64 << 20
	for _, c := range []struct{ path, good, bad string }{
		{"/mixpanel/track", `{"event":"x","properties":{"distinct_id":"u"}}`, `{"event":"x","properties":{"distinct_id":"u","a":` + deep + `}}`},
		{"/mixpanel/track", `{"event":"x","properties":{"distinct_id":"u"}}`, `{"event":"x","x":` + deep + `,"properties":{"token":` + deep + `}}`},
		{"/engage", `{"$distinct_id":"u"}`, `{"$distinct_id":"u","$set":` + deep + `,"x":` + deep + `}`},
		{"/groups", `{"$group_key":"k","$group_id":"g"}`, `{"$group_key":` + deep + `}`},
	} {
		b := &schema.Batch{Buf: []byte("[" + c.good + "," + c.bad + "," + c.good + "]")}
		if err := New(limits, 10).Decode(route(t, c.path), b, Options{}); err != nil {
			t.Fatal(err)
		}
		if len(b.Events) != 3 || b.Events[0].Refused() || b.Events[1].Reason != schema.TooDeep || b.Events[2].Refused() {
			t.Errorf("%s %.60s…: %d events, %v", c.path, c.bad, len(b.Events), b.Events[1].Reason)
		}
	}
	b := &schema.Batch{Buf: []byte(`{"event":"x","properties":{"distinct_id":"u"` + strings.Repeat(`,"token":"k"`, n) + `,"a":1}}`)}
	if err := New(limits, 10).Decode(route(t, "/import"), b, Options{}); err != nil {
		t.Fatal(err)
	}
	if got := string(b.Events[0].Text(schema.FieldProperties).In(b.Buf)); b.Events[0].Refused() || got != `{"distinct_id":"u","a":1}` {
		t.Errorf("properties are %.80s", got)
	}
}

// mixpanelBodies are batches of n as the SDK of browsers sends them.
func mixpanelBodies(n int) map[string][]byte {
	batch := func(item func(i int) string) []byte {
		items := make([]string, n)
		for i := range items {
			items[i] = item(i)
		}
		return []byte("[" + strings.Join(items, ",") + "]")
	}
	return map[string][]byte{
		"/mixpanel/track": batch(func(i int) string {
			return fmt.Sprintf(`{"event":"Product Viewed","properties":{"$os":"Linux","$browser":"Chrome","$referrer":"https://shop.example/cart","$referring_domain":"shop.example","$current_url":"https://shop.example/checkout/7?x=1","$browser_version":142,`+
				`"$screen_height":1080,"$screen_width":1920,"mp_lib":"web","$lib_version":"2.82.1","$insert_id":"0192b6c17d2e%04d","time":1795169472.%03d,"distinct_id":"user-%06d","$device_id":"19a5c3d2e1f0","$user_id":"user-%06d","sku":"A-%d","price":19.99,`+
				`"currency":"EUR","quantity":2,"category":"shoes","token":"0123456789abcdef0123456789abcdef"}}`, i%10000, i%1000, i, i, i)
		}),
		"/engage": batch(func(i int) string {
			return fmt.Sprintf(`{"$set":{"plan":"pro","seats":%d},"$token":"0123456789abcdef0123456789abcdef","$distinct_id":"user-%06d","$device_id":"19a5c3d2e1f0","$user_id":"user-%06d"}`, i, i, i)
		}),
		"/groups": batch(func(i int) string {
			return fmt.Sprintf(`{"$set":{"name":"ACME %d"},"$token":"0123456789abcdef0123456789abcdef","$group_key":"company","$group_id":"g-%06d"}`, i, i)
		}),
	}
}

func TestMixpanelDoesNotAllocate(t *testing.T) {
	for path, body := range mixpanelBodies(20) {
		body = bytes.ReplaceAll(body, []byte(`"time":1795169472.`), []byte(`"time":1795169472`)) // the decoder alone: reading a fraction is the business of schema.ParseTime
		r, d, b := route(t, path), New(schema.DefaultLimits(), 20), new(schema.Batch)
		opt := Options{Key: []byte(mixpanelTestKey)}
		decode := func() {
			b.Reset(4 << 20)
			b.Buf = append(b.Buf, body...)
			if err := d.Decode(r, b, opt); err != nil || b.Events[0].Refused() {
				t.Fatal(err, b.Events[0].Detail)
			}
		}
		decode()
		if n := testing.AllocsPerRun(50, decode); n != 0 {
			t.Errorf("%s: %v allocations for a batch", path, n)
		}
	}
}

func BenchmarkMixpanel(b *testing.B) {
	const n = 100
	for _, path := range mixpanelRoutes[:3] {
		body := mixpanelBodies(n)[path]
		b.Run(strings.TrimPrefix(path, "/"), func(b *testing.B) {
			r, _ := Lookup([]byte(path))
			d, batch := New(schema.DefaultLimits(), n), new(schema.Batch)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				batch.Reset(4 << 20)
				batch.Buf = append(batch.Buf, body...)
				if err := d.Decode(r, batch, Options{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/event")
		})
	}
}
