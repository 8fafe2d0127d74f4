package ingest

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/ingest/dialect"
	"github.com/millrace/millrace/schema"
	"github.com/valyala/fasthttp"
)

// openAPI is the description of the door (OpenAPI 3.1), made from the tables that the door itself goes by: routes, pages, codes and reasons. Set at the start, see pages.
var openAPI []byte

// object and list are JSON of the document.
type (
	object = map[string]any
	list   = []any
)

func ref(name string) object { return object{"$ref": "#/components/schemas/" + name} }

func describeAPI() object {
	paths := object{}
	for _, route := range dialect.Routes() {
		path, ok := paths[route.Path].(object)
		if !ok {
			path = object{}
			paths[route.Path] = path
		}
		addOperation(path, "post", &route)
		if route.Get {
			addOperation(path, "get", &route)
		}
	}
	for _, p := range pages {
		name, parameters := templated(p.path)
		path := object{}
		if len(parameters) > 0 {
			path["parameters"] = parameters
		}
		for method := range strings.SplitSeq(strings.ToLower(p.methods), ", ") {
			if method == "options" || method == "head" {
				continue
			}
			responses := object{"200": object{"description": "the document"}, "405": refusalOf("another method", codeMethodNotAllowed)}
			if len(parameters) > 0 {
				responses["404"] = refusalOf("the key cannot be one", codeUnknownRoute)
			}
			path[method] = object{"summary": p.summary, "tags": list{otherRoutes[p.index]}, "security": list{}, "responses": responses}
		}
		paths[name] = path
	}
	for _, p := range slices.Sorted(maps.Keys(healthPaths)) {
		paths[p] = object{"get": object{
			"summary": healthSummaries[healthPaths[p]], "tags": list{otherRoutes[routeHealth]}, "security": list{},
			"responses": object{"200": object{"description": "yes"}, "503": object{"description": "no; the body says why"}},
		}}
	}
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Millrace: the door", "version": "1",
			"description": "Takes events from the SDKs of Segment, RudderStack, Jitsu, PostHog, Amplitude and Mixpanel, and natively. A success means that the events are durable. Every path may end with a slash. A path of an SDK " +
				"family may also follow the family's name, such as /posthog/batch: " + strings.Join(slices.Sorted(maps.Keys(dialect.Prefixes())), ", ") + ".",
			"license": object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"security":   list{object{"basic": list{}}, object{"bearer": list{}}, object{"writeKey": list{}}, object{"query": list{}}},
		"paths":      paths,
		"components": object{"schemas": schemas(), "securitySchemes": securitySchemes()},
	}
}

var healthSummaries = map[string]string{pathLive: "The process turns", pathReady: "Events can be accepted durably now; ?verbose says more"}

func securitySchemes() object {
	return object{
		"basic":    object{"type": "http", "scheme": "basic", "description": "the write key as user; no password"},
		"bearer":   object{"type": "http", "scheme": "bearer", "description": "the write key"},
		"writeKey": object{"type": "apiKey", "in": "header", "name": "X-Write-Key"},
		"query":    object{"type": "apiKey", "in": "query", "name": "writeKey", "description": "also api_key or token. SDKs that send their key in the body need none of these"},
	}
}

// templated turns a page's pattern into a path with a named parameter.
func templated(pattern string) (path string, parameters list) {
	if !strings.Contains(pattern, "{}") {
		return pattern, nil
	}
	return strings.Replace(pattern, "{}", "{key}", 1), list{object{"name": "key", "in": "path", "required": true, "description": "the write key", "schema": object{"type": "string"}}}
}

// forms say of what types the answers of a route are, each with its schema, "" for none.
type forms struct{ success, refusal map[string]string }

// formsOf are those of the route's voice.
func formsOf(route *dialect.Route) forms {
	r := request{route: route, settled: true}
	image := map[string]string{gifType: ""}
	told := func(schema string) map[string]string {
		return map[string]string{jsonType: schema, "text/plain": "", gifType: "", "application/javascript": ""}
	}
	problem := map[string]string{problemType: "problem"}
	switch r.voice() {
	case &pixelVoice:
		return forms{image, image}
	case &posthogVoice:
		return forms{map[string]string{jsonType: "posthogOutcome"}, problem}
	case &captureVoice:
		return forms{map[string]string{jsonType: "captureOutcome"}, problem}
	case &amplitudeVoice:
		return forms{map[string]string{jsonType: "amplitudeOutcome"}, map[string]string{jsonType: "numberedProblem"}}
	case &mixpanelVoice:
		return forms{told("mixpanelOutcome"), told("mixpanelProblem")}
	case &importVoice:
		return forms{told("importOutcome"), told("mixpanelProblem")}
	}
	return forms{map[string]string{jsonType: "outcome"}, problem}
}

