package question

import (
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
)

// Statement is one SELECT with server-side parameters. No value of a caller ever stands in Text; identifiers in it come from this package and from the name of the
// database.
type Statement struct {
	Text string
	// Params has the text of each parameter by its name, unescaped: whoever sends it escapes it as his transport demands.
	Params map[string]string
	// Columns are those of the result, in order.
	Columns []Column
}

// Column is one of a result.
type Column struct{ Name, Type, Comment string }

// databaseName is what may stand in a statement as it is.
var databaseName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]{0,62}$`)

// scope collects the parameters of a statement while its text is put together.
type scope struct {
	database string
	params   map[string]string
	values   int // parameters that were numbered
}

func newScope(database string, project uint32) (*scope, error) {
	if !databaseName.MatchString(database) {
		return nil, fmt.Errorf("database %q: must be letters, digits and _ only, 63 at most", database)
	}
	return &scope{database: database, params: map[string]string{"project": strconv.FormatUint(uint64(project), 10)}}, nil
}

// named adds a parameter and returns how the text refers to it.
func (s *scope) named(name, typ, value string) string {
	s.params[name] = value
	return "{" + name + ":" + typ + "}"
}

// value adds a parameter with a name of its own.
func (s *scope) value(typ, value string) string {
	s.values++
	return s.named("v"+strconv.Itoa(s.values), typ, value)
}

func (s *scope) int(name, typ string, value int64) string {
	return s.named(name, typ, strconv.FormatInt(value, 10))
}

// statement ends the work on text.
func (s *scope) statement(text string, columns []Column) Statement {
	return Statement{Text: text, Params: maps.Clone(s.params), Columns: columns}
}

var slot = regexp.MustCompile(`#[a-z_0-9]+`)

// fill puts parts, given as name and text in turns, in the place of #name in a template. A part of several lines is indented like the line it begins in.
func fill(template string, parts ...string) string {
	texts := make(map[string]string, len(parts)/2)
	for i := 0; i < len(parts); i += 2 {
		texts[parts[i]] = parts[i+1]
	}
	var out strings.Builder
	for n, line := range strings.Split(template, "\n") {
		if n > 0 {
			out.WriteByte('\n')
		}
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		out.WriteString(slot.ReplaceAllStringFunc(line, func(name string) string {
			text, ok := texts[name[1:]]
			if !ok {
				panic("BUG: template has no " + name)
			}
			return strings.ReplaceAll(text, "\n", "\n"+indent)
		}))
	}
	return out.String()
}
