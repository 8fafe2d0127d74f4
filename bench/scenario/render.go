package scenario

import (
	"bytes"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// YAML renders the scenario with every key and what it means, so that Read reads it back as it is.
func (s *Scenario) YAML() []byte {
	var r renderer
	r.section("", "", reflect.ValueOf(s).Elem())
	return r.out.Bytes()
}

type renderer struct {
	out bytes.Buffer
}

// section renders the fields of a struct, each behind the indent.
func (r *renderer) section(path, indent string, v reflect.Value) {
	for i, name := range keys(v.Type()) {
		r.field(join(path, name), indent, name, v.Field(i))
	}
}

func (r *renderer) field(key, indent, name string, v reflect.Value) {
	comment := comments[key]
	switch v.Kind() {
	case reflect.Struct:
		r.out.WriteString("\n" + indent + "# " + comment + "\n" + indent + name + ":\n")
		r.section(key, indent+"  ", v)
	case reflect.Slice:
		if v.Len() == 0 {
			r.line(indent, name+": []", comment)
			return
		}
		r.line(indent, name+":", comment)
		for i := range v.Len() {
			r.item(key+"[]", indent+"  ", v.Index(i), i == 0)
		}
	default:
		r.line(indent, name+": "+scalar(v), comment)
	}
}

// item renders a struct as an item of a list.
func (r *renderer) item(path, indent string, v reflect.Value, commented bool) {
	lead := "- "
	for i, name := range keys(v.Type()) {
		comment := ""
		if commented {
			comment = comments[join(path, name)]
		}
		r.line(indent+lead, name+": "+scalar(v.Field(i)), comment)
		lead = "  "
	}
}

func (r *renderer) line(indent, text, comment string) {
	r.out.WriteString(indent + text)
	if comment != "" {
		r.out.WriteString(" # " + comment)
	}
	r.out.WriteByte('\n')
}

// scalar is a value as setScalar reads it.
func scalar(v reflect.Value) string {
	switch {
	case v.Type() == durationType:
		return formatDuration(time.Duration(v.Int()))
	case v.Kind() == reflect.Int64:
		return formatSize(v.Int())
	case v.Kind() == reflect.Int:
		return strconv.FormatInt(v.Int(), 10)
	case v.Kind() == reflect.Uint64:
		return strconv.FormatUint(v.Uint(), 10)
	case v.Kind() == reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'f', -1, 64)
	case v.Kind() == reflect.Bool:
		return strconv.FormatBool(v.Bool())
	}
	return quote(v.String())
}

// quote writes a text in double quotes unless it is a plain word. YAML reads the escapes of JSON, not all of Go's.
func quote(s string) string {
	word := s != ""
	for _, c := range s {
		word = word && (c >= 'a' && c <= 'z' || c == '-')
	}
	switch s {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		word = false
	}
	if word && s[0] != '-' {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case strconv.IsPrint(c):
			b.WriteRune(c)
		case c > 0xffff:
			b.WriteString(`\U` + pad(c, 8))
		default:
			b.WriteString(`\u` + pad(c, 4))
		}
	}
	b.WriteByte('"')
	return b.String()
}

// pad is c in hexadecimal digits, at least n.
func pad(c rune, n int) string {
	s := strconv.FormatInt(int64(c), 16)
	return strings.Repeat("0", n-len(s)) + s
}
