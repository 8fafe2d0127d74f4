package segment

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Members follow the events, and those who enter and leave are told of.
func testMembersFollowEvents(w *world) {
	t := w.t
	w.declare(1, buyers)
	w.did(1, "buy", "anna", "bert")
	w.did(1, "look", "carl")
	w.did(2, "buy", "dora")
	w.mustTurn()
	w.mustHave(1, "buyers", "anna", "bert")
	w.mustTell("+buyers anna", "+buyers bert")
	if b := w.last(1, "buyers"); b.State != Announced || b.Size != 2 || b.Entered != 2 || b.Left != 0 || b.Announced != 2 || !b.At.Equal(w.now()) || b.Memory == 0 || b.Version>>32 != w.epoch {
		t.Errorf("%+v", b)
	}
	// Not due yet: nothing happens.
	w.pass(14 * time.Minute)
	w.did(1, "buy", "carl")
	w.mustTurn()
	w.mustHave(1, "buyers", "anna", "bert")
	w.pass(40 * time.Minute)
	w.did(1, "buy", "anna")
	w.pass(10 * time.Minute) // bert's is more than an hour ago
	w.mustTurn()
	w.mustHave(1, "buyers", "anna", "carl")
	w.mustTell("+buyers carl", "-buyers bert")
	w.pass(2 * time.Hour)
	w.mustTurn()
	w.mustHave(1, "buyers")
	w.mustTell("-buyers anna", "-buyers carl")
	if b := w.last(1, "buyers"); b.Size != 0 || b.Left != 2 {
		t.Errorf("%+v", b)
	}
	// Only the last two builds have members left.
	if left := w.strings("SELECT toString(uniqExact(build)) FROM {db}.segment_members"); left[0] != "1" { // the last one is empty
		t.Errorf("members of %s builds are left", left)
	}
	if drafts := w.strings("SELECT toString(count()) FROM {db}.segment_changes WHERE distinct_id = ''"); drafts[0] != "0" {
		t.Errorf("%s drafts are left", drafts)
	}
	sizes, err := w.store.Sizes(w.ctx, 1, "buyers", 10)
	if err != nil || len(sizes) != 3 || sizes[0].Size != 0 || sizes[2].Size != 2 {
		t.Errorf("%+v %v", sizes, err)
	}
	w.onceOnly()
}

// Two members that become one, and one that is taken apart, have not entered or left.
func testIdentitiesChangeMembersSilently(w *world) {
	w.declare(1, buyers)
	w.did(1, "buy", "anna", "bert", "carl")
	w.is(1, "carl", "phone") // a member of two ids, one of which has bought
	w.did(1, "look", "phone")
	w.mustTurn()
	w.mustHave(1, "buyers", "anna", "bert", "carl")
	w.mustTell("+buyers anna", "+buyers bert", "+buyers carl")

	w.is(1, "anna", "bert")
	w.mustHave(1, "buyers", "anna", "carl") // at once
	w.pass(15 * time.Minute)
	w.mustTurn()
	w.mustHave(1, "buyers", "anna", "carl")
	w.mustTell()

	w.is(1, "bert", "bert")
	w.mustHave(1, "buyers", "anna", "bert", "carl")
	w.pass(15 * time.Minute)
	w.mustTurn()
	w.mustHave(1, "buyers", "anna", "bert", "carl")
	w.mustTell()

	// The half that has never bought was a member, and leaves by itself.
	w.is(1, "phone", "phone")
	w.mustHave(1, "buyers", "anna", "bert", "carl", "phone")
	w.pass(15 * time.Minute)
	w.mustTurn()
	w.mustHave(1, "buyers", "anna", "bert", "carl")
	w.mustTell("-buyers phone")

	// A member that becomes part of somebody who is none brings him in without a word, and is gone with him.
	w.is(1, "zoe", "anna", "bert")
	w.mustHave(1, "buyers", "zoe", "carl")
	w.pass(10 * time.Minute)
	w.mustTurn()
	w.mustTell()
	w.pass(time.Hour)
	w.exec("INSERT INTO {db}.identity_edges (project_id, a_h, b_h, kind, a, b) VALUES (1, " + fmt.Sprint(hash("zoe")) + ", " + fmt.Sprint(hash("anna")) + ", 'alias', 'zoe', 'anna')")
	w.mustTurn()
	w.mustHave(1, "buyers")
	w.mustTell("-buyers carl", "-buyers zoe")
	w.onceOnly()
}

