package custom

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/schema/clickhouse"
)

// Metrics of each interval are built while events come in, changed, and found as they are declared.
func TestApplyUnderTraffic(t *testing.T) {
	w := newWorld(t)
	w.history(500)
	m := w.metrics()
	stop := w.traffic(0, 1, 2)
	sales := parseOne(t, salesYAML)
	var told []string
	if built, err := m.Apply(within(t), sales, func(p Progress) { told = append(told, p.Metric+" "+p.What) }); err != nil || !built {
		t.Fatal(built, err)
	}
	daily := parseOne(t, "  - {name: daily, project: 1, by: [event], uniques: [user], interval: day}")
	w.apply(m, daily)
	everything := parseOne(t, "  - {name: minutes, uniques: [user], interval: minute}")
	w.apply(m, everything)
	for _, d := range []Definition{sales, daily, everything} {
		if built, err := m.Apply(within(t), d, nil); err != nil || built {
			t.Errorf("%s, applied again: %v, %v", d.Name, built, err)
		}
	}
	dailyTruth := truth{counts: func(e event) bool { return e.project == 1 }, group: func(e event) string { return e.name }, period: daySpan}
	minuteTruth := truth{counts: func(event) bool { return true }, group: func(event) string { return "" }, period: minuteSpan}
	// Both the view and the back-fill have done their part.
	for _, metric := range []string{"sales", "daily", "minutes"} {
		table := "{db}." + w.build(metric).table()
		if w.number("SELECT count() FROM "+table+" WHERE _fill = 0") == 0 || w.number("SELECT count() FROM "+table+" WHERE _fill != 0") == 0 {
			t.Errorf("%s was filled from one side only", metric)
		}
	}
	stop()
	w.mustHaveSales()
	w.mustEqual("daily", "day", []string{"event"}, nil, dailyTruth)
	w.mustEqual("minutes", "minute", []string{"''"}, nil, minuteTruth)
	if text := strings.Join(told, "\n"); !strings.Contains(text, "sales waits for") || !strings.Contains(text, "sales back-fills 2026-") || !strings.Contains(text, "sales is complete") {
		t.Errorf("told:\n%s", text)
	}

	// Declared otherwise: the old numbers are read until the new ones are whole.
	stop = w.traffic(0, 1, 2)
	before := w.build("sales")
	changed := parseOne(t, strings.Replace(salesYAML, "[Buy, Refund]", "[Buy]", 1))
	changedTruth := salesTruth
	changedTruth.counts = func(e event) bool { return salesTruth.counts(e) && e.name == "Buy" }
	buys, all := uint64(len(w.lines(changedTruth))), uint64(len(w.lines(salesTruth)))
	m.step = func(s step) {
		if s == stepFilled {
			if n := w.number("SELECT count() FROM (SELECT 1 FROM {db}.metric_sales GROUP BY project_id, hour, country, plan, seat_count, trial)"); n < all || n <= buys {
				t.Errorf("%d keys are read before the new build is whole; the old one has %d", n, all)
			}
		}
	}
	w.apply(m, changed)
	stop()
	w.mustEqual("sales", "hour", []string{"country", "plan", "seat_count", "trial"}, []string{"revenue", "money"}, changedTruth)
	if after := w.build("sales"); after.build <= before.build {
		t.Errorf("build %d after build %d", after.build, before.build)
	}
	if left := w.leftovers(w.build("sales"), w.build("daily"), w.build("minutes")); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
	// What the sink demands of all tables that its inserts reach holds for these.
	if err := clickhouse.Assert(within(t), w.db); err != nil {
		t.Error(err)
	}
}

// A topic that does not grow gets a boundary without room, so nobody waits for events.
func TestApplyWithoutTraffic(t *testing.T) {
	w := newWorld(t)
	w.history(300)
	w.apply(w.metrics(), parseOne(t, salesYAML))
	w.mustHaveSales()
	b := w.build("sales")
	if b.build != 1 || fmt.Sprint(b.boundary.offsets) != "[300 300 300]" || b.boundary.log != w.log || b.daysDone != 3*daysOfPart || b.eventsDone == 0 || b.eventsDone != b.events {
		t.Errorf("%+v", b)
	}
	w.history(300)
	w.mustHaveSales()
	if n := w.number("SELECT count() FROM system.tables WHERE database = '{db}_staging' AND startsWith(name, 'metric_')"); n != 0 {
		t.Errorf("%d tables are left in staging", n)
	}
}

