package segment

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/clickhouse/question"
)

// problems are pointers and details of what is wrong.
func problems(err error) string {
	var all []string
	for _, p := range question.Problems(err) {
		all = append(all, p.Error())
	}
	return strings.Join(all, "\n")
}

// Definitions are declared all or none, and must make sense together.
func testDeclaredTogether(w *world) {
	t := w.t
	declare := func(text string) ([]Change, error) {
		all, err := Parse([]byte(text))
		if err != nil {
			return nil, err
		}
		if plan, err := w.store.Plan(w.ctx, 1, all); err == nil {
			changes, err := w.store.Declare(w.ctx, 1, all)
			if err != nil || !slices.Equal(plan, changes) {
				t.Errorf("planned %v, done %v, %v", plan, changes, err)
			}
			return changes, err
		}
		return w.store.Declare(w.ctx, 1, all)
	}
	of := func(name, other string) string { return `{"name":"` + name + `","where":{"segment":"` + other + `"}}` }
	for _, c := range []struct{ text, want string }{
		{`{"name":"x","where":{}}`, "/where: says nothing"},
		{`[{"name":"x","where":{"did":{"event":"buy"}}},{"nam":1}]`, "/1/nam"},
		{"[" + buyers + "," + buyers + "]", "/1/name: buyers is the name of element 0, too"},
		{"[1", "no JSON"},
		{of("a", "b"), "/where: refers to b, which the project has no segment"},
		{"[" + of("a", "b") + "," + of("b", "c") + "," + of("c", "a") + "]", "/0/where: segments must not refer to themselves, and these do: a → b → c → a"},
	} {
		if _, err := declare(c.text); !strings.Contains(problems(err), c.want) {
			t.Errorf("%s: %v, want %s", c.text, err, c.want)
		}
	}
	if n := w.strings("SELECT toString(count()) FROM {db}.segments"); n[0] != "0" {
		t.Errorf("%s definitions were declared", n)
	}
	changes, err := declare("[" + of("b", "a") + "," + `{"name":"a","where":{"did":{"event":"buy"}}}` + "]")
	if err != nil || fmt.Sprint(changes[0].What, changes[1].What) != "new new" && fmt.Sprint(changes[0].What, changes[1].What) != "newnew" {
		t.Errorf("%+v %v", changes, err)
	}
	if _, err := declare(of("a", "b")); !strings.Contains(problems(err), "a → b → a") {
		t.Error(err)
	}
	if changes, err = declare(of("b", "a")); err != nil || changes[0].What != "same" {
		t.Errorf("%+v %v", changes, err)
	}
	before, err := w.store.Get(w.ctx, 1, "b")
	if err != nil {
		t.Fatal(err)
	}
	if changes, err = declare(`{"name":"b","every":"1h","where":{"segment":"a"}}`); err != nil || changes[0].What != "changed" || changes[0].Before != before.Text {
		t.Errorf("%+v %v", changes, err)
	}
	after, err := w.store.Get(w.ctx, 1, "b")
	if err != nil || after.Version <= before.Version || after.Interval() != time.Hour {
		t.Errorf("%+v %v", after, err)
	}
	if all, err := w.store.List(w.ctx, 1); err != nil || len(all) != 2 || all[0].Name != "a" || all[1].Text != after.Text {
		t.Errorf("%+v %v", all, err)
	}
	if all, err := w.store.List(w.ctx, 2); err != nil || len(all) != 0 {
		t.Errorf("%+v %v", all, err)
	}
}

