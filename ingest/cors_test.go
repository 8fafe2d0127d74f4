package ingest

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/ingest/dialect"
)

func TestPreflight(t *testing.T) {
	d := open(t, nil)
	const origin, wanted = "https://shop.example", "authorization, x-retry-count, AnonymousId"
	for _, r := range dialect.Routes() {
		a := d.do("OPTIONS", r.Path, "", "Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", wanted)
		for key, want := range map[string]string{
			"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true", "Access-Control-Allow-Headers": wanted,
			"Access-Control-Allow-Methods": map[bool]string{false: "POST, OPTIONS", true: "GET, POST, OPTIONS"}[r.Get], "Access-Control-Max-Age": "86400", "Vary": "Origin",
		} {
			if got := a.header.Get(key); a.status != 204 || got != want {
				t.Errorf("%s: %d, %s %q, want %q", r.Path, a.status, key, got, want)
			}
		}
	}
	// What SDKs ask for before they send, as RudderStack's and PostHog's add headers of their own.
	for path, methods := range map[string]string{
		"/flags/": "GET, POST, OPTIONS", "/decide/": "GET, POST, OPTIONS", "/posthog/flags/": "GET, POST, OPTIONS", "/array/phc_x/config": "GET, OPTIONS", "/v1/projects/k/settings": "GET, OPTIONS", "/sourceConfig/": "GET, OPTIONS",
	} {
		wanted := "anonymousid, sentat, rsa-recovered, posthog-sdk-info"
		a := d.do("OPTIONS", path, "", "Origin", origin, "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", wanted)
		if h := a.header; a.status != 204 || h.Get("Access-Control-Allow-Methods") != methods || h.Get("Access-Control-Allow-Headers") != wanted || h.Get("Access-Control-Allow-Origin") != origin || h.Get("Access-Control-Allow-Credentials") != "true" {
			t.Errorf("%s: %v %v", path, a, h)
		}
	}
	if a := d.do("OPTIONS", "/v1/batch", ""); a.status != 204 || a.header.Get("Allow") != "POST, OPTIONS" || a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("OPTIONS that is no preflight: %v %v", a, a.header)
	}
	for _, path := range []string{"/readyz", "/nowhere"} {
		a := d.do("OPTIONS", path, "", "Origin", origin, "Access-Control-Request-Method", "GET")
		if a.status < 400 || a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s answers other origins: %v %v", path, a, a.header)
		}
	}
	if d.sub.count() != 0 {
		t.Error("a preflight was submitted")
	}
}

// A page can read every answer of an ingest route, refusals too, and Retry-After with them.
func TestCrossOriginAnswers(t *testing.T) {
	d := open(t, nil)
	const origin = "http://127.0.0.1:3000"
	for name, a := range map[string]answer{
		"ok":       d.post("/v1/t", `{"event":"e"}`, "Origin", origin),
		"bad json": d.post("/v1/t", `{`, "Origin", origin),
		"no key":   d.do("POST", "/v1/t", `{}`, "Origin", origin),
		"method":   d.do("GET", "/v1/t", ``, "Origin", origin),
	} {
		if a.header.Get("Access-Control-Allow-Origin") != origin || a.header.Get("Access-Control-Allow-Credentials") != "true" || !strings.Contains(a.header.Get("Access-Control-Expose-Headers"), "Retry-After") {
			t.Errorf("%s: %v", name, a.header)
		}
	}
	if a := d.post("/v1/t", `{"event":"e"}`); a.header.Get("Access-Control-Allow-Origin") != "" || a.header.Get("Vary") != "" {
		t.Errorf("without an origin: %v", a.header)
	}
	for path, a := range map[string]answer{"/livez": d.do("GET", "/livez", "", "Origin", origin), "/x": d.do("POST", "/x", "", "Origin", origin)} {
		if a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %v", path, a.header)
		}
	}
}