// Somebody of whom no id is stored any longer cannot be told of, and that is said.
func testWhoHasNoID(w *world) {
	t := w.t
	w.declare(1, `{"name":"all","every":"15m","where":{"profile":{"field":"plan","op":"is","values":["pro"]}}}`)
	w.exec(fmt.Sprintf(`INSERT INTO {db}.profiles (project_id, person_h, distinct_id, props, version) VALUES (1, %d, 'anna', '{"plan":"pro"}', 1), (1, 7, '', '{"plan":"pro"}', 1)`, hash("anna")))
	w.mustTurn()
	w.mustTell("+all anna")
	b := w.last(1, "all")
	if b.State != Announced || b.Entered != 2 || b.Announced != 1 || !strings.Contains(b.Note, "1 of 2 changes were not announced") {
		t.Errorf("%+v", b)
	}
}

// Segments of segments are built in order, from what is read.
func testSegmentsOfSegments(w *world) {
	t := w.t
	w.declare(1,
		`{"name":"a_vips","where":{"all":[{"segment":"buyers"},{"segment":"callers"}]}}`,
		`{"name":"callers","every":"","announce":false,"where":{"did":{"event":"call"}}}`, buyers)
	w.did(1, "buy", "anna", "bert")
	w.did(1, "call", "bert", "carl")
	// callers is built on demand only.
	w.mustTurn()
	w.mustHave(1, "buyers", "anna", "bert")
	w.mustHave(1, "a_vips")
	if b := w.last(1, "a_vips"); b.State != Failed || !strings.Contains(b.Note, "it refers to callers, of which there is no build yet") {
		t.Errorf("%+v", b)
	}
	id, err := w.store.Request(w.ctx, 1, "callers")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := w.store.Request(w.ctx, 1, "callers"); err != nil || again != id {
		t.Error(again, err)
	}
	if _, err := w.store.Request(w.ctx, 1, "a_vips"); err != nil {
		t.Fatal(err)
	}
	w.mustTurn()
	w.mustHave(1, "callers", "bert", "carl")
	w.mustHave(1, "a_vips", "bert")
	w.mustTell("+buyers anna", "+buyers bert", "+a_vips bert")
	if b, ok, err := w.store.Build(w.ctx, 1, "callers", id); err != nil || !ok || b.State != Announced || b.Size != 2 || b.Announced != 0 {
		t.Errorf("%+v %v %v", b, ok, err)
	}
	if asked, err := (book{w.db}).asked(w.ctx); err != nil || len(asked) != 0 {
		t.Errorf("%+v %v", asked, err)
	}
}

// The process may end after any step: the next one makes the members right, and everybody is told of exactly once.
func testCrashAfterEachStep(w *world) {
	t := w.t
	w.cfg.SendBatch = 1
	w.declare(1, buyers)
	crash := errors.New("crash")
	w.did(1, "buy", "anna", "bert")
	w.mustTurn()
	w.mustTell("+buyers anna", "+buyers bert")
	gone := []string{"anna", "bert"}
	for _, s := range steps {
		w.pass(2 * time.Hour)
		come := []string{"of-" + string(s), "and-" + string(s)}
		w.did(1, "buy", come...)
		b := w.builder()
		b.at = func(at step) error {
			if at == s {
				return crash
			}
			return nil
		}
		if err := w.turn(b); !errors.Is(err, crash) {
			t.Fatalf("%s: %v", s, err)
		}
		w.mustTurn()
		w.mustHave(1, "buyers", come...)
		w.mustTell("+buyers "+come[0], "+buyers "+come[1], "-buyers "+gone[0], "-buyers "+gone[1])
		if n := w.strings("SELECT toString(count()) FROM {db}.segment_builds FINAL WHERE state NOT IN ('announced', 'failed')"); n[0] != "0" {
			t.Errorf("%s: %s builds have not ended", s, n)
		}
		gone = come
	}
	w.onceOnly()
	if n := w.strings("SELECT toString(count()) FROM {db}.segment_members WHERE build NOT IN (SELECT build FROM {db}.segment_builds FINAL WHERE state = 'announced' ORDER BY at DESC LIMIT 2)"); n[0] != "0" {
		t.Errorf("%s members of old builds are left", n)
	}
	w.door.mu.Lock()
	defer w.door.mu.Unlock()
	if want := 2 + 4*len(steps); len(w.door.times) != want {
		t.Errorf("%d events, want %d", len(w.door.times), want)
	}
}

// A build whose leaders end again and again is not begun again for ever.
func testBrokenOffAgainAndAgain(w *world) {
	t := w.t
	w.declare(1, `{"name":"callers","every":"","where":{"did":{"event":"call"}}}`)
	id, err := w.store.Request(w.ctx, 1, "callers")
	if err != nil {
		t.Fatal(err)
	}
	crash := errors.New("crash")
	tries := 0
	for range 6 {
		b := w.builder()
		b.at = func(step) error { tries++; return crash }
		if err := w.turn(b); err != nil && !errors.Is(err, crash) {
			t.Fatal(err)
		}
	}
	if b := w.last(1, "callers"); tries != mostBroken || b.State != Failed || !strings.Contains(b.Note, "3 times in turn") {
		t.Errorf("%d tries, %+v", tries, b)
	}
	first, _, err := w.store.Build(w.ctx, 1, "callers", id)
	if err != nil || !first.Replaced() {
		t.Errorf("%+v %v", first, err)
	}
}

