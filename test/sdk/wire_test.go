package sdk

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"
)

// object is a JSON object as it was sent; numbers are json.Number.
type object = map[string]any

// parse reads JSON and keeps the text of numbers.
func parse(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, fmt.Errorf("text after the value")
	}
	return v, nil
}

// compressed tells whether the body was sent compressed.
func (e *exchange) compressed() bool {
	return bytes.HasPrefix(e.raw, []byte{0x1f, 0x8b})
}

// text is the JSON in the request: without compression, form and base64.
func (e *exchange) text() ([]byte, error) {
	text := e.raw
	if e.compressed() {
		r, err := gzip.NewReader(bytes.NewReader(text))
		if err != nil {
			return nil, err
		}
		if text, err = io.ReadAll(r); err != nil {
			return nil, err
		}
	}
	data := e.query.Get("data")
	if bytes.HasPrefix(text, []byte("data=")) {
		// A plus sign of base64 stands for itself when the SDK did not escape it; no JSON of a form holds one unescaped but for a space.
		form, err := url.ParseQuery(string(text))
		if err != nil {
			return nil, err
		}
		data = form.Get("data")
	}
	if data == "" {
		return text, nil
	}
	if strings.HasPrefix(data, "{") || strings.HasPrefix(data, "[") {
		return []byte(data), nil
	}
	return base64.StdEncoding.DecodeString(strings.ReplaceAll(data, " ", "+"))
}

// want is what one event that was sent must have become.
type want struct {
	// columns of the events table that must be equal.
	columns map[string]any
	// JSON columns, compared as JSON; nil stands for an empty column.
	props, traits, context any
	// ts is the client's time in milliseconds; 0 when it gave none, then it is about when the request was sent.
	ts int64
	// id is the event's id when the client gave a UUID; given is the id that it gave, whatever it is.
	id, given string
	// session tells that the client gave a session.
	session bool
	// sent is the event as it was sent: nothing in it may be lost.
	sent object
	// mark is what tells one event from its siblings in messages.
	mark string
}

func (w *want) String() string {
	return fmt.Sprintf("%v %v id=%s ts=%d props=%s traits=%s", w.mark, w.columns, w.id, w.ts, show(w.props), show(w.traits))
}

func show(v any) string {
	if v == nil {
		return ""
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

// str is a member as text: "" when it is absent or null.
func str(o object, name string) string {
	switch v := o[name].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// sub is a member that is an object; nil when it is none.
func sub(o object, name string) object {
	v, _ := o[name].(object)
	return v
}

// nonEmpty is an object as the any that it is, nil without members.
func nonNil(o object) any {
	if o == nil {
		return nil
	}
	return o
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// isUUID tells whether the client's id is one in canonical form.
func isUUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i, c := range strings.ToLower(text) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && !strings.ContainsRune("0123456789abcdef", c) {
			return false
		}
	}
	return true
}

func uuidOf(id string) string {
	if isUUID(id) {
		return strings.ToLower(id)
	}
	return ""
}

// isoMillis reads the time of an ISO text; without a zone it is UTC.
func isoMillis(text string) int64 {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UnixMilli()
		}
	}
	return 0
}

// number is a member as a float; 0 when it is none.
func number(o object, name string) float64 {
	n, _ := o[name].(json.Number)
	f, _ := n.Float64()
	return f
}

// list reads an array of objects, or one object.
func list(v any) []object {
	switch v := v.(type) {
	case object:
		return []object{v}
	case []any:
		var out []object
		for _, e := range v {
			if o, ok := e.(object); ok {
				out = append(out, o)
			}
		}
		return out
	}
	return nil
}

// clone copies an object without the members named.
func clone(o object, but ...string) object {
	if o == nil {
		return nil
	}
	out := make(object, len(o))
	for name, v := range o {
		out[name] = v
	}
	for _, name := range but {
		delete(out, name)
	}
	return out
}
