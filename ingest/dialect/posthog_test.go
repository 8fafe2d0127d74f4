package dialect

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/millrace/millrace/schema"
)

func posthogBody(tb testing.TB, name string) []byte {
	tb.Helper()
	body, err := os.ReadFile("testdata/posthog/" + name + ".json")
	if err != nil {
		tb.Fatal(err)
	}
	return body
}

// decodePostHog decodes a body as a gateway does whose key is the body's or, without one there, the header's.
func decodePostHog(tb testing.TB, path string, body []byte, opt Options) *schema.Batch {
	tb.Helper()
	r := route(tb, path)
	d := New(schema.DefaultLimits(), 1000)
	key, err := d.Key(r, body)
	if err != nil {
		tb.Fatal(err)
	}
	if len(key) > 0 {
		opt.Key = bytes.Clone(key)
	}
	b := &schema.Batch{Buf: bytes.Clone(body), ReceivedAt: posthogReceived}
	if err := d.Decode(r, b, opt); err != nil {
		tb.Fatalf("%s: %v", body, err)
	}
	return b
}

// describe writes what an event says of who did what.
func describePostHog(e *schema.Event, buf []byte) string {
	var b strings.Builder
	b.WriteString(e.Type.String())
	for _, f := range []schema.Field{
		schema.FieldEvent, schema.FieldName, schema.FieldDistinctID, schema.FieldUserID, schema.FieldAnonymousID, schema.FieldGroupID, schema.FieldPreviousID, schema.FieldPageHost, schema.FieldPagePath,
		schema.FieldTraits,
	} {
		if t := e.Text(f); t.Len() > 0 {
			fmt.Fprintf(&b, " %v=%s", f, t.In(buf))
		}
	}
	if e.Refused() {
		fmt.Fprintf(&b, " refused=%v%s", e.Reason, e.Pointer)
	}
	return b.String()
}

// What the SDKs send for the same calls.
func TestPostHogSDKs(t *testing.T) {
	const ann = `{"$set":{"plan":"pro","seats":3,"email":"ann@shop.example"}`
	node := []string{
		`track event=Order Completed distinct_id=u-1 user_id=u-1 group_id=company:g-1`,
		`identify distinct_id=u-1 user_id=u-1 anonymous_id=anon-1 traits=` + ann + `}`,
		`identify distinct_id=u-1 user_id=u-1 traits=` + ann + `,"$set_once":{}}`,
		`identify distinct_id=u-1 user_id=u-1 traits={"$set":{"a":1},"$set_once":{}}`,
		`identify distinct_id=u-1 user_id=u-1 traits={"$set":{},"$set_once":{"b":1}}`,
		`track event=$set distinct_id=u-1 user_id=u-1 traits={"$unset":["a"]}`,
		`page event=$pageview distinct_id=u-1 user_id=u-1 page.host=shop.example page.path=/a`,
		`screen event=$screen name=Main distinct_id=u-1 user_id=u-1`,
		`group distinct_id=u-1 user_id=u-1 group_id=company:g-1 traits={"$set":{"name":"ACME"}}`,
		`alias distinct_id=u-1 user_id=u-1 previous_id=anon-1`,
	}
	python := []string{
		node[0], node[1],
		`track event=$set distinct_id=u-1 user_id=u-1 traits=` + ann + `}`,
		`track event=$set distinct_id=u-1 user_id=u-1 traits={"$set":{"a":1}}`,
		`track event=$set_once distinct_id=u-1 user_id=u-1 traits={"$set_once":{"b":1}}`,
		node[6], node[7], node[8],
		`alias distinct_id=u-1 user_id=u-1 previous_id=anon-1`,
	}
	const page = ` page.host=127.0.0.1 page.path=/`
	for _, c := range []struct {
		body, path, library string
		lib                 string
		events              []string
	}{
		{"node", "/posthog/batch", "", "posthog-node 5.70.0", node},
		{"node-v1", "/i/v1/analytics/events", "posthog-node/5.70.0", "posthog-node 5.70.0", node},
		{"python", "/posthog/batch", "", "posthog-python 7.42.0", python},
		{"python-v1", "/i/v1/analytics/events", "posthog-python/7.42.0", "posthog-python 7.42.0", python},
		{"browser-batch", "/e", "", "web 1.449.2", []string{
			`track event=$set distinct_id=u-1 user_id=u-1 anonymous_id=anon-1` + page + ` traits={"$set":{"a":1},"$set_once":{}}`,
			`track event=$set distinct_id=u-1 user_id=u-1 anonymous_id=anon-1` + page + ` traits={"$set":{},"$set_once":{"b":1}}`,
			`track event=$set distinct_id=u-1 user_id=u-1 anonymous_id=anon-1` + page + ` traits={"$unset":["a"]}`,
			`group distinct_id=u-1 user_id=u-1 anonymous_id=anon-1 group_id=company:g-1` + page + ` traits={"$set":{"name":"ACME"}}`,
			`alias distinct_id=u-1 user_id=u-1 group_id=company:g-1 previous_id=anon-1` + page,
		}},
	} {
		t.Run(c.body, func(t *testing.T) {
			body := posthogBody(t, c.body)
			b := decodePostHog(t, c.path, body, Options{Library: []byte(c.library)})
			if len(b.Events) != len(c.events) {
				t.Fatalf("%d events, want %d", len(b.Events), len(c.events))
			}
			for i := range b.Events {
				e := &b.Events[i]
				if got := describePostHog(e, b.Buf); got != c.events[i] {
					t.Errorf("event %d is\n%s, want\n%s", i, got, c.events[i])
				}
				lib := string(e.Text(schema.FieldLib).In(b.Buf)) + " " + string(e.Text(schema.FieldLibVersion).In(b.Buf))
				if lib != c.lib {
					t.Errorf("event %d is by %q, want %q", i, lib, c.lib)
				}
				if e.ClientID.Len() != 36 || !e.Has(schema.FieldClientTS) {
					t.Errorf("event %d has id %q and time %d", i, e.ClientID.In(b.Buf), e.ClientTS)
				}
				properties := e.Text(schema.FieldProperties).In(b.Buf)
				for _, gone := range []string{"phc_", `"$set"`, `"$unset"`, `"$group_set"`} {
					if bytes.Contains(properties, []byte(gone)) {
						t.Errorf("event %d has %s among its properties: %s", i, gone, properties)
					}
				}
			}
		})
	}
}

