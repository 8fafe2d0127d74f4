package access

import (
	"fmt"
	"strings"
)

// SQL writes a plan that is valid, see Validate, as statements for a server of one's own, to be run in order by an account that may manage access. Each can be
// run again. Nobody has a grant before there is a filter for it.
//
// The services are accounts that go on to see all rows: those of the sink and of the migrations, and whatever else reads the tables. On a server that sets
// users_without_row_policies_can_read_rows to false, others see none.
//
// The server must be 25.11 or newer, which has authenticatedUser: an older one refuses whatever the users ask. In access_control_improvements it
// must have what its packages bring along: select_from_system_db_requires_grant and settings_constraints_replace_previous set to true.
func (p Plan) SQL(services ...string) []string {
	var all []string
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if len(services) > 0 {
		names := make([]string, len(services))
		for i, s := range services {
			names[i] = quoteName(s)
		}
		add("CREATE ROW POLICY OR REPLACE millrace_all ON %s.* AS PERMISSIVE FOR SELECT USING %s TO %s", p.Database, allRows, strings.Join(names, ", "))
		add("GRANT SET DEFINER ON %s TO %s", Definer, strings.Join(names, ", "))
	}
	add("CREATE USER IF NOT EXISTS %s IDENTIFIED WITH sha256_hash BY '%s' HOST NONE", Definer, strings.Repeat("0", 64))
	// The first lets the rows in; the second holds even if somebody makes another policy that lets more in.
	add("CREATE ROW POLICY OR REPLACE millrace_own ON %s.* AS PERMISSIVE FOR SELECT USING %s TO %s", p.Database, ownRows, Definer)
	add("CREATE ROW POLICY OR REPLACE millrace_only ON %s.* AS RESTRICTIVE FOR SELECT USING %s TO %s", p.Database, ownRows, Definer)
	add("GRANT SELECT ON %s.* TO %s", p.Database, Definer)
	add("GRANT dictGet ON %s.* TO %s", p.Database, Definer) // events_q asks who is whom
	add("CREATE SETTINGS PROFILE OR REPLACE %s SETTINGS %s", profile, p.profileSQL())
	for _, u := range p.Users {
		add("CREATE USER OR REPLACE %s IDENTIFIED WITH sha256_hash BY '%s' HOST ANY SETTINGS PROFILE '%s'", u.Name, u.PasswordHash, profile)
		add("GRANT SELECT ON %s.* TO %s", ViewsDatabase(p.Database), u.Name)
	}
	for _, project := range p.projects() {
		add("CREATE QUOTA OR REPLACE %s FOR INTERVAL 1 HOUR MAX queries = %d, execution_time = %d TO %s",
			quota(project), p.Limits.QuotaQueries, seconds(p.Limits.QuotaTime), strings.Join(p.of(project), ", "))
	}
	return all
}

// Withdraw writes the statements that undo SQL for one project. Whoever is logged in can ask nothing more.
func Withdraw(project uint32) []string {
	return []string{
		fmt.Sprintf("DROP USER IF EXISTS %s, %s", Reader(project), Analyst(project)),
		"DROP QUOTA IF EXISTS " + quota(project),
	}
}

func (p Plan) profileSQL() string {
	var all []string
	for _, s := range p.settings() {
		text := s.name + " = " + quote(s.value)
		if s.max != "" {
			text += " MIN 1 MAX " + s.max
		}
		if s.free {
			text += " CHANGEABLE_IN_READONLY"
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}
