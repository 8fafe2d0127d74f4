package exact

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// must plays a history without faults of its own to its end, and it must end exact.
func (w *world) must(t *testing.T, s script) {
	t.Helper()
	if calls, err := w.play(s); err != nil {
		t.Fatalf("%v\n%v", err, calls)
	}
}

// at is the number of the nth call of that name in a history without faults.
func at(make func() *world, call string, n int) int {
	calls, _ := make().play(script{}) // its end does not matter
	for i, c := range calls {
		if strings.HasSuffix(c, ":"+call) {
			if n--; n == 0 {
				return i
			}
		}
	}
	panic("BUG: no such call: " + call)
}

// announced is a world whose owner was killed between the intent of the second block and its first INSERT, and the intent.
func announced(t *testing.T) (*world, Intent) {
	t.Helper()
	w := twoMonths()
	o := w.newOwner()
	for n := 0; n < 2; {
		o.step(fine)
		if o.call == "commit" {
			n++
		}
	}
	o.step(fine)
	o.crash()
	in, err := ParseIntent(w.metadata)
	if err != nil || !in.Pending() || in.First != 5 || in.Last != 3 {
		t.Fatalf("%+v, %v", in, err)
	}
	return w, in
}

func TestParks(t *testing.T) {
	loaded := func(t *testing.T) *world {
		w := twoMonths()
		w.must(t, nil)
		return w
	}
	for name, c := range map[string]struct {
		make         func(t *testing.T) *world
		reason       string
		detail, cure string
		retry        bool
		table        int64
	}{
		"rows lost": {func(t *testing.T) *world {
			w := loaded(t)
			w.rows = slices.DeleteFunc(w.rows, func(r Row) bool { return r.Offset >= 3 })
			return w
		}, "rows_lost", "a row at offset 8 was stored, but the table's highest offset is 1", "`millrace sink rewind --topic events --partition 1 --to 2`", false, 1},
		"record is another": {func(t *testing.T) *world {
			w := loaded(t)
			w.records[8].id = 99
			return w
		}, "other_log", "the record at offset 8 does not make the row", "`millrace sink adopt --topic events`", false, 8},
		"record has no row": {func(t *testing.T) *world {
			w := loaded(t)
			w.records[8].kind = refused
			return w
		}, "other_log", "the record at offset 8 does not make the row", "`millrace sink adopt --topic events`", false, 8},
		"record is another, no intent": {func(t *testing.T) *world {
			w := loaded(t)
			w.committed, w.metadata, w.records[8].id = -1, "", 99
			return w
		}, "other_log", "the record at offset 8 does not make the row", "`millrace sink adopt --topic events`", false, 8},
		"topic is shorter than the offset": {func(t *testing.T) *world {
			w := loaded(t)
			w.records = w.records[:6]
			return w
		}, "other_log", "the topic ends at offset 6, but 9 is committed", "`millrace sink rewind --topic events --partition 1 --to 9`", false, 8},
		"topic is shorter than the announcement": {func(t *testing.T) *world {
			w, _ := announced(t)
			w.records = w.records[:6]
			return w
		}, "other_log", "blocks are announced up to 9", "`millrace sink adopt --topic events`", false, 3},
		"newer build": {func(t *testing.T) *world {
			w := loaded(t)
			w.metadata = "2|what may come"
			return w
		}, "newer_build", "version 2, this build knows 1", "run the build that wrote it", false, 8},
		"codec": {func(t *testing.T) *world {
			w, in := announced(t)
			in.Codec = 2
			w.metadata = in.String()
			return w
		}, "codec", "decoded by version 2 of the codec, this build has version 1", "run the build", false, 3},
		"hash": {func(t *testing.T) *world {
			w, in := announced(t)
			in.Hash++
			w.metadata = in.String()
			return w
		}, "intent_mismatch", "the records at offsets [5, 9) make 3 rows", "--to 5`", false, 3},
		"number of rows": {func(t *testing.T) *world {
			w, in := announced(t)
			in.Rows++
			w.metadata = in.String()
			return w
		}, "intent_mismatch", "but 4 rows with hash", "`millrace sink resume --topic events --partition 1`", false, 3},
		"trimmed": {func(t *testing.T) *world {
			w, _ := announced(t)
			w.start = 7
			return w
		}, "trimmed", "records at offsets [5, 7) are needed", "`millrace sink rewind --topic events --partition 1 --to 7`", false, 3},
		"view": {func(t *testing.T) *world {
			w := twoMonths()
			w.viewBroken = true
			return w
		}, "schema", "failed after 2 of its rows were stored, so a materialized view is the likely cause: a view failed", "`millrace sink resume", true, -1},
		"table": {func(t *testing.T) *world {
			w := twoMonths()
			w.tableBroken = true
			return w
		}, "schema", "failed: no such column", "mend it", true, -1},
		"nothing is taken": {func(t *testing.T) *world {
			return newWorld([]record{rec(poison, 1, january, 1), rec(poison, 2, january, 2), rec(poison, 3, january, 3)})
		}, "bad_rows", "it is not a row", "`millrace sink resume", true, -1},
		"staging": {func(t *testing.T) *world {
			w := setBack()
			w.stagingBroken = true
			return w
		}, "staging", "1 missing rows from offset 3 on could not be staged in 8 attempts: no such database", "staging database", true, 8},
		"attach": {func(t *testing.T) *world {
			w := setBack()
			w.attachBroken = true
			return w
		}, "not_mended", "1 rows too few and 0 too many, after it was mended 20 times; the last error: attach rows: no such staging table", "system.mutations", true, 8},
	} {
		t.Run(name, func(t *testing.T) {
			w := c.make(t)
			w.lowestLost = 2
			calls, err := w.play(script{})
			if len(w.parks) == 0 {
				t.Fatalf("it does not park: %v, %v", err, calls)
			}
			p := w.parks[0]
			if p.Reason != c.reason || !strings.Contains(p.Detail, c.detail) || !strings.Contains(p.Cure, c.cure) || p.Retry != c.retry || p.Table != c.table {
				t.Errorf("got %+v", p)
			}
			if goesOn := c.retry || c.reason == "rows_lost"; goesOn && err != nil && !strings.Contains(err.Error(), "view") {
				t.Errorf("it does not go on: %v", err)
			}
		})
	}
}