// The protocols of one SDK give one record.
func TestPostHogProtocolsAgree(t *testing.T) {
	for _, sdk := range []string{"node", "python"} {
		v0 := decodePostHog(t, "/posthog/batch", posthogBody(t, sdk), Options{})
		v1 := decodePostHog(t, "/i/v1/analytics/events", posthogBody(t, sdk+"-v1"), Options{})
		a, b := &v0.Events[0], &v1.Events[0]
		if x, y := string(a.ClientSession.In(v0.Buf)), string(b.ClientSession.In(v1.Buf)); x != y || len(x) != 36 {
			t.Errorf("%s: sessions %q and %q", sdk, x, y)
		}
		for _, member := range []string{`"$session_id":"0192b6c1-7d2e-7a3b-9c1f-0000000000aa"`, `"$window_id":"w-1"`, `"s":"é 漢字 😀"`, `"$groups":{"company":"g-1"}`} {
			for _, properties := range [][]byte{a.Text(schema.FieldProperties).In(v0.Buf), b.Text(schema.FieldProperties).In(v1.Buf)} {
				if !bytes.Contains(properties, []byte(member)) {
					t.Errorf("%s: %s is not in %s", sdk, member, properties)
				}
			}
		}
	}
}

// Everything that a browser says of where it is.
func TestPostHogBrowser(t *testing.T) {
	b := decodePostHog(t, "/e", posthogBody(t, "browser-identify"), Options{})
	e := &b.Events[0]
	for f, want := range map[schema.Field]string{
		schema.FieldDistinctID: "u-1", schema.FieldUserID: "u-1", schema.FieldAnonymousID: "anon-1", schema.FieldLib: "web", schema.FieldLibVersion: "1.449.2", schema.FieldPageHost: "127.0.0.1",
		schema.FieldPagePath: "/", schema.FieldCampaignSource: "newsletter", schema.FieldCampaignName: "autumn", schema.FieldOS: "Linux", schema.FieldBrowser: "Chrome", schema.FieldBrowserVersion: "156",
		schema.FieldDeviceType: "desktop", schema.FieldLocale: "en-US", schema.FieldReferrerHost: "", schema.FieldEvent: "",
	} {
		if got := string(e.Text(f).In(b.Buf)); got != want {
			t.Errorf("%v is %q, want %q", f, got, want)
		}
	}
	if e.Type != schema.Identify || e.ScreenW != 1280 || e.ScreenH != 720 || !e.Bot || !b.HasSentAt || b.SentAt != 1795362060010 || e.ClientTS != 1795362060008 {
		t.Errorf("event %+v, sent at %d", e, b.SentAt)
	}
	if agent := e.ClientAgent.In(b.Buf); !bytes.HasPrefix(agent, []byte("Mozilla/5.0 ")) {
		t.Errorf("agent %q", agent)
	}
	traits := string(e.Text(schema.FieldTraits).In(b.Buf))
	if !strings.HasPrefix(traits, `{"$set":{"plan":"pro","seats":3,"email":"ann@shop.example"},"$set_once":{"$initial_referrer":"$direct",`) {
		t.Errorf("traits %s", traits)
	}
}

