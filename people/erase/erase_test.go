package erase

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

const (
	victim = "victim-7f3a91@example.org"
	device = "device-5b20c4e8a1"
	mail   = "private-address-91c2@example.org"
	other  = "other-user-1"
	friend = "other-user-2"
)

// everywhere puts the victim, and others, into every table.
func (w *world) everywhere() {
	w.t.Helper()
	own, shared, foreign := uuid.New(), uuid.New(), uuid.New()
	for i := range 20 {
		w.add(
			event{distinct: victim, user: victim, anon: device, props: fmt.Sprintf(`{"email":%q,"n":%d}`, mail, i), session: own},
			event{distinct: other, user: other, props: `{"n":1}`, session: foreign},
			event{distinct: device, anon: device, session: own},
			event{distinct: friend, user: friend, session: shared},
		)
	}
	w.add(
		event{kind: "identify", distinct: victim, user: victim, anon: device},
		event{kind: "alias", distinct: "third-name", user: "third-name", prior: victim, session: uuid.New()}, // bears it in no other field
		event{distinct: victim, session: shared},
		event{project: 8, distinct: victim, user: victim}, // somebody else
		event{distinct: other, props: `{"about":"victim"}`},
	)
	escaped := strings.ReplaceAll(victim, "v", `\u0076`)
	w.refuse(project,
		fmt.Sprintf(`{"userId":%q,"event":7}`, victim), fmt.Sprintf(`{"context":{"deep":["%s"]},"event":7}`, escaped), fmt.Sprintf(`{"broken": "%s`, victim), fmt.Sprintf(`{"a":"b" "userId":"%s"`, device),
		fmt.Sprintf(`{"userId":%q,"event":7}`, other), `{"event":"nothing"}`, `{"userId":12345,"event":"x"}`)
	w.refuse(8, fmt.Sprintf(`{"userId":%q}`, victim))
	place := func(n uint64) []any { return []any{hour, uint16(eventsLog), uint16(0), n, uuid.New()} }
	w.insert("identity_edges (project_id, a_h, b_h, kind, a, b, first, last)",
		[]any{project, hashID(victim), hashID(device), "identify", victim, device, place(1), place(1)},
		[]any{project, hashID("third-name"), hashID(victim), "alias", "third-name", victim, place(2), place(2)},
		[]any{project, hashID(other), hashID("x"), "identify", other, "x", place(3), place(3)})
	w.insert("identity_overrides (project_id, user_h, person_h, version)",
		[]any{project, hashID(device), hashID(victim), uint64(1)}, []any{project, hashID("x"), hashID(other), uint64(1)}, []any{uint32(8), hashID("y"), hashID(victim), uint64(1)})
	last := func(value string) []any { return []any{hour, uint16(eventsLog), uint16(0), uint64(1), value} }
	w.insert("profile_ops (project_id, subject, subject_h, name, op, slot, id, last)",
		[]any{project, "user", hashID(victim), "email", "set", uuid.Nil, victim, last(`"` + mail + `"`)},
		[]any{project, "user", hashID(victim), "", "clear", uuid.Nil, victim, last("")},
		[]any{project, "group", hashID(victim), "plan", "set", uuid.Nil, "a group of this hash", last(`"pro"`)},
		[]any{project, "user", hashID(other), "plan", "set", uuid.Nil, other, last(`"pro"`)})
	w.insert("profiles (project_id, person_h, distinct_id, props, ids, first_at, updated_at, version, is_deleted)",
		[]any{project, hashID(victim), victim, `{"email":"` + mail + `"}`, uint32(2), hour, hour, uint64(1), uint8(0)},
		[]any{project, hashID(other), other, `{}`, uint32(2), hour, hour, uint64(1), uint8(0)})
	build := uuid.New()
	w.insert("segment_members (project_id, segment, build, person_h, at)", []any{project, "s", build, hashID(victim), hour}, []any{project, "s", build, hashID(other), hour})
	w.insert("segment_changes (project_id, segment, build, person_h, entered, distinct_id, at)", []any{project, "s", build, hashID("third-name"), uint8(1), device, hour}, []any{project, "s", build, hashID(other), uint8(1), other, hour})
	w.insert("properties (project_id, event, key, type, latest, first_seen, last_seen)",
		[]any{project, "Paid", "email", "string", []any{hour, uint64(1), uint64(2), uint64(2), uint64(1), `"` + mail + `"`}, hour, hour},
		[]any{project, "Paid", "n", "integer", []any{hour, uint64(100), uint64(200), uint64(200), uint64(3), `1`}, hour, hour})
}

