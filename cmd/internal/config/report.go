package config

import (
	"bufio"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Value is a key with the value in force and the place it was set.
type Value struct {
	Key
	Origin Origin
}

// Report is what Load did: every key with its value and origin. It does not change and is safe for concurrent use.
type Report struct {
	// File is the file that was read, empty for none.
	File   string
	values []Value
}

// Values lists all keys in the order of the struct's fields.
func (r *Report) Values() []Value { return r.values }

// Chosen says whether somebody set the key: in the file, the environment, a flag, or by choosing a profile.
func (r *Report) Chosen(path string) bool {
	for _, v := range r.values {
		if v.Path == path {
			return v.Origin.Source != FromDefault
		}
	}
	panic("BUG: config: no key " + path)
}

// Sources says in a few words where the configuration came from, such as "defaults + millrace.yaml + env".
func (r *Report) Sources() string {
	var seen [FromFlag + 1]bool
	for _, v := range r.values {
		seen[v.Origin.Source] = true
	}
	words := "defaults"
	if r.File != "" {
		words += " + " + r.File
	}
	if seen[FromEnv] {
		words += " + env"
	}
	if seen[FromFlag] {
		words += " + flags"
	}
	return words
}

// WriteYAML writes the configuration in force as a file that Load takes, each line with its origin as a comment and secrets masked;
// without all only what differs in origin from the defaults.
func (r *Report) WriteYAML(w io.Writer, all bool) error {
	type line struct{ text, comment string }
	var lines []line
	var open []string
	width := 0
	for _, v := range r.values {
		if !all && v.Origin.Source == FromDefault {
			continue
		}
		path := strings.Split(v.Path, ".")
		sections, name := path[:len(path)-1], path[len(path)-1]
		same := 0
		for same < len(sections) && same < len(open) && sections[same] == open[same] {
			same++
		}
		for depth := same; depth < len(sections); depth++ {
			lines = append(lines, line{text: strings.Repeat("  ", depth) + sections[depth] + ":"})
		}
		open = sections
		l := line{text: strings.Repeat("  ", len(sections)) + name + ": " + v.Value, comment: v.Origin.String()}
		width = max(width, utf8.RuneCountInString(l.text))
		lines = append(lines, l)
	}
	out := bufio.NewWriter(w)
	for _, l := range lines {
		out.WriteString(l.text) //nolint:errcheck // reported by Flush
		if l.comment != "" {
			pad := min(width, 60) - utf8.RuneCountInString(l.text)
			out.WriteString(strings.Repeat(" ", max(pad, 0)) + "  # " + l.comment) //nolint:errcheck // reported by Flush
		}
		out.WriteByte('\n') //nolint:errcheck // reported by Flush
	}
	return out.Flush()
}

// at returns f's key with the value it has in target.
func (f *field) at(target reflect.Value) Key {
	k := f.Key
	k.Value = f.render(target.FieldByIndex(f.index))
	return k
}

// render writes v as the file takes it.
func (f *field) render(v reflect.Value) string {
	if f.Secret && !v.IsZero() {
		return strconv.Quote(masked)
	}
	if f.Kind != List {
		return renderScalar(f.Kind, v)
	}
	items := make([]string, 0, v.Len())
	for i := range v.Len() {
		items = append(items, renderScalar(f.elem, v.Index(i)))
	}
	return "[" + strings.Join(items, ", ") + "]"
}

func renderScalar(k Kind, v reflect.Value) string {
	switch k {
	case Duration:
		return renderDuration(time.Duration(v.Int()))
	case Size:
		if v.CanUint() {
			return renderSize(v.Uint())
		}
		if v.Int() < 0 {
			return strconv.FormatInt(v.Int(), 10)
		}
		return renderSize(uint64(v.Int()))
	case Text:
		return renderText(v.String())
	default:
		return fmt.Sprint(v.Interface())
	}
}

// renderDuration is Duration.String without the zero minutes and seconds: 24h, not 24h0m0s. Two whole days and more are days: 60d.
func renderDuration(d time.Duration) string {
	if d >= 2*aDay && d%aDay == 0 {
		return strconv.FormatInt(int64(d/aDay), 10) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// renderSize uses the largest unit that has no fraction.
func renderSize(n uint64) string {
	suffix := ""
	for _, s := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if n == 0 || n%1024 != 0 {
			break
		}
		n, suffix = n/1024, s
	}
	return strconv.FormatUint(n, 10) + suffix
}

// bare matches texts that YAML reads as themselves without quotes, also inside a list.
var bare = regexp.MustCompile(`^[A-Za-z/_][A-Za-z0-9/_.-]*$|^[A-Za-z0-9._-]+:[0-9]+$`)

func renderText(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		return strconv.Quote(s)
	}
	if bare.MatchString(s) {
		return s
	}
	return quoteYAML(s)
}

// quoteYAML writes s in double quotes. YAML's escapes are those of JSON plus some of Go's, but \a, \x7f and the like differ enough
// that everything outside printable text is written as \u.
func quoteYAML(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case strconv.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
