package query

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/millrace/millrace/internal/rest"
)

// readBody reads the whole body. Only then does net/http notice a client that goes away.
func (r *request) readBody() ([]byte, *refusal) {
	body, wrong := rest.ReadBody(r.w, r.http, r.s.cfg.MaxBodyBytes)
	switch wrong {
	case nil:
		return body, nil
	case codeTooLarge:
		return nil, r.tooLarge()
	case codeTimeout:
		return nil, refuse(codeTimeout, fmt.Sprintf("the request did not arrive within %v (limit query.body_timeout)", r.s.cfg.BodyTimeout))
	}
	return nil, refuse(wrong, "the body broke off")
}

// decode reads the body as one JSON object with the fields of into and no others. The names of parameters are the statement's.
func decode(body []byte, into any) *refusal {
	var malformed rest.Malformed
	switch err := rest.Decode(body, "parameters", into); {
	case err == nil:
		return nil
	case errors.As(err, &malformed):
		return refuse(codeInvalidJSON, malformed.Error())
	default:
		return undecodable(err)
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