func TestUnknownErrorsParkAtLast(t *testing.T) {
	w, s := twoMonths(), script{}
	first := at(twoMonths, "insert", 1)
	for i := range maxAttempts {
		s[first+i] = failing(odd)
	}
	w.must(t, s)
	if len(w.parks) != 1 || w.parks[0].Reason != "unknown_error" || !strings.Contains(w.parks[0].Detail, "failed 8 times") {
		t.Errorf("got %+v", w.parks)
	}
	delete(s, first)
	w = twoMonths()
	for i := range 2 * maxAttempts {
		s[first+i] = failing(fail)
	}
	if w.must(t, s); len(w.parks) != 0 {
		t.Errorf("known errors park: %+v", w.parks)
	}
}

// More rows that the table does not take than an intent can name are kept, until people mend the table.
func TestIntentIsFull(t *testing.T) {
	var records []record
	for i := range 240 {
		k := good
		if i > 120 && i%2 == 1 {
			k = poison
		}
		records = append(records, record{k, byte(i + 1), january, int64(i)})
		records = append(records, slices.Repeat([]record{{kind: gap}}, 99)...)
	}
	w := newWorld(records)
	w.size = int64(len(records))
	w.keep = func(int) IDs { return IDs{Keep: 1000, Window: time.Hour} }
	w.must(t, nil)
	if !slices.ContainsFunc(w.parks, func(p Parked) bool { return p.Reason == "bad_rows" && strings.Contains(p.Detail, tooMany) }) {
		t.Errorf("got %+v", w.parks)
	}
}

// A rewind in the middle of a block forgets it, and the worker takes over anew.
func TestRewindInTheMiddleOfABlock(t *testing.T) {
	w := twoMonths()
	w.viewBroken, w.decision = true, Decision{Rewind: true, To: 0}
	for _, r := range w.records {
		w.audited[r.ts/hour] = true
	}
	w.must(t, nil)
	in, err := ParseIntent(w.metadata)
	if err != nil || in.Turn < 2 || w.steps[TakeoverStart] != 2 || w.steps[TakeoverBehind] != 1 {
		t.Errorf("%+v, %v, %v", in, err, w.steps)
	}
}

func TestRowsThatMayHaveExpired(t *testing.T) {
	w := twoMonths()
	w.must(t, nil)
	w.rows = nil
	w.ttl = 24*time.Hour + time.Duration(w.now-february-hour)*time.Millisecond // the row at Last is of february
	w.lowestLost = 0
	clear(w.view)
	_, _ = w.play(script{}) // its end has no rows
	if len(w.parks) != 0 {
		t.Errorf("rows that may have expired are said to be lost: %+v", w.parks)
	}
	w.ttl += 2 * time.Hour
	if _, _ = w.play(script{}); len(w.parks) != 1 || w.parks[0].Reason != "rows_lost" {
		t.Errorf("got %+v", w.parks)
	}
}

func TestTrimmedBehindTheCommit(t *testing.T) {
	w := twoMonths()
	w.must(t, nil)
	w.records = append(w.records, rec(good, 20, february, 20), rec(good, 21, february, 21), rec(good, 22, february, 22))
	w.start = 10
	calls, err := w.play(script{})
	if err == nil || w.fatal != "" || w.incidents != 1 || w.committed != 12 || len(w.parks) != 0 {
		t.Fatalf("%d incidents, committed %d, %v, %v", w.incidents, w.committed, err, calls)
	}
	if last := w.rows[len(w.rows)-1]; last.Offset != 11 || len(w.rows) != 8 {
		t.Errorf("rows: %v", w.rows)
	}
}

