package scenario

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

//go:embed builtin/*.yaml
var files embed.FS

// builtins are read once; a mistake in one of them is ours.
var builtins = func() []Scenario {
	entries, err := fs.ReadDir(files, "builtin") // sorted by name
	if err != nil {
		panic("BUG: " + err.Error())
	}
	all := make([]Scenario, 0, len(entries))
	for _, e := range entries {
		source, err := files.ReadFile(path.Join("builtin", e.Name()))
		if err != nil {
			panic("BUG: " + err.Error())
		}
		s, err := parse(e.Name(), source)
		if err != nil {
			panic("BUG: " + err.Error())
		}
		all = append(all, s)
	}
	return all
}()

// Builtin lists the scenarios that come with the program, sorted by name. The caller owns the result.
func Builtin() []Scenario {
	all := slices.Clone(builtins)
	for i := range all {
		all[i].Load.Stages = slices.Clone(all[i].Load.Stages)
	}
	return all
}

// Read reads a scenario: the built-in one of that name, else the YAML file at that path. The error says everything that is wrong with the file, one problem per line.
func Read(nameOrPath string) (Scenario, error) {
	names := make([]string, 0, len(builtins))
	for _, s := range Builtin() {
		if s.Name == nameOrPath {
			return s, nil
		}
		names = append(names, s.Name)
	}
	source, err := os.ReadFile(nameOrPath)
	if errors.Is(err, fs.ErrNotExist) {
		return Scenario{}, fmt.Errorf("scenario %q is neither a file nor built in: %s", nameOrPath, strings.Join(names, ", "))
	}
	if err != nil {
		return Scenario{}, fmt.Errorf("read scenario: %w", err)
	}
	return parse(nameOrPath, source)
}