func TestPostHogEvents(t *testing.T) {
	for _, c := range []struct{ event, want string }{
		{`{"event":"e","distinct_id":17}`, `track event=e distinct_id=17 user_id=17`},
		{`{"event":"e","distinct_id":"v","properties":{"$device_id":"v"}}`, `track event=e distinct_id=v anonymous_id=v`},
		{`{"event":"e","distinct_id":"v","properties":{"$process_person_profile":false}}`, `track event=e distinct_id=v anonymous_id=v`},
		{`{"event":"e","distinct_id":"v","options":{"process_person_profile":false}}`, `track event=e distinct_id=v anonymous_id=v`},
		{`{"event":"e","properties":{"distinct_id":"u","$device_id":"v","$is_identified":true}}`, `track event=e distinct_id=u user_id=u anonymous_id=v`},
		{`{"event":"$set","distinct_id":"v","properties":{"$is_identified":false,"$set":{"a":1,"b":1}},"$set":{"a":2}}`, `track event=$set distinct_id=v anonymous_id=v traits={"$set":{"a":1,"b":1,"a":2}}`},
		{`{"event":"$create_alias","distinct_id":"u","properties":{"alias":"x"}}`, `alias distinct_id=u user_id=u previous_id=x`},
		{`{"event":"$create_alias","distinct_id":"v","properties":{"alias":"u","$is_identified":false}}`, `alias distinct_id=u user_id=u previous_id=v`},
		{`{"event":"$merge_dangerously","distinct_id":"u","properties":{"alias":"x"}}`, `merge distinct_id=u user_id=u previous_id=x`},
		{
			`{"event":"$groupidentify","distinct_id":"$team_5","properties":{"$group_type":"team","$group_key":5,"$group_set":{"n":1}},"$set_once":{"x":1}}`,
			`group distinct_id=$team_5 group_id=team:5 traits={"$set":{"n":1}}`,
		},
		{`{"event":"$groupidentify","distinct_id":"u","properties":{"$group_type":"a:b","$group_key":"c"}}`, `group distinct_id=u user_id=u group_id=a%3Ab:c`},
		{`{"event":"$groupidentify","distinct_id":"u","properties":{"$group_type":"a","$group_key":"b:c"}}`, `group distinct_id=u user_id=u group_id=a:b:c`},
		{`{"event":"e","distinct_id":"u","$unset":{"a":1},"properties":{"$unset":["b"]}}`, `track event=e distinct_id=u user_id=u traits={"$unset":["b","a"]}`},
		{`{"event":"e","distinct_id":"u","properties":[]}`, `track event=e distinct_id=u user_id=u`},
		{`{"event":"e","distinct_id":["u"]}`, `track event=e refused=invalid_type/distinct_id`},
		{`{"event":"e","distinct_id":"u","properties":5}`, `track event=e distinct_id=u user_id=u refused=invalid_type/properties`},
		{`{"event":"e","distinct_id":"u","token":"another"}`, `track event=e distinct_id=u user_id=u refused=invalid_type/token`},
		{`{"event":"e","distinct_id":"u","offset":"soon"}`, `track event=e distinct_id=u user_id=u refused=invalid_type/offset`},
	} {
		// Beside two that are good: nothing of one event hurts another.
		body := `{"api_key":"k","batch":[{"event":"first","distinct_id":"f"},` + c.event + `,{"event":"last","distinct_id":"l"}]}`
		b := decodePostHog(t, "/posthog/batch", []byte(body), Options{})
		for i, want := range []string{`track event=first distinct_id=f user_id=f`, c.want, `track event=last distinct_id=l user_id=l`} {
			if got := describePostHog(&b.Events[i], b.Buf); got != want {
				t.Errorf("%s is\n%s, want\n%s", c.event, got, want)
			}
		}
	}
}

