package escapes

import (
	"fmt"
	"regexp"
	"strings"
)

// nobody is a project without rows.
const nobody = 4294967295

// parameter is one of a view: {name:Type} in its query.
var parameter = regexp.MustCompile(`\{(\w+):((?:[^{}'(]|'[^']*'|\((?:[^()']|'[^']*')*\))+)\}`)

// Calls are two attempts with a view with parameters that must come to the same: to ask it for the canary's project, and for one that nobody has. The query
// is that of the view. The calls of a view without a parameter for the project are none.
func (w World) Calls(view, query string) []Attempt {
	types := map[string]string{}
	var names []string
	for _, m := range parameter.FindAllStringSubmatch(query, -1) {
		if types[m[1]] == "" {
			names = append(names, m[1])
		}
		if types[m[1]] != "Identifier" { // the narrower one, of two
			types[m[1]] = m[2]
		}
	}
	if types["project"] == "" {
		return nil
	}
	var calls []Attempt
	for _, project := range []uint32{w.Canary, nobody} {
		args := make([]string, len(names))
		for i, n := range names {
			args[i] = n + " = " + argument(n, types[n], project)
		}
		calls = append(calls, Attempt{
			Group: "views", Want: Anything,
			SQL: fmt.Sprintf("SELECT * FROM %s.%s(%s)", w.Views, view, strings.Join(args, ", ")),
		})
	}
	return calls
}

// enumName is the first name of an enumeration.
var enumName = regexp.MustCompile(`^Enum\d*\(('[^']*')`)

// argument is a value by which a view finds all that it can find.
func argument(name, typ string, project uint32) string {
	switch {
	case name == "project":
		return fmt.Sprint(project)
	case name == "from":
		return "'1980-01-01 00:00:00'"
	case name == "to":
		return "'2150-01-01 00:00:00'"
	case typ == "Identifier":
		return "'event'" // the column that tells most
	case strings.HasPrefix(typ, "Array"):
		return "['']" // one step that any event takes
	case strings.HasPrefix(typ, "String"):
		return "''" // any event, no breakdown
	case strings.HasPrefix(typ, "UUID"):
		return "'00000000-0000-0000-0000-000000000000'"
	case enumName.MatchString(typ):
		return enumName.FindStringSubmatch(typ)[1]
	default:
		return "20"
	}
}
