package config

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// AddFlags adds a flag for every key of target, such as --ingest.max-body-bytes. Values are kept as text: Load checks them together
// with those from elsewhere.
func AddFlags[T any](fs *pflag.FlagSet, target *T) {
	for _, k := range Keys(target) {
		v := &flagValue{kind: k.Kind}
		f := fs.VarPF(v, k.Flag, "", "set "+k.Path)
		f.DefValue = k.Value
		if k.Kind == Bool {
			f.NoOptDefVal = "true"
		}
	}
}

// ChangedFlags returns the flags of AddFlags that were given on the command line, by name, for Options.Flags.
func ChangedFlags(fs *pflag.FlagSet) map[string]string {
	given := map[string]string{}
	fs.Visit(func(f *pflag.Flag) {
		if v, ok := f.Value.(*flagValue); ok {
			given[f.Name] = v.text
		}
	})
	return given
}

// flagValue holds a flag's text. A list given several times adds up; of anything else the last one counts.
type flagValue struct {
	kind Kind
	text string
	set  bool
}

func (v *flagValue) Set(s string) error {
	if v.kind == List && v.set {
		s = v.text + "," + s
	}
	v.text, v.set = s, true
	return nil
}

func (v *flagValue) String() string { return v.text }
func (v *flagValue) Type() string   { return v.kind.String() }

// fromFlags reads name=value pairs; names have no leading dashes and either dashes or underscores inside.
func fromFlags(l *layout, flags map[string]string) (values []raw, problems []Problem) {
	names := make([]string, 0, len(flags))
	for name := range flags {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		origin := Origin{Source: FromFlag, Name: "--" + name}
		path := strings.ReplaceAll(name, "-", "_")
		if l.lookup(path) == nil {
			hint := l.nearest(path, max(2, len(path)/5))
			if hint != "" {
				hint = ", did you mean --" + strings.ReplaceAll(hint, "_", "-") + "?"
			}
			problems = append(problems, Problem{Where: origin.where(), Message: "unknown key" + hint})
			continue
		}
		values = append(values, raw{key: path, origin: origin, text: flags[name]})
	}
	return values, problems
}
