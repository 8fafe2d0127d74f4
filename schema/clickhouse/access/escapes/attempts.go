package escapes

import (
	"fmt"
	"maps"
	"strings"
)

// Attempts are all that do not depend on the views of the database, see Calls for those. In the texts below {db} is the database of views, {tables} that of the tables, {own} and {canary} are the
// projects, {secret} is the path of the file.
func (w World) Attempts() []Attempt {
	var all []Attempt
	for _, group := range groups {
		for _, a := range group.attempts {
			a.Group = group.name
			a.SQL, a.Answer = w.fill(a.SQL), w.fill(a.Answer)
			a.Params = maps.Clone(a.Params)
			for name, value := range a.Params {
				a.Params[name] = w.fill(value)
			}
			all = append(all, a)
		}
	}
	return all
}

func (w World) fill(text string) string {
	return strings.NewReplacer("{db}", w.Views, "{tables}", w.Database, "{own}", fmt.Sprint(w.Own), "{canary}", fmt.Sprint(w.Canary), "{secret}", w.Secret).Replace(text)
}

type group struct {
	name     string
	attempts []Attempt
}

var groups = []group{
	{"rows", rows},
	{"leaks", leaks},
	{"sizes", sizes},
	{"people", people},
	{"functions", functions},
	{"system", append(each(Refused, hiddenSystem...), openSystem...)},
	{"settings", settings},
	{"statements", each(Refused, statements...)},
	{"outside", outside},
}

// each makes attempts that all want the same.
func each(want Want, texts ...string) []Attempt {
	all := make([]Attempt, len(texts))
	for i, t := range texts {
		all[i] = Attempt{SQL: t, Want: want}
	}
	return all
}

// join puts lists together.
func join(lists ...[]Attempt) []Attempt {
	var all []Attempt
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}
