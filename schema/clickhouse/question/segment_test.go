package question_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/schema/clickhouse/question"
)

// moment is a segment at a moment, as something to ask.
type moment struct {
	*question.Segment
	at time.Time
}

func (m moment) Build(database string, project uint32) (question.Statement, error) {
	return m.Segment.Build(database, project, m.at)
}

// Each data set is compared with so many rules, a hundred and more in a usual run, and with leaves alone, which show more of what is wrong with one. Controls of the
// comparison itself may look at more leaves.
const rulesPerSeed, leavesPerSeed, controlsPerSeed = 9, 6, 40

// A segment has the members that a plain program finds when it asks of each person, one after the other, whether the rule holds: random rules on random events, profiles
// and members of other segments.
func TestSegmentsHaveTheirMembers(t *testing.T) {
	s := start(t)
	n := seeds(t)
	var corpus, controls []segmentCase
	var all []event
	populations := map[uint32]*population{}
	var rows peopleRows
	for seed := range max(n, usualSeeds) {
		events := generate(seed)
		r := rand.New(rand.NewPCG(uint64(seed), 41))
		for i := range events {
			if r.IntN(9) == 0 || seed%3 == 0 && events[i].user == "u0" {
				events[i].name = []string{"$segment_entered", "$segment_left"}[r.IntN(2)]
			}
		}
		all = append(all, events...)
		populations[seed] = rows.populate(seed, events, r)
		for i := range rulesPerSeed + leavesPerSeed {
			corpus = append(corpus, segmentCase{project: seed, moment: randomSegment(t, events, r, i >= rulesPerSeed)})
		}
		for range controlsPerSeed * min(1, controlSeeds/(seed+1)) {
			c := segmentCase{project: seed, moment: randomSegment(t, events, r, true)}
			c.want = hashes(populations[seed].membersOf(c.Where, c.at))
			controls = append(controls, c)
		}
	}
	load(t, s, all)
	rows.load(t, s)

	seen := map[string]int{}
	some := 0
	for i := range corpus {
		c := &corpus[i]
		p := populations[c.project]
		c.want = hashes(p.membersOf(c.Where, c.at))
		if got := s.membersOf(t, c.moment, c.project); !slices.Equal(got, c.want) {
			t.Errorf("project %d at %v: %s\nhas members %v, want %v", c.project, c.at.UTC(), text(t, c.Segment), got, c.want)
		}
		if len(c.want) > 0 && len(c.want) < len(p.events)+len(p.profiles) {
			some++
		}
		note(seen, c.Where)
	}
	t.Logf("%d segments, %d of them with some of the persons: %v", len(corpus), some, seen)
	if len(corpus) < 100+usualSeeds*leavesPerSeed || some*3 < len(corpus) {
		t.Errorf("%d segments, %d of them with some persons and not all: they show too little", len(corpus), some)
	}
	for _, kind := range []string{
		"all", "any", "not", "did", "did at_least", "did at_most", "did exactly", "did exactly 0", "did_not", "sequence", "segment", "within", "from", "to", "all of time", "any event", "where segment is", "where segment is_not",
		"profile is", "profile is_not", "profile contains", "profile not_contains", "profile starts_with", "profile set", "profile not_set", "profile gt", "profile gte", "profile lt", "profile lte",
	} {
		if seen[kind] == 0 {
			t.Errorf("no segment has %s", kind)
		}
	}
	t.Run("mistakes", func(t *testing.T) { testSegmentMistakes(t, s, append(controls, corpus...)) })
}

// segmentCase is a segment of a project, and the members that it must have.
type segmentCase struct {
	project uint32
	moment
	want []uint64
}

// membersOf are the members that the server finds, sorted.
func (s server) membersOf(t *testing.T, m moment, project uint32) (all []uint64) {
	t.Helper()
	return numbers(t, s.ask(t, m, project))
}