// addOperation describes what a route takes and answers. Routes that share a path share its operations.
func addOperation(path object, method string, route *dialect.Route) {
	family := route.Dialect.String()
	op, shared := path[method].(object)
	if !shared {
		op = object{"tags": list{}, "summary": summary(route), "responses": statuses()}
		path[method] = op
	} else {
		op["summary"] = op["summary"].(string) + ", or of " + family
	}
	op["tags"] = append(op["tags"].(list), family)
	form := formsOf(route)
	for status, response := range op["responses"].(object) {
		addContent(response.(object), form, status)
		if route.Shared() && status != "200" {
			addContent(response.(object), forms{refusal: map[string]string{jsonType: "numberedProblem"}}, status)
		}
	}
	if route.Dialect == schema.DialectPostHog && route.Shape == dialect.Events {
		op["responses"].(object)["204"] = object{"description": "durable, for beacon=1"}
	}
	if route.Shape == dialect.Import {
		addContent(op["responses"].(object)["400"].(object), forms{refusal: map[string]string{jsonType: "importOutcome"}}, "400")
	}
	switch {
	case method == "get":
		op["parameters"] = list{object{"name": "data", "in": "query", "required": true, "description": "the JSON, plain or in base64", "schema": object{"type": "string"}}}
	case !shared:
		op["requestBody"] = object{"required": true, "content": object{
			jsonType:                            object{"schema": object{"anyOf": list{ref(bodies[route.Dialect])}}},
			"application/x-www-form-urlencoded": object{"schema": object{"type": "object", "properties": object{"data": object{"type": "string", "description": "the JSON, plain or in base64"}}, "required": list{"data"}}},
		}}
	default:
		of := op["requestBody"].(object)["content"].(object)[jsonType].(object)["schema"].(object)
		of["anyOf"] = append(of["anyOf"].(list), ref(bodies[route.Dialect]))
	}
	if route.Check {
		op["responses"].(object)["200"].(object)["description"] = "what would become of each event; nothing is stored"
		of := list{}
		for _, name := range bodies {
			of = append(of, ref(name))
		}
		op["requestBody"].(object)["content"].(object)[jsonType].(object)["schema"] = object{"anyOf": of}
		op["parameters"] = list{object{"name": "as", "in": "query", "description": "the path that the body is meant for; default /v1/events. A family's name may stand before it, such as /posthog/batch", "schema": object{"type": "string", "enum": anyOf(eventPaths())}}}
	}
}

// addContent adds what a form answers under a status to a response.
func addContent(response object, form forms, status string) {
	types := form.refusal
	if status == "200" {
		types = form.success
	}
	content, ok := response["content"].(object)
	if !ok {
		content = object{}
		response["content"] = content
	}
	for kind, name := range types {
		if name == "" {
			content[kind] = object{}
			continue
		}
		of, ok := content[kind].(object)
		if !ok {
			of = object{"schema": object{"anyOf": list{}}}
			content[kind] = of
		}
		one := of["schema"].(object)
		one["anyOf"] = append(one["anyOf"].(list), ref(name))
	}
}

// bodies name the schemas of what the families send.
var bodies = [schema.NumDialects]string{"nativeBody", "segmentBody", "posthogBody", "amplitudeBody", "mixpanelBody"}

func summary(route *dialect.Route) string {
	switch {
	case route.Check:
		return "Say what would become of events; nothing is stored"
	case route.Shape == dialect.Discarded:
		return "What is no event: answered, not kept"
	case route.Pixel:
		return "An event as an image"
	case route.Shape == dialect.Updates:
		return "Operations on properties of people"
	case route.Shape == dialect.Groups:
		return "Operations on properties of groups"
	case route.Type != schema.TypeNone:
		return "One event of type " + route.Type.String()
	}
	return "Events"
}

// statuses are the answers of a route by status, with the codes of each.
func statuses() object {
	all := object{"200": object{"description": "durable; what was refused is listed"}}
	byStatus := map[int][]code{}
	for c := codeOK + 1; c < codeNotReady; c++ {
		byStatus[codes[c].status] = append(byStatus[codes[c].status], c)
	}
	for status, of := range byStatus {
		all[strconv.Itoa(status)] = refusalOf(codes[of[0]].title, of...)
	}
	// Some SDKs need to hear this status where others hear 503.
	all["429"] = refusalOf(codes[codeRateLimited].title, append(byStatus[fasthttp.StatusTooManyRequests], byStatus[fasthttp.StatusServiceUnavailable]...)...)
	return all
}

// refusalOf describes a refusal with the codes that it can have.
func refusalOf(description string, of ...code) object {
	words := make([]string, len(of))
	for i, c := range of {
		words[i] = c.String()
	}
	r := object{"description": description + ": " + strings.Join(words, ", ")}
	for _, c := range of {
		if codes[c].retry > 0 {
			r["headers"] = object{"Retry-After": object{"description": "seconds to wait", "schema": object{"type": "integer", "minimum": 1, "maximum": 30}}}
		}
	}
	return r
}

func anyOf[T any](values []T) list {
	all := make(list, len(values))
	for i, v := range values {
		all[i] = v
	}
	return all
}
