package access

import (
	"fmt"
	"strings"
)

// Fragments are parts of a users file.
type Fragments struct {
	Profiles string // inside <profiles>
	Quotas   string // inside <quotas>
	Users    string // inside <users>
	// Databases goes inside every other user of the file: ClickHouse shows a user without a filter no row of a table that has a filter for others.
	Databases string
	// Grants goes inside <grants> of the user that runs Mirror.
	Grants string
}

// XML writes a plan that is valid, see Validate, as parts of a users file. The users may log in from this machine only.
func (p Plan) XML() Fragments {
	f := Fragments{
		Profiles:  p.profileXML(),
		Databases: p.filterXML(allRows),
		Grants:    fmt.Sprintf("        <query>GRANT SET DEFINER ON %s</query>\n", Definer),
	}
	for _, project := range p.projects() {
		f.Quotas += p.quotaXML(project)
	}
	var users strings.Builder
	p.definerXML(&users)
	for _, u := range p.Users {
		p.userXML(&users, u)
	}
	f.Users = users.String()
	return f
}

func (p Plan) profileXML() string {
	var values, constraints strings.Builder
	for _, s := range p.settings() {
		fmt.Fprintf(&values, "      <%s>%s</%[1]s>\n", s.name, s.value)
		if !s.free {
			continue
		}
		bounds := ""
		if s.max != "" {
			bounds = "<min>1</min><max>" + s.max + "</max>"
		}
		fmt.Fprintf(&constraints, "        <%s>%s<changeable_in_readonly/></%[1]s>\n", s.name, bounds)
	}
	return fmt.Sprintf("    <%s>\n%s      <constraints>\n%s      </constraints>\n    </%[1]s>\n", profile, &values, &constraints)
}

// quotaXML is keyed by address, which is the same for all: otherwise ClickHouse would count for each user.
func (p Plan) quotaXML(project uint32) string {
	return fmt.Sprintf("    <%s><keyed_by_ip/><interval><duration>3600</duration><queries>%d</queries><execution_time>%d</execution_time></interval></%[1]s>\n",
		quota(project), p.Limits.QuotaQueries, seconds(p.Limits.QuotaTime))
}

// definerXML is an account that lets nobody in: no address may connect, and no password has this hash.
func (p Plan) definerXML(b *strings.Builder) {
	fmt.Fprintf(b, "    <%s>\n      <password_sha256_hex>%s</password_sha256_hex>\n      <networks></networks>\n", Definer, strings.Repeat("0", 64))
	fmt.Fprintf(b, "      <profile>default</profile>\n      <quota>default</quota>\n%s", p.filterXML(ownRows))
	fmt.Fprintf(b, "      <grants>\n        <query>GRANT SELECT ON %s.*</query>\n        <query>GRANT dictGet ON %[1]s.*</query>\n      </grants>\n    </%[2]s>\n", p.Database, Definer)
}

func (p Plan) userXML(b *strings.Builder, u User) {
	fmt.Fprintf(b, "    <%s>\n      <password_sha256_hex>%s</password_sha256_hex>\n", u.Name, u.PasswordHash)
	b.WriteString("      <networks><ip>127.0.0.1</ip><ip>::1</ip></networks>\n")
	fmt.Fprintf(b, "      <profile>%s</profile>\n      <quota>%s</quota>\n", profile, quota(u.Project))
	fmt.Fprintf(b, "      <grants>\n        <query>GRANT SELECT ON %s.*</query>\n      </grants>\n    </%s>\n", ViewsDatabase(p.Database), u.Name)
}

// filterXML is a row filter on every table of the database; a name that is empty means all.
func (p Plan) filterXML(filter string) string {
	return fmt.Sprintf("      <databases><%s><table name=\"\"><filter>%s</filter></table></%[1]s></databases>\n", p.Database, filter)
}