// namesakesGo deletes what bears the victim's hash by right: somebody of another project, and a group.
func (w *world) namesakesGo() {
	w.t.Helper()
	for _, table := range []string{"events", "quarantine", "identity_overrides", "user_day"} {
		w.exec("ALTER TABLE millrace.%s DELETE WHERE project_id = 8 SETTINGS mutations_sync = 2", table)
	}
	w.exec("ALTER TABLE millrace.profile_ops DELETE WHERE subject = 'group' SETTINGS mutations_sync = 2")
}

// untouched are the rows that must stay as they are, and where they are.
var untouched = map[string]string{
	"events":             fmt.Sprintf("project_id != %d OR distinct_id IN ('%s', '%s')", project, other, friend),
	"quarantine":         fmt.Sprintf("project_id != %d OR payload LIKE '%%%s%%' OR payload LIKE '%%nothing%%' OR payload LIKE '%%12345%%'", project, other),
	"identity_edges":     fmt.Sprintf("a = '%s'", other),
	"identity_overrides": fmt.Sprintf("project_id != %d OR person_h = %d", project, hashID(other)),
	"profile_ops":        "subject = 'group' OR id LIKE 'other%'",
	"profiles":           fmt.Sprintf("person_h = %d", hashID(other)),
	"segment_members":    fmt.Sprintf("person_h = %d", hashID(other)),
	"segment_changes":    fmt.Sprintf("person_h = %d", hashID(other)),
	"user_day":           fmt.Sprintf("project_id != %d OR user_h IN (%d, %d)", project, hashID(other), hashID(friend)),
	"properties":         "key = 'n'",
}

func TestErasedFromEveryTable(t *testing.T) {
	w := newWorld(t)
	w.everywhere()
	// Controls: the searches find what is there.
	tables := map[string]bool{}
	for _, b := range w.bearers(victim, device) {
		table, _, _ := strings.Cut(b, " ")
		tables[table] = true
	}
	for _, target := range targets {
		if !tables[target.table] {
			t.Errorf("the search does not find the person in %s", target.table)
		}
	}
	before := w.checksums(untouched)

	e := w.request(victim, false)
	if e.IDs != 2 || !e.Whole {
		t.Errorf("%+v: identity_overrides has two ids", e)
	}
	w.once()
	proof := w.proof(e)
	if !proof.Done() || len(proof.Runs) != 1 {
		t.Fatalf("proof %+v", proof)
	}
	got := map[string]uint64{}
	for _, c := range proof.Runs[0].Counts {
		got[c.Table] = c.Before
	}
	want := map[string]uint64{"events": 43, "quarantine": 4, "identity_edges": 2, "profile_ops": 2, "identity_overrides": 1, "profiles": 1, "user_day": got["user_day"], "sessions": got["sessions"], "segment_members": 1, "segment_changes": 1}
	if !maps.Equal(got, want) || got["user_day"] == 0 || got["sessions"] == 0 {
		t.Errorf("before: %v, want %v", got, want)
	}
	if after := w.checksums(untouched); !maps.Equal(before, after) {
		t.Errorf("others' rows have changed:\n%v\n%v", before, after)
	}
	if len(w.leader.forgotten) == 0 || !slices.Contains(w.leader.forgotten[0], hashID(victim)) || !slices.Contains(w.leader.forgotten[0], hashID(device)) {
		t.Errorf("forgotten: %v", w.leader.forgotten)
	}
	if !w.audited[hour.Unix()] {
		t.Errorf("the auditor is not told of %v: %v", hour, w.audited)
	}
	// Project 8 has somebody of the same name.
	if n := w.number("SELECT count() FROM millrace.events WHERE project_id = 8 AND user_h = %d", hashID(victim)); n != 1 {
		t.Errorf("%d events of project 8", n)
	}
	if n := w.number("SELECT sum(highest) FROM millrace.erased_offsets FINAL WHERE table = 'events'"); n != 82 {
		t.Errorf("the highest offset that was deleted is noted as %d, want 82", n)
	}
	if n := w.number("SELECT count() FROM millrace.erased_rows FINAL"); n != 43 {
		t.Errorf("%d deleted rows are noted, want 43", n)
	}

	w.namesakesGo()
	if found := w.bearers(victim, device); len(found) > 0 {
		t.Errorf("left: %v", found)
	}
	if strings.Contains(w.logs.String(), victim) || strings.Contains(w.logs.String(), device) {
		t.Error("the log names the person")
	}
}

