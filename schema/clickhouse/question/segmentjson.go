package question

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxSegmentBytes is the longest definition. It has to be kept, compared and shown.
const maxSegmentBytes = 256 << 10

// ParseSegment reads a definition, one JSON object, and validates it. It takes no member that it does not know, and none twice. Every error that it returns is one or more
// joined *Problem.
func ParseSegment(text []byte) (*Segment, error) {
	var r report
	if !r.need(len(text) <= maxSegmentBytes, "", CodeTooLong, strconv.Itoa(len(text))+" bytes are above the limit of "+strconv.Itoa(maxSegmentBytes)+" for a definition") ||
		!r.need(utf8.Valid(text), "", CodeInvalidJSON, "is not UTF-8") {
		return nil, r.err()
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	shape := shape{d, &r}
	err := shape.value(reflect.TypeFor[Segment](), "", 0)
	if err == nil {
		end := d.InputOffset()
		if _, after := d.Token(); !errors.Is(after, io.EOF) {
			err = fmt.Errorf("there is more behind the object, which ends at byte %d", end)
		}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("it ends too early")
	}
	if err != nil {
		r.need(false, "", CodeInvalidJSON, "is not one JSON object: "+err.Error())
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	s := new(Segment)
	if err := json.Unmarshal(text, s); err != nil {
		return nil, &Problem{"", CodeInvalidJSON, "cannot be read: " + err.Error()}
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return s, nil
}

// shape compares JSON with the Go type that it is to be read into. encoding/json alone tells the first error only, not where it is, and takes members twice, and with
// upper case for lower.
type shape struct {
	d *json.Decoder
	r *report
}

// maxJSONDepth is more than any valid definition has.
const maxJSONDepth = 64

var errTooDeep = fmt.Errorf("it is nested deeper than %d levels", maxJSONDepth)

var instantType = reflect.TypeFor[Instant]()

// value reads the next value. An error is about the text, which then is not read on; what is wrong with values is noted.
func (s shape) value(t reflect.Type, pointer string, depth int) error {
	if depth > maxJSONDepth {
		return errTooDeep
	}
	token, err := s.d.Token()
	if err != nil {
		return err
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case token == nil && depth > 0: // as if it were not there
		return nil
	case t == instantType: // which takes anything, and knows what a time is
		return s.skip(token)
	case t.Kind() == reflect.Struct && token == json.Delim('{'):
		return s.object(t, pointer, depth)
	case t.Kind() == reflect.Slice && token == json.Delim('['):
		i := 0
		for ; s.d.More(); i++ {
			if err := s.value(t.Elem(), at(pointer, i), depth+1); err != nil {
				return err
			}
		}
		_, err := s.d.Token()
		return err
	}
	switch v := token.(type) {
	case string:
		s.need(t, reflect.String, pointer, "a text")
	case bool:
		s.need(t, reflect.Bool, pointer, "true or false")
	case json.Number:
		if s.need(t, reflect.Int64, pointer, "a number") {
			_, err := strconv.ParseInt(v.String(), 10, 64)
			s.r.need(err == nil, pointer, CodeInvalidNumber, clip(v.String())+" is not a whole number in range")
		}
	case nil:
		s.need(t, reflect.Invalid, pointer, "null")
	case json.Delim:
		s.need(t, reflect.Invalid, pointer, map[json.Delim]string{'{': "an object", '[': "a list"}[v])
		return s.skip(token)
	}
	return nil
}

// need notes a value of another kind.
func (s shape) need(t reflect.Type, kind reflect.Kind, pointer, is string) bool {
	want := map[reflect.Kind]string{
		reflect.Struct: "an object", reflect.Slice: "a list", reflect.String: "a text", reflect.Bool: "true or false", reflect.Int64: "a whole number",
	}[t.Kind()]
	return s.r.need(t.Kind() == kind, pointer, CodeInvalidType, "is "+is+": give "+want)
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

func (s shape) object(t reflect.Type, pointer string, depth int) error {
	known := map[string]reflect.Type{}
	var names []string
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			known[name] = f.Type
			names = append(names, name)
		}
	}
	seen := map[string]bool{}
	for s.d.More() {
		token, err := s.d.Token()
		if err != nil {
			return err
		}
		name, ok := token.(string)
		if !ok {
			return fmt.Errorf("%v where the name of a member belongs", token)
		}
		member := pointer + "/" + pointerEscapes.Replace(name)
		s.r.need(!seen[name], member, CodeInvalidJSON, "stands there twice: which of them counts would be a guess")
		seen[name] = true
		if typ, ok := known[name]; ok {
			err = s.value(typ, member, depth+1)
		} else {
			slices.Sort(names)
			s.r.need(false, member, CodeUnknownField, "is not known here: use "+strings.Join(names, ", "))
			if token, err = s.d.Token(); err == nil {
				err = s.skip(token)
			}
		}
		if err != nil {
			return err
		}
	}
	_, err := s.d.Token()
	return err
}

// skip reads what is left of the value that begins with the token.
func (s shape) skip(token json.Token) error {
	for open := 0; ; {
		switch token {
		case json.Delim('{'), json.Delim('['):
			open++
		case json.Delim('}'), json.Delim(']'):
			open--
		}
		if open == 0 {
			return nil
		}
		var err error
		if token, err = s.d.Token(); err != nil {
			return err
		}
	}
}
