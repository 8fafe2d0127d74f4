package config

import (
	"strconv"
)

// Source is the layer that a value came from. A higher one is stronger.
type Source uint8

// The layers, weakest first.
const (
	FromDefault Source = iota
	FromProfile
	FromFile
	FromEnv
	FromFlag
)

// Origin says where a value was set.
type Origin struct {
	Source Source
	// Name is the profile, the file's path, the variable or the flag with its dashes. Empty for a default.
	Name string
	// Line and Column count from 1 and are set for FromFile.
	Line, Column int
}

// String returns the origin in the form of a comment: default, profile dev, millrace.yaml:12, env NAME, flag --name.
func (o Origin) String() string {
	switch o.Source {
	case FromDefault:
		return "default"
	case FromProfile:
		return "profile " + o.Name
	case FromFile:
		return o.Name + ":" + strconv.Itoa(o.Line)
	case FromEnv:
		return "env " + o.Name
	case FromFlag:
		return "flag " + o.Name
	}
	panic("BUG: config: unknown source " + strconv.Itoa(int(o.Source)))
}

// where is the place that a problem names; a default has none.
func (o Origin) where() string {
	switch o.Source {
	case FromDefault:
		return ""
	case FromFile:
		return o.String() + ":" + strconv.Itoa(o.Column)
	default:
		return o.String()
	}
}
