package ingest

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/schema"
)

// Validation answers as the path that it names would, and hands nothing to the Submitter.
func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name, as, body string
		status         int
		code           string
		says           string
	}{
		{"native", "", `[{"event":"a","user_id":"u"},{"event":5}]`, 200, "", `"rejected":1,"durability":"none"`},
		{"all refused", "", `{"event":5}`, 400, "invalid_type", `"field":"/event"`},
		{"segment", "/v1/batch", `{"batch":[{"type":"track","event":"a","userId":5}]}`, 400, "invalid_type", `"field":"/userId"`},
		{"shared", "/batch", `{"api_key":"k","events":[{"event_type":"a","user_id":"u"}]}`, 200, "", `"accepted":1`},
		{"prefixed", "/posthog/batch", `{"api_key":"k","batch":[{"event":"a","distinct_id":"u"}]}`, 200, "", `"accepted":1`},
		{"unknown", "/nowhere", `{}`, 400, "invalid_request", "/2/httpapi"},
		{"itself", "/v1/validate", `{}`, 400, "invalid_request", `as is \"/v1/validate\"`},
		{"no events", "/s", `{}`, 400, "invalid_request", ""},
		{"no JSON", "", `{`, 400, "invalid_json", ""},
		{"empty", "", `[]`, 400, "empty_batch", ""},
	} {
		d := open(t, nil)
		path := "/v1/validate?results=all"
		if c.as != "" {
			path += "&as=" + c.as
		}
		a := d.do("POST", path, c.body, "X-Write-Key", testKey)
		if a.status != c.status || a.code() != c.code && c.code != "" || !strings.Contains(a.body, c.says) {
			t.Errorf("%s: %v", c.name, a)
		}
		if n := d.sub.count(); n != 0 {
			t.Errorf("%s: %d batches were submitted", c.name, n)
		}
	}
}

func TestValidateNeedsAKey(t *testing.T) {
	d := open(t, nil)
	if a := d.do("POST", "/v1/validate", `{"event":"a","user_id":"u"}`); a.status != 401 || a.code() != "invalid_key" {
		t.Errorf("%v", a)
	}
	if a := d.do("POST", "/v1/validate?as=/2/httpapi", `{"api_key":"`+testKey+`","events":[{"event_type":"a","user_id":"u"}]}`); a.status != 401 {
		t.Errorf("a key in the body counts: %v", a)
	}
}

// What an event would be refused for by the stage behind the door shows, too.
func TestValidateAsksTheStages(t *testing.T) {
	d := open(t, func(_ *Config, _ *schema.Limits, deps *Deps) {
		deps.Validate = func(b *schema.Batch) { b.Events[0].Refuse(schema.IllegalID, "/user_id", "nobody") }
	})
	if a := d.do("POST", "/v1/validate", `{"event":"a","user_id":"null"}`, "X-Write-Key", testKey); a.status != 400 || a.code() != "illegal_id" || !strings.Contains(a.body, `"quarantined":false`) {
		t.Errorf("%v", a)
	}
}
