package dialect

import (
	"encoding/json"
	"testing"

	"github.com/millrace/millrace/schema"
)

// A decoder serves any number of requests in turn, of any families: nothing of one shows in the next.
func TestNothingIsLeftOfTheBodyBefore(t *testing.T) {
	first := map[string]string{
		"/v1/events":      `{"event":"a","user_id":"u","one":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","two":{"b":1},"three":3}`,
		"/v1/track":       `{"event":"a","userId":"u","one":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","two":{"b":1},"three":3}`,
		"/posthog/e":      `{"event":"a","distinct_id":"u","one":1,"$groups":{"a":"b"},"properties":{"token":"phc_1","$ip":"192.0.2.1","$set":{"a":1}}}`,
		"/2/httpapi":      `{"events":[{"event_type":"a","user_id":"user1","one":1,"groups":{"a":"b"},"user_properties":{"$set":{"a":1}}}]}`,
		"/engage":         `[{"$distinct_id":"u","$token":"t","one":1,"$set":{"a":1}}]`,
		"/mixpanel/track": `[{"event":"a","one":1,"properties":{"distinct_id":"u","token":"t","ip":0}}]`,
	}
	second := map[string]string{
		"/v1/events":      `{"event":"a","user_id":"u"}`,
		"/v1/track":       `{"event":"a","userId":"u"}`,
		"/posthog/e":      `{"event":"a","distinct_id":"u"}`,
		"/2/httpapi":      `{"events":[{"event_type":"a","user_id":"user1"}]}`,
		"/engage":         `[{"$distinct_id":"u"}]`,
		"/mixpanel/track": `[{"event":"a","properties":{"distinct_id":"u"}}]`,
	}
	for before, one := range first {
		for path, two := range second {
			d := New(schema.DefaultLimits(), 100)
			for at, body := range map[string]string{before: one} {
				route, _ := Lookup([]byte(at))
				if err := d.Decode(route, &schema.Batch{Buf: []byte(body)}, Options{}); err != nil {
					t.Fatal(at, err)
				}
			}
			route, _ := Lookup([]byte(path))
			b := &schema.Batch{Buf: []byte(two)}
			if err := d.Decode(route, b, Options{}); err != nil {
				t.Fatal(path, err)
			}
			e := &b.Events[0]
			for _, f := range []schema.Field{schema.FieldContext, schema.FieldTraits, schema.FieldIP} {
				if text := e.Text(f).In(b.Buf); len(text) > 0 {
					t.Errorf("%s after %s: field %v is %s, valid JSON: %v", path, before, f, text, json.Valid(text))
				}
			}
			if e.NoAddress || e.ClientAddr.Len() > 0 || e.Refused() {
				t.Errorf("%s after %s: %+v", path, before, e)
			}
		}
	}
}

// The request's own key does not stand in rows, wherever the client showed it.
func TestTheKeyIsNoData(t *testing.T) {
	for path, c := range map[string]struct {
		body  string
		field schema.Field
		want  string
	}{
		"/v1/events":       {`{"event":"a","user_id":"u","writeKey":"secret-of-16-bytes","api_key":"secret\u002dof-16-bytes","x":"secret-of-16-byteS"}`, schema.FieldContext, `{"$other":{"x":"secret-of-16-byteS"}}`},
		"/v1/track":        {`{"event":"a","userId":"u","api_key":"secret-of-16-bytes"}`, schema.FieldContext, ``},
		"/posthog/e":       {`{"event":"a","distinct_id":"u","properties":{"token":"secret-of-16-bytes","x":1}}`, schema.FieldProperties, `{"x":1}`},
		"/posthog/capture": {`{"event":"a","distinct_id":"u","properties":{"token":"secret-of-16-bytes","token":"other","x":1}}`, schema.FieldProperties, `{"x":1}`},
		"/engage":          {`[{"$distinct_id":"u","token":"secret-of-16-bytes","$set":{"a":1}}]`, schema.FieldContext, ``},
	} {
		route, ok := Lookup([]byte(path))
		if !ok {
			t.Fatal(path)
		}
		b := &schema.Batch{Buf: []byte(c.body)}
		if err := New(schema.DefaultLimits(), 100).Decode(route, b, Options{Secret: []byte("secret-of-16-bytes")}); err != nil {
			t.Fatal(path, err)
		}
		if got := string(b.Events[0].Text(c.field).In(b.Buf)); got != c.want {
			t.Errorf("%s: %s, want %s", path, got, c.want)
		}
	}
}
