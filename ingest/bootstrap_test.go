package ingest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// What SDKs ask for before they send holds what their sources read, and nothing that would make them ask for more.
func TestBootstraps(t *testing.T) {
	d := open(t, nil)
	const origin = "http://shop.example"
	get := func(path string, headers ...string) answer {
		t.Helper()
		a := d.do("GET", path, "", append([]string{"Origin", origin}, headers...)...)
		h := a.header
		if a.status != 200 || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" || h.Get("Access-Control-Allow-Origin") != origin || h.Get("Access-Control-Allow-Credentials") != "true" {
			t.Errorf("%s: %v %v", path, a, h)
		}
		return a
	}
	segment := func(a answer) map[string]any {
		t.Helper()
		integrations, _ := a.json["integrations"].(map[string]any)
		settings, _ := integrations["Segment.io"].(map[string]any)
		if len(integrations) != 1 || settings == nil || fmt.Sprint(a.json["metrics"]) != "map[sampleRate:0]" {
			t.Errorf("settings: %v", a)
		}
		return settings
	}
	for path, host := range map[string]string{"/v1/projects/k1/settings": "", "/v1/projects/k1/settings/": "", "/projects/k1/settings": "", "/segment/v1/projects/k1/settings": "/segment"} {
		if s := segment(get(path)); s["apiKey"] != "k1" || s["apiHost"] != d.addr+host+"/v1" || s["protocol"] != "http" {
			t.Errorf("%s: %v", path, s)
		}
	}
	if s := segment(get("/v1/projects/k1/settings", "X-Forwarded-Proto", "https")); s["protocol"] != "https" {
		t.Errorf("behind TLS: %v", s)
	}
	if s := segment(get("/v1/projects/k1/settings", "X-Forwarded-Proto", `"};alert(1)`)); s["protocol"] != "http" {
		t.Errorf("hostile scheme: %v", s)
	}
	if s := segment(d.do("GET", "/v1/projects/k1/settings", "", "Origin", "https://shop.example")); s["protocol"] != "https" {
		t.Errorf("from a page over TLS: %v", s)
	}
	for host, want := range map[string]any{"events.shop.example": "events.shop.example/v1", "[::1]:7080": "[::1]:7080/v1", `a"b`: nil, "a<b": nil, "a/b": nil, strings.Repeat("a", 256): nil} {
		conn := d.raw()
		conn.send("GET /v1/projects/k1/settings HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n")
		a := conn.read()
		if a.status == 400 && want == nil {
			continue // refused even earlier
		}
		if s := segment(a); s["apiHost"] != want || s["apiKey"] != "k1" {
			t.Errorf("host %q: %v", host, a)
		}
	}

	source, _ := get("/sourceConfig/?p=npm&writeKey=k1", "Authorization", basic("k1:")).json["source"].(map[string]any)
	if source["id"] == nil || source["enabled"] != true || source["config"] == nil || fmt.Sprint(source["destinations"]) != "[]" {
		t.Errorf("sourceConfig: %v", source)
	}
	if a := get("/cluster-info"); a.body != `{"nodeCount":1}` {
		t.Error(a)
	}

	for _, path := range []string{"/array/phc_x/config", "/posthog/array/phc_x/config"} {
		if c := get(path).json; fmt.Sprint(c["supportedCompression"]) != "[gzip gzip-js]" || c["sessionRecording"] != false || c["surveys"] != false || fmt.Sprint(c["siteApps"]) != "[]" || c["hasFeatureFlags"] == false {
			t.Errorf("%s: %v", path, c)
		}
	}
	script := get("/array/phc_x:1.a-b/config.js")
	found := regexp.MustCompile(`^\(function\(\)\{var c=window\._POSTHOG_REMOTE_CONFIG=window\._POSTHOG_REMOTE_CONFIG\|\|\{\};c\["phc_x:1\.a-b"\]=\{config:(\{.*\}),siteApps:\[\]\}\}\)\(\);$`).FindStringSubmatch(script.body)
	if script.header.Get("Content-Type") != "application/javascript; charset=utf-8" || found == nil || !json.Valid([]byte(found[1])) {
		t.Errorf("config.js: %v", script)
	}
	for _, path := range []string{"/array/%22/config.js", "/array/%3C/config", "/array/a%20b/config", "/v1/projects/a%22b/settings", "/array/é/config", "/array/" + strings.Repeat("a", 129) + "/config.js", "/array/a%5Cb/config.js"} {
		if a := d.do("GET", path, "", "Origin", origin); a.status != 404 || a.code() != "unknown_route" {
			t.Errorf("%s: %v", path, a)
		}
	}
	if a := d.do("GET", "/array//config", ""); a.status != 404 {
		t.Error(a)
	}
	if a := d.do("POST", "/sourceConfig", "{}"); a.status != 405 || a.header.Get("Allow") != "GET, OPTIONS" {
		t.Error(a)
	}
	if n := d.value(`millrace_ingest_requests_total{route="bootstrap",code="ok"}`); n < 10 {
		t.Errorf("%v counted", n)
	}
	if d.sub.count() != 0 {
		t.Error("something was submitted")
	}
}

// A body that nobody needs is read as far as that is cheap, so that the connection can be used again.
func TestFlagsTakeBodies(t *testing.T) {
	d := open(t, nil)
	for _, path := range []string{"/flags/?v=2", "/decide/?v=3"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			a := d.do(method, path, map[string]string{http.MethodPost: `{"token":"phc_x","distinct_id":"u"}`}[method])
			if a.status != 200 || a.json["errorsWhileComputingFlags"] != false || fmt.Sprint(a.json["featureFlags"]) != "map[]" {
				t.Errorf("%s %s: %v", method, path, a)
			}
		}
	}
	conn := d.raw()
	for _, n := range []int{0, 10, maxDropped} {
		conn.send(fmt.Sprintf("POST /flags/ HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", n, strings.Repeat("x", n)))
		if a := conn.read(); a.status != 200 || a.close {
			t.Errorf("%d bytes: %v", n, a)
		}
	}
	conn.send("POST /flags/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
	if a := conn.read(); a.status != 200 || a.close {
		t.Errorf("chunked: %v", a)
	}
	conn.send(fmt.Sprintf("POST /flags/ HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", maxDropped+1, strings.Repeat("x", maxDropped+1)))
	if a := conn.read(); a.status != 200 {
		t.Errorf("a large body: %v", a)
	}
	if d.sub.count() != 0 {
		t.Error("something was submitted")
	}
}
