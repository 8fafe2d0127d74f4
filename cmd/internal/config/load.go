package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/v2"
)

// Options names the places that Load reads.
type Options struct {
	// File is the YAML file; empty for none. See Find.
	File string
	// Env has the form of os.Environ; nil for none.
	Env []string
	// ReservedEnv adds to Reserved.
	ReservedEnv []string
	// Flags holds the flags that were given, by name without dashes. See ChangedFlags.
	Flags map[string]string
}

// Profiled is implemented by a configuration with a key "profile" that chooses among bundles of defaults.
type Profiled interface {
	// ApplyProfile sets the values that the profile called name has instead of the general defaults. An unknown name is an error
	// that lists the known ones.
	ApplyProfile(name string) error
}

// Validator is implemented by a configuration that checks its own values. Problems are joined with errors.Join, and the text of each
// begins with the full key, a colon and a space.
type Validator interface {
	Validate() error
}

// profileKey is the key that chooses the profile of a Profiled configuration.
const profileKey = "profile"

// Load lays profile, file, environment and flags over target, which holds the defaults, and checks the result when *T is a Validator.
// On an error, always an *Error, target is half filled and must not be used. Load keeps no reference to target or opts.
func Load[T any](target *T, opts Options) (*Report, error) {
	l := &loader{
		layout:  describe(reflect.TypeFor[T]()),
		target:  reflect.ValueOf(target).Elem(),
		origins: map[string]Origin{},
		bad:     map[string]bool{},
	}
	l.gather(opts)
	l.applyProfile(any(target))
	l.decode(target)
	if v, ok := any(target).(Validator); ok {
		l.check(v.Validate())
	}
	if len(l.problems) > 0 {
		return nil, &Error{Problems: l.problems}
	}
	return l.report(opts.File), nil
}

type loader struct {
	layout   *layout
	target   reflect.Value
	layers   [][]raw // weakest first
	origins  map[string]Origin
	bad      map[string]bool // keys with a problem of their own already
	problems []Problem
}

func (l *loader) gather(opts Options) {
	if opts.File != "" {
		d := newDocument(opts.File, l.layout)
		d.read()
		l.add(d.values, d.problems)
	}
	l.add(fromEnv(l.layout, opts.Env, opts.ReservedEnv))
	l.add(fromFlags(l.layout, opts.Flags))
}

func (l *loader) add(values []raw, problems []Problem) {
	l.layers = append(l.layers, values)
	l.problems = append(l.problems, problems...)
}

// applyProfile finds out which profile the layers choose, before they are applied: it lies below all of them.
func (l *loader) applyProfile(target any) {
	p, ok := target.(Profiled)
	if !ok {
		return
	}
	f := l.layout.lookup(profileKey)
	if f == nil || f.Kind != Text {
		panic("BUG: config: a configuration with profiles needs a text field with the key " + profileKey)
	}
	var origin Origin
	name := l.target.FieldByIndex(f.index).String()
	for _, layer := range l.layers {
		for _, r := range layer {
			if r.key != profileKey {
				continue
			}
			if v, err := f.parse(r); err == nil {
				name, origin = v.(string), r.origin
			}
		}
	}
	before := make([]any, len(l.layout.fields))
	for i, f := range l.layout.fields {
		before[i] = l.target.FieldByIndex(f.index).Interface()
	}
	if err := p.ApplyProfile(name); err != nil {
		l.bad[profileKey] = true
		l.problems = append(l.problems, Problem{Where: origin.where(), Key: profileKey, Message: err.Error()})
		return
	}
	for i, f := range l.layout.fields {
		if f.Path != profileKey && !reflect.DeepEqual(before[i], l.target.FieldByIndex(f.index).Interface()) {
			l.origins[f.Path] = Origin{Source: FromProfile, Name: name}
		}
	}
}

// decode merges the layers and writes the result into target.
func (l *loader) decode(target any) {
	k := koanf.New(".")
	var errs []error
	for _, layer := range l.layers {
		errs = append(errs, k.Load(l.provider(layer), nil))
	}
	err := k.UnmarshalWithConf("", target, koanf.UnmarshalConf{
		Tag: "yaml",
		DecoderConfig: &mapstructure.DecoderConfig{
			ErrorUnused: true,
			// Without it a shorter list would keep the tail of the default one.
			ZeroFields: true,
			MatchName:  func(key, name string) bool { return key == name },
		},
	})
	// Every value has been parsed for its field's type, so there is nothing left that a user could have caused.
	if err := errors.Join(append(errs, err)...); err != nil {
		panic(fmt.Sprintf("BUG: config: merge: %v", err))
	}
}

// provider parses a layer's values and nests them as koanf expects; values with problems are left out.
func (l *loader) provider(layer []raw) provider {
	root := provider{}
	for _, r := range layer {
		f := l.layout.lookup(r.key)
		v, err := f.parse(r)
		if err != nil {
			l.bad[r.key] = true
			l.problems = append(l.problems, Problem{Where: r.origin.where(), Key: r.key, Message: err.Error()})
			continue
		}
		l.origins[r.key] = r.origin
		at := map[string]any(root)
		path := strings.Split(r.key, ".")
		for _, name := range path[:len(path)-1] {
			below, ok := at[name].(map[string]any)
			if !ok {
				below = map[string]any{}
				at[name] = below
			}
			at = below
		}
		at[path[len(path)-1]] = v
	}
	return root
}

// provider is one layer in the form koanf reads: nested maps.
type provider map[string]any

func (p provider) Read() (map[string]any, error) { return p, nil }

func (p provider) ReadBytes() ([]byte, error) { return nil, errors.ErrUnsupported }

// check adds what a Validator found, each problem with the place that set the value.
func (l *loader) check(err error) {
	for _, e := range flatten(err) {
		named, message, ok := strings.Cut(e.Error(), ": ")
		key, _, _ := strings.Cut(named, "[") // broker.addresses[2] is a part of broker.addresses
		if !ok || l.layout.lookup(key) == nil && l.layout.sections[key] == nil {
			l.problems = append(l.problems, Problem{Message: e.Error()})
			continue
		}
		// A key whose value could not be read still holds its default: what the check says about that is nonsense.
		if l.bad[key] {
			continue
		}
		l.problems = append(l.problems, Problem{Where: l.origins[key].where(), Key: named, Message: message})
	}
}

func (l *loader) report(file string) *Report {
	r := &Report{File: file}
	for _, f := range l.layout.fields {
		r.values = append(r.values, Value{Key: f.at(l.target), Origin: l.origins[f.Path]})
	}
	r.values = slices.Clip(r.values)
	return r
}
