package dialect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/schema"
)

// amplitudeFields decodes a body and returns the fields of each event that it makes, as name=value.
func amplitudeFields(t *testing.T, body []byte) (*schema.Batch, []map[string]string) {
	t.Helper()
	r, ok := Lookup([]byte("/2/httpapi"))
	if !ok {
		t.Fatal("no route /2/httpapi")
	}
	b := &schema.Batch{Buf: bytes.Clone(body)}
	if err := New(schema.DefaultLimits(), 1000).Decode(r, b, Options{}); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	list := make([]map[string]string, len(b.Events))
	for i := range b.Events {
		e := &b.Events[i]
		m := map[string]string{"type": e.Type.String()}
		set := func(name string, text schema.Text) {
			if text.Len() > 0 {
				m[name] = string(text.AppendValue(nil, b.Buf))
			}
		}
		for f := schema.Field(0); f < schema.NumFields; f++ {
			if text := e.Text(f); text.Len() > 0 {
				m[f.String()] = string(text.In(b.Buf))
				if text.In(b.Buf)[0] != '{' {
					set(f.String(), text)
				}
			}
		}
		set("id", e.ClientID)
		set("session", e.ClientSession)
		set("agent", e.ClientAgent)
		set("addr", e.ClientAddr)
		if e.Has(schema.FieldClientTS) {
			m["time"] = string(schema.AppendTime(nil, e.ClientTS))
		}
		if e.Refused() {
			m["refused"] = fmt.Sprintf("%s %s", e.Reason, e.Pointer)
		}
		list[i] = m
	}
	return b, list
}

func sameFields(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	if maps.Equal(got, want) {
		return
	}
	names := slices.Sorted(maps.Keys(got))
	for name := range want {
		if _, ok := got[name]; !ok {
			names = append(names, name)
		}
	}
	for _, name := range names {
		if got[name] != want[name] {
			t.Errorf("%s: %s is %q, want %q", what, name, got[name], want[name])
		}
	}
}

const (
	chrome  = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
	visitor = "269239ad-3cf6-485d-b33f-d6b3c3fff7ae"
)

