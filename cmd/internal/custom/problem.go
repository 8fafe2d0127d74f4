package custom

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/cmd/internal/edit"
)

// Problem is one thing that is wrong with a file of metrics, in words for its author.
type Problem struct {
	Where   string // file:line:column
	Message string // names value, limit and cure
}

// String is the problem as one line.
func (p Problem) String() string { return p.Where + ": " + p.Message }

// ParseError is everything that is wrong with a file of metrics, in its order. It holds at least one problem.
type ParseError struct{ Problems []Problem }

// Error lists the problems, one per line.
func (e *ParseError) Error() string {
	if len(e.Problems) == 1 {
		return e.Problems[0].String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d problems", len(e.Problems))
	for _, p := range e.Problems {
		b.WriteString("\n  " + p.String())
	}
	return b.String()
}

// nearest returns `, did you mean "x"?` for the only candidate that is spelt much like word, else an empty string.
func nearest(word string, candidates []string) string {
	best, distance, unique := "", max(2, len(word)/4)+1, true
	for _, c := range candidates {
		switch d := edit.Distance(word, c); {
		case d < distance:
			best, distance, unique = c, d, true
		case d == distance:
			unique = false
		}
	}
	if best == "" || !unique {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", best)
}
