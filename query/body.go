package query

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"
)

// readBody reads the whole body. Only then does net/http notice a client that goes away.
func (r *request) readBody() ([]byte, *refusal) {
	body, err := io.ReadAll(http.MaxBytesReader(r.w, r.http.Body, r.s.cfg.MaxBodyBytes))
	var tooLarge *http.MaxBytesError
	var timeout net.Error
	switch {
	case errors.As(err, &tooLarge):
		return nil, r.tooLarge()
	case errors.As(err, &timeout) && timeout.Timeout():
		return nil, refuse(codeTimeout, fmt.Sprintf("the request did not arrive within %v (limit query.body_timeout)", r.s.cfg.BodyTimeout))
	case err != nil:
		return nil, refuse(codeInvalidRequest, "the body broke off")
	}
	return body, nil
}

// decode reads the body as one JSON object with the fields of into and no others.
func decode(body []byte, into any) *refusal {
	trimmed := bytes.TrimSpace(body)
	switch {
	case len(trimmed) == 0:
		return refuse(codeInvalidJSON, "the body is empty: send the question as a JSON object")
	case !utf8.Valid(body):
		return refuse(codeInvalidJSON, "the body is not UTF-8")
	case trimmed[0] != '{':
		return refuse(codeInvalidJSON, "the body is not a JSON object: it must begin with {")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return undecodable(err)
	}
	end := d.InputOffset()
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return refuse(codeInvalidJSON, fmt.Sprintf("there is more behind the JSON object, which ends at byte %d", end))
	}
	if name, is := repeated(body); is {
		return refuse(codeInvalidJSON, fmt.Sprintf("the field %q stands twice in one object: which of them counts would be a guess", name))
	}
	return nil
}

// repeated finds a name that an object of the JSON text, which is valid, has twice. Upper and lower case are the same, as to encoding/json, but not in
// parameters: those names are the statement's.
func repeated(text []byte) (name string, is bool) {
	type object struct {
		names map[string]bool // nil: an array
		value bool            // a value comes next, not a name
		exact bool
	}
	d := json.NewDecoder(bytes.NewReader(text))
	var open []object
	var last string
	for {
		token, err := d.Token()
		if err != nil {
			return "", false // the end
		}
		var in *object
		if len(open) > 0 {
			in = &open[len(open)-1]
		}
		if in != nil && in.names != nil && !in.value && token != json.Delim('}') {
			last = token.(string)
			key := last
			if !in.exact {
				key = strings.ToLower(key)
			}
			if in.names[key] {
				return last, true
			}
			in.names[key], in.value = true, true
			continue
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			exact := in != nil && (in.exact || len(open) == 1 && strings.EqualFold(last, "parameters"))
			next := object{exact: exact}
			if token == json.Delim('{') {
				next.names = map[string]bool{}
			}
			open = append(open, next)
			continue
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
		}
		if len(open) > 0 {
			open[len(open)-1].value = false
		}
	}
}

// undecodable says what an error of encoding/json means to the caller. The package has no type for an unknown field, only a text.
func undecodable(err error) *refusal {
	var syntax *json.SyntaxError
	var mistyped *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return refuse(codeInvalidJSON, fmt.Sprintf("the body is no JSON at byte %d: %v", syntax.Offset, err))
	case errors.Is(err, io.ErrUnexpectedEOF):
		return refuse(codeInvalidJSON, "the body ends inside the JSON object")
	case errors.As(err, &mistyped):
		detail := fmt.Sprintf("is %s at byte %d, want %s", mistyped.Value, mistyped.Offset, jsonKind(mistyped.Type))
		return invalidQuestion([]flaw{{Pointer: pointerOf(mistyped.Field), Code: "invalid_type", Detail: detail}})
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return refuse(codeUnknownField, fmt.Sprintf("the field %s is not known; a field that is not understood is never ignored", name))
	}
	return invalidQuestion([]flaw{{Pointer: "", Code: "invalid_value", Detail: strings.TrimPrefix(err.Error(), "json: ")}})
}

// pointerOf turns a path of encoding/json into a pointer. Names of embedded structs are in it, which no JSON has: they begin with a capital letter, and fields do not.
func pointerOf(path string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(path, ".") {
		if part != "" && (part[0] < 'A' || part[0] > 'Z') {
			b.WriteString("/" + part)
		}
	}
	return b.String()
}

// jsonKind says what JSON a Go type takes.
func jsonKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number in range"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "an array"
	default:
		return "an object"
	}
}

// invalidQuestion is the refusal for what is wrong with a question, which its detail sums up.
func invalidQuestion(flaws []flaw) *refusal {
	p := flaws[0]
	detail := strings.TrimSpace(p.Pointer + " " + p.Detail)
	if more := len(flaws) - 1; more > 0 {
		detail = fmt.Sprintf("%s; and %d more, see problems", detail, more)
	}
	return &refusal{code: codeInvalidQuestion, detail: detail, problems: flaws}
}