// A run that finds nothing writes nothing; late rows go with the next run, and nobody else's.
func TestLateRowsGoWithTheNextRun(t *testing.T) {
	w := newWorld(t)
	w.everywhere()
	e := w.request(victim, false)
	w.once()
	if n := w.number("SELECT count() FROM millrace.events WHERE project_id = 7 AND user_h = %d", hashID(victim)); n > 0 {
		t.Fatalf("%d events are left", n)
	}
	log := func() uint64 { return w.number("SELECT count() FROM millrace.erasure_log") }
	rows := log()
	for range looksAfter + 2 {
		w.once()
	}
	if n := log(); n != rows {
		t.Errorf("runs that found nothing have written %d rows", n-rows)
	}
	if w.memory.again != 0 {
		t.Fatalf("%d looks are due", w.memory.again)
	}
	for name, late := range map[string]func(){
		"a new event":               func() { w.add(event{distinct: victim}) },
		"a new event of the device": func() { w.add(event{distinct: other, anon: device}) },
		"an old offset again":       func() { w.add(event{distinct: victim, log: eventsLog, offset: 2}) },
		"an old topic":              func() { w.add(event{distinct: victim, log: pastLog, offset: 2}) },
		"a refused event":           func() { w.refuse(project, fmt.Sprintf(`{"userId":%q}`, victim)) },
		"an edge of a late leader": func() {
			w.insert("identity_edges (project_id, a_h, b_h, kind, a, b)", []any{project, hashID(victim), hashID("z"), "identify", victim, "z"})
		},
		"a profile of a late leader": func() {
			w.insert("profiles (project_id, person_h, distinct_id, props, version)", []any{project, hashID(device), device, "{}", uint64(9)})
		},
		"an override of a late leader": func() {
			w.insert("identity_overrides (project_id, user_h, person_h, version)", []any{project, hashID("z"), hashID(victim), uint64(9)})
		},
	} {
		runs := len(w.proof(e).Runs)
		late()
		w.once()
		if n := len(w.proof(e).Runs); n != runs+1 {
			t.Errorf("%s: %d runs are proved, want %d", name, n, runs+1)
		}
		if found := w.bearers("no such person", device); len(found) > 0 {
			t.Errorf("%s: left: %v", name, found)
		}
		if n := w.number("SELECT count() FROM millrace.events WHERE project_id = 7 AND user_h = %d", hashID(victim)); n != 0 {
			t.Errorf("%s: %d events are left", name, n)
		}
		w.memory.again = 0 // what is late next must be found by an ordinary look
	}
	// What an index does not find goes with the next full look.
	w.insert("segment_members (project_id, segment, build, person_h, at)", []any{project, "s", uuid.New(), hashID(victim), hour})
	w.memory.full = w.memory.full.Add(-w.task.cfg.FullInterval)
	w.once()
	if n := w.number("SELECT count() FROM millrace.segment_members WHERE person_h = %d", hashID(victim)); n != 0 {
		t.Error("a member of a segment is left after a full look")
	}
}

// Rows that a sink has not confirmed are its own.
func TestUnconfirmedRowsStay(t *testing.T) {
	w := newWorld(t)
	w.add(event{distinct: other}, event{distinct: victim})
	confirmed := slices.Clone(w.leader.confirmed)
	w.add(event{distinct: victim}, event{distinct: victim, partition: 1, log: eventsLog, offset: 0})
	w.leader.confirmed = confirmed
	e := w.request(victim, true)
	w.once()
	if n := w.number("SELECT count() FROM millrace.events WHERE user_h = %d", hashID(victim)); n != 2 {
		t.Errorf("%d rows of the person are there, want the 2 that are not confirmed", n)
	}
	if p := w.proof(e); len(p.Runs) != 1 || p.Runs[0].Counts[0].Before != 1 || !p.Done() {
		t.Errorf("proof %+v", p)
	}
	w.once()
	if n := w.number("SELECT count() FROM millrace.events WHERE user_h = %d", hashID(victim)); n != 2 {
		t.Errorf("%d rows of the person are there after the second run", n)
	}
	w.confirm()
	w.once()
	if n := w.number("SELECT count() FROM millrace.events WHERE user_h = %d AND _partition = 0", hashID(victim)); n != 0 {
		t.Errorf("%d confirmed rows are left", n)
	}
	if n := w.number("SELECT count() FROM millrace.events WHERE user_h = %d AND _partition = 1", hashID(victim)); n != 1 {
		t.Error("a row of a partition that nobody confirms was deleted")
	}
}