// What real SDKs have sent.
func TestAmplitudeBodiesOfSDKs(t *testing.T) {
	read := func(name string) []byte {
		body, err := os.ReadFile("testdata/amplitude/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	ofNode := map[string]string{"source.lib": "amplitude-node-ts", "source.lib_version": "1.5.73"}
	ofBrowser := map[string]string{"source.lib": "amplitude-ts-sdk-script", "source.lib_version": "2.45.6", "locale": "en-US", "agent": chrome, "session": visitor + ":1795363430959", "anonymous_id": visitor}
	ofPage := map[string]string{"page.host": "shop.example", "page.path": "/shop/checkout", "campaign.source": "newsletter", "campaign.medium": "email", "campaign.name": "november"}
	context := func(id int) string {
		return fmt.Sprintf(`{"app_version":"1.2.3","platform":"Web","event_id":%d,"user_agent":"%s","session_id":1795363430959}`, id, chrome)
	}
	for _, c := range []struct {
		file  string
		index int
		base  []map[string]string
		want  map[string]string
	}{
		{"node.json", 0, []map[string]string{ofNode}, map[string]string{
			"type": "track", "event": "Order Completed", "id": "0192b6c1-7d2e-7a3b-9c1f-000000000001", "user_id": "user-1", "anonymous_id": "device-1", "session": "device-1:1763633472345", "group_id": "company:g-1",
			"time": "2026-11-20T10:11:12.345Z", "source.ip": "203.0.113.7", "addr": "203.0.113.7", "device.os": "iOS", "device.os_version": "17.1", "locale": "de-DE",
			"properties": `{"n":1,"f":1.5,"t":true,"z":null,"s":"é 漢字 😀","list":[1,"a"],"nested":{"a":{"b":2}}}`,
			"context":    `{"platform":"Web","app_version":"1.2.3","event_id":0,"groups":{"company":"g-1"},"session_id":1763633472345}`,
		}},
		{"node.json", 1, []map[string]string{ofNode}, map[string]string{
			"type": "track", "event": "Anonymous", "anonymous_id": "device-1", "id": "5cd39d4e-bbdf-4546-af65-1ac83772ff07", "time": "2026-11-22T15:38:25.825Z", "context": `{"event_id":1}`,
		}},
		{"node.json", 2, []map[string]string{ofNode}, map[string]string{
			"type": "identify", "user_id": "user-1", "anonymous_id": "device-1", "id": "82c5851d-f4f3-4e88-8a0a-233315216672", "time": "2026-11-22T15:38:25.827Z",
			"traits": `{"$set":{"plan":"pro","seats":3,"email":"ann@shop.example"}}`, "context": `{"event_id":2}`,
		}},
		{"node.json", 7, []map[string]string{ofNode}, map[string]string{
			"type": "identify", "user_id": "user-1", "id": "ee16a7e7-2951-4bf8-af22-1d81c8d670b8", "time": "2026-11-22T15:38:25.834Z", "traits": `{"$union":{"list":"z"}}`, "context": `{"event_id":7}`,
		}},
		{"node.json", 10, []map[string]string{ofNode}, map[string]string{
			"type": "identify", "user_id": "user-1", "id": "f5364cbc-39a2-4783-8520-e62fb4c0caeb", "time": "2026-11-22T15:38:25.838Z", "traits": `{"$clear":true}`, "context": `{"event_id":10}`,
		}},
		{"node.json", 11, []map[string]string{ofNode}, map[string]string{
			"type": "group", "user_id": "user-1", "group_id": "company:g-1", "id": "e285b6ab-2274-4f27-b3b2-c13bce7ab015", "time": "2026-11-22T15:38:25.840Z",
			"traits": `{"$set":{"name":"ACME"}}`, "context": `{"event_id":11,"groups":{"company":"g-1"}}`,
		}},
		{"node.json", 13, []map[string]string{ofNode}, map[string]string{
			"type": "track", "event": "revenue_amount", "user_id": "user-1", "id": "06ef6b72-8b76-43ca-9ac6-22c584f792fe", "time": "2026-11-22T15:38:25.843Z",
			"properties": `{"$productId":"p-1","$quantity":2,"$price":9.5,"revenue":19}`, "context": `{"event_id":13}`,
		}},
		{"python.json", 9, nil, map[string]string{
			"type": "identify", "user_id": "user-1", "id": "48f48844-1294-4db9-8489-bb7c1dceb9ae", "time": "2026-11-22T15:40:30.422Z", "traits": `{"$unset":{"first": "-"}}`,
			"source.lib": "amplitude-python", "source.lib_version": "1.2.3",
		}},
		{"browser-visitor.json", 2, []map[string]string{ofBrowser, ofPage}, map[string]string{
			"type": "page", "id": "e555d385-f2f0-445f-b315-cd9925090ca3", "time": "2026-11-22T16:03:50.982Z", "context": context(2),
			"properties": `{"utm_campaign":"november","utm_medium":"email","utm_source":"newsletter","[Amplitude] Page Domain":"shop.example","[Amplitude] Page Location":"https://shop.example/shop/checkout?utm_source=newsletter&utm_medium=email&utm_campaign=november",` +
				`"[Amplitude] Page Path":"/shop/checkout","[Amplitude] Page Title":"Danke für den Kauf","[Amplitude] Page URL":"https://shop.example/shop/checkout","[Amplitude] Page View ID":"9ab0927a-94cd-4815-a00b-9f43793e8d71","[Amplitude] Page Counter":1,` +
				`"[Amplitude] Previous Page Location":"","[Amplitude] Previous Page Type":"direct"}`,
		}},
		{"browser-user.json", 1, []map[string]string{ofBrowser}, map[string]string{
			"type": "identify", "user_id": "user-1", "group_id": "company:g-1", "id": "ab4603a3-3ddc-408a-af78-820f598fd5d0", "time": "2026-11-22T16:03:52.331Z", "traits": `{"$set":{"company":["g-1","g-2"]}}`,
			"context": strings.Replace(context(5), `"session_id"`, `"groups":{"company":["g-1","g-2"]},"session_id"`, 1),
		}},
		{"browser-user.json", 4, []map[string]string{ofBrowser}, map[string]string{
			"type": "track", "event": "revenue_amount", "user_id": "user-1", "id": "b0fc92d7-06cf-419a-8b3e-009c4c41526c", "time": "2026-11-22T16:03:52.334Z",
			"campaign.source": "newsletter", "campaign.medium": "email", "campaign.name": "november",
			"properties": `{"utm_campaign":"november","utm_medium":"email","utm_source":"newsletter","$productId":"","$quantity":1,"$price":0,"$revenue":5}`, "context": context(8),
		}},
		{"browser-user.json", 5, []map[string]string{ofBrowser}, map[string]string{
			"type": "track", "event": "revenue_amount", "user_id": "user-1", "id": "d0171707-3f10-4097-b93e-ba575d2f7cf4", "time": "2026-11-22T16:03:52.334Z",
			"campaign.source": "newsletter", "campaign.medium": "email", "campaign.name": "november",
			"properties": `{"utm_campaign":"november","utm_medium":"email","utm_source":"newsletter","$productId":"p","$quantity":3,"$price":9.99,"revenue":29.97}`, "context": context(9),
		}},
	} {
		_, got := amplitudeFields(t, read(c.file))
		want := map[string]string{}
		for _, base := range append(c.base, c.want) {
			maps.Copy(want, base)
		}
		sameFields(t, fmt.Sprintf("%s, event %d", c.file, c.index), got[c.index], want)
	}
	b, got := amplitudeFields(t, read("node.json"))
	if at := string(schema.AppendTime(nil, b.SentAt)); !b.HasSentAt || at != "2026-11-22T15:38:26.125Z" || len(got) != 14 {
		t.Errorf("sent at %v %s, %d events", b.HasSentAt, at, len(got))
	}
	if b, got = amplitudeFields(t, read("python.json")); b.HasSentAt || len(got) != 14 {
		t.Errorf("of Python: sent at %v, %d events", b.HasSentAt, len(got))
	}
	for _, file := range []string{"node.json", "node-batch.json", "python.json", "browser-visitor.json", "browser-user.json"} {
		_, got := amplitudeFields(t, read(file))
		for i, e := range got {
			if e["refused"] != "" {
				t.Errorf("%s: event %d is refused: %s", file, i, e["refused"])
			}
		}
	}
}

func TestAmplitudeEvent(t *testing.T) {
	for _, c := range []struct {
		name, event string
		want        map[string]string
	}{
		{"groups, in several types", `{"event_type":"e","groups":{"none":null,"empty":[],"company":["a","b"],"team":"t"}}`, map[string]string{
			"event": "e", "group_id": "company:a", "context": `{"groups":{"none":null,"empty":[],"company":["a","b"],"team":"t"}}`,
		}},
		{"a group of somebody who is not named", `{"event_type":"$groupidentify","groups":{"company":15},"group_properties":{"seats":5},"user_properties":{"a":1}}`, map[string]string{
			"type": "group", "distinct_id": "$company_15", "group_id": "company:15", "traits": `{"seats":5}`, "context": `{"groups":{"company":15},"user_properties":{"a":1}}`,
		}},
		{"properties of a group elsewhere", `{"event_type":"e","group_properties":{"seats":5}}`, map[string]string{"event": "e", "context": `{"group_properties":{"seats":5}}`}},
		{"properties of a person with any event", `{"event_type":"e","user_id":"u","user_properties":{"plan":"pro"}}`, map[string]string{"event": "e", "user_id": "u", "traits": `{"plan":"pro"}`}},
		{
			"all operations", `{"event_type":"$identify","user_id":"u","user_properties":{"$unset":{"a":"-"},"$set":{"b":1},"$setOnce":{"c":1},"$add":{"d":1},"$append":{"e":1,"f":[1,2]},"$prepend":{"g":1},"$preInsert":{"h":1},"$postInsert":{"i":[1]},"$remove":{"j":1}}}`,
			map[string]string{"type": "identify", "user_id": "u", "traits": `{"$set":{"b":1},"$set_once":{"c":1},"$add":{"d":1},"$append":{"e":1},"$concat":{"f":[1,2]},"$prepend":{"g":1},"$union":{"h":1,"i":[1]},"$remove":{"j":1},"$unset":{"a":"-"}}`},
		},
		{"properties beside operations", `{"event_type":"$identify","user_id":"u","user_properties":{"plan":"x","$set":{"plan":"pro"},"$add":{"n":1},"$prepend":5}}`, map[string]string{
			"type": "identify", "user_id": "u", "traits": `{"$set":{"plan":"x","$prepend":5,"plan":"pro"},"$add":{"n":1}}`,
		}},
		{"nothing but an empty operation", `{"event_type":"$identify","user_id":"u","user_properties":{"$append":{}}}`, map[string]string{"type": "identify", "user_id": "u"}},
		{"a screen", `{"event_type":"[Amplitude] Screen Viewed","event_properties":{"[Amplitude] Screen Name":"Home"}}`, map[string]string{
			"type": "screen", "name": "Home", "properties": `{"[Amplitude] Screen Name":"Home"}`,
		}},
		{"a page and where it was come from", `{"event_type":"[Amplitude] Page Viewed","event_properties":{"[Amplitude] Page URL":"https://Shop.Example/a","referrer":"https://News.Example/x","referring_domain":"news.example"}}`, map[string]string{
			"type": "page", "page.host": "shop.example", "page.path": "/a", "page.referrer_host": "news.example",
			"properties": `{"[Amplitude] Page URL":"https://Shop.Example/a","referrer":"https://News.Example/x","referring_domain":"news.example"}`,
		}},
		{"somebody's own referrer", `{"event_type":"Invited","event_properties":{"referrer":"https://shop.example/ann"}}`, map[string]string{"event": "Invited", "properties": `{"referrer":"https://shop.example/ann"}`}},
		{"a browser, as its first SDK had it", `{"event_type":"e","library":"amplitude-ts/1.14.0","os_name":"Chrome","os_version":"142.0","device_model":"Linux","ip":"$remote"}`, map[string]string{
			"event": "e", "source.lib": "amplitude-ts", "source.lib_version": "1.14.0", "device.browser": "Chrome", "device.browser_version": "142.0", "context": `{"device_model":"Linux"}`,
		}},
		{"an app", `{"event_type":"e","library":"amplitude-react-native-ts\/1.5.0","os_name":"ios","country":"Germany","city":"Köln","ip":"not known","location_lat":50.9,"adid":"A"}`, map[string]string{
			"event": "e", "source.lib": "amplitude-react-native-ts", "source.lib_version": "1.5.0", "device.os": "ios", "geo.city": "Köln", "addr": "not known",
			"context": `{"location_lat":50.9,"adid":"A","country":"Germany","ip":"not known"}`,
		}},
		{"a country in small letters", `{"event_type":"e","country":"de"}`, map[string]string{"event": "e", "geo.country": "DE"}},
		{"price and quantity before revenue", `{"event_type":"e","price":1.25,"quantity":3,"revenue":9,"productId":"p","revenueType":"refund","event_properties":{"a":1}}`, map[string]string{
			"event": "e", "properties": `{"a":1,"revenue":3.75}`, "context": `{"productId":"p","revenueType":"refund","price":1.25,"quantity":3,"revenue":9}`,
		}},
		{"revenue alone", `{"event_type":"e","revenue":-9.50}`, map[string]string{"event": "e", "properties": `{"revenue":-9.50}`, "context": `{"revenue":-9.50}`}},
		{"revenue that is there", `{"event_type":"e","revenue":9,"event_properties":{"revenue":1}}`, map[string]string{"event": "e", "properties": `{"revenue":1}`, "context": `{"revenue":9}`}},
		{"an id that is the device's own", `{"event_type":"e","insert_id":"1","device_id":"d","session_id":-1}`, map[string]string{"event": "e", "anonymous_id": "d", "id": "d:1"}},
		{"nothing of PHP", `{"event_type":"e","event_properties":[],"user_properties":[],"groups":[]}`, map[string]string{"event": "e", "context": `{"groups":[]}`}},
		{"what is no event", `5`, map[string]string{"type": "", "refused": "invalid_type "}},
		{"a user of the wrong kind", `{"event_type":"e","user_id":5}`, map[string]string{"event": "e", "refused": "invalid_type /user_id"}},
		{"properties of the wrong kind", `{"event_type":"e","event_properties":"x"}`, map[string]string{"event": "e", "refused": "invalid_type /event_properties"}},
		{"properties of a group of the wrong kind", `{"event_type":"$groupidentify","group_properties":"x"}`, map[string]string{"type": "group", "refused": "invalid_type /group_properties"}},
		{"a key in an event", `{"event_type":"e","api_key":"secret"}`, map[string]string{"event": "e"}},
	} {
		_, got := amplitudeFields(t, []byte(`{"api_key":"k","events":[`+c.event+`]}`))
		if _, ok := c.want["type"]; !ok {
			c.want["type"] = "track"
		}
		if c.want["type"] == "" {
			delete(got[0], "type")
			delete(c.want, "type")
		}
		sameFields(t, c.name, got[0], c.want)
	}
}

// The forms in which events come: the second API, the first, and what is left of the first one's form.
func TestAmplitudeForms(t *testing.T) {
	for _, body := range []string{
		`{"api_key":"k","events":[{"event_type":"a"},{"event_type":"b"}]}`, `{"api_key":"k","event":[{"event_type":"a"},{"event_type":"b"}]}`, `[{"event_type":"a"},{"event_type":"b"}]`,
		`{"api_key":"k","event":{"event_type":"a"}}`, `{"event_type":"a"}`,
	} {
		_, got := amplitudeFields(t, []byte(body))
		for i, e := range got {
			if want := string(rune('a' + i)); e["event"] != want {
				t.Errorf("%s: event %d is %q", body, i, e["event"])
			}
		}
		if want := strings.Count(body, "event_type"); len(got) != want {
			t.Errorf("%s: %d events", body, len(got))
		}
	}
	r, _ := Lookup([]byte("/httpapi"))
	d := New(schema.DefaultLimits(), 1000)
	key, err := d.Key(r, []byte(`{"events":[{"api_key":"no"}],"api_key":"0123456789abcdef0123456789abcdef"}`))
	if string(key) != "0123456789abcdef0123456789abcdef" || err != nil {
		t.Errorf("the key is %q, %v", key, err)
	}
	shared, _ := Lookup([]byte("/batch"))
	if r, sure := d.Classify(shared, []byte(`{"api_key":"k","events":[]}`), schema.DialectPostHog, true); r.Dialect != schema.DialectAmplitude || !sure {
		t.Errorf("a batch of Amplitude counts as %v, %v", r.Dialect, sure)
	}
	for body, want := range map[string]string{
		`{"api_key":"k"}`: "/events", `{"api_key":"k","events":7}`: "/events", `"x"`: "",
	} {
		var e *Error
		if err := d.Decode(r, &schema.Batch{Buf: []byte(body)}, Options{}); !errors.As(err, &e) || e.Fault != Misshapen || e.Pointer != want {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// Bodies that are made to cost much must cost no more than others of their length, and must not make the decoder keep much.
func TestAmplitudeHostile(t *testing.T) {
	const n = 200_000
	operations := strings.Repeat(`"$set":{"a":1},"x":2,`, n/20)
	for name, event := range map[string]string{
		"deep properties":    `{"event_properties":` + strings.Repeat(`{"a":`, n/10) + `1` + strings.Repeat(`}`, n/10) + `}`,
		"deep operations":    `{"user_properties":{"$set":` + strings.Repeat(`[`, n) + strings.Repeat(`]`, n) + `}}`,
		"deep groups":        `{"groups":{"a":` + strings.Repeat(`[`, n) + strings.Repeat(`]`, n) + `}}`,
		"many operations":    `{"user_properties":{` + operations + `"$add":{"n":1}}}`,
		"many groups":        `{"groups":{` + strings.Repeat(`"a":null,`, n/10) + `"b":"c"}}`,
		"many names":         `{"groups":{"a":[` + strings.Repeat(`null,`, n/5) + `"c"]}}`,
		"many members":       `{` + strings.Repeat(`"x":1,`, n/6) + `"event_type":"e"}`,
		"many properties":    `{` + strings.Repeat(`"event_properties":{"$price":1},`, n/30) + `"event_type":"e"}`,
		"a long number":      `{"price":1` + strings.Repeat(`0`, n) + `,"quantity":2}`,
		"a long exponent":    `{"price":1e` + strings.Repeat(`9`, n) + `,"quantity":2}`,
		"a long library":     `{"library":"` + strings.Repeat(`\\`, n) + `/1"}`,
		"a long escaped key": `{"` + strings.Repeat(`\u0061`, n/6) + `":1}`,
	} {
		limits := schema.DefaultLimits()
		r, _ := Lookup([]byte("/2/httpapi"))
		b := &schema.Batch{Buf: []byte(`{"events":[` + event + `,{"event_type":"after","user_id":"u"}]}`)}
		size := len(b.Buf)
		begun := time.Now()
		d := New(limits, 10)
		if err := d.Decode(r, b, Options{}); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("%s: %d bytes took %v", name, size, took)
		}
		if len(b.Buf) > 4*size {
			t.Errorf("%s: %d bytes became %d", name, size, len(b.Buf))
		}
		if len(b.Events) != 2 || b.Events[1].Refused() || string(b.Events[1].Text(schema.FieldEvent).In(b.Buf)) != "after" {
			t.Errorf("%s: the event after it was lost", name)
		}
		want := map[string]schema.Reason{"deep properties": schema.TooDeep, "deep operations": schema.TooDeep, "deep groups": schema.TooDeep, "many operations": schema.TooManyProperties}[name]
		if e := &b.Events[0]; e.Reason != want {
			t.Errorf("%s: refused for %q (%s), want %q", name, e.Reason, e.Detail, want)
		}
		if cap(d.value) > maxScratchBytes || cap(d.keyText) > maxScratchBytes {
			t.Errorf("%s: the decoder keeps %d and %d bytes", name, cap(d.value), cap(d.keyText))
		}
	}
}

func TestAppendProduct(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"9.5", "2", "19"},
		{"0.1", "3", "0.3"},
		{"9.99", "3", "29.97"},
		{"-1.50", "4", "-6"},
		{"0", "5", "0"},
		{"-0.0", "5", "0"},
		{"100", "100", "10000"},
		{"1e3", "2", "2000"},
		{"1.5E-2", "2", "0.03"},
		{"12.5", "1e+1", "125"},
		{"1e30", "3", "3e30"},
		{"1e-30", "3", "3e-30"},
		{"0.00005", "1", "0.00005"},
		{"1844674407370955161", "1", "1844674407370955161"},
		{"5", "", "5"},
		{"123456789012345678901", "10", "1.2345678901234568e+21"},
		{"1e200", "1e200", ""},
		{"1e999", "1", ""},
		{"1e-999", "1", "0"},
	} {
		var b []byte
		if c.b != "" {
			b = []byte(c.b)
		}
		got, ok := appendProduct(nil, []byte(c.a), b)
		if string(got) != c.want || ok != (c.want != "") || ok && !json.Valid(got) {
			t.Errorf("%s times %q is %q, %v; want %q", c.a, c.b, got, ok, c.want)
		}
	}
}

// amplitudeBatch is a body of n events as the SDKs of browsers or of servers send them.
func amplitudeBatch(tb testing.TB, file string, n int) []byte {
	tb.Helper()
	text, err := os.ReadFile("testdata/amplitude/" + file)
	if err != nil {
		tb.Fatal(err)
	}
	var body struct {
		Events []json.RawMessage `json:"events"`
	}
	if err := json.Unmarshal(text, &body); err != nil {
		tb.Fatal(err)
	}
	b := []byte(`{"api_key":"0123456789abcdef0123456789abcdef","events":[`)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, body.Events[i%len(body.Events)]...)
	}
	return append(b, `],"options":{},"client_upload_time":"2026-11-22T15:38:26.125Z"}`...)
}

func TestAmplitudeAllocatesNothing(t *testing.T) {
	for _, file := range []string{"node.json", "python.json", "browser-visitor.json", "browser-user.json"} {
		body := amplitudeBatch(t, file, 100)
		r, _ := Lookup([]byte("/2/httpapi"))
		d, b := New(schema.DefaultLimits(), 100), new(schema.Batch)
		if n := testing.AllocsPerRun(20, func() {
			b.Reset(4 << 20)
			b.Buf = append(b.Buf, body...)
			if err := d.Decode(r, b, Options{}); err != nil {
				t.Fatal(err)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations for 100 events", file, n)
		}
	}
}

func BenchmarkDecodeAmplitude(b *testing.B) {
	const n = 100
	for _, file := range []string{"node.json", "browser-visitor.json", "browser-user.json"} {
		body := amplitudeBatch(b, file, n)
		b.Run(strings.TrimSuffix(file, ".json"), func(b *testing.B) {
			r, _ := Lookup([]byte("/2/httpapi"))
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