// A leader that is none any longer does not switch.
func testStaleLeaderDoesNotSwitch(w *world) {
	t := w.t
	w.declare(1, buyers)
	w.did(1, "buy", "anna")
	stale := w.leader()
	b := w.builder()
	b.at = func(s step) error {
		if s == stepChanges {
			stale.fenced.Store(true)
			w.mustTurn()
		}
		return nil
	}
	x := b.newWork(stale)
	if err := errors.Join(x.takeOver(w.ctx), x.round(w.ctx)); !errors.Is(err, errFenced) {
		t.Errorf("%v", err)
	}
	w.mustHave(1, "buyers", "anna")
	w.mustTell("+buyers anna")
	// Had it asked a moment before it was fenced, its rows would lose nevertheless: the other leader has given the build up.
	if b := w.last(1, "buyers"); b.Version>>32 != stale.epoch+1 {
		t.Errorf("%+v", b)
	}
}

// Run builds by the clock, on demand, and goes on when the door is back.
func testRun(w *world) {
	t := w.t
	w.declare(1, buyers)
	w.did(1, "buy", "anna", "bert")
	w.cfg.SendBatch = 1
	w.door.fault = func(n int) (bool, int) {
		switch n {
		case 1, 2:
			return false, 503
		case 4:
			return true, 0 // taken, and nobody hears of it
		}
		return true, 200
	}
	ctx, cancel := context.WithCancel(w.ctx)
	ended := make(chan error, 1)
	b := w.builder()
	done := make(chan step, 1000)
	b.at = func(s step) error { done <- s; return nil }
	go func() { ended <- b.run(ctx, w.leader()) }()
	until := func(want step) {
		t.Helper()
		for {
			select {
			case s := <-done:
				if s == want {
					return
				}
			case err := <-ended:
				t.Fatal(err)
			case <-w.ctx.Done():
				t.Fatalf("no %s", want)
			}
		}
	}
	until(stepAnnounced)
	w.mustTell("+buyers anna", "+buyers bert")
	w.door.mu.Lock()
	if requests := w.door.requests; requests != 5 {
		t.Errorf("%d requests, want two refused, two taken and one again", requests)
	}
	w.door.mu.Unlock()
	w.did(1, "buy", "carl")
	if _, err := w.store.Request(w.ctx, 1, "buyers"); err != nil {
		t.Fatal(err)
	}
	until(stepAnnounced)
	w.mustTell("+buyers carl")
	w.pass(2 * time.Hour)
	until(stepAnnounced)
	w.mustTell("-buyers anna", "-buyers bert", "-buyers carl")
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// What a leader has sent and the sink has not stored yet is waited for by the next one.
func testNewLeaderWaitsForWhatWasSent(w *world) {
	t := w.t
	w.cfg.SendBatch, w.cfg.ResumeWait = 2, time.Minute
	w.declare(1, buyers)
	w.did(1, "buy", "a", "b", "c", "d", "e")
	crash := errors.New("crash")
	b := w.builder()
	b.at = func(s step) error {
		if s == stepSent {
			return crash
		}
		return nil
	}
	w.door.lag = true
	if err := w.turn(b); !errors.Is(err, crash) {
		t.Fatal(err)
	}
	sent := w.door.got
	if len(sent) != 2 {
		t.Fatalf("%d were sent", len(sent))
	}
	// It had noted the two.
	build := w.last(1, "buyers")
	build.Announced, build.Version = 2, build.Version+100
	if err := (book{w.db}).write(w.ctx, build); err != nil {
		t.Fatal(err)
	}
	w.door.lag = false
	turned := make(chan error, 1)
	go func() { turned <- w.turn(w.builder()) }()
	var rows []string
	for _, e := range sent {
		rows = append(rows, fmt.Sprintf("(1, '%s', parseDateTime64BestEffort('%s', 3, 'UTC'), '%s', '%s', '%s')", e.Event, e.TS, e.ID, e.DistinctID, e.CausationID))
	}
	w.exec("INSERT INTO {db}.events (project_id, event, ts, event_id, distinct_id, causation_id) VALUES " + strings.Join(rows, ", "))
	if err := <-turned; err != nil {
		t.Fatal(err)
	}
	w.mustTell("+buyers a", "+buyers b", "+buyers c", "+buyers d", "+buyers e")
	w.onceOnly()
	if b := w.last(1, "buyers"); b.State != Announced || b.Announced != 5 || b.Note != "" {
		t.Errorf("%+v", b)
	}
}
