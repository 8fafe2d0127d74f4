package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"unicode/utf8"
)

// JSONMedia tells whether a body of this Content-Type can be JSON in UTF-8. It is a hint only: curl names a form when it is told nothing.
func JSONMedia(contentType string) bool {
	if strings.TrimSpace(contentType) == "" {
		return true
	}
	name, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "utf8") && !strings.EqualFold(charset, "us-ascii") {
		return false
	}
	switch name {
	case "application/json", "text/json", "text/plain", "application/x-www-form-urlencoded", "application/octet-stream":
		return true
	}
	return strings.HasSuffix(name, "+json")
}

// ReadBody reads the whole body, at most so many bytes. It blocks until the body is there; only then does net/http notice a client that goes away. The code says what is wrong: TooLarge,
// Timeout or InvalidRequest, and nil that nothing is.
func ReadBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, *Code) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	var tooLarge *http.MaxBytesError
	var timeout net.Error
	switch {
	case errors.As(err, &tooLarge):
		return nil, TooLarge
	case errors.As(err, &timeout) && timeout.Timeout():
		return nil, Timeout
	case err != nil:
		return nil, InvalidRequest
	}
	return body, nil
}

// Malformed is what is wrong with a body that is not one JSON object, in words for whoever has sent it.
type Malformed string

func (m Malformed) Error() string { return string(m) }

// Decode reads the body as one JSON object with the fields of into, a pointer to a struct, and no others, none of them twice. Upper and lower case are the same, as to encoding/json, but not in
// the field exact of the object, whose names are somebody else's; "": there is no such field. The error is Malformed, or that of encoding/json.
func Decode(body []byte, exact string, into any) error {
	trimmed := bytes.TrimSpace(body)
	switch {
	case len(trimmed) == 0:
		return Malformed("the body is empty: send a JSON object")
	case !utf8.Valid(body):
		return Malformed("the body is not UTF-8")
	case trimmed[0] != '{':
		return Malformed("the body is not a JSON object: it must begin with {")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	end := d.InputOffset()
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Malformed(fmt.Sprintf("there is more behind the JSON object, which ends at byte %d", end))
	}
	if name, is := repeated(body, exact); is {
		return Malformed(fmt.Sprintf("the field %q stands twice in one object: which of them counts would be a guess", name))
	}
	return nil
}

// repeated finds a name that an object of the JSON text, which is valid, has twice.
func repeated(text []byte, exactly string) (name string, is bool) {
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
				key = strings.ToLower(strings.ToUpper(key)) // as encoding/json, which takes U+017F for s and U+212A for k
			}
			if in.names[key] {
				return last, true
			}
			in.names[key], in.value = true, true
			continue
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			exact := in != nil && (in.exact || exactly != "" && len(open) == 1 && strings.EqualFold(last, exactly))
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
