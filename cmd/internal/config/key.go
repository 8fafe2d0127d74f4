package config

import (
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"time"
)

// EnvPrefix begins the name of every environment variable that sets a key.
const EnvPrefix = "MILLRACE_"

// Kind is the type of a value as its author sees it.
type Kind uint8

// The kinds of values.
const (
	Text Kind = iota
	Bool
	Integer
	Number
	Duration
	Size
	List
)

// String returns the kind as a noun for messages and help.
func (k Kind) String() string {
	return [...]string{"text", "boolean", "integer", "number", "duration", "size", "list"}[k]
}

// Key describes one configuration key.
type Key struct {
	// Path is the key as in the file, such as ingest.max_body_bytes.
	Path string
	// Env is the environment variable, Flag the flag without dashes.
	Env, Flag string
	Kind      Kind
	// Value is the value in the form the file takes it, masked when Secret.
	Value string
	// Secret values are never printed. A field is secret by its tag, or because its type hides itself from logs.
	Secret bool
}

// Keys lists the keys of target in the order of its fields, with the values it holds. It panics when a field cannot be a key: that is
// a mistake in the struct, not in a configuration.
func Keys[T any](target *T) []Key {
	var keys []Key
	v := reflect.ValueOf(target).Elem()
	for _, f := range describe(v.Type()).fields {
		keys = append(keys, f.at(v))
	}
	return keys
}

// field is a leaf of the struct.
type field struct {
	Key
	index []int
	typ   reflect.Type
	// elem is the kind of a list's items.
	elem Kind
}

// layout is the struct as keys: its leaves in order, and every section above them.
type layout struct {
	fields   []field
	byPath   map[string]int
	sections map[string][]string // path of a section ("" for the root) → names directly below it
}

func describe(t reflect.Type) *layout {
	l := &layout{byPath: map[string]int{}, sections: map[string][]string{}}
	l.walk(t, "", nil)
	return l
}

func (l *layout) walk(t reflect.Type, section string, index []int) {
	if t.Kind() != reflect.Struct {
		panic(fmt.Sprintf("BUG: config: %v is not a struct", t))
	}
	for i := range t.NumField() {
		sf := t.Field(i)
		name, _, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		if name == "-" || !sf.IsExported() {
			continue
		}
		if name == "" || name != strings.ToLower(name) || strings.ContainsAny(name, ".- ") || strings.Contains(name, "__") {
			panic(fmt.Sprintf("BUG: config: field %v.%s needs a yaml tag in snake_case", t, sf.Name))
		}
		path := name
		if section != "" {
			path = section + "." + name
		}
		at := append(index[:len(index):len(index)], i)
		l.sections[section] = append(l.sections[section], name)
		if sf.Type.Kind() == reflect.Struct {
			l.walk(sf.Type, path, at)
			continue
		}
		l.add(path, sf, at)
	}
}

func (l *layout) add(path string, sf reflect.StructField, index []int) {
	f := field{index: index, typ: sf.Type, Key: Key{
		Path:   path,
		Env:    EnvPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "__")),
		Flag:   strings.ReplaceAll(path, "_", "-"),
		Secret: sf.Tag.Get("secret") == "true" || sf.Type.Implements(reflect.TypeFor[slog.LogValuer]()),
	}}
	var ok bool
	if sf.Type.Kind() == reflect.Slice {
		f.Kind = List
		f.elem, ok = kindOf(path, sf.Type.Elem())
	} else {
		f.Kind, ok = kindOf(path, sf.Type)
	}
	if !ok {
		panic(fmt.Sprintf("BUG: config: %s: a %v cannot be a configuration value", path, sf.Type))
	}
	if _, twice := l.byPath[path]; twice {
		panic("BUG: config: two fields have the key " + path)
	}
	l.byPath[path] = len(l.fields)
	l.fields = append(l.fields, f)
}

func kindOf(path string, t reflect.Type) (Kind, bool) {
	if t == reflect.TypeFor[time.Duration]() {
		return Duration, true
	}
	switch t.Kind() {
	case reflect.String:
		return Text, true
	case reflect.Bool:
		return Bool, true
	case reflect.Float32, reflect.Float64:
		return Number, true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if strings.HasSuffix(path, "_bytes") || strings.HasSuffix(path, "_bytes_per_second") {
			return Size, true
		}
		return Integer, true
	default:
		return 0, false
	}
}

// lookup returns the leaf with the key path, or nil.
func (l *layout) lookup(path string) *field {
	i, ok := l.byPath[path]
	if !ok {
		return nil
	}
	return &l.fields[i]
}
