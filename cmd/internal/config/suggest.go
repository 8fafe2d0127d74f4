package config

import (
	"strings"
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
		if d := levenshtein(path, candidate); d < distance {
			best, distance = candidate, d
		}
	}
	for _, f := range l.fields {
		try(f.Path)
	}
	for s := range l.sections {
		// Of two equally near ones the key wins, since it was tried first; among sections the order of a map must not show.
		if d := levenshtein(path, s); s != "" && (d < distance || d == distance && l.lookup(best) == nil && s < best) {
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

// levenshtein is the number of bytes to insert, delete or replace to make b of a.
func levenshtein(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