// What was built of a segment goes with it.
func testDropped(w *world) {
	t := w.t
	w.declare(1, buyers, `{"name":"vips","where":{"segment":"buyers"}}`)
	w.did(1, "buy", "anna")
	w.mustTurn()
	w.mustTell("+buyers anna", "+vips anna")
	if err := w.store.Drop(w.ctx, 1, "nobody"); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	if err := w.store.Drop(w.ctx, 1, "buyers"); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "vips refers to buyers") {
		t.Error(err)
	}
	for _, name := range []string{"vips", "buyers"} {
		if err := w.store.Drop(w.ctx, 1, name); err != nil {
			t.Fatal(err)
		}
	}
	w.mustHave(1, "buyers")
	for _, table := range []string{"segments FINAL", "segment_builds", "segment_members", "segment_changes"} {
		if n := w.strings("SELECT toString(count()) FROM {db}." + table); n[0] != "0" {
			t.Errorf("%s rows are left in %s", n, table)
		}
	}
	// Declared again it is another one.
	w.declare(1, buyers)
	w.mustHave(1, "buyers")
	w.mustTurn()
	w.mustTell("+buyers anna")
	// Dropped while it is built: nothing of it stays.
	w.pass(time.Hour)
	b := w.builder()
	b.at = func(s step) error {
		if s == stepChanges {
			return w.store.Drop(w.ctx, 1, "buyers")
		}
		return nil
	}
	if err := w.turn(b); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"segments FINAL", "segment_builds", "segment_members", "segment_changes"} {
		if n := w.strings("SELECT toString(count()) FROM {db}." + table); n[0] != "0" {
			t.Errorf("%s rows are left in %s", n, table)
		}
	}
	for _, call := range []func() error{
		func() error { _, err := w.store.Get(w.ctx, 1, "buyers"); return err },
		func() error { _, err := w.store.Request(w.ctx, 1, "buyers"); return err },
		func() error { _, err := w.store.Sizes(w.ctx, 1, "buyers", 1); return err },
		func() error { _, err := w.store.Explain(w.ctx, 1, "buyers"); return err },
		func() error { _, err := w.store.Members(w.ctx, 1, "buyers", nil, 1); return err },
	} {
		if err := call(); !errors.Is(err, ErrUnknown) {
			t.Error(err)
		}
	}
}