// Before anything was ever loaded all comes by the view.
func TestApplyToAnEmptySystem(t *testing.T) {
	w := newWorld(t)
	w.exec("TRUNCATE TABLE {db}.logs")
	w.apply(w.metrics(), parseOne(t, salesYAML))
	if b := w.build("sales"); b.boundary.log != 0 || len(b.boundary.offsets) != 0 {
		t.Errorf("%+v", b.boundary)
	}
	w.history(200)
	w.mustHaveSales()
}

// Traffic stops between the choice of the boundary and the boundary: it is chosen anew, without room.
func TestTrafficThatStops(t *testing.T) {
	w := newWorld(t)
	w.history(300)
	stop := w.traffic(0, 1)
	m := w.metrics()
	m.pace.lead = m.pace.lead * 1000 // so that the boundary is far away
	m.step = func(s step) {
		if s == stepWaiting {
			stop()
		}
	}
	w.apply(m, parseOne(t, salesYAML))
	w.mustHaveSales()
	b := w.build("sales")
	for p := range partitions {
		if b.boundary.of(p) != w.parts[p].produced {
			t.Errorf("boundary %v, partition %d ends at %d", b.boundary.offsets, p, w.parts[p].produced)
		}
	}
	if b.build < 2 {
		t.Error("the first build cannot have been waited for")
	}
	w.history(100)
	w.mustHaveSales()
	if left := w.leftovers(b); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

// A burst goes beyond the boundary before the view is there, so neither side would count some events.
func TestBurstBeyondTheBoundary(t *testing.T) {
	w := newWorld(t)
	w.history(300)
	m := w.metrics()
	bursts := 0
	m.step = func(s step) {
		if s == stepTable && bursts < 2 {
			bursts++
			if err := w.load(within(t), 1, 50); err != nil {
				t.Error(err)
			}
		}
	}
	w.apply(m, parseOne(t, salesYAML))
	w.mustHaveSales()
	if b := w.build("sales"); b.build < 3 || bursts != 2 {
		t.Errorf("build %d after %d bursts", b.build, bursts)
	}
	if left := w.leftovers(w.build("sales")); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
	// The control: with the boundary of the first build, whose view came too late, events would be missing.
	missed := boundary{log: w.log, offsets: []uint64{300, 300, 300}}
	if n := w.number("SELECT count() FROM {db}.events WHERE _partition = 1 AND " + missed.view() + " AND _offset < 400"); n != 100 {
		t.Errorf("%d events lay between the first boundary and the first view, want 100", n)
	}
	if _, ok := missed.within(ends{log: w.log, held: nil}); !ok {
		t.Error("no partition has grown, but the boundary is outrun")
	}
	// One that never stops is given up.
	m.pace.still, m.pace.sample, m.pace.anew = 50*time.Millisecond, 20*time.Millisecond, 5
	m.step = func(s step) {
		if s == stepTable {
			if err := w.load(within(t), 1, 50); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := m.Apply(within(t), parseOne(t, "  - {name: never, interval: day}"), nil); err == nil || !strings.Contains(err.Error(), "began anew 5 times") {
		t.Error(err)
	}
	if left := w.leftovers(w.build("sales")); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

// Events below the boundary that the sinks have not confirmed, some of them stored and some not, are waited for.
func TestApplyWaitsForTheSinks(t *testing.T) {
	w := newWorld(t)
	w.history(200)
	ctx := within(t)
	p := w.parts[2]
	if err := w.produce(ctx, 2, 100); err != nil {
		t.Fatal(err)
	}
	p.produced += 100
	if err := w.commit(ctx, 2, p.stored, p.produced); err != nil {
		t.Fatal(err)
	}
	m := w.metrics()
	var once sync.Once
	stored := false
	built, err := m.Apply(ctx, parseOne(t, salesYAML), func(told Progress) {
		if strings.Contains(told.What, "waits for the sinks, of which one must run: partition 2: the sinks have confirmed offset 200, 300 is waited for, the topic ends at 300") {
			once.Do(func() {
				stored = true
				if err := w.load(ctx, 2, 0); err != nil {
					t.Error(err)
				}
			})
		}
		if strings.Contains(told.What, "back-fills") && !stored {
			t.Error("back-filled before the sinks had stored everything")
		}
	})
	if err != nil || !built || !stored {
		t.Fatal(built, stored, err)
	}
	w.mustHaveSales()
}

// The end of ctx at any step leaves what the next Apply goes on with, by another process, and whatever was in between. Each kind of outcome is tried always, each step in a long run.
func TestApplyGoesOnAfterAnyStep(t *testing.T) {
	w := newWorld(t)
	w.history(200)
	stop := w.traffic(0)
	steps := []step{stepTable, stepWaiting, stepPiece, stepReadable}
	if long() {
		steps = []step{stepChosen, stepTable, stepView, stepWaiting, stepFilling, stepPiece, stepFilled, stepReadable}
	}
	for _, at := range steps {
		m := w.metrics()
		ctx, cancel := context.WithCancel(within(t))
		var reached record
		m.step = func(s step) {
			if s == at && ctx.Err() == nil {
				all, err := newBook(w.db).records(within(t), "sales")
				if err != nil {
					t.Error(err)
				}
				reached = all[len(all)-1]
				cancel()
			}
		}
		if _, err := m.Apply(ctx, parseOne(t, salesYAML), nil); !errors.Is(err, context.Canceled) {
			t.Fatalf("%s: %v", at, err)
		}
		if at != stepReadable && w.number("SELECT count() FROM system.tables WHERE database = '{db}' AND name = 'metric_sales'") != 0 {
			t.Errorf("%s: it can be read", at)
		}
		m.step = func(step) {}
		if built, err := w.metrics().Apply(within(t), parseOne(t, salesYAML), nil); err != nil || built != (at != stepReadable) {
			t.Fatalf("%s: then %v, %v", at, built, err)
		}
		b := w.build("sales")
		if resumed := b.build == reached.build; resumed != (at != stepChosen && at != stepTable && at != stepView) {
			t.Errorf("%s: build %d after build %d", at, b.build, reached.build)
		}
		if left := w.leftovers(b); len(left) != 0 {
			t.Errorf("%s: left over: %v", at, left)
		}
		if at == stepPiece || at == stepReadable {
			stop()
			w.mustHaveSales()
			stop = w.traffic(0)
		}
		if err := w.metrics().Drop(within(t), "sales"); err != nil {
			t.Fatal(err)
		}
		if left := w.leftovers(); len(left) != 0 {
			t.Errorf("after Drop: %v", left)
		}
	}
	stop()
}

// Of two that apply the same, the later one goes on, and the other one stops without having done harm.
func TestTwoApply(t *testing.T) {
	w := newWorld(t)
	w.history(300)
	first, second := w.metrics(), w.metrics()
	pieces := 0
	first.step = func(s step) {
		if pieces++; s == stepPiece && pieces > 0 {
			pieces = -1000
			w.apply(second, parseOne(t, salesYAML))
		}
	}
	if _, err := first.Apply(within(t), parseOne(t, salesYAML), nil); !errors.Is(err, ErrTaken) {
		t.Errorf("the first one: %v", err)
	}
	w.mustHaveSales()
	// A build that was dropped meanwhile is not made readable.
	third := w.metrics()
	third.step = func(s step) {
		if s == stepFilled {
			if err := second.Drop(within(t), "other"); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := third.Apply(within(t), parseOne(t, "  - {name: other, interval: day}"), nil); err == nil {
		t.Error("a metric was made of a build that was dropped")
	}
	if left := w.leftovers(w.build("sales")); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

// The topic is made anew while a build waits for it: what it waits for will not come.
func TestAnotherLifeOfTheTopic(t *testing.T) {
	w := newWorld(t)
	w.history(200)
	m := w.metrics()
	stop := w.traffic(0)
	m.pace.lead *= 1000
	m.step = func(s step) {
		if s != stepWaiting {
			return
		}
		m.step = func(step) {}
		stop()
		md, err := w.client.Metadata(within(t))
		if err != nil {
			t.Error(err)
			return
		}
		l, err := clickhouse.AdoptLog(within(t), w.db, md.ClusterID, "events", partitions)
		if err != nil {
			t.Error(err)
		}
		// As if its first records were at these offsets; the rows of the former life stay.
		w.log = l.Number
	}
	w.apply(m, parseOne(t, salesYAML))
	b := w.build("sales")
	if b.boundary.log != w.log || b.build < 2 {
		t.Errorf("build %d of log %d, want log %d", b.build, b.boundary.log, w.log)
	}
	w.history(100)
	w.mustHaveSales()
	// The topic is the former one again: its log has a lower number than the build counts from.
	w.exec("ALTER TABLE {db}.metrics UPDATE log = log + 1 WHERE name = 'sales'")
	if d, err := m.Apply(within(t), parseOne(t, salesYAML), nil); err != nil || !d {
		t.Error(d, err)
	}
	w.mustHaveSales()
}
