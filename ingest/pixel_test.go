package ingest

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/millrace/millrace/schema"
)

func TestPixel(t *testing.T) {
	d := open(t, nil)
	get := func(path string, status int) {
		t.Helper()
		a := d.do("GET", path, "")
		if a.status != status || judgePixel(a, 1) != taken || a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v %v", path, a, a.header)
		}
	}
	raw := func() string {
		t.Helper()
		b := d.sub.last()
		if b == nil || len(b.Events) != 1 {
			t.Fatalf("%+v", b)
		}
		return string(b.Events[0].Raw.In(b.Buf))
	}
	get("/pixel/v1/page?writeKey="+testKey+"&anonymousId=%22a-1%22&name=Caf%C3%A9+%22x%22&context.page.url=https%3A%2F%2Fshop.example%2F%3Futm_source%3Dnews&context.screen.width=1920&properties.a.b=1&properties.a.c=2&userId=", 200)
	if got, want := raw(), `{"anonymousId":"a-1","name":"Café \"x\"","context":{"page":{"url":"https://shop.example/?utm_source=news"},"screen":{"width":"1920"}},"properties":{"a":{"b":"1","c":"2"}},"userId":""}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	b := d.sub.last()
	e := &b.Events[0]
	text := func(f schema.Field) string { return string(e.Text(f).AppendValue(nil, b.Buf)) }
	if e.Type != schema.Page || text(schema.FieldAnonymousID) != "a-1" || text(schema.FieldPageHost) != "shop.example" || text(schema.FieldCampaignSource) != "news" || b.Project != 7 {
		t.Errorf("%v", e)
	}
	// Of what cannot stand together the last counts.
	get("/pixel/v1/track?writeKey="+testKey+"&event=e&a.b=1&a=2&c=3&c.d=4", 200)
	if got, want := raw(), `{"event":"e","a":"2","c":{"d":"4"}}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	get("/pixel/v1/track?writeKey="+testKey+"&event=e&"+strings.Repeat("a.", 4000)+"b=1", 200)
	if got, want := raw(), strings.Repeat(`{"a":`, maxBranches-1)+`{"`; strings.Contains(got, want) || !strings.Contains(got, strings.Repeat(`{"a":`, maxBranches-2)) {
		t.Errorf("deep: %s", got)
	}
	// Base64 of JSON, with the key in it, as Segment's has it.
	body := `{"writeKey":"` + otherKey + `","userId":"u","event":"Email Opened","properties":{"subject":"Grüße?"}}`
	for _, data := range []string{base64.StdEncoding.EncodeToString([]byte(body)), base64.RawURLEncoding.EncodeToString([]byte(body)), body} {
		get("/v1/pixel/track?data="+url.QueryEscape(data), 200)
		if raw() != body || d.sub.last().Project != 8 || d.sub.last().Events[0].Type != schema.Track {
			t.Errorf("%s: %s", data, raw())
		}
	}
	n := d.sub.count()
	get("/pixel/v1/track?writeKey="+testKey, 400)
	get("/pixel/v1/track?event=e", 401)
	get("/v1/pixel/identify?data=", 400)
	get("/v1/pixel/identify?data=e30", 401)
	if d.sub.count() != n {
		t.Error("a refused pixel was submitted")
	}
	if a := d.do("HEAD", "/v1/pixel/track?data=e30", ""); a.status != 405 {
		t.Error(a)
	}
}

// The paths of Jitsu's SDK name the type, or leave it to the event.
func TestJitsuPaths(t *testing.T) {
	d := open(t, nil)
	for _, prefix := range []string{"/api/s/", "/api/s/s2s/", "/jitsu/api/s/"} {
		for name, typ := range map[string]schema.Type{"track": schema.Track, "identify": schema.Identify, "page": schema.Page, "screen": schema.Screen, "group": schema.Group, "alias": schema.Alias, "event": schema.Page} {
			a := d.do("POST", prefix+name, `{"type":"page","userId":null,"anonymousId":"a-1","messageId":"vswzq8ty9dbgosofbdqa","writeKey":"abcdefgh:***","context":{"library":{"name":"@jitsu/js"},"campaign":{}}}`, "X-Write-Key", testKey)
			if b := d.sub.last(); judgeJitsu(a, 1) != taken || a.json["success"] != true || b.Events[0].Type != typ || b.Dialect != schema.DialectSegment {
				t.Errorf("%s%s: %v %v", prefix, name, a, b.Events[0].Type)
			}
		}
		if a := d.do("POST", prefix+"batch", `{"batch":[{"type":"track","event":"e","anonymousId":"a"},{"type":"page"}]}`, "X-Write-Key", testKey); judgeJitsu(a, 1) != taken || a.json["accepted"] != 2.0 {
			t.Errorf("%sbatch: %v", prefix, a)
		}
	}
}