// Keys that nobody has any longer go once the auditor has counted them down, with what stands in them; others stay.
func TestEmptyKeysAreSwept(t *testing.T) {
	w := newWorld(t)
	w.exec("CREATE TABLE millrace.metric_mails__1 (project_id UInt32, day Date32, email String, n SimpleAggregateFunction(sum, Int64), _fill UInt32) ENGINE = AggregatingMergeTree ORDER BY (project_id, day, email, _fill)")
	w.exec("INSERT INTO millrace.metrics (name, build, version, phase, rollup) VALUES ('mails', 1, 1, 'complete', '{\"interval\":\"day\",\"where\":\"1\",\"keys\":[{\"name\":\"project_id\"},{\"name\":\"day\"},{\"name\":\"email\"}],\"sums\":[{\"name\":\"n\"}]}')")
	w.add(event{distinct: victim, ts: hour}, event{distinct: other, ts: hour}, event{distinct: "third-name", anon: victim, ts: hour.Add(2 * time.Hour)})
	day := hour.Truncate(24 * time.Hour)
	w.insert("metric_mails__1 (project_id, day, email, n)", []any{project, day, mail, int64(1)}, []any{project, day, "others@example.org", int64(1)}, []any{uint32(8), day, mail, int64(0)})
	w.request(victim, true)
	w.once()
	if n := w.number("SELECT toUInt64(count()) FROM millrace.rollup_1h WHERE hour = fromUnixTimestamp64Second(toInt64(%d), 'UTC')", hour.Add(2*time.Hour).Unix()); n != 1 {
		t.Fatalf("%d rows of the hour that only the person has", n)
	}
	// As the auditor does it.
	for _, table := range []string{"rollup_1m", "rollup_1h"} {
		w.exec("INSERT INTO millrace.%s (project_id, event, %s, n) VALUES (7, 'Paid', fromUnixTimestamp64Second(toInt64(%d), 'UTC'), -1), (7, 'Paid', fromUnixTimestamp64Second(toInt64(%d), 'UTC'), -1)",
			table, map[string]string{"rollup_1m": "minute", "rollup_1h": "hour"}[table], hour.Unix(), hour.Add(2*time.Hour).Unix())
	}
	w.insert("metric_mails__1 (project_id, day, email, n)", []any{project, day, mail, int64(-1)})
	w.insert("user_day (project_id, day, user_h, n)", []any{project, day, hashID("third-name"), int64(-1)})
	if hour.Add(2*time.Hour).Truncate(24*time.Hour) != day {
		w.insert("user_day (project_id, day, user_h, n)", []any{project, hour.Add(2 * time.Hour), hashID("third-name"), int64(-1)}, []any{project, day, hashID("third-name"), int64(1)})
	}
	w.once()
	for sql, want := range map[string]uint64{
		"rollup_1m": 2, "rollup_1h": 2, // one event of another user, counted down from two
		"metric_mails__1": 2, "user_day": 1,
	} {
		if n := w.number("SELECT count() FROM millrace.%s", sql); n != want {
			t.Errorf("%d rows of %s, want %d", n, sql, want)
		}
	}
	if n := w.number("SELECT count() FROM millrace.metric_mails__1 WHERE project_id = 7 AND cityHash64(email) = %d", hashID(mail)); n != 0 {
		t.Error("a key of the erased person is left in a custom metric")
	}
}

