package ingest

import (
	"net/url"
	"strings"
	"testing"

	"github.com/millrace/millrace/schema"
)

// policyKey has the policy drop, otherToken is no key of ours.
const (
	policyKey  = "adopted-key-with-drop"
	otherToken = "adopted-key-of-others"
)

func openWithPolicy(t *testing.T) *door {
	return open(t, func(_ *Config, _ *schema.Limits, deps *Deps) {
		deps.Keys = keys{testKey: {ID: "test", Project: 7}, policyKey: {ID: "policy", Project: 9, Address: schema.DropAddress}}
	})
}

// A log has no address of a client whose address is not to be kept.
func TestPolicyHoldsForTheLog(t *testing.T) {
	d := openWithPolicy(t)
	for _, headers := range [][]string{{"X-Write-Key", policyKey}, {"X-Write-Key", testKey, "X-IP-Policy", "remove"}} {
		d.do("POST", "/v1/track", `{"event":"e","userId":"u"}`, headers...)
		d.do("POST", "/v1/track", `{"event":7}`, headers...)
		d.do("POST", "/v1/track", `{"event":`, headers...)
	}
	if err := d.stop(); err != nil {
		t.Error(err)
	}
	if log := d.log.String(); strings.Contains(log, "127.0.0.1") || !strings.Contains(log, "key_id=policy") && !strings.Contains(log, `"key_id":"policy"`) {
		t.Errorf("the log: %s", log)
	}
}

// The key in a form counts as one in the body: events of others are refused, and it is no data.
func TestKeyInAFormIsTheBodys(t *testing.T) {
	d := openWithPolicy(t)
	form := func(events string) answer {
		return d.do("POST", "/e", "api_key="+policyKey+"&data="+url.QueryEscape(events), "Content-Type", "application/x-www-form-urlencoded")
	}
	form(`[{"event":"mine","distinct_id":"u","properties":{"token":"` + policyKey + `"}},{"event":"theirs","distinct_id":"u","token":"` + otherToken + `"}]`)
	b := d.sub.last()
	if b == nil || len(b.Events) != 2 || b.Project != 9 {
		t.Fatalf("submitted: %+v", b)
	}
	if b.Events[0].Refused() || b.Events[0].Has(schema.FieldProperties) && strings.Contains(string(b.Events[0].Text(schema.FieldProperties).In(b.Buf)), policyKey) {
		t.Errorf("the first: %s", b.Events[0].Text(schema.FieldProperties).In(b.Buf))
	}
	if !b.Events[1].Refused() {
		t.Error("an event of another project was taken")
	}
}

// The documents are for everybody: a page of any origin may read them, but not as somebody.
func TestDocumentsTakeNoCredentials(t *testing.T) {
	d := open(t, nil)
	for _, path := range []string{"/openapi.json", "/v1/errors"} {
		a := d.do("GET", path, "", "Origin", "https://shop.example")
		if a.status != 200 || a.header.Get("Access-Control-Allow-Origin") != "*" || a.header.Get("Access-Control-Allow-Credentials") != "" || a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, a.header)
		}
	}
}

// Events that come by GET are answered here and by no cache, whatever the answer is.
func TestNoCacheAnswersForEvents(t *testing.T) {
	d := open(t, nil)
	for _, path := range []string{"/mixpanel/track", "/mixpanel/track?data=%7B%22event%22%3A%22e%22%7D&token=" + testKey, "/mixpanel/track?callback=f&verbose=1&data=x", "/v1/pixel/track?data=e30="} {
		if a := d.do("GET", path, ""); a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", path, a.status, a.header)
		}
	}
	if a := d.post("/v1/track", `{"event":"e","userId":"u"}`); a.header.Get("Cache-Control") != "" {
		t.Errorf("a POST: %v", a.header)
	}
}