func numbers(t *testing.T, a answer) (all []uint64) {
	t.Helper()
	for _, row := range a.rows {
		h, err := strconv.ParseUint(row[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, h)
	}
	slices.Sort(all)
	return all
}

func hashes(set map[uint64]bool) []uint64 { return slices.Sorted(maps.Keys(set)) }

func text(t *testing.T, s *question.Segment) string {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// note counts what a rule is made of.
func note(seen map[string]int, r question.Rule) {
	window := func(w question.Window) {
		for name, is := range map[string]bool{"within": w.Within != "", "from": !w.From.IsZero(), "to": !w.To.IsZero(), "all of time": w == question.Window{}} {
			if is {
				seen[name]++
			}
		}
	}
	steps := func(steps ...question.Step) {
		for _, s := range steps {
			if s.Event == "" {
				seen["any event"]++
			}
			for _, c := range s.Where {
				seen["where "+c.Field+" "+c.Op]++
			}
		}
	}
	switch {
	case r.All != nil:
		seen["all"]++
	case r.Any != nil:
		seen["any"]++
	case r.Not != nil:
		seen["not"]++
		note(seen, *r.Not)
	case r.Did != nil:
		kind := "did"
		switch d := r.Did; {
		case d.AtLeast != nil:
			kind = "did at_least"
		case d.AtMost != nil:
			kind = "did at_most"
		case d.Exactly != nil && *d.Exactly == 0:
			kind = "did exactly 0"
		case d.Exactly != nil:
			kind = "did exactly"
		}
		seen[kind]++
		window(r.Did.Window)
		steps(r.Did.Step)
	case r.DidNot != nil:
		seen["did_not"]++
		window(r.DidNot.Window)
		steps(r.DidNot.Step)
	case r.Sequence != nil:
		seen["sequence"]++
		window(r.Sequence.Window)
		steps(r.Sequence.Steps...)
	case r.Profile != nil:
		seen["profile "+r.Profile.Op]++
	default:
		seen["segment"]++
	}
	for _, part := range append(slices.Clone(r.All), r.Any...) {
		note(seen, part)
	}
}

// randomSegment makes a segment, and the moment that it is built for: often one at which a window begins or ends exactly with an event. It was written as JSON and read again.
func randomSegment(t *testing.T, events []event, r *rand.Rand, plain bool) moment {
	t.Helper()
	g := ruler{r: r, events: events, plain: plain}
	ts := g.time()
	if r.IntN(3) > 0 {
		ts += lengthOf(lengths[r.IntN(len(lengths))]).Milliseconds()
	}
	at := time.UnixMilli(max(-2208988799999, min(ts, 10413791999998)))
	if r.IntN(4) == 0 {
		at = at.Add(500 * time.Microsecond)
	}
	if r.IntN(12) == 0 {
		at = time.Date([]int{1901, 1965, 2120, 2200}[r.IntN(4)], 3, 4, 5, 6, 7, 0, time.UTC)
	}
	written := question.Segment{Name: "random", Where: g.rule(1)}
	read, err := question.ParseSegment([]byte(text(t, &written)))
	if err != nil {
		t.Fatalf("%s: %v", text(t, &written), err)
	}
	if !reflect.DeepEqual(text(t, read), text(t, &written)) {
		t.Fatalf("%s\nis read as\n%s", text(t, &written), text(t, read))
	}
	return moment{read, at}
}

// ruler makes rules.
type ruler struct {
	r      *rand.Rand
	events []event
	plain  bool // leaves alone, few conditions
}

var lengths = []string{"1s", "60s", "10m", "6h", "1d", "3d", "24h", "1w", "11d", "26w", "3653d"}

// time is that of an event, or one near them.
func (g ruler) time() int64 {
	if len(g.events) == 0 || g.r.IntN(5) == 0 {
		return base + int64(g.r.IntN(40)-10)*6*hourMS
	}
	return g.events[g.r.IntN(len(g.events))].ts
}

func (g ruler) rule(depth int) question.Rule {
	if g.plain {
		return g.leaf()
	}
	kind := g.r.IntN(10)
	if depth == 1 && kind > 6 || depth == 4 {
		kind = g.r.IntN(7) + 7*min(1, depth/4)
	}
	switch {
	case kind < 3:
		return question.Rule{All: g.rules(depth)}
	case kind < 5:
		return question.Rule{Any: g.rules(depth)}
	case kind < 6:
		part := g.rule(depth + 1)
		return question.Rule{Not: &part}
	}
	return g.leaf()
}

func (g ruler) rules(depth int) (all []question.Rule) {
	for range 1 + g.r.IntN(3) {
		all = append(all, g.rule(depth+1))
	}
	return all
}

func (g ruler) leaf() question.Rule {
	switch kind := g.r.IntN(20); {
	case kind < 8:
		d := question.Did{Step: g.step(), Window: g.window()}
		n := int64(g.r.IntN(5))
		switch g.r.IntN(4) {
		case 0:
			n++
			d.AtLeast = &n
		case 1:
			d.AtMost = &n
		case 2:
			d.Exactly = &n
		}
		return question.Rule{Did: &d}
	case kind < 10:
		return question.Rule{DidNot: &question.DidNot{Step: g.step(), Window: g.window()}}
	case kind < 14:
		q := question.Sequence{Window: g.window()}
		for range 2 + g.r.IntN(2) {
			q.Steps = append(q.Steps, g.step())
		}
		if a, b := g.pair(); b.ts > a.ts && b.ts-a.ts < 3653*dayMS && g.r.IntN(2) == 0 { // which they just fit in
			q = question.Sequence{Steps: []question.Step{{Event: a.name}, {Event: b.name}}, WindowMS: b.ts - a.ts}
		} else if g.r.IntN(4) > 0 {
			q.WindowMS = []int64{1, 1000, minuteMS, 10 * minuteMS, 6 * hourMS, dayMS}[g.r.IntN(6)]
		}
		return question.Rule{Sequence: &q}
	case kind < 18:
		op, values := g.comparison()
		return question.Rule{Profile: &question.Profile{Field: []string{"p", "p", "p", "p", "nope"}[g.r.IntN(5)], Op: op, Values: values}}
	default:
		return question.Rule{Segment: g.segment()}
	}
}

// pair is two events of a person, in order.
func (g ruler) pair() (a, b event) {
	if len(g.events) == 0 {
		return a, b
	}
	a = g.events[g.r.IntN(len(g.events))]
	for _, i := range g.r.Perm(len(g.events)) {
		if b = g.events[i]; b.user == a.user && b.ts > a.ts {
			return a, b
		}
	}
	return a, a
}

func (g ruler) segment() string {
	return []string{"s1", "s1", "s2", "s2", "dropped", "unbuilt", "nope"}[g.r.IntN(7)]
}

func (g ruler) step() question.Step {
	step := question.Step{Event: []string{"A", "A", "A", "B", "B", "C", "$pageview", "", "", "nope", "$segment_entered", "$segment_left"}[g.r.IntN(12)]}
	for g.r.IntN(3) == 0 && (!g.plain || g.r.IntN(3) == 0) {
		c := question.Condition{Op: []string{"is", "is_not"}[g.r.IntN(2)]}
		switch g.r.IntN(5) {
		case 0:
			c.Field, c.Values = "country", []string{"DE", ""}[:1+g.r.IntN(2)]
		case 1:
			c.Field, c.Op = "device", []string{"set", "not_set"}[g.r.IntN(2)]
		case 2:
			c.Field, c.Op, c.Values = "revenue", []string{"gt", "lte"}[g.r.IntN(2)], []string{[]string{"0.0000", "1.2345", "2.4690"}[g.r.IntN(3)]}
		case 3:
			c.Field, c.Values = "segment", []string{g.segment(), g.segment()}[:1+g.r.IntN(2)]
		default:
			c.Field = "properties.p"
			c.Op, c.Values = g.comparison()
		}
		step.Where = append(step.Where, c)
	}
	return step
}

// comparison is one of a property, with all operations.
func (g ruler) comparison() (op string, values []string) {
	op = []string{"is", "is", "is_not", "is_not", "contains", "not_contains", "starts_with", "set", "not_set", "gt", "gte", "lt", "lte"}[g.r.IntN(13)]
	texts := []string{"x", "X", "5", "5.5", "-1000", "true", "ü😀", "it's \"\\ \n{x:String}", "$other", "first", ""}
	switch op {
	case "set", "not_set":
		return op, nil
	case "is", "is_not":
		for range 1 + g.r.IntN(4) {
			values = append(values, texts[g.r.IntN(len(texts))])
		}
		return op, values
	case "contains", "not_contains", "starts_with":
		return op, []string{[]string{"x", "5", "[", "1", "'", "\\", "{x:", "ü"}[g.r.IntN(8)]}
	}
	return op, []string{[]string{"5", "0", "1", "-1000", "1e2", "5.500", "9007199254740993", "-1e300"}[g.r.IntN(8)]}
}

func (g ruler) window() (w question.Window) {
	switch g.r.IntN(6) {
	case 0, 1:
		w.Within = lengths[g.r.IntN(len(lengths))]
	case 2, 3:
		a, b := g.time(), g.time()
		if g.r.IntN(2) == 0 {
			b = a + 11*dayMS
		}
		if a, b = min(a, b), min(max(a, b), 10413791999999); a < b {
			w.From, w.To = question.At(time.UnixMilli(a)), question.At(time.UnixMilli(b))
		}
	case 4:
		w.From, w.To = question.At(time.UnixMilli(g.time())), question.Instant{}
		if g.r.IntN(2) == 0 {
			w.From, w.To = w.To, w.From
		}
	}
	return w
}

// peopleRows are rows of the tables of profiles and segments.
type peopleRows struct{ profiles, segments, builds, members []string }

// populate makes up profiles and segments of a project. Among the rows are those that no longer count.
func (p *peopleRows) populate(project uint32, events []event, r *rand.Rand) *population {
	all := population{events: map[uint64][]event{}, profiles: map[uint64]property{}, members: map[string]map[uint64]bool{}}
	person := map[uint64]uint64{}
	persons := map[string]bool{}
	for _, e := range events {
		h := hashOf(e.user)
		all.events[h] = append(all.events[h], e)
		person[hashOf(e.distinctID())] = h
		persons[e.user] = true
	}
	for _, list := range all.events {
		slices.SortFunc(list, before)
	}
	for i := range 3 { // without any event
		persons[fmt.Sprint("silent ", i)] = true
	}
	ids := slices.Clone(hashesOf(events))
	for _, id := range slices.Sorted(maps.Keys(persons)) {
		ids = append(ids, hashOf(id))
		row := func(version int, props string, deleted int) {
			p.profiles = append(p.profiles, fmt.Sprintf("(%d, %d, %s, %s, 1, now64(3), now64(3), %d, %d)", project, hashOf(id), quoted(id), quoted(props), version, deleted))
		}
		row(1, `{"p":"x"}`, 0)
		switch r.IntN(4) {
		case 0:
			row(3, "{}", 1)
		default:
			prop := properties[r.IntN(len(properties))]
			props := `{"other":1}`
			if prop.json != "" {
				props = `{"other": 1, "p": ` + prop.json + `}`
			}
			row(2, props, 0)
			all.profiles[hashOf(id)] = prop
		}
	}
	slices.Sort(ids)
	ids = append(slices.Compact(ids), hashOf("stranger"))
	for i, segment := range []string{"s1", "s2", "dropped", "unbuilt"} {
		deleted := 0
		if segment == "dropped" {
			deleted = 1
		}
		p.segments = append(p.segments, fmt.Sprintf("(%d, '%s', '{}', 1, 0)", project, segment), fmt.Sprintf("(%d, '%s', '{}', 2, %d)", project, segment, deleted))
		// In the order of their times.
		for j, state := range []string{"announced", "active", "building", "failed"} {
			if segment == "unbuilt" && j < 2 {
				continue
			}
			build := fmt.Sprintf("00000000-0000-4000-9000-%06x%03x%03x", project, i, j)
			p.builds = append(p.builds, fmt.Sprintf("(%d, '%s', '%s', 1, now64(3) - %d, 'building', 1)", project, segment, build, 100-j),
				fmt.Sprintf("(%d, '%s', '%s', 1, now64(3) - %d, '%s', 2)", project, segment, build, 100-j, state))
			for _, id := range ids {
				if r.IntN(2) == 0 {
					continue
				}
				p.members = append(p.members, fmt.Sprintf("(%d, '%s', '%s', %d, now64(3))", project, segment, build, id))
				if state == "active" && segment != "dropped" {
					if all.members[segment] == nil {
						all.members[segment] = map[uint64]bool{}
					}
					all.members[segment][cmp.Or(person[id], id)] = true
				}
			}
		}
	}
	return &all
}

// hashesOf are those of all ids that events were sent under.
func hashesOf(events []event) (all []uint64) {
	for _, e := range events {
		all = append(all, hashOf(e.distinctID()))
	}
	return all
}

func quoted(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
}

func (p *peopleRows) load(t *testing.T, s server) {
	t.Helper()
	for table, rows := range map[string][]string{
		"profiles (project_id, person_h, distinct_id, props, ids, first_at, updated_at, version, is_deleted)": p.profiles,
		"segments (project_id, name, definition, version, is_deleted)":                                        p.segments,
		"segment_builds (project_id, segment, build, definition, at, state, version)":                         p.builds,
		"segment_members (project_id, segment, build, person_h, at)":                                          p.members,
	} {
		for part := range slices.Chunk(rows, 5000) {
			s.exec(t, "INSERT INTO "+database+"."+table+" VALUES "+strings.Join(part, ", "))
		}
	}
}

// Each of these mistakes gives some segment other members: what is compared can tell right from wrong.
func testSegmentMistakes(t *testing.T, s server, corpus []segmentCase) {
	swap := func(pairs ...string) func(string) string { return strings.NewReplacer(pairs...).Replace }
	pattern := func(expression, instead string) func(string) string {
		return func(text string) string { return regexp.MustCompile(expression).ReplaceAllString(text, instead) }
	}
	type control struct {
		segmentCase
		question.Statement
	}
	var controls []control
	for _, c := range corpus {
		statement, err := c.Build(database, c.project)
		if err != nil {
			t.Fatal(err)
		}
		controls = append(controls, control{c, statement})
	}
	// The shortest first: they are quick, and each part of them matters.
	slices.SortStableFunc(controls, func(a, b control) int { return len(a.Text) - len(b.Text) })
	for name, mistake := range map[string]func(string) string{
		"the end of the window counts": swap("ts < {", "ts <= {", "Milli(ts) < to", "Milli(ts) <= to"),
		"its beginning does not":       swap("ts >= {", "ts > {", "Milli(ts) >= to", "Milli(ts) > to"),
		"at least is more than":        swap("count() >= ", "count() > "),
		"exactly is at least":          swap("count() = ", "count() >= "),
		"at most is less than":         swap("count() > ", "count() >= "),
		"one leaf of a person counts":  swap("groupBitOr", "any"),
		"not is forgotten":             swap("(NOT bitTest", "(bitTest"),
		"any is all": func(text string) string {
			rest, rule := cutLast(text)
			return rest + strings.ReplaceAll(rule, " OR ", " AND ")
		},
		"all is any": func(text string) string {
			rest, rule := cutLast(text)
			return rest + strings.ReplaceAll(rule, " AND ", " OR ")
		},
		"who did nothing is nobody":           pattern(`(toUInt64\(0\) AS bit\s+FROM\s+\(\s+SELECT person_h AS person\s+FROM q.events_q\s+WHERE )`, "${1}0 AND "),
		"who has a profile only is nobody":    pattern(`(profiles_q\s+WHERE project_id = \{project:UInt32\})(\s*\))`, "$1 AND 0$2"),
		"announcements are events":            swap("event NOT IN ('$segment_entered', '$segment_left')", "1"),
		"who was announced only is everybody": pattern(` AND event NOT IN \('[^)]*'\)(\s+\)\s+UNION ALL\s+SELECT person, toUInt64\(0\))`, "$1"),
		"the window of a sequence ends early": pattern(`<= (\{v[0-9]+:UInt64\})`, "< $1"),
		"half a sequence is one":              pattern(`WHERE level = [0-9]+`, "WHERE level >= 1"),
		"no profile is another profile":       pattern(`(profiles_q\s+WHERE project_id = \{project:UInt32\}) AND NOT \(`, "$1 AND ("),
		"members of all projects":             swap("{project:UInt32} AND segment", "{project:UInt32} * 0 + project_id AND segment"),
		"events of all projects":              pattern(`(events_q\s+WHERE) project_id = \{project:UInt32\}`, "$1 1"),
		"profiles of all projects":            pattern(`(profiles_q\s+WHERE) project_id = \{project:UInt32\}`, "$1 1"),
		"in a segment is not in it":           swap("person_h NOT IN", "person_h IN"),
		"an id is a person":                   pattern(`person_h AS person(,|\s+FROM q.events_q)`, "user_h AS person$1"),
	} {
		noticed, changed := false, false
		for _, c := range controls {
			wrong := mistake(c.Text)
			if wrong == c.Text {
				continue
			}
			changed = true
			if noticed = !slices.Equal(numbers(t, s.must(t, wrong, c.Params)), c.want); noticed {
				break
			}
		}
		switch {
		case !changed:
			t.Errorf("%s: no statement has what to change", name)
		case !noticed:
			t.Errorf("%s: no segment has members that show it", name)
		}
	}
}

// cutLast cuts a statement before its last line, which is the rule.
func cutLast(text string) (before, rule string) {
	i := strings.LastIndexByte(text, '\n')
	return text[:i], text[i:]
}