// Nothing is lost, and no key and no address is left where analysts read.
func TestPostHogKeepsTheRest(t *testing.T) {
	b := decodePostHog(t, "/capture", []byte(`{"api_key":"k","event":"e","distinct_id":"u","type":"capture","library":"old","library_version":"1","window_id":"w","options":{"future":1},
		"properties":{"token":"k","a":1,"$ip":"203.0.113.9","$geoip_city_name":"X","$set":"no object"},"$set":[1]}`), Options{})
	e := &b.Events[0]
	for f, want := range map[schema.Field]string{
		schema.FieldProperties: `{"a":1,"$geoip_city_name":"X","$set":"no object","$window_id":"w"}`,
		schema.FieldContext:    `{"type":"capture","library":"old","library_version":"1","$set":[1],"options":{"future":1}}`,
		schema.FieldTraits:     "", schema.FieldLib: "old", schema.FieldLibVersion: "1", schema.FieldIP: "203.0.113.9",
	} {
		if got := string(e.Text(f).In(b.Buf)); got != want || e.Refused() {
			t.Errorf("%v is %s, want %s (%s)", f, got, want, e.Detail)
		}
	}
	if at := string(e.ClientAddr.In(b.Buf)); at != "203.0.113.9" || int(b.Buf[0]) != '{' {
		t.Errorf("the address is at %q", at)
	}
	// What a server has under the name is its own.
	b = decodePostHog(t, "/posthog/batch", []byte(`{"api_key":"k","batch":[{"event":"e","distinct_id":"u","properties":{"token":"coupon"}}]}`), Options{})
	if got := string(b.Events[0].Text(schema.FieldProperties).In(b.Buf)); got != `{"token":"coupon"}` || b.Events[0].Refused() {
		t.Errorf("properties %s, %s", got, b.Events[0].Detail)
	}
}

func TestPostHogClocks(t *testing.T) {
	for _, c := range []struct {
		body  string
		ts    int64
		trust bool
	}{
		{`{"event":"e","offset":1500}`, posthogReceived - 1500, true},
		{`{"event":"e","offset":1500,"timestamp":1700000000123}`, 1700000000123, false},
		{`{"event":"e","timestamp":"2026-11-22T15:40:59.978Z"}`, 1795362059978, false},
		{`{"event":"e","timestamp":1700000000123,"properties":{"$ignore_sent_at":true}}`, 1700000000123, true},
		{`{"batch":[{"event":"e","timestamp":1700000000123,"options":{"disable_skew_correction":true}}]}`, 1700000000123, true},
		{`{"batch":[{"event":"e","timestamp":1700000000123,"options":{"disable_skew_adjustment":true}}]}`, 1700000000123, true},
		{`{"batch":[{"event":"e","timestamp":1700000000123}],"historical_migration":true}`, 1700000000123, true},
		{`{"historical_migration":false,"batch":[{"event":"e","timestamp":1700000000123}]}`, 1700000000123, false},
	} {
		b := decodePostHog(t, "/posthog/batch", []byte(c.body), Options{})
		if e := &b.Events[0]; e.ClientTS != c.ts || e.TrustClock != c.trust || e.Refused() {
			t.Errorf("%s: %d, trusted %v, %s", c.body, e.ClientTS, e.TrustClock, e.Detail)
		}
	}
}