// Pages have every member once, in order, by the id that is known from anywhere.
func testMembersByPage(w *world) {
	t := w.t
	w.declare(1, `{"name":"all","every":"","announce":false,"where":{"any":[{"did":{"event":"buy"}},{"profile":{"field":"plan","op":"set"}}]}}`)
	if page, err := w.store.Members(w.ctx, 1, "all", nil, 10); err != nil || len(page.Members) != 0 || page.More || page.Build.ID != (schema.UUID{}) {
		t.Errorf("%+v %v", page, err)
	}
	var want []string
	for i := range 25 {
		want = append(want, fmt.Sprint("user-", i))
	}
	w.did(1, "buy", want...)
	w.exec(fmt.Sprintf(`INSERT INTO {db}.profiles (project_id, person_h, distinct_id, props, version) VALUES (1, %d, 'profiled', '{"plan":"pro"}', 1)`, hash("profiled")))
	w.is(1, "user-3", "user-4", "user-5")
	if _, err := w.store.Request(w.ctx, 1, "all"); err != nil {
		t.Fatal(err)
	}
	w.mustTurn()
	w.is(1, "user-6", "user-7")
	want = append(slices.DeleteFunc(want, func(id string) bool { return id == "user-4" || id == "user-5" || id == "user-7" }), "profiled")
	var got []string
	var after *uint64
	for pages := 1; ; pages++ {
		page, err := w.store.Members(w.ctx, 1, "all", after, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page.Members {
			if m.Person != hash(m.DistinctID) || after != nil && m.Person <= *after {
				t.Errorf("%+v", m)
			}
			got = append(got, m.DistinctID)
			after = &m.Person
		}
		if !page.More {
			if pages != 4 {
				t.Errorf("%d pages", pages)
			}
			break
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	e, err := w.store.Explain(w.ctx, 1, "all")
	if err != nil || !strings.Contains(e.Statement.Text, "groupBitOr") || e.Active == nil || e.Active.Size != 24 {
		t.Errorf("%+v %v", e, err)
	}
}

// What two have declared at the same time, or a newer version, may be impossible to build: it fails for itself.
func testDefinitionsThatDoNotBuild(w *world) {
	t := w.t
	w.declare(1, buyers)
	w.did(1, "buy", "anna")
	for i, text := range []string{
		`{"name":"a","where":{"segment":"b"}}`, `{"name":"b","where":{"segment":"a"}}`, `{"name":"c","where":{"segment":"nobody"}}`, `{"name":"d","where":{"something_new":1}}`,
	} {
		name := string(rune('a' + i))
		if err := (book{w.db}).declare(w.ctx, []Definition{{Project: 1, Text: text, Version: 1, Segment: &question.Segment{Name: name}}}, false); err != nil {
			t.Fatal(err)
		}
	}
	w.mustTurn()
	w.mustHave(1, "buyers", "anna")
	for name, note := range map[string]string{"a": "a → b → a", "b": "a → b → a", "c": "nobody, of which there is no build", "d": "cannot be built"} {
		if b := w.last(1, name); b.State != Failed || !strings.Contains(b.Note, note) {
			t.Errorf("%s: %+v", name, b)
		}
	}
}

func TestDue(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	parse := func(project uint32, version uint64, text string) Definition {
		s, err := question.ParseSegment([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return Definition{Project: project, Version: version, Segment: s}
	}
	all := []Definition{
		parse(1, 5, `{"name":"a","every":"15m","where":{"segment":"z"}}`),
		parse(1, 5, `{"name":"m","every":"","where":{"did":{"event":"x"}}}`),
		parse(1, 5, `{"name":"z","every":"1h","where":{"did":{"event":"x"}}}`),
		parse(2, 5, `{"name":"z","where":{"did":{"event":"x"}}}`),
	}
	built := func(ago time.Duration, definition uint64) *track {
		return &track{last: Build{At: now.Add(-ago), Definition: definition, State: Announced}}
	}
	one, two := schema.UUID{1}, schema.UUID{2}
	for _, c := range []struct {
		what   string
		tracks map[key]*track
		asked  []Build
		want   string
	}{
		{"never built", nil, nil, "1z 1a 2z"},
		{"just built", map[key]*track{{1, "a"}: built(15*time.Minute-1, 5), {1, "z"}: built(0, 5), {2, "z"}: built(0, 5)}, nil, ""},
		{"some are due", map[key]*track{{1, "a"}: built(15*time.Minute, 5), {1, "z"}: built(time.Hour, 5), {2, "z"}: built(14*time.Minute, 5)}, nil, "1z 1a"},
		{"changed", map[key]*track{{1, "a"}: built(0, 4), {1, "z"}: built(0, 5), {2, "z"}: built(0, 5)}, nil, "1a"},
		{"asked for", map[key]*track{{1, "a"}: built(0, 5), {1, "z"}: built(0, 5), {2, "z"}: built(0, 5)}, []Build{{Project: 1, Segment: "m", ID: one}, {Project: 1, Segment: "m", ID: two}, {Project: 9, Segment: "x"}}, "1m!1"},
	} {
		var got []string
		for _, j := range due(now, all, c.tracks, c.asked) {
			text := fmt.Sprint(j.Project, j.Name)
			if j.id != (schema.UUID{}) {
				text += fmt.Sprint("!", j.id[0])
			}
			got = append(got, text)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

// An id of an event is of one change of one build.
func TestEventID(t *testing.T) {
	seen := map[schema.UUID]string{}
	for _, b := range []Build{{Project: 1, Segment: "a", ID: schema.UUID{1}}, {Project: 2, Segment: "a", ID: schema.UUID{1}}, {Project: 1, Segment: "b", ID: schema.UUID{1}}, {Project: 1, Segment: "a", ID: schema.UUID{2}}} {
		for _, c := range []change{{person: 1}, {person: 1, entered: true}, {person: 2}} {
			id := eventID(b, c)
			what := fmt.Sprint(b, c)
			if other, twice := seen[id]; twice || id != eventID(b, c) || id[6]>>4 != 8 || id[8]>>6 != 2 {
				t.Errorf("%s has the id %s of %s", what, id, other)
			}
			seen[id] = what
		}
	}
}

// Definitions together are bounded: all of them are read by the job, again and again.
func TestRefusedTogether(t *testing.T) {
	after := func(n, bytes int) map[string]Definition {
		all := map[string]Definition{}
		for i := range n {
			name := fmt.Sprintf("s%d", i)
			all[name] = Definition{Project: 1, Text: strings.Repeat(" ", bytes), Segment: &question.Segment{Name: name}}
		}
		return all
	}
	for _, c := range []struct {
		n, bytes int
		want     string
	}{
		{maxSegments, 1, ""},
		{maxSegments + 1, 1, "1001 segments are above the limit of 1000"},
		{16, maxDefinitionBytes / 16, ""},
		{16, maxDefinitionBytes/16 + 1, "4194320 bytes together are above the limit of 4194304"},
	} {
		if got := problems(refused(nil, after(c.n, c.bytes))); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%d of %d bytes: %q, want %q", c.n, c.bytes, got, c.want)
		}
	}
}
