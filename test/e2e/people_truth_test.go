package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-faster/city"

	"github.com/millrace/millrace/people/identity"
	"github.com/millrace/millrace/people/profile"
	"github.com/millrace/millrace/schema"
)

// stored is a row of table events.
type stored struct {
	identity.Event
	id, name, group, traits string
}

// stored reads table events but for what segments have announced.
func (c *crowd) stored() (all []stored) {
	c.t.Helper()
	for _, row := range c.server.Load().sql(`SELECT project_id, type, event, distinct_id, user_id, anonymous_id, previous_id, group_id, traits, toUnixTimestamp64Milli(ts) AS at, _log, _partition, _offset, toString(event_id) AS id
		FROM millrace.events WHERE NOT startsWith(event, '$segment_')`) {
		text := func(name string) string { return row[name].(string) }
		number := func(name string) float64 { return row[name].(float64) }
		id, ok := schema.ParseUUID([]byte(text("id")))
		if !ok {
			c.t.Fatalf("event_id %q", row["id"])
		}
		all = append(all, stored{
			identity.Event{
				Project: uint32(number("project_id")), Type: text("type"), DistinctID: text("distinct_id"), UserID: text("user_id"), AnonymousID: text("anonymous_id"), PreviousID: text("previous_id"),
				Place: identity.Place{TS: int64(number("at")), Log: uint16(number("_log")), Partition: uint16(number("_partition")), Offset: uint64(number("_offset")), EventID: id},
			},
			text("id"), text("event"), text("group_id"), text("traits"),
		})
	}
	return all
}

// truth is what follows from the events.
type truth struct {
	graph             *identity.Graph
	overrides         []string
	profiles, groups  []string
	members           []string // of segments: project, segment, person
	users, identities int      // ids in all, and those that are another's
}

func follows(events []stored) *truth {
	v := &truth{graph: identity.New(maxIDs)}
	type group struct {
		project uint32
		id      string
	}
	names := map[identity.Key]string{}
	operations := map[identity.Key][]profile.Row{}
	did := map[identity.Key]map[string]int{}
	groups := map[group][]profile.Row{}
	for _, e := range events {
		for _, edge := range identity.Read(e.Event) {
			v.graph.Add(edge.Fact())
		}
		for _, id := range []string{e.DistinctID, e.UserID, e.AnonymousID, e.PreviousID} {
			names[identity.Key{Project: e.Project, H: city.CH64([]byte(id))}] = id
		}
		key := identity.Key{Project: e.Project, H: city.CH64([]byte(e.DistinctID))}
		if did[key] == nil {
			did[key] = map[string]int{}
		}
		did[key][e.name]++
		read, _ := profile.Read([]byte(e.traits))
		for _, o := range read {
			row := profile.Row{Name: o.Name, Op: o.Op, Slot: e.Place.EventID, TS: e.Place.TS, Log: e.Place.Log, Partition: e.Place.Partition, Offset: e.Place.Offset, Value: o.Value}
			if e.Type == "group" {
				groups[group{e.Project, e.group}] = append(groups[group{e.Project, e.group}], row)
			} else {
				operations[key] = append(operations[key], row)
			}
		}
	}
	v.graph.Settle()
	for k, person := range v.graph.All {
		v.overrides = append(v.overrides, fmt.Sprint(k.Project, " ", k.H, " ", person))
	}
	v.users, v.identities = len(names), len(v.overrides)

	persons := map[identity.Key]bool{}
	for _, ids := range []map[identity.Key]bool{setOf(operations), setOf(did)} {
		for k := range ids {
			persons[identity.Key{Project: k.Project, H: v.graph.Person(k)}] = true
		}
	}
	for person := range persons {
		var rows []profile.Row
		var bought, viewed int
		active := false
		ids := v.graph.Members(person)
		for _, h := range ids {
			k := identity.Key{Project: person.Project, H: h}
			rows = append(rows, operations[k]...)
			bought, viewed = bought+did[k]["purchase"], viewed+did[k]["view"]
			active = active || did[k] != nil
		}
		props, first, updated, _ := profile.Fold(rows)
		if string(props) != "{}" {
			v.profiles = append(v.profiles, fmt.Sprint(person.Project, " ", person.H, " ", names[person], " ", len(ids), " ", first, " ", updated, " ", string(props)))
		}
		var known struct{ Plan, Score any }
		if err := json.Unmarshal(props, &known); err != nil {
			panic(err)
		}
		score, _ := known.Score.(float64)
		for segment, in := range map[string]bool{
			"pros": known.Plan == "pro", "buyers": bought >= 3, "idle": bought == 0, "mixed": known.Plan == "pro" && viewed >= 2 || score >= 5,
		} {
			if in && (active || string(props) != "{}") {
				v.members = append(v.members, fmt.Sprint(person.Project, " ", segment, " ", person.H))
			}
		}
	}
	for g, rows := range groups {
		if props, first, updated, _ := profile.Fold(rows); string(props) != "{}" {
			v.groups = append(v.groups, fmt.Sprint(g.project, " ", g.id, " ", first, " ", updated, " ", string(props)))
		}
	}
	return v
}

