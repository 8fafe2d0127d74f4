package config

import (
	"slices"
	"strings"

	"github.com/millrace/millrace/cmd/internal/edit"
)

// Reserved lists the variables with our prefix that are no configuration keys: MILLRACE_DEV_KEY sets the development key.
var Reserved = []string{"MILLRACE_DEV_KEY"}

// fromEnv picks the keys out of environ, which has the form of os.Environ.
func fromEnv(l *layout, environ, reserved []string) (values []raw, problems []Problem) {
	environ = slices.Sorted(slices.Values(environ))
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		rest, ok := strings.CutPrefix(name, EnvPrefix)
		if !ok || slices.Contains(Reserved, name) || slices.Contains(reserved, name) {
			continue
		}
		origin := Origin{Source: FromEnv, Name: name}
		path := strings.ToLower(strings.ReplaceAll(rest, "__", "."))
		if f := l.lookup(path); f != nil && f.Env == name {
			values = append(values, raw{key: path, origin: origin, text: value})
			continue
		}
		if message := l.unknownEnv(name, path); message != "" {
			problems = append(problems, Problem{Where: origin.where(), Message: message})
		}
	}
	return values, problems
}

// unknownEnv says what is wrong with a variable that is no key, or returns an empty string when it is not meant for us.
func (l *layout) unknownEnv(name, path string) string {
	if names, ok := l.sections[path]; ok && path != "" {
		return "is a section: set " + name + "__" + strings.ToUpper(names[0]) + " and the like"
	}
	if strings.Contains(path, ".") {
		return "unknown key" + l.suggestEnv(l.nearest(path, max(2, len(path)/5)))
	}
	if kubernetes(path) {
		return ""
	}
	// One underscore too few, or letters in lower case, is what people write first.
	for _, f := range l.fields {
		if strings.EqualFold(strings.ReplaceAll(f.Env, "__", "_"), strings.ReplaceAll(name, "__", "_")) {
			return "unknown key" + l.suggestEnv(f.Path)
		}
	}
	best, limit := "", 2
	for _, top := range l.sections[""] {
		if d := edit.Distance(path, top); d <= limit && d < len(top)/2 {
			best, limit = top, d-1
		}
	}
	if best == "" {
		return ""
	}
	return "unknown key" + l.suggestEnv(best)
}

func (l *layout) suggestEnv(path string) string {
	if path == "" {
		return ""
	}
	name := EnvPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "__"))
	if l.lookup(path) == nil {
		name += "__…"
	}
	return ", did you mean " + name + "?"
}

// kubernetes tells the variables that Kubernetes sets in every pod for a service called millrace, such as MILLRACE_PORT.
func kubernetes(path string) bool {
	return path == "port" || strings.HasPrefix(path, "port_") || path == "service_host" || strings.HasPrefix(path, "service_port")
}
