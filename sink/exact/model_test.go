package exact

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// hostile draws a history: records, and what befalls the owners, the server, the group and the topic while they are loaded.
type hostile struct {
	t      *rapid.T
	w      *world
	active *owner
	frozen []*owner
	log    []string
	varies bool // generations look for repeats in different ways
}

func drawRecords(t *rapid.T, poisoned bool) []record {
	n := rapid.IntRange(3, 24).Draw(t, "records")
	kinds := []kind{good, good, good, good, good, good, refused, gap}
	if poisoned {
		kinds = append(kinds, poison)
	}
	all := make([]record, n)
	for i := range all {
		k := rapid.SampledFrom(kinds).Draw(t, "kind")
		r := record{kind: k, id: byte(i + 1), ts: rapid.SampledFrom([]int64{january, january, february, february + hour}).Draw(t, "ts"), received: int64(10 + i)}
		if rapid.IntRange(0, 3).Draw(t, "old") == 0 {
			r.received -= 3 // another shard's clock
		}
		// What repeats a row that is given up is given up with it: such ids are not repeated here.
		if k == good && i > 0 && rapid.IntRange(0, 3).Draw(t, "repeat") == 0 {
			if former := all[rapid.IntRange(0, i-1).Draw(t, "of")]; former.kind == good {
				r.id = former.id
			}
		}
		all[i] = r
	}
	return all
}

func (h *hostile) note(format string, args ...any) {
	h.log = append(h.log, fmt.Sprintf(format, args...))
}

func (h *hostile) stepOwner(o *owner, v verdict) {
	h.note("g%d:%s=%v", o.generation, o.call, v)
	o.step(v)
}

// replace lets another owner take over.
func (h *hostile) replace(frozen bool) {
	if frozen {
		h.note("freeze")
		h.frozen = append(h.frozen, h.active)
	} else {
		h.note("crash")
		h.active.crash()
	}
	h.active = h.w.newOwner()
}

// bury ends all that is older than the present owner.
func (h *hostile) bury() {
	for _, z := range h.frozen {
		z.crash()
	}
	h.frozen, h.w.flights, h.w.people = nil, nil, false
}

// act does one thing.
func (h *hostile) act() {
	w := h.w
	switch what := rapid.IntRange(0, 39).Draw(h.t, "what"); {
	case h.active.done:
		h.replace(false)
	case what < 22:
		for range rapid.IntRange(1, 6).Draw(h.t, "calls") {
			if !h.active.done {
				h.stepOwner(h.active, fine)
			}
		}
	case what < 27:
		v := verdict(rapid.IntRange(1, int(numVerdicts)-1).Draw(h.t, "verdict"))
		if v >= lost && h.active.call != "insert" {
			v = fail
		}
		h.stepOwner(h.active, v)
	case what == 27:
		h.replace(false)
	case what < 30:
		h.replace(true)
	case what < 34:
		if len(h.frozen) > 0 {
			z := rapid.SampledFrom(h.frozen).Draw(h.t, "zombie")
			if !z.done {
				h.stepOwner(z, rapid.SampledFrom([]verdict{fine, fine, fine, unknown}).Draw(h.t, "verdict"))
			}
		}
	case what == 34:
		if n := len(w.flights); n > 0 {
			h.note("arrive")
			w.land(rapid.IntRange(0, n-1).Draw(h.t, "flight"))
		}
	case what == 35:
		h.note("merge")
		w.merge()
	case what == 36:
		w.viewSaysBadRow = rapid.Bool().Draw(h.t, "bad row")
		w.viewBroken, w.tableBroken = rapid.Bool().Draw(h.t, "view"), rapid.IntRange(0, 2).Draw(h.t, "table") == 0
		h.note("break view %v, table %v", w.viewBroken, w.tableBroken)
	case what == 37:
		h.powerCut()
	case what == 38:
		h.setOffset()
	case what == 39:
		if w.committed > w.start && w.lowestLost < 0 {
			w.start = rapid.Int64Range(w.start, w.committed).Draw(h.t, "start")
			h.note("trim %d", w.start)
		}
	}
	if w.people {
		h.bury()
	}
}

// powerCut takes the newest rows away, with owner and server. The server keeps the tokens.
func (h *hostile) powerCut() {
	in, err := ParseIntent(h.w.metadata)
	if err != nil || in.Last < h.w.start {
		return
	}
	from := rapid.Int64Range(h.w.start, in.Last).Draw(h.t, "lost from")
	h.note("power cut from %d", from)
	h.reconcile()
	h.w.rows = slices.DeleteFunc(h.w.rows, func(r Row) bool { return r.Offset >= from })
	if h.w.lowestLost < 0 || from < h.w.lowestLost {
		h.w.lowestLost = from
	}
	h.bury()
	h.replace(false)
}

