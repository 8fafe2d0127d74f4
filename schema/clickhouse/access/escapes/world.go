package escapes

import (
	"fmt"
	"regexp"
	"strings"
)

// World is a database with rows of two projects, and the database of views that users of projects read.
type World struct {
	Database string
	Views    string
	Own      uint32 // the project that the attempts are made for
	Canary   uint32 // the project that must not be seen
	// Secret is a file that the engine's process could read, which holds the file's token and nothing else. Beside it, the engine could write: whatever begins
	// with this name and goes on was made by an attempt.
	Secret string
}

// Tokens are what is in the canary's rows and nowhere else. Any text of an answer that contains one has shown a row.
var Tokens = []string{
	"kanarienvogel", // in every text
	"c0dec0de",      // in ids
	"739163.5127",   // revenue
	"867530986753",  // user_h, person_h and counts
	"2093-07",       // month of all times; ids, which are UUIDs of version 7, cannot have it where it looks like a year
	FileToken,
}

// FileToken is what the file World.Secret holds.
const FileToken = "schatzkarte"

// Rows of each project in table events.
const (
	OwnRows    = 3
	CanaryRows = 5
)

// Seed are the statements that fill the tables, to be run once by an account that may insert. The rollups are filled by their views.
func (w World) Seed() []string {
	row := func(project uint32, i int, text, id, ts, revenue, userH string) string {
		return fmt.Sprintf(`INSERT INTO %s.events (project_id, type, event, name, ts, event_id, session_id, distinct_id, user_id, anonymous_id, group_id,
	correlation_id, user_h, url_host, url_path, referrer_host, utm_source, country, city, device, revenue, props, context, traits, _offset)
SELECT %d, 'track', '%[3]s', '%[3]s', '%[4]s', '%[5]s', '%[5]s', '%[3]s', '%[3]s', '%[3]s', '%[3]s', '%[3]s', %[6]s, '%[3]s', '%[3]s', '%[3]s', '%[3]s', '%[3]s', '%[3]s', '%[3]s',
	%[7]s, '{"secret":"%[3]s","number":%[7]s}', '{"ip":"%[3]s"}', '{"email":"%[3]s"}', %[8]d`, w.Database, project, text, ts, id, userH, revenue, i)
	}
	var all []string
	for i := range OwnRows {
		all = append(all, row(w.Own, i, fmt.Sprintf("own%d", i), fmt.Sprintf("01890a5d-ac96-774b-bcce-b302099a80%02d", i), fmt.Sprintf("2023-07-0%d 10:00:00", i+1), "1.5", "77"))
	}
	for i := range CanaryRows {
		all = append(all, row(w.Canary, 10+i, fmt.Sprintf("kanarienvogel%d", i), fmt.Sprintf("038bb8c0-de00-7abc-8def-c0dec0dec0%02d", i), fmt.Sprintf("2093-07-0%d 10:00:00", i+1), "739163.5127", "8675309867530"))
	}
	for project, text := range map[uint32]string{w.Own: "own", w.Canary: "kanarienvogel"} {
		all = append(all, fmt.Sprintf(`INSERT INTO %s.properties SELECT %d, '%[3]s', '%[3]s', 'string', (now64(3), 1, 1, 1, 1, '"%[3]s"'), now64(3), now64(3)`, w.Database, project, text))
		all = append(all, fmt.Sprintf(`INSERT INTO %s.properties SELECT %d, '%[3]s', '', '', (now64(3), 1, 1, 1, 1, ''), now64(3), now64(3)`, w.Database, project, text))
		all = append(all, fmt.Sprintf(`INSERT INTO %s.quarantine (at, project_id, reason, payload) VALUES (now64(3), %d, '%[3]s', '%[3]s')`, w.Database, project, text))
	}
	all = append(all, w.people(w.Own, "own", "01890a5d-ac96-774b-bcce-b302099a80", "2023-07-0", "4", "77")...)
	all = append(all, w.people(w.Canary, "kanarienvogel", "038bb8c0-de00-7abc-8def-c0dec0dec0", "2093-07-0", "8675309867530", "8675309867530")...)
	// Both projects have a member of a segment of one name, from builds of one id. And the place that the key of id 77 of the own project has in dictionary identity is taken by one of
	// the canary's.
	for project, person := range map[uint32]string{w.Own: "77", w.Canary: "8675309867530"} {
		all = append(all, w.row("segments (project_id, name, definition, version)", "%d, 'both', '{}', 1", project),
			w.row("segment_builds (project_id, segment, build, at, state, size, version)", "%d, 'both', '01890a5d-ac96-774b-bcce-b302099a8001', now64(3), 'active', 1, 1", project),
			w.row("segment_members", "%d, 'both', '01890a5d-ac96-774b-bcce-b302099a8001', %s, now64(3)", project, person))
	}
	all = append(all, w.row("identity_overrides", "%d, bitXor(bitXor(toUInt64(77), intHash64(toUInt32(%d))), intHash64(toUInt32(%[1]d))), 86753098675302, 1", w.Canary, w.Own),
		"SYSTEM RELOAD DICTIONARY "+w.Database+".identity")
	return append(all, "SYSTEM FLUSH LOGS") // there is a log from then on
}

