package backup

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Destination is where ClickHouse writes a backup or reads it, as it stands in a statement. It may hold secrets: print it with String only.
type Destination struct {
	sql    string
	masked string
}

// places are the engines of ClickHouse that keep a backup.
var places = []string{"S3", "Disk", "File", "AzureBlobStorage"}

var (
	call = regexp.MustCompile(`^([A-Za-z0-9]+)\s*\((.*)\)$`)
	// One argument: a text in single quotes, perhaps with a name before it, or the name of a named collection.
	textArgument = regexp.MustCompile(`^\s*(?:([A-Za-z_][A-Za-z0-9_]*)\s*=\s*)?('(?:[^'\\]|\\.|'')*')\s*(?:,|$)`)
	nameArgument = regexp.MustCompile(`^\s*([A-Za-z_][A-Za-z0-9_]*)\s*(?:,|$)`)
)

// ParseDestination checks an expression such as S3('https://…', 'id', 'secret'), Disk('backups', 'monday') or File('/backups/monday').
func ParseDestination(expression string) (Destination, error) {
	bad := func(why string) (Destination, error) {
		// The expression may hold a secret, so it is not repeated.
		return Destination{}, fmt.Errorf("the place of the backup %s: write S3('https://bucket…/path', 'key id', 'secret'), Disk('disk', 'path') or File('path'), as ClickHouse's BACKUP takes it", why)
	}
	m := call.FindStringSubmatch(strings.TrimSpace(expression))
	if m == nil {
		return bad("is no call")
	}
	if !slices.Contains(places, m[1]) {
		return bad(fmt.Sprintf("is %s(…), which is not one of %s", m[1], strings.Join(places, ", ")))
	}
	var masked []string
	for rest := m[2]; strings.TrimSpace(rest) != ""; {
		if a := nameArgument.FindStringSubmatch(rest); a != nil {
			masked = append(masked, a[1])
			rest = rest[len(a[0]):]
			continue
		}
		a := textArgument.FindStringSubmatch(rest)
		if a == nil {
			return bad("has an argument that is neither a text in single quotes nor a name")
		}
		rest = rest[len(a[0]):]
		switch {
		case a[1] != "":
			masked = append(masked, a[1]+"='***'")
		case m[1] == "Disk", m[1] == "File", m[1] == "S3" && len(masked) == 0:
			masked = append(masked, withoutSignature(a[2]))
		default:
			masked = append(masked, "'***'")
		}
	}
	if len(masked) == 0 {
		return bad("has no argument")
	}
	return Destination{sql: m[1] + "(" + m[2] + ")", masked: m[1] + "(" + strings.Join(masked, ", ") + ")"}, nil
}

// withoutSignature cuts off what may authorise the holder of a link.
func withoutSignature(quoted string) string {
	before, _, cut := strings.Cut(quoted, "?")
	if scheme, rest, ok := strings.Cut(before, "://"); ok {
		if at := strings.LastIndex(rest, "@"); at >= 0 {
			before = scheme + "://***@" + rest[at+1:]
		}
	}
	if cut {
		return before + "?***'"
	}
	return before
}

// String is the destination without its secrets.
func (d Destination) String() string { return d.masked }

// GoString is String, for %#v.
func (d Destination) GoString() string { return d.masked }

// checkName is what a backup may be called: it becomes a folder, and a text inside a statement.
func checkName(name string) error {
	switch {
	case !validName.MatchString(name):
		return fmt.Errorf("a backup cannot be called %q: use letters, digits, dots, hyphens and underscores, beginning with a letter or digit, %d at most", name, maxName)
	case name == "list":
		return errors.New(`a backup cannot be called "list", which is a command`)
	}
	return nil
}

const maxName = 100

var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)