// Only the one id.
func TestOnlyThisID(t *testing.T) {
	w := newWorld(t)
	w.everywhere()
	e := w.request(device, true)
	if e.IDs != 1 || e.Whole {
		t.Errorf("%+v", e)
	}
	w.once()
	if n := w.number("SELECT count() FROM millrace.events WHERE project_id = 7 AND user_h = %d", hashID(victim)); n != 1 {
		t.Errorf("%d events of the person's other id, want the one that does not bear the device", n)
	}
	if found := w.bearers(device); len(found) > 0 {
		t.Errorf("left: %v", found)
	}
	// The same again is the same request; the person as a whole is another one.
	if again := w.request(device, true); again.ID != e.ID {
		t.Error("asking again makes another request")
	}
	if whole := w.request(victim, false); whole.ID == e.ID || whole.IDs != 1 {
		t.Errorf("%+v", whole)
	}
}

// A person may come back; what was deleted does not.
func TestAllow(t *testing.T) {
	w := newWorld(t)
	w.everywhere()
	e := w.request(victim, false)
	w.once()
	if err := w.store.Allow(t.Context(), project, device); err != nil {
		t.Fatal(err)
	}
	if p := w.proof(e); !p.Allowed || len(p.Runs) != 1 {
		t.Errorf("%+v", p)
	}
	w.add(event{distinct: victim, user: victim})
	for range 3 {
		w.once()
	}
	if n := w.number("SELECT count() FROM millrace.events WHERE project_id = 7 AND user_h = %d", hashID(victim)); n != 1 {
		t.Errorf("%d events of the person who came back", n)
	}
	if err := w.store.Allow(t.Context(), project, device); err == nil {
		t.Error("who is not erased was allowed to come back")
	}
	if again := w.request(victim, false); again.ID == e.ID {
		t.Error("erased again by a request that was withdrawn")
	}
	w.once()
	if n := w.number("SELECT count() FROM millrace.events WHERE project_id = 7 AND user_h = %d", hashID(victim)); n != 0 {
		t.Errorf("%d events after the second erasure", n)
	}
}

// The first run waits for what the graph does not know yet, and takes it in.
func TestWholePersonsWaitForTheGraph(t *testing.T) {
	w := newWorld(t)
	w.add(event{kind: "identify", distinct: victim, user: victim, anon: device}, event{distinct: device, anon: device})
	w.exec("TRUNCATE TABLE millrace.people_progress")
	e := w.request(victim, false)
	if e.IDs != 1 {
		t.Fatalf("%+v", e)
	}
	w.once()
	if n := w.number("SELECT count() FROM millrace.events"); n != 2 {
		t.Fatalf("%d events: the run did not wait", n)
	}
	w.confirm()
	w.leader.members[hashID(victim)] = []uint64{hashID(device)}
	w.once()
	if n := w.number("SELECT count() FROM millrace.events"); n != 0 {
		t.Errorf("%d events are left", n)
	}
	if p := w.proof(e); p.IDs != 2 || !p.Done() {
		t.Errorf("%+v", p)
	}
}

// Cut off at any call, the next leader finishes.
func TestRunsThatWereCutOff(t *testing.T) {
	for _, method := range []string{"Forget", "audit", "sessions"} {
		t.Run(method, func(t *testing.T) {
			w := newWorld(t)
			w.everywhere()
			e := w.request(victim, false)
			cut := fmt.Errorf("cut off at %s", method)
			switch method {
			case "Forget":
				w.leader.failing["Forget"] = cut
			case "audit":
				w.task.deps.Audit = failingAudit(cut)
			case "sessions":
				w.exec("RENAME TABLE millrace.sessions TO millrace.sessions_away")
			}
			if err := w.task.once(t.Context(), w.leader, w.memory); err == nil {
				t.Fatal("nothing was cut off")
			}
			if method == "sessions" {
				w.exec("RENAME TABLE millrace.sessions_away TO millrace.sessions")
			}
			clear(w.leader.failing)
			clear(w.audited)
			w.restart()
			if err := w.task.finishRuns(t.Context(), w.leader); err != nil {
				t.Fatal(err)
			}
			w.once()
			if !w.audited[hour.Unix()] {
				t.Error("the auditor is not told")
			}
			w.namesakesGo()
			if found := w.bearers(victim, device); len(found) > 0 {
				t.Errorf("left: %v", found)
			}
			if n := w.number("SELECT count() FROM millrace.sessions WHERE tupleElement(first, 'user_h') = %d", hashID("third-name")); n != 0 {
				t.Error("a session whose only event was deleted is left")
			}
			if p := w.proof(e); !p.Done() {
				t.Errorf("%+v", p)
			}
		})
	}
}