// Without any offset, or with those of another life of the topic, at most one block below the table's end is compared.
func TestNoOffsets(t *testing.T) {
	for name, change := range map[string]func(*world){
		"none":        func(w *world) { w.committed, w.metadata = -1, "" },
		"another log": func(w *world) { w.metadata = strings.Replace(w.metadata, "1|3|", "1|2|", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			var records []record
			for i := range 60 {
				records = append(records, rec(good, byte(i+1), january, int64(i)))
			}
			w := newWorld(records)
			w.must(t, nil)
			change(w)
			lostBy := func(r Row) bool { return r.Offset == 40 }
			w.rows = slices.DeleteFunc(w.rows, lostBy)
			w.audited[january/hour] = true
			w.restored = nil
			w.must(t, nil)
			if w.restored[0] != (restore{59 + 1 - 32, w.keep(1), -1}) {
				t.Errorf("ids restored by %+v", w.restored)
			}
		})
	}
}

// A block is decided again by the numbers that it was decided by, and the next by those configured.
func TestIDsOfTheIntent(t *testing.T) {
	w, in := announced(t)
	other := IDs{Keep: 7, Window: 2 * time.Hour}
	w.keep = func(int) IDs { return other }
	w.restored = nil
	w.must(t, nil)
	if want := []restore{{5, in.IDs, 14 - 2}, {9, other, 17}}; !slices.Equal(w.restored, want) {
		t.Errorf("ids restored by %+v, want %+v", w.restored, want)
	}
}

func TestState(t *testing.T) {
	w, in := announced(t)
	o := w.newOwner()
	defer o.crash()
	if s := o.m.State(); s.Offset != -1 {
		t.Errorf("before the takeover: %+v", s)
	}
	for o.call != "insert" {
		o.step(fine)
	}
	if s := o.m.State(); s != (State{Offset: 5, Next: 9, Last: 3, Turn: in.Turn}) {
		t.Errorf("with an announced block: %+v", s)
	}
	for !o.done {
		o.step(fine)
	}
	if s := o.m.State(); s != (State{Offset: 9, Next: 9, Last: 8, Turn: in.Turn}) {
		t.Errorf("at the end: %+v", s)
	}
}

// Rows that a table at which offsets are behind does not take are found and given up alone.
func TestBadRowsBehindTheTable(t *testing.T) {
	make := func(kinds ...kind) *world {
		var records []record
		for i, k := range kinds {
			records = append(records, rec(k, byte(i+1), january, int64(i)))
		}
		w := newWorld(append(records, rec(good, 100, january, 100)))
		w.store([]Row{{Offset: int64(len(kinds)), ID: rowID(100), TS: january}})
		w.committed = 0
		w.view[january/hour]++
		w.size = 100
		return w
	}
	w := make(good, poison)
	w.must(t, nil)
	if !w.quarantine[1] || w.steps[BisectQuarantine] != 1 || len(w.parks) != 0 {
		t.Errorf("quarantine %v, parked %+v", w.quarantine, w.parks)
	}
	w = make(poison, poison)
	w.must(t, nil)
	if len(w.parks) != 1 || w.parks[0].Reason != "bad_rows" || !strings.Contains(w.parks[0].Detail, "2 rows from offset 0 on") {
		t.Errorf("got %+v", w.parks)
	}
}

// An error of Pause or Park, or the end of the context, ends the owner there, and the next one finishes.
func TestGenerationEnds(t *testing.T) {
	for name, make := range histories {
		played := 0
		for i := range len(mustPlay(t, make())) {
			for _, e := range []event{revoke, cancel} {
				w := make()
				calls, err := w.play(script{i: e})
				if err != nil {
					t.Fatalf("%s: %d:%v: %v\n%v", name, i, e, err, calls)
				}
				played++
			}
		}
		if played < 10 {
			t.Errorf("%s: %d histories", name, played)
		}
	}
}

func mustPlay(t *testing.T, w *world) []string {
	calls, err := w.play(script{})
	if err != nil {
		t.Fatal(err)
	}
	return calls
}

// A Store that has nothing to insert announces nothing.
func TestBlockWithoutRowsIsOnlyConfirmed(t *testing.T) {
	w := newWorld([]record{rec(refused, 1, january, 1), rec(gap, 0, 0, 0), rec(refused, 2, january, 2)})
	w.must(t, nil)
	if w.steps[BeforeIntent] != 0 || w.steps[BeforeCommit] != 1 {
		t.Errorf("got %v", w.steps)
	}
}

// What was given up is in the intent, so that the next owner does not try it again.
func TestExcludedRowIsLeftOutByTheNextOwner(t *testing.T) {
	w := poisoned()
	w.must(t, script{at(poisoned, "quarantine", 1) + 2: crash})
	if w.steps[BisectQuarantine] != 1 || w.steps[TakeoverPending] != 1 {
		t.Errorf("got %v", w.steps)
	}
}

func TestStateWhileItWorks(t *testing.T) {
	w := twoMonths()
	o := w.newOwner()
	defer o.crash()
	stop, stopped := make(chan struct{}), make(chan struct{})
	var highest int64
	go func() {
		defer close(stopped)
		for {
			highest = max(highest, o.m.State().Offset)
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	for !o.done {
		o.step(fine)
	}
	close(stop)
	<-stopped
	if s := o.m.State(); s.Offset != w.end() || highest > w.end() {
		t.Errorf("got %+v, highest seen %d", s, highest)
	}
}