// reconcile is what people are told to do after a rewind: the block that was announced is forgotten, and so are its rollups.
func (h *hostile) reconcile() {
	for _, r := range h.w.records {
		h.w.audited[r.ts/hour] = true
	}
}

// setOffset is a tool that knows no intents and works only while no owner lives.
func (h *hostile) setOffset() {
	w := h.w
	if w.committed < 0 || w.lowestLost >= 0 || h.varies {
		return
	}
	h.active.crash()
	h.bury()
	w.committed, w.metadata = rapid.Int64Range(w.start, max(w.start, w.committed)).Draw(h.t, "offset"), ""
	if rapid.Bool().Draw(h.t, "none") {
		w.committed = -1
		w.start = 0
	}
	h.note("set offset %d", w.committed)
	h.reconcile()
	h.active = w.newOwner()
}

func TestModel(t *testing.T) {
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		n := "10000"
		if underRace {
			n = "500"
		}
		if err := checks.Value.Set(n); err != nil {
			t.Fatal(err)
		}
		defer checks.Value.Set(checks.DefValue) //nolint:errcheck // it is its default
	}
	steps, parked := map[Step]int{}, map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		mode := rapid.IntRange(0, 2).Draw(t, "mode")
		w := newWorld(drawRecords(t, mode == 1))
		h := &hostile{t: t, w: w, varies: mode == 2}
		switch mode {
		case 0:
			ids := IDs{Keep: rapid.IntRange(1, 6).Draw(t, "keep"), Window: 6e6} // milliseconds are the model's unit: 6
			w.keep = func(int) IDs { return ids }
		case 2:
			w.keep = func(generation int) IDs { return IDs{Keep: 1 + generation%4, Window: 6e6} }
		}
		h.active = w.newOwner()
		defer func() {
			h.active.crash()
			h.bury()
			for step, n := range w.steps {
				steps[step] += n
			}
			for reason, n := range w.parked {
				parked[reason] += n
			}
		}()
		for range rapid.IntRange(0, 60).Draw(t, "acts") {
			h.act()
		}
		h.quiet()
	})
	for _, step := range allSteps {
		if steps[step] == 0 && !underRace {
			t.Errorf("step %s was never reached", step)
		}
	}
	t.Log(steps, parked)
}

// quiet lets one owner finish, and then everything older, and looks at the end.
func (h *hostile) quiet() {
	w := h.w
	fail := func(err error) { h.t.Fatalf("%v\n%s\n%+v", err, strings.Join(h.log, " "), w.records) }
	h.note("quiet")
	w.heal()
	h.replace(false)
	for n := 0; !h.active.done; n++ {
		if n > maxCalls {
			fail(fmt.Errorf("no end"))
		}
		h.stepOwner(h.active, fine)
		if w.people {
			h.bury()
		}
	}
	if h.active.err != nil {
		fail(fmt.Errorf("the last owner: %w; %s", h.active.err, w.fatal))
	}
	if err := h.check(); err != nil {
		fail(err)
	}
	h.note("late")
	w.landAll()
	for _, z := range h.frozen {
		for n := 0; !z.done; n++ {
			if n > maxCalls {
				fail(fmt.Errorf("a zombie without end"))
			}
			h.stepOwner(z, fine)
		}
	}
	if err := h.check(); err != nil {
		fail(fmt.Errorf("after what came late: %w", err))
	}
}

func (h *hostile) check() error {
	if !h.varies {
		return h.w.check()
	}
	// Which repeat is one depends on who decided. But every id must be there, no offset twice, and each under its own id.
	w := h.w
	stored, offsets := map[byte]bool{}, map[int64]bool{}
	for _, row := range w.rows {
		if r := w.records[row.Offset]; offsets[row.Offset] || r.kind != good || rowID(r.id) != row.ID {
			return fmt.Errorf("the row at offset %d is not one of its record alone", row.Offset)
		}
		stored[row.ID[0]], offsets[row.Offset] = true, true
	}
	for offset, r := range w.records {
		if r.kind == good && !stored[r.id] {
			return fmt.Errorf("record %d has no row", offset)
		}
	}
	if w.fatal != "" || w.committed != w.end() {
		return fmt.Errorf("committed %d of %d; %s", w.committed, w.end(), w.fatal)
	}
	return w.checkView()
}