// hostilePostHog are bodies made to cost more than they should.
func hostilePostHog() map[string][]byte {
	const n = 100_000
	return map[string][]byte{
		"deep":       []byte(`{"batch":[{"event":"e","properties":{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}},{"event":"good","distinct_id":"u"}]}`),
		"keys":       []byte(`{"batch":[{"event":"e","properties":{` + strings.Repeat(`"token":"phc_","$set":{},`, n) + `"$ip":"1.2.3.4"}},{"event":"good","distinct_id":"u"}]}`),
		"rest":       []byte(`{"batch":[{"event":"e",` + strings.Repeat(`"x":1,`, n) + `"y":1},{"event":"good","distinct_id":"u"}]}`),
		"batches":    []byte(`{` + strings.Repeat(`"batch":[{}],`, n) + `"batch":[{},{"event":"good","distinct_id":"u"}]}`),
		"undone":     []byte(`{` + strings.Repeat(`"batch":[{}],"batch":null,`, n) + `"batch":[{},{"event":"good","distinct_id":"u"}]}`),
		"groups":     []byte(`{"batch":[{"event":"e","properties":{"$groups":{` + strings.Repeat(`"a":null,`, n) + `"b":null}}},{"event":"good","distinct_id":"u"}]}`),
		"properties": []byte(`{"batch":[{"event":"e",` + strings.Repeat(`"properties":{"token":"phc_"},`, n) + `"properties":{}},{"event":"good","distinct_id":"u"}]}`),
	}
}

func TestPostHogHostile(t *testing.T) {
	for name, body := range hostilePostHog() {
		b := decodePostHog(t, "/posthog/batch", body, Options{})
		if len(b.Events) != 2 {
			t.Fatalf("%s: %d events", name, len(b.Events))
		}
		if got := describePostHog(&b.Events[1], b.Buf); got != `track event=good distinct_id=u user_id=u` {
			t.Errorf("%s: the sibling is %s", name, got)
		}
		if len(b.Buf) > 2*len(body) {
			t.Errorf("%s: %d bytes became %d", name, len(body), len(b.Buf))
		}
		checkTexts(t, &b.Events[0], b.Buf)
	}
}

func TestPostHogAllocatesNothing(t *testing.T) {
	for _, name := range []string{"node", "node-v1", "python", "browser-batch", "browser-identify"} {
		body := posthogBody(t, name)
		r := route(t, "/posthog/batch")
		d, b, agent := New(schema.DefaultLimits(), 1000), new(schema.Batch), []byte("posthog-node/5.70.0")
		run := func() {
			b.Reset(1 << 20)
			b.Buf = append(b.Buf, body...)
			b.ReceivedAt, b.UserAgent = posthogReceived, agent
			key, err := d.Key(r, b.Buf)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Decode(r, b, Options{Key: key}); err != nil {
				t.Fatal(err)
			}
		}
		run()
		if n := testing.AllocsPerRun(100, run); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// BenchmarkDecodePostHog decodes a hundred events as a server and as a browser send them, beside the same number in the form of Segment.
func BenchmarkDecodePostHog(b *testing.B) {
	const n = 100
	const server = `{"event":"Product Viewed","properties":{"sku":"A-1","price":39.5,"currency":"EUR","category":"shoes","$current_url":"https://shop.example/p/7?x=1","$lib":"posthog-node","$lib_version":"5.70.0",` +
		`"$is_server":true,"$geoip_disable":true},"timestamp":"2026-11-20T10:11:12.345Z","uuid":"0192b6c1-7d2e-7a3b-9c1f-000000000001","distinct_id":"user-829301"}`
	events := string(posthogBody(b, "browser-batch"))
	browser := events[strings.Index(events, `{"uuid"`) : strings.Index(events, `},{"uuid"`)+1]
	batch := func(event string) []byte {
		return []byte(`{"api_key":"phc_abcdefghijklmnopqrstuvwxyz0123456789","batch":[` + strings.Repeat(event+",", n-1) + event + `],"sent_at":"2026-11-20T10:11:13.000Z"}`)
	}
	for _, c := range []struct {
		name, path string
		body       []byte
	}{
		{"segment", "/v1/batch", shopBatch(n)}, {"server", "/posthog/batch", batch(server)}, {"browser", "/e", batch(browser)},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := route(b, c.path)
			d, into := New(schema.DefaultLimits(), n), new(schema.Batch)
			opt := Options{Key: []byte("phc_abcdefghijklmnopqrstuvwxyz0123456789")}
			b.SetBytes(int64(len(c.body)))
			b.ReportAllocs()
			for b.Loop() {
				into.Reset(4 << 20)
				into.Buf = append(into.Buf, c.body...)
				if err := d.Decode(r, into, opt); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/event")
		})
	}
}