func setOf[V any](all map[identity.Key]V) map[identity.Key]bool {
	keys := map[identity.Key]bool{}
	for k := range all {
		keys[k] = true
	}
	return keys
}

// lines are the rows of a query whose only column is "row", a text.
func (s *server) lines(query string) (all []string) {
	s.t.Helper()
	for _, row := range s.sql(query) {
		all = append(all, row["row"].(string))
	}
	return all
}

// moment is how segments stood when all was quiet.
type moment struct {
	builds  map[string]time.Time       // of project and segment: the moment of the build that is read
	members map[string]map[string]bool // of these: person
}

// judge waits until all that was sent has been worked out, and compares the tables with what follows from the events. Then it has all segments built, and compares these and what was announced.
func (c *crowd) judge() moment {
	t, s := c.t, c.server.Load()
	t.Helper()
	eventually(t, minute, "all that was taken is stored", func() bool {
		return s.count("SELECT uniqExact(event_id) FROM millrace.events WHERE NOT startsWith(event, '$segment_')") >= len(c.sent)
	})
	c.worked()
	events := c.stored()
	once, want := make([]string, 0, len(events)), make([]string, 0, len(c.sent))
	for _, e := range events {
		once = append(once, e.id)
	}
	mustMatch(t, "events, each once", once, append(want, slices.Collect(maps.Keys(c.sent))...))
	truth := follows(events)
	mustMatch(t, "identity_overrides", s.lines(`SELECT format('{} {} {}', toString(project_id), toString(user_h), toString(person_h)) AS row FROM millrace.identity_overrides FINAL WHERE person_h != user_h`), truth.overrides)
	mustMatch(t, "profiles_q", s.lines(`SELECT format('{} {} {} {} {} {} {}', toString(project_id), toString(person_h), distinct_id, toString(ids), toString(toUnixTimestamp64Milli(first_at)),
		toString(toUnixTimestamp64Milli(updated_at)), props) AS row FROM millrace.profiles_q`), truth.profiles)
	mustMatch(t, "groups_q", s.lines(`SELECT format('{} {} {} {} {}', toString(project_id), group_id, toString(toUnixTimestamp64Milli(first_at)), toString(toUnixTimestamp64Milli(updated_at)), props) AS row
		FROM millrace.groups_q`), truth.groups)
	dictionary := `SELECT format('{} {} {}', toString(project_id), toString(user_h), toString(person_h)) AS row FROM (SELECT DISTINCT project_id, user_h, person_h FROM millrace.events_q WHERE user_h != person_h)`
	named := map[string]bool{} // overrides of ids that have events
	for _, e := range events {
		k := identity.Key{Project: e.Project, H: city.CH64([]byte(e.DistinctID))}
		if person := truth.graph.Person(k); person != k.H {
			named[fmt.Sprint(k.Project, " ", k.H, " ", person)] = true
		}
	}
	seen := slices.Sorted(maps.Keys(named))
	eventually(t, minute, "the dictionary has what the table has", func() bool {
		got := s.lines(dictionary)
		slices.Sort(got)
		return slices.Equal(got, seen)
	})
	if n := s.count(`SELECT count() FROM millrace.identity_overrides FINAL WHERE dictGetOrDefault('millrace.identity', 'person_h', bitXor(user_h, intHash64(project_id)), user_h) != person_h`); n != 0 {
		t.Errorf("the dictionary differs from the table in %d ids", n)
	}
	t.Logf("judged: %d events, %d ids of which %d are another's, %d profiles, %d groups, %d members", len(events), truth.users, truth.identities, len(truth.profiles), len(truth.groups), len(truth.members))

	c.built()
	eventually(t, minute, "all builds are announced", func() bool {
		return s.count("SELECT count() FROM millrace.segment_builds FINAL WHERE state IN ('building', 'active')") == 0
	})
	members := s.lines("SELECT format('{} {} {}', toString(project_id), segment, toString(person_h)) AS row FROM millrace.segment_members_q")
	mustMatch(t, "segment_members_q", slices.Clone(members), truth.members)
	if t.Failed() {
		t.Log("the last builds:\n" + strings.Join(s.lines("SELECT format('{} {} {} of {}: {}, {} members, {}', toString(project_id), segment, toString(build), toString(at), toString(state), toString(size), note) AS row FROM millrace.segment_builds FINAL ORDER BY at DESC LIMIT 40"), "\n"))
	}
	now := moment{map[string]time.Time{}, map[string]map[string]bool{}}
	for _, row := range s.lines("SELECT format('{} {} {}', toString(project_id), segment, toString(max(toUnixTimestamp64Milli(at)))) AS row FROM millrace.segment_sizes_q GROUP BY project_id, segment") {
		f := strings.Fields(row)
		ms, err := strconv.ParseInt(f[2], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		now.builds[f[0]+" "+f[1]], now.members[f[0]+" "+f[1]] = time.UnixMilli(ms), map[string]bool{}
	}
	for _, row := range members {
		f := strings.Fields(row)
		now.members[f[0]+" "+f[1]][f[2]] = true
	}
	c.announced(now)
	return now
}

// worked waits until the job has done all events.
func (c *crowd) worked() {
	c.t.Helper()
	s := c.server.Load()
	eventually(c.t, minute, "people_progress is where events end", func() bool {
		return s.count(`SELECT countIf(n > next) FROM (SELECT _log, _partition, max(_offset) + 1 AS n FROM millrace.events GROUP BY _log, _partition) AS e
			LEFT ANY JOIN (SELECT _log, _partition, next FROM millrace.people_progress FINAL) AS p USING (_log, _partition)`) == 0
	})
}

// built has all segments built after this moment, and waits until these are read. One that another one refers to is built before that is asked for: a request that was not begun yet is answered
// by the build that it waits for, which may come sooner.
func (c *crowd) built() {
	c.t.Helper()
	for _, set := range sets {
		began := time.Now().UnixMilli()
		for project := range c.keys {
			if status, raw, err := c.manage(project, http.MethodPost, "/v1/segments/"+set.name+"/build", ""); err != nil || status != http.StatusAccepted {
				c.t.Fatalf("%s: %d %s %v", set.name, status, raw, err)
			}
		}
		eventually(c.t, minute, "segment "+set.name+" is built", func() bool {
			return c.server.Load().count(fmt.Sprintf("SELECT uniqExact(project_id) FROM millrace.segment_sizes_q WHERE segment = '%s' AND toUnixTimestamp64Milli(at) >= %d", set.name, began)) == len(c.keys)
		})
	}
}

// change is an event of a segment.
type change struct {
	at              time.Time
	segment, person string // segment: with its project
	entered         bool
}

// changes are the events of segments in the order of their builds.
func (c *crowd) changes() (all []change) {
	c.t.Helper()
	for _, row := range c.server.Load().lines(`SELECT format('{} {} {} {} {}', toString(toUnixTimestamp64Milli(ts)), event, toString(user_h), toString(project_id), JSONExtractString(props, 'segment')) AS row
		FROM millrace.events WHERE startsWith(event, '$segment_') ORDER BY ts, event_id`) {
		f := strings.SplitN(row, " ", 4)
		ms, err := strconv.ParseInt(f[0], 10, 64)
		if err != nil {
			c.t.Fatal(err)
		}
		all = append(all, change{time.UnixMilli(ms), f[3], f[2], f[1] == "$segment_entered"})
	}
	return all
}

// announced compares the events of segments with what the builds that were read have found, and has those who are never anybody else enter and leave in turn, up to what they are now.
func (c *crowd) announced(now moment) {
	t, s := c.t, c.server.Load()
	t.Helper()
	found := s.lines(`SELECT format('{} {} {} {} {}', toString(project_id), segment, toString(build), toString(person_h), toString(entered)) AS row FROM millrace.segment_changes
		WHERE build IN (SELECT build FROM millrace.segment_sizes_q)`)
	told := func() []string {
		return s.lines(`SELECT format('{} {} {} {} {}', toString(project_id), JSONExtractString(props, 'segment'), causation_id, toString(user_h), if(event = '$segment_entered', '1', '0')) AS row
			FROM millrace.events WHERE startsWith(event, '$segment_') AND hops = 1 AND JSONExtractString(props, 'build') = causation_id`)
	}
	eventually(t, minute, "what was announced is stored", func() bool { return len(told()) >= len(found) })
	mustMatch(t, "$segment_entered and $segment_left", told(), slices.Clone(found))
	count := map[string]int{}
	for _, row := range found {
		f := strings.Fields(row)
		count[f[2]+" "+f[4]]++
	}
	for _, row := range s.sql("SELECT toString(build) AS build, entered, left, announced, note FROM millrace.segment_builds FINAL WHERE state = 'announced'") {
		id := row["build"].(string)
		if in, out := count[id+" 1"], count[id+" 0"]; row["entered"] != float64(in) || row["left"] != float64(out) || row["announced"] != float64(in+out) || row["note"] != "" {
			t.Errorf("build %s: %v; %d and %d were found", id, row, in, out)
		}
	}
	steady := map[string]bool{}
	for i := range 12 {
		steady[strconv.FormatUint(city.CH64(fmt.Append(nil, "steady-", i)), 10)] = true
	}
	c.replay(c.changes(), nil, now, func(person string) bool { return steady[person] })
}

// follow has everybody enter and leave in turn since a moment, up to another one. Nobody has become anybody else between them.
func (c *crowd) follow(was, now moment) {
	c.t.Helper()
	var since []change
	for _, e := range c.changes() {
		if e.at.After(was.builds[e.segment]) {
			since = append(since, e)
		}
	}
	if len(since) == 0 {
		c.t.Error("nobody has entered or left")
	}
	c.t.Logf("%d entered or left while everybody was the same", len(since))
	c.replay(since, was.members, now, func(string) bool { return true })
}

// replay has those who are chosen enter and leave by the events.
func (c *crowd) replay(events []change, members map[string]map[string]bool, now moment, chosen func(person string) bool) {
	c.t.Helper()
	state := map[string]map[string]bool{}
	for segment := range now.members {
		state[segment] = maps.Clone(members[segment])
		if state[segment] == nil {
			state[segment] = map[string]bool{}
		}
	}
	for _, e := range events {
		if !chosen(e.person) {
			continue
		}
		if state[e.segment][e.person] == e.entered {
			c.t.Errorf("%s: %s at %v: entered %v, and was so already", e.segment, e.person, e.at.UTC(), e.entered)
		}
		if e.entered {
			state[e.segment][e.person] = true
		} else {
			delete(state[e.segment], e.person)
		}
	}
	for segment, is := range now.members {
		var got, want []string
		for person := range state[segment] {
			if chosen(person) {
				got = append(got, person)
			}
		}
		for person := range is {
			if chosen(person) {
				want = append(want, person)
			}
		}
		mustMatch(c.t, "who has entered and not left "+segment+" (+ by the events, - in segment_members_q)", got, want)
	}
}
