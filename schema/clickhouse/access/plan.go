package access

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
)

// Plan is who may see what: enough to make the users, and no more. It holds hashes of passwords and goes from one process to another as JSON.
type Plan struct {
	Database string `json:"database"` // of the tables
	Limits   Limits `json:"limits"`   // of each user
	Users    []User `json:"users"`
}

// User may see the rows of one project.
type User struct {
	Name         string `json:"name"`
	Project      uint32 `json:"project"`
	PasswordHash string `json:"password_hash"` // SHA-256, hexadecimal
}

// Definer is the account in whose name the views read. Nobody can log in as it.
const Definer = "millrace_definer"

// ViewsDatabase is the database that users of projects read, for the database of the tables.
func ViewsDatabase(database string) string { return database + "_views" }

// Reader is the name of the user that asks the typed questions of a project.
func Reader(project uint32) string { return fmt.Sprintf("p%d_reader", project) }

// Analyst is the name of the user for people's own SQL.
func Analyst(project uint32) string { return fmt.Sprintf("p%d_analyst", project) }

// namePattern finds the project in the names of Reader and Analyst, as RE2 and in SQL.
const namePattern = "^p([0-9]+)_(reader|analyst)$"

// Users plans a reader and an analyst for each project; projects may be given in any order and more than once. The limits are the defaults, and the
// caller may change them.
func Users(database string, projects []uint32, password func(user string) string) Plan {
	p := Plan{Database: database, Limits: DefaultLimits()}
	projects = slices.Clone(projects)
	slices.Sort(projects)
	for _, project := range slices.Compact(projects) {
		for _, name := range []string{Reader(project), Analyst(project)} {
			sum := sha256.Sum256([]byte(password(name)))
			p.Users = append(p.Users, User{Name: name, Project: project, PasswordHash: hex.EncodeToString(sum[:])})
		}
	}
	return p
}

var (
	// identifier is what stands in XML and SQL without quotes.
	identifier = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]{0,62}$`)
	hash       = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// Validate reports every problem at once. A plan that passes can be written without quoting anything in it.
func (p Plan) Validate() error {
	var errs []error
	if !identifier.MatchString(p.Database) {
		errs = append(errs, fmt.Errorf("access.database: %q must be letters, digits and _ only, 63 at most", p.Database))
	}
	seen := map[string]bool{}
	for _, u := range p.Users {
		// The row filter goes by the name, so the name must be that of the project.
		if u.Name != Reader(u.Project) && u.Name != Analyst(u.Project) || seen[u.Name] {
			errs = append(errs, fmt.Errorf("access.users: %q is there twice or no user of project %d", u.Name, u.Project))
		}
		seen[u.Name] = true
		if !hash.MatchString(u.PasswordHash) {
			errs = append(errs, fmt.Errorf("access.users: the password of %q is not given as SHA-256 in hexadecimal", u.Name))
		}
	}
	return errors.Join(append(errs, p.Limits.Validate())...)
}

// projects are those of the users, in order.
func (p Plan) projects() []uint32 {
	var all []uint32
	for _, u := range p.Users {
		all = append(all, u.Project)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// of returns the names of the users of a project.
func (p Plan) of(project uint32) []string {
	var names []string
	for _, u := range p.Users {
		if u.Project == project {
			names = append(names, u.Name)
		}
	}
	return names
}

// ownRows is the row filter of Definer. authenticatedUser is who logged in: the views' own account does not change it, nor does what a client writes into
// its packets, as it does with currentUser. No project has the number that other names come to.
const ownRows = "project_id = toInt64OrDefault(extract(authenticatedUser(), '" + namePattern + "'), toInt64(-1))"

// allRows is the filter of accounts that see every project.
const allRows = "1"

func quota(project uint32) string { return fmt.Sprintf("millrace_p%d", project) }
