package config

import (
	"fmt"
	"strings"
)

// ExitCode is what the process ends with when its configuration is bad (EX_CONFIG of sysexits.h).
const ExitCode = 78

// Error reports everything that is wrong with a configuration. It always holds at least one problem.
type Error struct {
	// Problems are in the order file, environment, flags, then what the values' own checks found.
	Problems []Problem
}

// Problem is one thing that is wrong with a configuration, in words for its author.
type Problem struct {
	// Where is the place that must be changed, such as millrace.yaml:3:5, env MILLRACE_LOG__LEVEL or flag --log.level.
	// It is empty when nobody set the value.
	Where string
	// Key is the full key; empty when the problem is not about one key.
	Key string
	// Message names value, limit and cure.
	Message string
}

// Error lists the problems, one per line.
func (e *Error) Error() string {
	if len(e.Problems) == 1 {
		return "configuration: " + e.Problems[0].String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "configuration: %d problems", len(e.Problems))
	for _, p := range e.Problems {
		b.WriteString("\n  ")
		b.WriteString(p.String())
	}
	return b.String()
}

// String returns the problem as one line.
func (p Problem) String() string {
	parts := make([]string, 0, 3)
	for _, s := range []string{p.Where, p.Key, p.Message} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ": ")
}

// flatten returns the single errors that errors.Join has put together, at any depth. An error that wraps several ones with words of
// its own is one message.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	texts := make([]string, 0, 8)
	for _, e := range joined.Unwrap() {
		texts = append(texts, e.Error())
		all = append(all, flatten(e)...)
	}
	if strings.Join(texts, "\n") != err.Error() {
		return []error{err}
	}
	return all
}
