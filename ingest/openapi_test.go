package ingest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/ingest/dialect"
	"github.com/millrace/millrace/schema"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// described is the document as the door answers it.
type described struct {
	OpenAPI string `json:"openapi"`
	Paths   map[string]map[string]struct {
		Responses map[string]struct {
			Content map[string]struct {
				Schema json.RawMessage `json:"schema"`
			} `json:"content"`
			Headers map[string]json.RawMessage `json:"headers"`
		} `json:"responses"`
	} `json:"paths"`
}

func describe(t *testing.T, d *door) (doc described, compiler *jsonschema.Compiler) {
	t.Helper()
	a := d.do("GET", "/openapi.json", "")
	if a.status != 200 {
		t.Fatalf("%v", a)
	}
	text := []byte(a.body)
	// Parameters of a path stand beside its methods.
	var loose map[string]any
	if err := json.Unmarshal(text, &loose); err != nil {
		t.Fatal(err)
	}
	for _, path := range loose["paths"].(map[string]any) {
		delete(path.(map[string]any), "parameters")
	}
	if err := json.Unmarshal(mustJSON(loose), &doc); err != nil {
		t.Fatal(err)
	}
	whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler = jsonschema.NewCompiler()
	if err := compiler.AddResource("openapi.json", whole); err != nil {
		t.Fatal(err)
	}
	return doc, compiler
}

// The paths and methods of the document are those of the door, no more and no fewer.
func TestOpenAPIPaths(t *testing.T) {
	d := open(t, nil)
	doc, _ := describe(t, d)
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("version %q", doc.OpenAPI)
	}
	want := map[string]bool{}
	for _, r := range dialect.Routes() {
		want[r.Path] = true
	}
	for p := range healthPaths {
		want[p] = true
	}
	for _, p := range pages {
		name, _ := templated(p.path)
		want[name] = true
	}
	for path := range doc.Paths {
		if !want[path] {
			t.Errorf("%s is described and not there", path)
		}
	}
	for path := range want {
		methods, ok := doc.Paths[path]
		if !ok {
			t.Errorf("%s is not described", path)
			continue
		}
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH"} {
			_, ok := methods[strings.ToLower(method)]
			a := d.do(method, strings.Replace(path, "{key}", testKey, 1), "")
			if a.status == 404 || ok == (a.status == 405) {
				t.Errorf("%s %s: described %v, answered %v", method, path, ok, a)
			}
		}
	}
}

// samples are bodies of each family, good and bad.
var samples = [schema.NumDialects][]string{
	schema.DialectNative:    {`{"event":"a","user_id":"u"}`, `[{"event":"a","user_id":"u"},{"event":5}]`, `{"event":5}`},
	schema.DialectSegment:   {`{"writeKey":"K","batch":[{"type":"track","event":"a","userId":"u"},{"type":"track","event":5}]}`, `{"event":"a","userId":"u","groupId":"g","previousId":"p"}`, `{"writeKey":"K","batch":[{"type":5}]}`},
	schema.DialectPostHog:   {`{"api_key":"K","batch":[{"event":"a","distinct_id":"u","uuid":"01998a3b-1111-7000-8000-000000000001"},{"event":5}]}`, `{"api_key":"K","event":"a","distinct_id":"u"}`, `{"api_key":"K","batch":[{"event":[]}]}`},
	schema.DialectAmplitude: {`{"api_key":"K","events":[{"event_type":"a","user_id":"user1"},{"event_type":[]}]}`, `{"api_key":"K","events":[{"event_type":[]}]}`},
	schema.DialectMixpanel:  {`[{"event":"a","properties":{"token":"K","distinct_id":"u"}},{"event":[],"properties":{"token":"K"}}]`, `{"$token":"K","$distinct_id":"u","$set":{"a":1}}`, `{"$token":"K","$group_key":"c","$group_id":"g","$set":{"a":1}}`, `{"event":[],"properties":{"token":"K"}}`},
}

// Whatever the door answers is described: status, type and body.
func TestOpenAPIAnswers(t *testing.T) {
	outcomes := map[string]func(b *schema.Batch) error{
		"stored": func(*schema.Batch) error { return nil }, "overloaded": func(*schema.Batch) error { return schema.ErrOverloaded },
		"broker away": func(*schema.Batch) error { return schema.ErrBrokerUnavailable },
		"unknown": func(b *schema.Batch) error {
			b.Events[0].Result, b.Events[0].Reason = schema.Retry, schema.Unknown
			return nil
		},
	}
	d := open(t, nil)
	doc, compiler := describe(t, d)
	statuses := map[int]int{}
	check := func(what, method, path string, a answer) {
		t.Helper()
		statuses[a.status]++
		op, ok := doc.Paths[path][strings.ToLower(method)]
		if !ok {
			t.Fatalf("%s: %s %s is not described", what, method, path)
		}
		r, ok := op.Responses[strconv.Itoa(a.status)]
		if !ok {
			t.Errorf("%s: %s %s: status %d is not described: %v", what, method, path, a.status, a)
			return
		}
		if _, ok := r.Headers["Retry-After"]; a.header.Get("Retry-After") != "" && !ok && a.status != 200 {
			t.Errorf("%s: %s %s: Retry-After with %d is not described", what, method, path, a.status)
		}
		if a.body == "" {
			return
		}
		kind, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
		content, ok := r.Content[kind]
		if err != nil || !ok {
			t.Errorf("%s: %s %s: %d has the type %q, described are %v", what, method, path, a.status, a.header.Get("Content-Type"), slices.Collect(maps.Keys(r.Content)))
			return
		}
		if content.Schema == nil {
			return
		}
		pointer := strings.NewReplacer("~", "~0", "/", "~1")
		compiled, err := compiler.Compile(fmt.Sprintf("openapi.json#/paths/%s/%s/responses/%d/content/%s/schema", pointer.Replace(path), strings.ToLower(method), a.status, pointer.Replace(kind)))
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(a.body))
		if err != nil {
			t.Errorf("%s: %s %s: %v: %v", what, method, path, err, a)
			return
		}
		if err := compiled.Validate(value); err != nil {
			t.Errorf("%s: %s %s: %v: %v", what, method, path, err, a)
		}
	}
	answered := 0
	for _, route := range dialect.Routes() {
		for name, then := range outcomes {
			d.sub.on(func(_ context.Context, b *schema.Batch) error { return then(b) })
			for _, sample := range append([]string{`{`, `5`, `{}`, `[]`, ``}, samples[route.Dialect]...) {
				body := strings.ReplaceAll(sample, `"K"`, `"`+testKey+`"`)
				for _, key := range []string{testKey, "nobody", queryKey} {
					what := fmt.Sprintf("%s, key %s, %s", name, key, sample)
					check(what, "POST", route.Path, d.do("POST", route.Path, body, "X-Write-Key", key, "Content-Type", "application/json"))
					if route.Get {
						check(what, "GET", route.Path, d.do("GET", route.Path+"?data="+url.QueryEscape(base64.StdEncoding.EncodeToString([]byte(body))), "", "X-Write-Key", key))
					}
					answered++
				}
			}
		}
	}
	for _, status := range []int{200, 400, 401, 403, 503, 429} {
		if statuses[status] == 0 {
			t.Errorf("no answer had status %d: %v", status, statuses)
		}
	}
	t.Logf("%d requests, answers by status: %v", answered, statuses)
}
