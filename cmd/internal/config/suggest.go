package config

import (
	"strings"

	"github.com/millrace/millrace/cmd/internal/edit"
)

// suggest returns ", did you mean …?" with the key that the author of an unknown path most likely meant, or an empty string.
func (l *layout) suggest(path string) string {
	if best := l.nearest(path, max(2, len(path)/5)); best != "" {
		return ", did you mean " + best + "?"
	}
	return ""
}

// nearest returns the key or section within limit edits of path, or the only key with the same last name elsewhere, or "".
func (l *layout) nearest(path string, limit int) string {
	best, distance := "", limit+1
	try := func(candidate string) {
		if d := edit.Distance(path, candidate); d < distance {
			best, distance = candidate, d
		}
	}
	for _, f := range l.fields {
		try(f.Path)
	}
	for s := range l.sections {
		// Of two equally near ones the key wins, since it was tried first; among sections the order of a map must not show.
		if d := edit.Distance(path, s); s != "" && (d < distance || d == distance && l.lookup(best) == nil && s < best) {
			best, distance = s, d
		}
	}
	if best != "" {
		return best
	}
	name := path[strings.LastIndexByte(path, '.')+1:]
	for _, f := range l.fields {
		if strings.HasSuffix(f.Path, "."+name) {
			if best != "" {
				return ""
			}
			best = f.Path
		}
	}
	return best
}
