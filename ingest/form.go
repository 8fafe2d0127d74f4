package ingest

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/millrace/millrace/schema"
)

const (
	// formData is the field that holds the events, formStart how a form begins with it; formEvent is what Amplitude calls it.
	formData  = "data"
	formStart = formData + "="
	formEvent = "event"
	// maxFormFields and maxFormBytes bound what a form has beside its data.
	maxFormFields = 32
	maxFormBytes  = 4 << 10
)

// form is what a form has beside its data. It owns its memory, which is pooled with the request.
type form struct {
	text   []byte // names and values, decoded, one behind the other
	fields []field
}

// field is a field of a form: its name and then its value lie in text from begin on.
type field struct{ begin, name, end int }

func (f *form) reset() form { return form{f.text[:0], f.fields[:0]} }

// param finds a parameter of the request: in the query of its URL, else in its form. It is valid until the request is released, and nil or empty when there
// is none.
func (r *request) param(name string) []byte {
	if value := r.ctx.QueryArgs().Peek(name); len(value) > 0 {
		return value
	}
	for _, f := range r.form.fields {
		if string(r.form.text[f.begin:f.name]) == name {
			return r.form.text[f.name:f.end]
		}
	}
	return nil
}

// takeForm replaces the form in the batch's buffer by its field data, decoded, and keeps the other fields for param.
func (r *request) takeForm() *refusal {
	body := bytes.TrimRight(trimBlank(r.batch.Buf), "\r\n") // as editors leave it; in a field it would be encoded
	var data []byte
	found := 0
	for len(body) > 0 {
		var pair []byte
		pair, body, _ = bytes.Cut(body, []byte("&"))
		name, value, _ := bytes.Cut(pair, []byte("="))
		if string(name) == formData || string(name) == formEvent && r.route.Dialect == schema.DialectAmplitude {
			data = value
			found++
			continue
		}
		if refused := r.keep(name, value); refused != nil {
			return refused
		}
	}
	switch {
	case found > 1:
		return refuse(codeInvalidRequest, fmt.Sprintf("the form has %d fields data: send all events in one, as a list", found))
	case found == 0:
		return refuse(codeInvalidRequest, "the form has no field data: send the events as data=, JSON or base64 of it, or as a body of application/json")
	}
	r.batch.Buf = appendUnescaped(r.batch.Buf[:0], data) // never ahead of what it reads
	return nil
}

// keep copies a field.
func (r *request) keep(name, value []byte) *refusal {
	n := len(name) + len(value)
	if n == 0 {
		return nil // two separators side by side
	}
	f := &r.form
	if len(f.fields) == maxFormFields || len(f.text)+n > maxFormBytes {
		return refuse(codeInvalidRequest, fmt.Sprintf("the form has more than %d fields or %d bytes beside its data: percent-encode the data, and send properties inside it", maxFormFields, maxFormBytes))
	}
	if refused := r.charge(int64(n)); refused != nil {
		return refused
	}
	begin := len(f.text)
	f.text = appendUnescaped(f.text, name)
	end := len(f.text)
	f.text = appendUnescaped(f.text, value)
	f.fields = append(f.fields, field{begin, end, len(f.text)})
	return nil
}

// appendUnescaped appends text without its form encoding: a plus sign is a space, and %XX a byte. A percent sign without two digits stands for itself, as the URL
// standard has it (§5.1). dst may be the memory before text, or text's own begin.
func appendUnescaped(dst, text []byte) []byte {
	n := len(dst)
	dst = slices.Grow(dst, len(text))[:n+len(text)]
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			if i+2 >= len(text) {
				break
			}
			if high, low := hexValues[text[i+1]], hexValues[text[i+2]]; high|low < 16 {
				c = high<<4 | low
				i += 2
			}
		}
		dst[n] = c
		n++
	}
	return dst[:n]
}

var hexValues = func() (values [256]uint8) {
	for c := range values {
		values[c] = 255
	}
	for i := range uint8(10) {
		values['0'+i] = i
	}
	for i := range uint8(6) {
		values['a'+i], values['A'+i] = 10+i, 10+i
	}
	return values
}()