// people are the rows of a project in the tables of identities, profiles, segments and erasures. To id and month a number of two digits and one of one are to be added.
func (w World) people(project uint32, text, id, month, n, userH string) []string {
	build, moment := id+"01", month+"1 10:00:00"
	place := fmt.Sprintf("(toDateTime64('%s', 3, 'UTC'), 1, 1, 1, toUUID('%s'))", moment, build)
	return []string{
		w.row("identity_edges", "%d, %s, %[2]s + 1, 'identify', '%[3]s', '%[3]s', %[4]s, %[4]s", project, userH, text, place),
		w.row("identity_overrides", "%d, toUInt64(%s) + 1, %[2]s, 1", project, userH),
		w.row("profile_ops", "%d, 'user', %s, '%s', 'set', toUUID('%s'), '%[3]s', (toDateTime64('%[5]s', 3, 'UTC'), 1, 1, 1, '\"%[3]s\"')", project, userH, text, build, moment),
		w.row("profiles", `%d, %s, '%s', '{"secret":"%[3]s"}', 2, '%[4]s', '%[4]s', 1, 0`, project, userH, text, moment),
		w.row("groups", `%d, cityHash64('%s'), '%[2]s', '{"secret":"%[2]s"}', '%[3]s', '%[3]s', 1, 0`, project, text, moment),
		w.row("segments", `%d, '%s', '{"name":"%[2]s"}', toUInt64(toUnixTimestamp64Micro(toDateTime64('%[3]s', 6, 'UTC'))), 0`, project, text, moment),
		w.row("segment_builds (project_id, segment, build, definition, at, state, size, entered, left, announced, took_ms, note, version)",
			"%d, '%s', '%s', 1, greatest(toDateTime64('%s', 3, 'UTC'), now64(3)), 'announced', %s, %[5]s, %[5]s, %[5]s, %[5]s, '%[2]s', 1", project, text, build, moment, n),
		w.row("segment_members", "%d, '%s', '%s', %s, '%s'", project, text, build, userH, moment),
		w.row("segment_changes", "%d, '%s', '%s', %s, 1, '%[2]s', greatest(toDateTime64('%[5]s', 3, 'UTC'), now64(3))", project, text, build, userH, moment),
		w.row("erasures", "%d, %s, '%s', '%s', 1, 1, 0", project, userH, build, moment),
		w.row("erasure_log", "%d, '%s', '%[2]s', '%s', %s, %[4]s, '%s'", project, build, text, n, moment),
		w.row("erased_rows", "1, 1, %d, '%s', '%s', %[1]d, '%[3]s', %s, '%[2]s', greatest(toDateTime64('%[3]s', 3, 'UTC'), now64(3))", project, build, moment, userH),
	}
}

// row inserts one into a table; columns may stand behind its name.
func (w World) row(table, values string, args ...any) string {
	return "INSERT INTO " + w.Database + "." + table + " SELECT " + fmt.Sprintf(values, args...)
}

// Want is what may come of an attempt, beside that no token is seen.
type Want int

const (
	// Refused is an error that says that this is not allowed.
	Refused Want = iota
	// Nothing is an answer without a row, or any error.
	Nothing
	// Exactly is the answer of the attempt, as tab-separated values.
	Exactly
	// Anything is any answer or error.
	Anything
)

// Attempt is one statement.
type Attempt struct {
	Group    string
	SQL      string
	Params   map[string]string // of the statement
	Settings map[string]string // sent along with it; whoever lets nobody send settings leaves these attempts out
	Want     Want
	Answer   string // for Exactly
}

// refusals are the codes by which ClickHouse says that something is not allowed: any other error may be a mistake in the attempt. The texts of drivers and of
// ClickHouse itself write them in different ways.
var refusals = regexp.MustCompile(`(?i)\bcode: (` + strings.Join([]string{
	"115", // UNKNOWN_SETTING: such as the profile, over the native protocol
	"164", // READONLY
	"291", // DATABASE_ACCESS_DENIED
	"344", // SUPPORT_IS_DISABLED
	"358", // INTO_OUTFILE_NOT_ALLOWED
	"392", // QUERY_IS_PROHIBITED
	"395", // FUNCTION_THROW_IF_VALUE_IS_NON_ZERO: what stands in the place of function file
	"452", // SETTING_CONSTRAINT_VIOLATION
	"497", // ACCESS_DENIED
	"701", // CLUSTER_DOESNT_EXIST: there are no others
}, "|") + `)\b`)

// Judge tells what was wrong with the outcome of an attempt: nil when nothing was. The answer is written as tab-separated values, with all its rows.
func (w World) Judge(a Attempt, answer string, err error) error {
	seen := answer
	if err != nil {
		seen += "\n" + err.Error()
	}
	for _, t := range Tokens {
		if strings.Contains(strings.ToLower(seen), t) {
			return fmt.Errorf("%s shows %q: %.300s", a.SQL, t, seen)
		}
	}
	answer = strings.TrimSuffix(answer, "\n")
	switch {
	case a.Want == Refused && err == nil:
		return fmt.Errorf("%s was not refused: %.300s", a.SQL, answer)
	case a.Want == Refused && !refusals.MatchString(err.Error()):
		return fmt.Errorf("%s failed, but not because it is not allowed: %w", a.SQL, err)
	case a.Want == Nothing && err == nil && answer != "":
		return fmt.Errorf("%s gave rows: %.300s", a.SQL, answer)
	case a.Want == Exactly && err != nil:
		return fmt.Errorf("%s failed: %w", a.SQL, err)
	case a.Want == Exactly && answer != a.Answer:
		return fmt.Errorf("%s gave %.300q, want %q", a.SQL, answer, a.Answer)
	}
	return nil
}
